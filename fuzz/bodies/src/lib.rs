//! What must hold for whatever bytes a peer sends: a body for each parser, which panics when a property does not hold.
//!
//! Two programs feed them. The test beside this file runs every kept input and its mutations in each `make test`;
//! `make fuzz` runs libFuzzer over them (`fuzz/fuzz_targets`). Which inputs are correct, and what the standards say of
//! them, is the corpus of `tests/tests/conformance`.

mod bundle;
mod certificate;
mod chain;
mod hello;
mod name;
mod token;

pub use bundle::{bundle, bundle_map};
pub use certificate::certificate;
pub use chain::chain;
pub use hello::hello;
pub use name::spiffe_id;
pub use token::token;

/// A body. It answers whether the input was accepted: a test that only ever sees refusals proves little.
pub type Body = fn(&[u8]) -> bool;

/// Every body by the name of its target, which is also the folder of its inputs.
pub const BODIES: &[(&str, Body)] = &[
    ("bundle", bundle),
    ("bundle_map", bundle_map),
    ("certificate", certificate),
    ("chain", chain),
    ("hello", hello),
    ("spiffe_id", spiffe_id),
    ("token", token),
];
