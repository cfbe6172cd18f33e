//! Test support: a scripted registry with faults, real registries, image builders.

mod http;
pub mod image;
pub mod kubekey;
mod process;
mod push;
pub mod real;
pub mod scripted;

pub use process::{Output, Running, Transload};
pub use push::push_plain;
pub use real::RealRegistry;
pub use scripted::ScriptedRegistry;
