//! What an earlier run left to do.

use std::collections::{BTreeMap, BTreeSet};

/// What an earlier run of the same task did and left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The images that it didn't bring, as they were written, and where each was to go.
    pub open: BTreeMap<String, BTreeSet<String>>,
    /// The images that it brought, at least to one place.
    pub done: BTreeSet<String>,
    /// Whether images that it didn't know belong to the rest: its source is filled by an earlier task, which may bring more now.
    pub takes_others: bool,
}

impl Earlier {
    /// Whether an image is still to be brought.
    pub fn leaves(&self, image: &str) -> bool {
        self.open.contains_key(image) || (self.takes_others && !self.done.contains(image))
    }
}
