//! Where policies come from. A source reads the whole of what it holds, or says why it cannot.

mod folder;
mod watched;

pub(crate) use watched::WatchedFolder;
