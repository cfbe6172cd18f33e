//! What is in a directory or a registry: lists ([`Inventory`]), single images ([`ImageTree`]), differences ([`Comparison`]).
//!
//! Nothing here writes or prints.

mod compare;
mod contents;
mod extra;
mod parts;
mod tree;

pub use compare::{Comparison, Differing, Gap, Lack, Trouble, compare_places, compare_with_registry};
pub use contents::{Entry, Inventory, list, names};
pub use parts::Parts;
pub use tree::{Content, ImageTree, Node, image_tree};
