//! A volume byte by byte, from what `BUNDLE.json` says: all but the contents of its manifests and blobs.

use transload_reference::Digest;

use super::document::{Carried, Document, volume_name};
use crate::entries::BLOCK;
use crate::plan::LAYOUT_JSON;
use crate::{header, oci};

/// The mark that ends a tar: two blocks of zeros.
pub(crate) const END: u64 = 2 * BLOCK;
/// The bytes of the first entry, which says whose volume it is.
pub(crate) const MARKER_SIZE: u64 = 2 * BLOCK;

/// An entry of a volume.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub name: String,
    /// Where its content begins.
    pub start: u64,
    pub size: u64,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Bytes that are known.
    Known(Vec<u8>),
    /// Bytes of a thing from an offset on, which has so many in all.
    Part { digest: Digest, from: u64, whole: u64 },
}

impl Entry {
    pub fn header(&self) -> Vec<u8> {
        header::of(&self.name, self.size)
    }

    pub fn padding(&self) -> usize {
        (self.size.next_multiple_of(BLOCK) - self.size) as usize
    }
}

/// The first entry of a volume: whose it is.
pub(crate) fn marker(id: &Digest, number: u32, count: usize) -> Entry {
    let text = format!("transload bundle {id}\nvolume {number} of {count}\n").into_bytes();
    Entry {
        name: format!("bundle-{}", volume_name(number).trim_end_matches(".tar")),
        start: BLOCK,
        size: text.len() as u64,
        content: Content::Known(text),
    }
}

/// The name of a thing's entry, or of one of its parts.
pub(crate) fn entry_name(thing: &Carried, part: usize) -> String {
    let name = oci::blob_name(&thing.digest);
    match thing.parts.len() {
        1 => name,
        _ => part_name(&name, part),
    }
}

/// The name of a part, in an order that `cat` joins.
pub(crate) fn part_name(name: &str, part: usize) -> String {
    format!("{name}.part-{:04}", part + 1)
}

/// Lays out every volume of a document whose digest is `id`.
///
/// # Errors
/// Says where the document contradicts the form of a volume: whatever it says of offsets and sizes has one right answer.
pub(crate) fn lay_out(document: &Document, id: &Digest) -> Result<Vec<Vec<Entry>>, String> {
    let count = document.volumes.len();
    let mut volumes: Vec<Vec<Entry>> = (1..).take(count).map(|number| vec![marker(id, number, count)]).collect();
    if let Some(first) = volumes.first_mut() {
        let start = MARKER_SIZE + BLOCK;
        first.push(Entry {
            name: oci::LAYOUT.to_owned(),
            start,
            size: LAYOUT_JSON.len() as u64,
            content: Content::Known(LAYOUT_JSON.to_vec()),
        });
    }
    let index = document.index.parts.iter().map(|part| (&document.index, 0, part, oci::INDEX.to_owned(), 0));
    let things = document.carried_things().flat_map(|thing| {
        let mut from = 0;
        thing.parts.iter().enumerate().map(move |(at, part)| {
            let begins = from;
            from += part.size;
            (thing, at, part, entry_name(thing, at), begins)
        })
    });
    for (thing, _, part, name, from) in index.chain(things) {
        let volume = (part.volume as usize).checked_sub(1).and_then(|at| volumes.get_mut(at));
        let volume = volume.ok_or_else(|| format!("{} is in volume {}, and there are {count}", thing.digest, part.volume))?;
        volume.push(Entry {
            name,
            start: part.offset,
            size: part.size,
            content: Content::Part {
                digest: thing.digest.clone(),
                from,
                whole: thing.size,
            },
        });
    }
    for (record, volume) in document.volumes.iter().zip(&mut volumes) {
        volume.sort_by_key(|entry| entry.start);
        let mut end = 0_u64;
        for entry in volume.iter() {
            if Some(entry.start) != end.checked_add(header::length(&entry.name)) {
                return Err(format!("{} can't be at offset {} of {}", entry.name, entry.start, record.file));
            }
            let filled = entry.start.checked_add(entry.size).and_then(|end| end.checked_next_multiple_of(BLOCK));
            end = filled.filter(|end| *end < record.size).ok_or_else(|| {
                format!("{} has no room for {} with its {} bytes", record.file, entry.name, entry.size)
            })?;
        }
        if end + END != record.size {
            return Err(format!("{} has {} bytes of contents, and {} in all", record.file, end, record.size));
        }
    }
    Ok(volumes)
}
