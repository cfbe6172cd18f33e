//! What is in a directory or a registry: lists ([`Stock`]), single images ([`Picture`]), differences ([`Comparison`]).
//!
//! Nothing here writes or prints.

mod compare;
mod extra;
mod parts;
mod picture;
mod stock;

pub use compare::{Comparison, Differing, Gap, Lack, Trouble, compare_stores, compare_with_registry};
pub use parts::Parts;
pub use parts::plain;
pub use picture::{Content, Node, Picture, picture};
pub use stock::{Entry, Stock, names, stock};
