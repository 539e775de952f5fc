//! Where policies come from. A source reads the whole of what it holds, or says why it cannot.

mod folder;
pub(crate) mod kubernetes;
mod watched;

pub(crate) use watched::WatchedFolder;
