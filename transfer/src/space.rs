//! Reserves space on the destination's filesystem. An image that doesn't fit is refused before any of its bytes move.

use std::sync::{Arc, Mutex};

use super::bytes::Bytes;
use super::fault::{Fault, Side};
use crate::lock::lock;

/// The bytes reserved on one filesystem and not yet written, in all directories.
#[derive(Debug, Default)]
pub(crate) struct Space {
    owed: Mutex<u64>,
}

/// There is too little space.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Short {
    /// The free bytes.
    pub free: u64,
    /// The bytes of them that are reserved for earlier images.
    pub owed: u64,
}

impl Short {
    /// Returns the fault of an image that needs this many bytes.
    pub fn fault(&self, needed: u64) -> Fault {
        let owed = match self.owed {
            0 => String::new(),
            owed => format!(", of which other images of this run need {}", Bytes(owed)),
        };
        let (needed, free) = (Bytes(needed), Bytes(self.free));
        let message = format!("the disk is too full: the image needs {needed}, and {free} are free{owed}");
        Fault::refused(Some(Side::Destination), message)
            .with_hint("make room or choose another directory, and run the same command again; fewer platforms need less")
    }
}

impl Space {
    /// Reserves bytes, if that many are free beside the reserved ones. `free` returns the free bytes, if they are known.
    pub fn reserve(&self, bytes: u64, free: impl FnOnce() -> Option<u64>) -> Result<(), Short> {
        let mut owed = lock(&self.owed);
        if bytes > 0
            && let Some(free) = free()
            && owed.saturating_add(bytes) > free
        {
            return Err(Short { free, owed: *owed });
        }
        *owed = owed.saturating_add(bytes);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        let mut owed = lock(&self.owed);
        *owed = owed.saturating_sub(bytes);
    }
}

/// The bytes reserved for one blob. Dropping it releases those that weren't written.
#[derive(Debug)]
pub(crate) struct SpaceReservation {
    space: Arc<Space>,
    left: Mutex<u64>,
}

impl SpaceReservation {
    /// Returns a part of the bytes that [`Space::reserve`] reserved.
    pub fn new(space: &Arc<Space>, bytes: u64) -> SpaceReservation {
        SpaceReservation {
            space: Arc::clone(space),
            left: Mutex::new(bytes),
        }
    }

    /// So many bytes of the blob are still to be written.
    pub fn shrink_to(&self, bytes: u64) {
        let mut left = lock(&self.left);
        let written = left.saturating_sub(bytes);
        *left -= written;
        self.space.give_back(written);
    }
}

impl Drop for SpaceReservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_set_aside_until_they_are_written_or_given_up() {
        let space = Arc::new(Space::default());
        space.reserve(60, || Some(100)).unwrap();
        let (first, second) = (
            SpaceReservation::new(&space, 40),
            SpaceReservation::new(&space, 20),
        );
        assert_eq!(
            space.reserve(41, || Some(100)),
            Err(Short { free: 100, owed: 60 })
        );
        assert_eq!(space.reserve(40, || Some(100)), Ok(()));
        // 30 of the first one's are on the disk, which has as many fewer free.
        first.shrink_to(10);
        assert_eq!(space.reserve(1, || Some(70)), Err(Short { free: 70, owed: 70 }));
        drop(second);
        assert_eq!(space.reserve(20, || Some(70)), Ok(()));
        first.shrink_to(40);
        assert_eq!(
            space.reserve(1, || Some(70)),
            Err(Short { free: 70, owed: 70 }),
            "what was written stays so"
        );
    }

    #[test]
    fn where_nothing_is_known_or_nothing_needed_everything_fits() {
        let space = Space::default();
        assert_eq!(space.reserve(u64::MAX, || None), Ok(()));
        assert_eq!(space.reserve(0, || Some(0)), Ok(()));
    }
}
