//! The one integration test binary: the program, run as its users run it, against scripted and real registries.

mod archives;
mod bench;
mod bundles;
mod care;
mod content;
mod engines;
mod examples;
mod faults;
mod guides;
mod hostile;
mod hosts;
mod inside;
mod interfaces;
mod locking;
mod messages;
mod registries;
mod reports;
mod schemas;
mod serve;
mod terminal;
mod unkillable;
