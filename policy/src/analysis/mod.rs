//! The engine asked for its reasons. Owns what is only wanted after a denial, or offline; every answer is made
//! of the same matches that decide.

mod describe;
pub mod explain;
mod nearest_miss;
pub mod suggest;

pub(crate) use nearest_miss::nearest_miss;
