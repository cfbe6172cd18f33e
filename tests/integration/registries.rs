//! Every direction through every shape of a real registry, with skopeo as the judge.
//!
//! Where a registry has to do something unusual, or every request has to be seen, a scripted one takes its place.

mod again;
mod credentials;
mod destinations;
mod directions;
pub(crate) mod help;
mod judge;
mod large;
mod names;
mod parts;
mod projects;
mod protocol;
mod referrers;
mod refusals;
mod refused_projects;
mod shards;
mod sharing;
mod signatures;
mod streaming;
mod tokens;
mod trust;
mod width;
