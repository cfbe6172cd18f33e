//! Looking after a store: whether it is whole ([`Checkup`]), fetching again what isn't ([`Mender`]), and which images stay when it is
//! pruned ([`Keep`]; [`transload_layout_store::Exclusive`] removes the rest).

mod archive;
mod keep;
mod read;
mod repair;
mod trust;
mod verify;

pub use archive::check;
pub use keep::{Keep, Kept};
pub use repair::{Mender, Report, repair};
pub use trust::{TrustedImage, check_trust};
pub use verify::{Checkup, Finding, Health, LeftOut, Look, Thing};
