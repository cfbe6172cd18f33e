//! Commands that move nothing between places: looking into directories and registries, looking after them, credentials, a
//! task file to begin with.

mod check;
mod diff;
mod host;
mod init;
mod inspect;
mod inventory;
mod list;
mod login;
mod logout;
mod prompt;
mod prune;
mod serve;
mod verify;
mod verify_bundle;

pub(crate) use check::check;
pub(crate) use diff::diff;
pub(crate) use init::init;
pub(crate) use inspect::inspect;
pub(crate) use inventory::inventory;
pub(crate) use list::list;
pub(crate) use login::login;
pub(crate) use logout::logout;
pub(crate) use prune::prune;
pub(crate) use serve::serve;
pub(crate) use verify::verify;
