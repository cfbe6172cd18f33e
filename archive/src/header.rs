//! Headers of the entries that are written: the same for the same name and size, and readable by every tar.

use tar::{EntryType, Header};

use crate::entries::BLOCK;

/// The longest name that a header holds itself.
const LONGEST: usize = 100;

/// The bytes before an entry's content: its header, and before that one of a long name (GNU's, which older programs read too).
pub(crate) fn of(name: &str, size: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length(name) as usize);
    if name.len() > LONGEST {
        let terminated = name.len() as u64 + 1;
        bytes.extend(block("././@LongLink", EntryType::GNULongName, terminated).as_bytes());
        bytes.extend(name.as_bytes());
        bytes.resize((BLOCK + terminated.next_multiple_of(BLOCK)) as usize, 0);
    }
    bytes.extend(block(name, EntryType::Regular, size).as_bytes());
    bytes
}

/// How many bytes [`of`] gives.
pub(crate) fn length(name: &str) -> u64 {
    if name.len() > LONGEST {
        BLOCK + (name.len() as u64 + 1).next_multiple_of(BLOCK) + BLOCK
    } else {
        BLOCK
    }
}

fn block(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    let short = &name.as_bytes()[..name.len().min(LONGEST)];
    header.as_old_mut().name[..short.len()].copy_from_slice(short);
    header.set_entry_type(kind);
    // Beyond 8 GiB it is a binary number, which GNU tar, busybox and Go read.
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    header
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::entries::{Entries, Extent};
    use crate::read_at::ReadAt;

    /// These bytes, and zeros behind them.
    struct Padded(Vec<u8>);

    impl ReadAt for Padded {
        fn fill_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
            buffer.fill(0);
            let count = buffer.len().min(self.0.len() - from);
            buffer[..count].copy_from_slice(&self.0[from..from + count]);
            Ok(())
        }
    }

    #[test]
    fn sizes_beyond_8_gib_and_names_beyond_100_bytes_are_read_back() {
        for name in [
            "short".to_owned(),
            "x".repeat(100),
            "x".repeat(101),
            "x".repeat(511),
            "x".repeat(512),
        ] {
            for size in [0, 1, (8 << 30) - 1, 8 << 30, 1 << 50] {
                let header = of(&name, size);
                assert_eq!(header.len() as u64, length(&name));
                let offset = length(&name);
                let tar_size = (offset + size).next_multiple_of(BLOCK) + BLOCK;
                let mut entries = Entries::default();
                entries.scan(&Padded(header), tar_size).unwrap();
                assert_eq!(
                    entries.find(&name).unwrap(),
                    Some(Extent { offset, size }),
                    "{name} {size}"
                );
            }
        }
    }
}
