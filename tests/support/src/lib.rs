//! Test support: a scripted registry with faults, real registries, image builders.

mod process;

pub use process::{Output, Running, Transload};
