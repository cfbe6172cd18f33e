//! Differences between two gzip layers, from which the new one comes out bit for bit.
//!
//! The bytes of a gzip depend on its content and on the program that packed it. So a layer is taken apart into three parts: its plain bytes (a tar), the
//! repeats that the packer found in them (the parse), and the heads of its blocks. The difference to another layer is that of each part.
//!
//! - [`make`] where the old layer is known, [`apply`] where it is present.
//! - Only a gzip of one member has a difference, of at most [`MOST_PLAIN`] plain bytes, and of a sixteenth as many of heads. Others travel whole.
//! - Memory: some two times the plain bytes to make one, one and a half times to apply it.
//!
//! # Format
//!
//! All numbers are little-endian.
//!
//! ```text
//! offset  size
//!      0     7   89 "TLDIFF"
//!      7     1   version: 1
//!      8    48   sizes of six streams, eight bytes each: operations and inserted bytes of the plain bytes, of the parse, and of the heads
//!     56         the streams, in that order, each packed by DEFLATE (RFC 1951)
//! ```
//!
//! A *number* below has seven bits a byte, the lowest first; all but its last byte have the eighth bit set.
//!
//! An **operation** has three numbers: how many bytes are inserted; how many are copied from the old part; and how far the copy begins from where the
//! last one would have gone on, over as many old bytes as are inserted (2n for n bytes on, 2n - 1 for n bytes back). Something is copied each time;
//! the last operation may have the first number alone. Up to 200 inserted bytes before a copy that begins there replace the old ones: each is kept less the
//! old one.
//!
//! The **parse** has for each match the number of literals before it, its length less 3 (one byte) and its distance less 1 (two bytes); then the number of
//! literals behind the last match. Stored blocks have neither.
//!
//! The **heads** have
//!
//! - the number of bytes of the gzip header, and the header;
//! - for each block its three first bits as a byte, then
//!     - stored: the number of its bytes;
//!     - with codes of its own (RFC 1951, section 3.2.7): HLIT, HDIST, HCLEN, the lengths of the code for lengths, and the symbols of that code, a repeat's
//!       extra bits behind it; each field a byte;
//!     - with any codes: the number of its literals and matches;
//! - the gzip trailer: eight bytes.

mod bits;
mod differ;
mod error;
mod huffman;
mod join;
mod patched;
mod split;

#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};

use transload_reference::{Descriptor, Verifier};

use differ::Differ;
pub use error::DifferenceError;
use join::{Streams, join};
use patched::Patched;
use split::{Parts, WINDOW, split};

/// How many plain bytes a layer may have: larger ones travel whole.
pub const MOST_PLAIN: u64 = 512 * 1000 * 1000;

const MAGIC: &[u8; 7] = b"\x89TLDIFF";
const VERSION: u8 = 1;
const HEAD: usize = 56;
/// How many plain bytes of the new layer are compared at a time.
const PIECE: usize = 1 << 20;
/// How many bytes have to be equal for a copy from anywhere.
const PLAIN_SEED: usize = 32;
const PARSE_SEED: usize = 16;
const HEADS_SEED: usize = 32;
/// There may be this part of the most plain bytes of heads: blocks may be empty, and each takes time.
const HEADS_PART: usize = 16;

/// Makes the difference from an old layer to a new one. `None` where the new layer travels whole: the difference would have three quarters of its
/// size or more, or one of the layers isn't a gzip of one member, has more than [`MOST_PLAIN`] plain bytes, or doesn't come out again.
///
/// The new layer was rebuilt from the difference once, and has the descriptor's size and digest.
///
/// # Errors
/// Where a layer can't be read.
pub fn make(old: &mut dyn Read, new: &mut dyn Read, layer: &Descriptor) -> io::Result<Option<Vec<u8>>> {
    match try_make(old, new, layer, MOST_PLAIN) {
        Ok(difference) => Ok(Some(difference)),
        Err(DifferenceError::Read(error) | DifferenceError::Write(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Checks the beginning of a difference, which is known before the old layer is.
///
/// # Errors
/// Where it isn't a difference, is of another version, or is cut off.
pub fn check(difference: &[u8]) -> Result<(), DifferenceError> {
    streams_of(difference).map(|_| ())
}

/// Rebuilds a new layer of this size, at most [`MOST_PLAIN`], from the old one and the difference. Whatever these say, no more bytes are written. The
/// caller checks the new layer's digest.
///
/// # Errors
/// Where the difference is damaged or from another layer, or a layer can't be read or written.
pub fn apply(
    old: &mut dyn Read,
    difference: &[u8],
    size: u64,
    new: &mut dyn Write,
) -> Result<(), DifferenceError> {
    // Before the old layer is read.
    check(difference)?;
    if size > MOST_PLAIN {
        return Err(DifferenceError::Damaged("the layer would be too large"));
    }
    let old = split_old(old, MOST_PLAIN)?;
    rebuild(&old, difference, size, MOST_PLAIN, new)
}

fn try_make(
    old: &mut dyn Read,
    new: &mut dyn Read,
    layer: &Descriptor,
    most: u64,
) -> Result<Vec<u8>, DifferenceError> {
    if layer.size > most {
        return Err(WHOLE);
    }
    let old = split_old(old, most)?;
    let difference = compare(&old, new, layer.size, most)?;
    let mut check = Check(Verifier::of(layer));
    rebuild(&old, &difference, layer.size, most, &mut check)?;
    let is_same = check.0.finish().is_ok();
    is_same.then_some(difference).ok_or(WHOLE)
}

const WHOLE: DifferenceError = DifferenceError::Unusable("it travels whole");

fn split_old(old: &mut dyn Read, most: u64) -> Result<Parts, DifferenceError> {
    let mut parts = Parts::default();
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    split(old, &mut parts, most, &mut |_| {
        Err(DifferenceError::Unusable("its content is too large"))
    })?;
    Ok(parts)
}

fn compare(old: &Parts, new: &mut dyn Read, size: u64, most: u64) -> Result<Vec<u8>, DifferenceError> {
    let mut plain = Differ::new(&old.plain, PLAIN_SEED);
    let mut parse = Differ::new(&old.parse, PARSE_SEED);
    let mut heads = Differ::new(&old.heads, HEADS_SEED);
    let (mut left, mut heads_left) = (most, most / HEADS_PART as u64);
    // Plain bytes that are only there for matches to reach back.
    let mut window = 0;
    let mut take = |parts: &mut Parts| {
        let bytes = &parts.plain[window..];
        left = left.checked_sub(bytes.len() as u64).ok_or(WHOLE)?;
        heads_left = heads_left.checked_sub(parts.heads.len() as u64).ok_or(WHOLE)?;
        plain.add(bytes).map_err(DifferenceError::Write)?;
        parse.add(&parts.parse).map_err(DifferenceError::Write)?;
        heads.add(&parts.heads).map_err(DifferenceError::Write)?;
        window = parts.plain.len().min(WINDOW);
        parts.plain.drain(..parts.plain.len() - window);
        parts.parse.clear();
        parts.heads.clear();
        let packed = plain.packed() + parse.packed() + heads.packed();
        if is_worth_it(packed, size) {
            Ok(())
        } else {
            Err(WHOLE)
        }
    };
    let mut parts = Parts::default();
    split(new, &mut parts, PIECE + WINDOW, &mut take)?;
    take(&mut parts)?;
    let mut streams = Vec::new();
    for differ in [plain, parse, heads] {
        streams.extend(differ.finish().map_err(DifferenceError::Write)?);
    }
    let difference = with_head(streams);
    if is_worth_it(difference.len(), size) {
        Ok(difference)
    } else {
        Err(WHOLE)
    }
}

fn is_worth_it(difference: usize, size: u64) -> bool {
    (difference as u64) < size / 4 * 3
}

/// Returns the difference of these six streams.
pub(crate) fn with_head(streams: Vec<Vec<u8>>) -> Vec<u8> {
    let mut difference = [MAGIC.as_slice(), &[VERSION]].concat();
    for stream in &streams {
        difference.extend((stream.len() as u64).to_le_bytes());
    }
    // Each is let go of once it is there.
    for stream in streams {
        difference.extend(stream);
    }
    difference
}

/// Returns the six streams of a difference.
fn streams_of(difference: &[u8]) -> Result<[&[u8]; 6], DifferenceError> {
    const DAMAGED: DifferenceError = DifferenceError::Damaged("it is none, or cut off");
    let (head, mut rest) = difference.split_at_checked(HEAD).ok_or(DAMAGED)?;
    let (start, sizes) = head.split_at(MAGIC.len() + 1);
    if !start.starts_with(MAGIC) {
        return Err(DAMAGED);
    }
    if start[MAGIC.len()] != VERSION {
        return Err(DifferenceError::Version(start[MAGIC.len()]));
    }
    let mut streams = [&[][..]; 6];
    for (stream, size) in streams.iter_mut().zip(sizes.as_chunks().0) {
        let size = usize::try_from(u64::from_le_bytes(*size)).map_err(|_| DAMAGED)?;
        (*stream, rest) = rest.split_at_checked(size).ok_or(DAMAGED)?;
    }
    match rest {
        [] => Ok(streams),
        _ => Err(DifferenceError::Damaged("it goes on behind its end")),
    }
}

/// Makes the difference from an old layer to a new one, whether or not it is worth it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn make_anyway(old: &[u8], new: &[u8]) -> Result<Vec<u8>, DifferenceError> {
    let old = split_old(&mut &old[..], MOST_PLAIN)?;
    compare(&old, &mut &new[..], u64::MAX, MOST_PLAIN)
}

fn rebuild(
    old: &Parts,
    difference: &[u8],
    size: u64,
    most: u64,
    new: &mut dyn Write,
) -> Result<(), DifferenceError> {
    let [
        plain,
        plain_inserted,
        parse,
        parse_inserted,
        heads,
        heads_inserted,
    ] = streams_of(difference)?;
    let mut streams = Streams {
        plain: Patched::new(&old.plain, plain, plain_inserted, most),
        parse: Patched::new(&old.parse, parse, parse_inserted, u64::MAX),
        heads: Patched::new(&old.heads, heads, heads_inserted, most / HEADS_PART as u64),
    };
    join(&mut streams, size, new)
}

/// Checks what would be written.
struct Check(Verifier);

impl Write for Check {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
