//! Test support: a scripted registry with faults, real registries, image builders.

pub mod image;
mod process;

pub use process::{Output, Running, Transload};
