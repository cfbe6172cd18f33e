#![doc = include_str!("../README.md")]
#![allow(dead_code, reason = "no registry is served yet")]

mod access;
mod error;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod server;
#[cfg(test)]
mod tests;
mod tls;

pub use error::Error;
pub use server::{Handle, Options, Server};
pub use tls::TlsFiles;
