//! Commands that copy nothing: inspecting and maintaining directories and registries, finding images, credentials, and what the
//! program says of itself.

mod check;
mod diff;
mod host;
mod images;
mod init;
mod inspect;
mod inventory;
mod list;
mod login;
mod logout;
mod pages;
mod prompt;
mod prune;
mod report;
mod serve;
mod verify;
mod verify_bundle;
mod verify_receipt;

pub(crate) use check::check;
pub(crate) use diff::diff;
pub(crate) use images::images;
pub(crate) use init::init;
pub(crate) use inspect::inspect;
pub(crate) use inventory::inventory;
pub(crate) use list::list;
pub(crate) use login::login;
pub(crate) use logout::logout;
pub(crate) use pages::{completions, man, version};
pub(crate) use prune::prune;
pub(crate) use report::report;
pub(crate) use serve::serve;
pub(crate) use verify::verify;
