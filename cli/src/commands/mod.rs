//! Commands that move nothing between places: looking after a directory.

mod prune;
mod verify;

pub(crate) use prune::prune;
pub(crate) use verify::verify;
