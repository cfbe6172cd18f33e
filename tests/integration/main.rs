//! The one integration test binary: the program, run as its users run it, against scripted and real registries.

mod bench;
mod care;
mod content;
mod documentation;
mod faults;
mod hostile;
mod hosts;
mod inside;
mod messages;
mod registries;
mod unkillable;
