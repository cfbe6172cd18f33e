#![doc = include_str!("../README.md")]
//! # Where to look
//!
//! [`PlatformSet`] says which platforms are wanted, [`select`] which children of an index those are, [`judge`] what becomes of an
//! image that lacks some (of a single image: [`config_platform`] and [`judge_single`]), and [`filter_index`] cuts an index down.
//! [`ImagePattern`] chooses images by name, and [`Renaming`] gives them new ones.

mod filter;
mod judge;
mod pattern;
mod platform;
mod rename;
mod select;

pub use filter::{FilterError, Keep, filter_index};
pub use judge::{Decision, Mode, Shortfall, Single, judge, judge_single};
pub use pattern::{ImagePattern, PatternError, Position};
pub use platform::{PlatformPattern, PlatformSet, config_platform};
pub use rename::{RenameError, RenamedError, Renaming};
pub use select::{Selection, select, select_with};
/// The crate whose types stand in this one's signatures.
pub use transload_reference as reference;
