//! Commands that move nothing between places: looking after a directory, a task file to begin with.

mod init;
mod prune;
mod verify;

pub(crate) use init::init;
pub(crate) use prune::prune;
pub(crate) use verify::verify;
