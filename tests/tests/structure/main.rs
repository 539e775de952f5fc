//! The shape of the workspace, as tests: which crate may use which, whose code is linked, and that every file is
//! part of something. What the compiler and clippy can hold they hold; this holds the rest.

mod arrows;
mod files;
mod graph;
mod licences;
mod manifests;
mod modules;
