//! The one integration test binary: the program, run as its users run it, against scripted and real registries.

mod bench;
mod content;
mod documentation;
mod messages;
mod registries;
mod unkillable;
