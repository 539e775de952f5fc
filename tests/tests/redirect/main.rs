//! The redirect of a pod, in network namespaces of this test's own: what the kernel does with connections once the
//! rules are in force, and how the step that writes them behaves. Needs root and nftables, and fails without: a
//! redirect that was not tried is none. Not part of `make test`.

mod connections;
mod ground;
mod step;
