//! Where the world comes from: policies from a folder; from a cluster all that is known of it. A source reads the whole of
//! what it holds, or says why it cannot.

mod folder;
pub(crate) mod kubernetes;
mod watched;

pub(crate) use watched::WatchedFolder;
