//! Looking into directories and registries: `list`, `inspect`, `diff`.
//!
//! Every screen is compared whole, with snapshots.

mod diff;
mod inspect;
mod list;

use crate::messages::{Scene, assert_said, store_with};
