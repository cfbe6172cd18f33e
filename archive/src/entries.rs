//! The header pass: where each entry of a tar begins and how long it is ([POSIX, "pax Interchange Format"], [GNU tar, "Basic Tar Format"]).
//! Nothing is unpacked. Archives come from strangers: an entry that no archive of images has is refused by its name.
//!
//! [POSIX, "pax Interchange Format"]: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
//! [GNU tar, "Basic Tar Format"]: https://www.gnu.org/software/tar/manual/html_node/Standard.html

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::io;
use std::path::Path;

use tar::Header;

use crate::Error;
use crate::names::{self, Target};
use crate::pax;
use crate::read_at::ReadAt;

/// The unit of a tar, in bytes.
pub(crate) const BLOCK: u64 = 512;

/// The most entries that are read. Large archives of hundreds of images have some thousands.
const MOST_ENTRIES: usize = 250_000;
/// The most bytes that all names and links may have.
const MOST_NAME_BYTES: usize = 32 << 20;
/// The most bytes of a long name or of an entry's pax header.
const LONGEST_EXTENSION: u64 = 1 << 20;
/// How many links lead to a file at most.
const MOST_LINKS: usize = 40;
/// How many of the first names are kept for messages.
const FIRST: usize = 3;

/// Where an entry's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Extent {
    /// Where they begin in the tar.
    pub offset: u64,
    /// How many they are.
    pub size: u64,
}

/// What is wrong with a tar.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// It can't be read.
    Io(io::Error),
    /// The whole.
    Whole(String),
    /// One entry.
    Entry(String, String),
}

impl Flaw {
    pub fn entry(name: &str, reason: impl Into<String>) -> Flaw {
        Flaw::Entry(name.to_owned(), reason.into())
    }

    pub fn at(self, path: &Path) -> Error {
        match self {
            Flaw::Io(error) => Error::io("reading", path)(error),
            Flaw::Whole(reason) => Error::damaged(path, reason),
            Flaw::Entry(name, reason) => Error::entry(path, &name, reason),
        }
    }
}

/// The files and links of a tar by their names, which have no `.`, `..` or empty components.
#[derive(Debug)]
pub(crate) struct Entries {
    map: HashMap<Box<str>, Entry>,
    first: Vec<String>,
    count: usize,
    most: usize,
    name_bytes: usize,
}

#[derive(Debug)]
enum Entry {
    File(Extent),
    /// A link, with its target's name.
    Link(Box<str>),
}

/// What extension headers say of the entry that follows them.
#[derive(Debug, Default)]
struct Pending {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    has_pax: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && !self.has_pax
    }

    fn set(slot: &mut Option<String>, value: String) -> Result<(), Flaw> {
        match slot.replace(value) {
            None => Ok(()),
            Some(first) => Err(Flaw::entry(&first, "has a second long name")),
        }
    }

    /// Takes what a pax header of one entry says.
    fn take(&mut self, pax: pax::Records) -> Result<(), Flaw> {
        if self.has_pax {
            return Err(Flaw::Whole("it has two pax headers for one entry".to_owned()));
        }
        self.has_pax = true;
        self.size = pax.size;
        if let Some(path) = pax.path {
            Pending::set(&mut self.name, path)?;
        }
        match pax.link {
            Some(link) => Pending::set(&mut self.link, link),
            None => Ok(()),
        }
    }
}

impl Default for Entries {
    fn default() -> Entries {
        Entries::at_most(MOST_ENTRIES)
    }
}

impl Entries {
    /// Creates an empty list that takes at most this many entries.
    fn at_most(most: usize) -> Entries {
        Entries {
            map: HashMap::new(),
            first: Vec::new(),
            count: 0,
            most,
            name_bytes: 0,
        }
    }

    /// Reads all headers of a tar that has `length` bytes. Those before a flaw are kept.
    pub fn scan<S: ReadAt + ?Sized>(&mut self, tar: &S, length: u64) -> Result<(), Flaw> {
        let mut pending = Pending::default();
        let mut offset = 0;
        loop {
            let Some(block) = block_at(tar, offset, length)? else {
                return Err(Flaw::Whole(format!(
                    "it was cut off: it ends at byte {offset}{} without a tar's end marker",
                    self.after()
                )));
            };
            if is_zero(&block) {
                if block_at(tar, offset + BLOCK, length)?.is_some_and(|next| !is_zero(&next)) {
                    return Err(Flaw::Whole(format!(
                        "an entry follows its end marker, at byte {offset}"
                    )));
                }
                break;
            }
            let header = Header::from_byte_slice(&block);
            check_sum(header).map_err(|reason| {
                Flaw::Whole(format!(
                    "it has no header at byte {offset}{}: {reason}",
                    self.after()
                ))
            })?;
            offset = self.take(tar, header, offset + BLOCK, length, &mut pending)?;
        }
        if pending.is_empty() {
            Ok(())
        } else {
            Err(Flaw::Whole(
                "it ends after an extension header without an entry".to_owned(),
            ))
        }
    }

    /// Takes one entry, whose bytes begin at `start`, and returns where the next header is.
    fn take<S: ReadAt + ?Sized>(
        &mut self,
        tar: &S,
        header: &Header,
        start: u64,
        length: u64,
        pending: &mut Pending,
    ) -> Result<u64, Flaw> {
        let own_name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
        let is_extension = matches!(header.as_old().linkflag[0], b'L' | b'K' | b'x' | b'g');
        let told = if is_extension {
            Pending::default()
        } else {
            std::mem::take(pending)
        };
        if told.name.is_none() && std::str::from_utf8(&header.path_bytes()).is_err() {
            return Err(Flaw::entry(&own_name, "has a name that isn't UTF-8"));
        }
        let name = told.name.unwrap_or(own_name);
        let refused = |reason: String| Flaw::entry(&name, reason);
        let size = told
            .size
            .map_or_else(|| declared_size(header), Ok)
            .map_err(refused)?;
        let extent = Extent { offset: start, size };
        let end = end(extent, length).ok_or_else(|| {
            let there = length - start;
            refused(format!("says that it has {size} bytes, and {there} follow: the archive was cut off, or the size is wrong"))
        })?;
        if is_extension {
            self.take_extension(tar, header, &name, extent, pending)?;
        } else {
            self.take_entry(header, &name, extent, told.link)?;
        }
        Ok(end)
    }

    /// Takes what an extension header says of the entry that follows it.
    fn take_extension<S: ReadAt + ?Sized>(
        &mut self,
        tar: &S,
        header: &Header,
        name: &str,
        extent: Extent,
        pending: &mut Pending,
    ) -> Result<(), Flaw> {
        self.count_one(0)?;
        let refused = |reason: String| Flaw::entry(name, reason);
        if extent.size > LONGEST_EXTENSION {
            return Err(refused(format!(
                "is an extension header of {} bytes; at most {LONGEST_EXTENSION} are read",
                extent.size
            )));
        }
        let bytes = read(tar, extent).map_err(Flaw::Io)?;
        match header.as_old().linkflag[0] {
            b'L' => Pending::set(&mut pending.name, long_name(&bytes).map_err(refused)?),
            b'K' => Pending::set(&mut pending.link, long_name(&bytes).map_err(refused)?),
            b'x' => pending.take(pax::read(&bytes).map_err(refused)?),
            _ => pax::read(&bytes)
                .and_then(pax::Records::allow_global)
                .map_err(refused),
        }
    }

    /// Takes a file, a link or a directory.
    fn take_entry(
        &mut self,
        header: &Header,
        name: &str,
        extent: Extent,
        long_link: Option<String>,
    ) -> Result<(), Flaw> {
        let refused = |reason: String| Flaw::entry(name, reason);
        let clean = names::clean(name).map_err(|reason| refused(reason.to_owned()))?;
        let kind = match header.as_old().linkflag[0] {
            // Before POSIX, a directory was a file with a slash at its end.
            0 | b'0' if name.ends_with('/') => b'5',
            kind => kind,
        };
        let sizeless = |what: &str| match extent.size {
            0 => Ok(()),
            size => Err(refused(format!("is {what} and says that it has {size} bytes"))),
        };
        match kind {
            0 | b'0' | b'7' => self.insert(name, clean, Entry::File(extent)),
            b'1' | b'2' => {
                sizeless("a link")?;
                let target = target(header, kind, &clean, long_link).map_err(refused)?;
                self.insert(name, clean, Entry::Link(target))
            }
            b'5' => {
                sizeless("a directory")?;
                self.note(name);
                self.count_one(0)
            }
            other => Err(refused(format!(
                "is {}, which doesn't belong in an archive of images",
                kind_name(other)
            ))),
        }
    }

    fn insert(&mut self, name: &str, clean: String, entry: Entry) -> Result<(), Flaw> {
        if clean.is_empty() {
            return Err(Flaw::entry(name, "has no name"));
        }
        self.note(&clean);
        let link = match &entry {
            Entry::Link(target) => target.len(),
            Entry::File(_) => 0,
        };
        self.count_one(clean.len() + link)?;
        match self.map.entry(clean.into()) {
            Slot::Vacant(slot) => {
                slot.insert(entry);
                Ok(())
            }
            Slot::Occupied(_) => Err(Flaw::entry(name, "is there twice")),
        }
    }

    fn note(&mut self, name: &str) {
        if self.first.len() < FIRST {
            self.first.push(name.to_owned());
        }
    }

    fn count_one(&mut self, bytes: usize) -> Result<(), Flaw> {
        self.count += 1;
        self.name_bytes += bytes;
        if self.count > self.most || self.name_bytes > MOST_NAME_BYTES {
            return Err(Flaw::Whole(format!(
                "it has too many entries: at most {} are read, with names of {MOST_NAME_BYTES} bytes",
                self.most
            )));
        }
        Ok(())
    }

    /// ` after 12 entries`, for messages.
    fn after(&self) -> String {
        match self.count {
            0 => String::new(),
            count => format!(" after {count} entries"),
        }
    }

    /// The first names, at most three.
    pub fn first(&self) -> &[String] {
        &self.first
    }

    /// The names of all files and links, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(AsRef::as_ref)
    }

    /// Finds a file by its clean name, through links within the archive.
    pub fn find(&self, name: &str) -> Result<Option<Extent>, Flaw> {
        let mut at = name;
        for _ in 0..=MOST_LINKS {
            match self.map.get(at) {
                None => return Ok(None),
                Some(Entry::File(extent)) => return Ok(Some(*extent)),
                Some(Entry::Link(target)) => at = target,
            }
        }
        Err(Flaw::entry(
            name,
            "is a link that leads to no file: the links go round in a circle",
        ))
    }
}

/// Reads an entry's bytes, which the caller found to be few.
pub(crate) fn read<S: ReadAt + ?Sized>(tar: &S, extent: Extent) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(extent.size).map_err(io::Error::other)?];
    tar.fill_at(&mut bytes, extent.offset)?;
    Ok(bytes)
}

/// Returns why a block is no header: its sum is another. Old programs added signed bytes.
pub(crate) fn check_sum(header: &Header) -> Result<(), String> {
    let told = header
        .cksum()
        .map_err(|_| "its checksum isn't a number".to_owned())?;
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (at, byte) in header.as_bytes().iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    if [unsigned, signed].contains(&i64::from(told)) {
        Ok(())
    } else {
        Err(format!("its sum is {unsigned} and it says {told}"))
    }
}

fn block_at<S: ReadAt + ?Sized>(
    tar: &S,
    offset: u64,
    length: u64,
) -> Result<Option<[u8; BLOCK as usize]>, Flaw> {
    if offset.checked_add(BLOCK).is_none_or(|end| end > length) {
        return Ok(None);
    }
    let mut block = [0; BLOCK as usize];
    tar.fill_at(&mut block, offset).map_err(Flaw::Io)?;
    Ok(Some(block))
}

fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// Where an entry ends, with what fills its last block; none beyond the archive's end.
fn end(extent: Extent, length: u64) -> Option<u64> {
    let end = extent
        .offset
        .checked_add(extent.size)?
        .checked_next_multiple_of(BLOCK)?;
    (end <= length).then_some(end)
}

/// The size in a header, which may be a binary number beyond what an `u64` holds, or negative.
pub(crate) fn declared_size(header: &Header) -> Result<u64, String> {
    let field = &header.as_old().size;
    let is_binary = field[0] & 0x80 != 0;
    if is_binary && (field[0] != 0x80 || field[1..4].iter().any(|byte| *byte != 0)) {
        return Err("has a size that no file has".to_owned());
    }
    header
        .entry_size()
        .map_err(|_| "has a size that isn't a number".to_owned())
}

fn long_name(bytes: &[u8]) -> Result<String, String> {
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8(name.to_vec()).map_err(|_| "has a name that isn't UTF-8".to_owned())
}

fn target(header: &Header, kind: u8, name: &str, long: Option<String>) -> Result<Box<str>, String> {
    let target = match long {
        Some(long) => long,
        None => String::from_utf8(header.link_name_bytes().unwrap_or_default().into_owned())
            .map_err(|_| "is a link to a name that isn't UTF-8".to_owned())?,
    };
    let from = if kind == b'2' {
        Target::Beside(name)
    } else {
        Target::Root
    };
    names::resolve(from, &target)
        .map(String::into_boxed_str)
        .map_err(str::to_owned)
}

fn kind_name(kind: u8) -> String {
    match kind {
        b'3' => "a character device".to_owned(),
        b'4' => "a block device".to_owned(),
        b'6' => "a named pipe".to_owned(),
        b'S' => "a sparse file".to_owned(),
        other => format!("of the unknown type '{}'", other.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar without end, of empty files or folders that it makes up.
    struct Endless {
        kind: u8,
        name: usize,
    }

    impl ReadAt for Endless {
        fn fill_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            if buffer.is_empty() {
                return Ok(());
            }
            let mut header = Header::new_gnu();
            let name = format!("{:0width$}", offset / BLOCK, width = self.name);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkflag = [self.kind];
            header.set_size(0);
            header.set_cksum();
            buffer.copy_from_slice(header.as_bytes());
            Ok(())
        }
    }

    #[test]
    fn a_tar_of_entries_without_end_is_refused() {
        for (kind, name) in [(b'0', 1), (b'0', 100), (b'5', 1), (b'g', 1)] {
            let Err(Flaw::Whole(reason)) = Entries::at_most(1000).scan(&Endless { kind, name }, u64::MAX)
            else {
                panic!("it is refused as a whole");
            };
            assert!(reason.starts_with("it has too many entries"), "{reason}");
        }
    }
}
