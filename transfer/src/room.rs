//! Whether what is planned fits on the destination's filesystem: an image that doesn't is refused before any of its bytes move.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bytes::Bytes;
use super::fault::{Fault, Side};

/// The bytes that are planned for one filesystem and not yet written, whichever directories they go to.
#[derive(Debug, Default)]
pub(crate) struct Room {
    owed: Mutex<u64>,
}

/// Too little room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Short {
    /// The bytes that are free.
    pub free: u64,
    /// Those of them that images before this one need, in all directories of the filesystem.
    pub owed: u64,
}

impl Short {
    /// What it means for an image that needs so many bytes.
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

impl Room {
    /// Sets bytes aside, if so many are free besides those that are set aside already. `free` looks.
    pub fn reserve(&self, bytes: u64, free: impl FnOnce() -> Option<u64>) -> Result<(), Short> {
        let mut owed = self.lock();
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
        let mut owed = self.lock();
        *owed = owed.saturating_sub(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One blob's part of what was set aside. What of it isn't written goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Berth {
    room: Arc<Room>,
    left: Mutex<u64>,
}

impl Berth {
    /// A part of what [`Room::reserve`] set aside.
    pub fn new(room: &Arc<Room>, bytes: u64) -> Berth {
        Berth {
            room: Arc::clone(room),
            left: Mutex::new(bytes),
        }
    }

    /// So many bytes of the blob are still to be written.
    pub fn shrink_to(&self, bytes: u64) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let written = left.saturating_sub(bytes);
        *left -= written;
        self.room.give_back(written);
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_set_aside_until_they_are_written_or_given_up() {
        let room = Arc::new(Room::default());
        room.reserve(60, || Some(100)).unwrap();
        let (first, second) = (Berth::new(&room, 40), Berth::new(&room, 20));
        assert_eq!(room.reserve(41, || Some(100)), Err(Short { free: 100, owed: 60 }));
        assert_eq!(room.reserve(40, || Some(100)), Ok(()));
        // 30 of the first one's are on the disk, which has as many fewer free.
        first.shrink_to(10);
        assert_eq!(room.reserve(1, || Some(70)), Err(Short { free: 70, owed: 70 }));
        drop(second);
        assert_eq!(room.reserve(20, || Some(70)), Ok(()));
        first.shrink_to(40);
        assert_eq!(
            room.reserve(1, || Some(70)),
            Err(Short { free: 70, owed: 70 }),
            "what was written stays so"
        );
    }

    #[test]
    fn where_nothing_is_known_or_nothing_needed_everything_fits() {
        let room = Room::default();
        assert_eq!(room.reserve(u64::MAX, || None), Ok(()));
        assert_eq!(room.reserve(0, || Some(0)), Ok(()));
    }
}
