//! Takes a gzip apart ([RFC 1951], [RFC 1952]).
//!
//! [RFC 1951]: https://www.rfc-editor.org/rfc/rfc1951
//! [RFC 1952]: https://www.rfc-editor.org/rfc/rfc1952

use std::io::Read;

use super::bits::BitReader;
use super::differ::put_varint;
use super::huffman::{BlockLengths, DISTANCES, END, Head, LENGTHS, SHORTEST, Table};
use super::{DifferenceError, HEADS_PART};

/// How far back a match may reach.
pub(super) const WINDOW: usize = 32 * 1024;
/// A file's header may have a name and a comment.
const LONGEST_HEADER: usize = 64 * 1024;

/// A gzip's content in three parts, which give its bytes again.
#[derive(Default)]
pub(super) struct Parts {
    /// The plain bytes.
    pub plain: Vec<u8>,
    /// How they were packed: for each match the number of literals before it, its length and its distance; then the number of literals behind
    /// the last one.
    pub parse: Vec<u8>,
    /// The file's header, the heads of its blocks, and its trailer.
    pub heads: Vec<u8>,
}

/// Takes a gzip of one member apart. As often as `room` bytes are there, or a [`HEADS_PART`] of it, `full` is called: it may take all but the
/// last [`WINDOW`] of plain bytes.
pub(super) fn split(
    source: &mut dyn Read,
    parts: &mut Parts,
    room: usize,
    full: &mut dyn FnMut(&mut Parts) -> Result<(), DifferenceError>,
) -> Result<(), DifferenceError> {
    let mut bits = BitReader::new(source);
    take_header(&mut bits, &mut parts.heads)?;
    let mut fixed = Tables::default();
    fixed.set(&BlockLengths::fixed())?;
    let mut own = Tables::default();
    // How many literals came since the last match, which goes on from one block to the next.
    let mut run = 0;
    let mut is_last = false;
    while !is_last {
        let head = bits.take(3)?;
        parts.heads.push(head as u8);
        is_last = head & 1 == 1;
        match head >> 1 {
            0 => take_stored(&mut bits, parts)?,
            1 => fixed.take_block(&mut bits, &mut run, parts, room, full)?,
            2 => {
                let lengths = BlockLengths::from_head(&mut HeadReader {
                    bits: &mut bits,
                    kept: &mut parts.heads,
                    table: &mut own.lengths,
                })?;
                own.set(&lengths)?;
                own.take_block(&mut bits, &mut run, parts, room, full)?;
            }
            _ => return Err(DifferenceError::Unusable("a block is of no known kind")),
        }
        if parts.plain.len() >= room || parts.heads.len() >= room / HEADS_PART {
            full(parts)?;
        }
    }
    put_varint(&mut parts.parse, run);
    is_zero(bits.align()?)?;
    bits.take_bytes(8, &mut parts.heads)?;
    if !bits.is_at_end()? {
        return Err(DifferenceError::Unusable("it goes on behind its gzip member"));
    }
    Ok(())
}

/// Keeps a gzip member's header, behind its length.
fn take_header(bits: &mut BitReader, kept: &mut Vec<u8>) -> Result<(), DifferenceError> {
    const CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let mut header = Vec::new();
    bits.take_bytes(10, &mut header)?;
    let flags = header[3];
    if header[..3] != [0x1f, 0x8b, 8] || flags > 31 {
        return Err(DifferenceError::Unusable("it is no gzip"));
    }
    if flags & EXTRA != 0 {
        bits.take_bytes(2, &mut header)?;
        let length = usize::from(header[10]) | usize::from(header[11]) << 8;
        bits.take_bytes(length, &mut header)?;
    }
    for _ in 0..(flags & (NAME | COMMENT)).count_ones() {
        loop {
            bits.take_bytes(1, &mut header)?;
            match header.last() {
                Some(0) => break,
                _ if header.len() > LONGEST_HEADER => {
                    return Err(DifferenceError::Unusable("its header is too long"));
                }
                _ => {}
            }
        }
    }
    if flags & CRC != 0 {
        bits.take_bytes(2, &mut header)?;
    }
    put_varint(kept, header.len() as u64);
    kept.extend_from_slice(&header);
    Ok(())
}

fn take_stored(bits: &mut BitReader, parts: &mut Parts) -> Result<(), DifferenceError> {
    is_zero(bits.align()?)?;
    let length = bits.take(16)?;
    if bits.take(16)? != length ^ 0xffff {
        return Err(DifferenceError::Unusable("a stored block's length is wrong"));
    }
    put_varint(&mut parts.heads, length as u64);
    bits.take_bytes(length, &mut parts.plain)
}

fn is_zero(is_zero: bool) -> Result<(), DifferenceError> {
    match is_zero {
        true => Ok(()),
        false => Err(DifferenceError::Unusable("bits between its blocks are set")),
    }
}

/// A block's codes.
#[derive(Default)]
struct Tables {
    /// That of the lengths of the others.
    lengths: Table,
    literals: Table,
    distances: Table,
}

impl Tables {
    fn set(&mut self, lengths: &BlockLengths) -> Result<(), DifferenceError> {
        self.literals.set(lengths.literals())?;
        self.distances.set(lengths.distances())
    }

    fn take_block(
        &self,
        bits: &mut BitReader,
        run: &mut u64,
        parts: &mut Parts,
        room: usize,
        full: &mut dyn FnMut(&mut Parts) -> Result<(), DifferenceError>,
    ) -> Result<(), DifferenceError> {
        let mut tokens: u64 = 0;
        loop {
            // A match takes 48 bits at most.
            bits.refill()?;
            let symbol = self.literals.decode(bits)?;
            if symbol == END {
                break;
            }
            tokens += 1;
            if symbol < END {
                parts.plain.push(symbol as u8);
                *run += 1;
            } else {
                put_varint(&mut parts.parse, std::mem::take(run));
                self.take_match(bits, symbol, parts)?;
            }
            if parts.plain.len() >= room {
                full(parts)?;
            }
        }
        put_varint(&mut parts.heads, tokens);
        Ok(())
    }

    #[inline]
    fn take_match(
        &self,
        bits: &mut BitReader,
        symbol: usize,
        parts: &mut Parts,
    ) -> Result<(), DifferenceError> {
        const UNKNOWN: DifferenceError = DifferenceError::Unusable("a match's symbol is unknown");
        let &(least, extra) = LENGTHS.get(symbol - END - 1).ok_or(UNKNOWN)?;
        let length = usize::from(least) + bits.take_ready(extra.into())?;
        if length == 258 && extra > 0 {
            return Err(DifferenceError::Unusable(
                "a match's length is written in an unusual way",
            ));
        }
        let &(least, extra) = DISTANCES.get(self.distances.decode(bits)?).ok_or(UNKNOWN)?;
        let distance = usize::from(least) + bits.take_ready(extra.into())?;
        let plain = &mut parts.plain;
        let from = plain.len().checked_sub(distance);
        let from = from.ok_or(DifferenceError::Unusable("a match reaches before the beginning"))?;
        if distance >= length {
            plain.extend_from_within(from..from + length);
        } else {
            for at in from..from + length {
                plain.push(plain[at]);
            }
        }
        let [low, high] = ((distance - 1) as u16).to_le_bytes();
        parts
            .parse
            .extend_from_slice(&[(length - SHORTEST) as u8, low, high]);
        Ok(())
    }
}

/// Reads a block's head, and keeps each field as a byte.
struct HeadReader<'a, 'b> {
    bits: &'a mut BitReader<'b>,
    kept: &'a mut Vec<u8>,
    table: &'a mut Table,
}

impl Head for HeadReader<'_, '_> {
    fn number(&mut self, bits: u32) -> Result<u8, DifferenceError> {
        let number = self.bits.take(bits)? as u8;
        self.kept.push(number);
        Ok(number)
    }

    fn set_code(&mut self, lengths: &[u8]) -> Result<(), DifferenceError> {
        self.table.set(lengths)
    }

    fn symbol(&mut self) -> Result<u8, DifferenceError> {
        self.bits.refill()?;
        let symbol = self.table.decode(self.bits)? as u8;
        self.kept.push(symbol);
        Ok(symbol)
    }

    fn refuse(&self, reason: &'static str) -> DifferenceError {
        DifferenceError::Unusable(reason)
    }
}
