//! What the guides show is run as it stands there, and what they say comes out comes out.

mod bundles;
mod cookbook;
mod harbor;
pub mod page;
mod picture;
mod tutorial;
mod world;
