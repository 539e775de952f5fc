//! What holds of the whole crate, and what its tests share.

mod properties;
pub(crate) mod support;
