//! Writes a gzip from its parts, bit for bit.

use std::io::Write;

use super::DifferenceError;
use super::bits::BitWriter;
use super::huffman::{BlockLengths, Code, Codes, DISTANCES, END, Head, LENGTHS, SHORTEST, codes};
use super::patched::Patched;

/// The parts, as they come.
pub(super) struct Streams<'a> {
    pub plain: Patched<'a>,
    pub parse: Patched<'a>,
    pub heads: Patched<'a>,
}

/// Writes the gzip, of exactly this size.
pub(super) fn join(streams: &mut Streams, size: u64, target: &mut dyn Write) -> Result<(), DifferenceError> {
    let Streams { plain, parse, heads } = streams;
    let mut bits = BitWriter::new(target, size);
    let header = heads.varint()?;
    heads.take(header, |bytes| bits.put_bytes(bytes))?;
    let mut run = parse.varint()?;
    let fixed = BlockCode::new(&BlockLengths::fixed())?;
    let mut is_last = false;
    while !is_last {
        bits.pass_on()?;
        let head = heads.byte()?;
        if head >> 1 > 2 {
            return Err(DifferenceError::Damaged("a block is of no known kind"));
        }
        is_last = head & 1 == 1;
        bits.put(head.into(), 3);
        if head >> 1 == 0 {
            let length = u16::try_from(heads.varint()?);
            let length = length.map_err(|_| DifferenceError::Damaged("a stored block is too long"))?;
            bits.align();
            bits.put(length.into(), 16);
            bits.put((!length).into(), 16);
            plain.take(length.into(), |bytes| bits.put_bytes(bytes))?;
            continue;
        }
        let own;
        let code = match head >> 1 {
            1 => &fixed,
            _ => {
                own = BlockCode::new(&BlockLengths::from_head(&mut HeadWriter {
                    kept: heads,
                    bits: &mut bits,
                    codes: NO_CODES,
                })?)?;
                &own
            }
        };
        let mut tokens = heads.varint()?;
        while tokens > 0 {
            let literals = run.min(tokens);
            plain.take(literals, |bytes| {
                for &byte in bytes {
                    code.put_literal(byte.into(), &mut bits)?;
                }
                bits.pass_on()
            })?;
            run -= literals;
            tokens -= literals;
            if tokens > 0 {
                let length = parse.byte()?;
                let distance = u16::from_le_bytes([parse.byte()?, parse.byte()?]);
                code.put_match(length.into(), distance.into(), &mut bits)?;
                bits.pass_on()?;
                plain.take(u64::from(length) + SHORTEST as u64, |_| Ok(()))?;
                run = parse.varint()?;
                tokens -= 1;
            }
        }
        code.put_literal(END, &mut bits)?;
    }
    heads.take(8, |bytes| bits.put_bytes(bytes))?;
    bits.finish()
}

const NO_CODES: Codes = [Code { bits: 0, length: 0 }; 288];

/// A block's codes.
struct BlockCode {
    literals: Codes,
    distances: Codes,
}

impl BlockCode {
    fn new(lengths: &BlockLengths) -> Result<BlockCode, DifferenceError> {
        let codes = |lengths| codes(lengths).ok_or(IMPOSSIBLE);
        Ok(BlockCode {
            literals: codes(lengths.literals())?,
            distances: codes(lengths.distances())?,
        })
    }

    #[inline]
    fn put_literal(&self, symbol: usize, bits: &mut BitWriter) -> Result<(), DifferenceError> {
        put(&self.literals, symbol, bits)
    }

    /// `length` and `distance` are those beyond the least.
    #[inline]
    fn put_match(&self, length: usize, distance: usize, bits: &mut BitWriter) -> Result<(), DifferenceError> {
        if distance >= super::split::WINDOW {
            return Err(DifferenceError::Damaged("a match reaches too far"));
        }
        let symbol = match length {
            255 => LENGTHS.len() - 1,
            0..8 => length,
            _ => class(length, 4),
        };
        put(&self.literals, END + 1 + symbol, bits)?;
        let (least, extra) = LENGTHS[symbol];
        bits.put(length + SHORTEST - usize::from(least), extra.into());
        let symbol = match distance {
            0..4 => distance,
            _ => class(distance, 2),
        };
        put(&self.distances, symbol, bits)?;
        let (least, extra) = DISTANCES[symbol];
        bits.put(distance + 1 - usize::from(least), extra.into());
        Ok(())
    }
}

/// Returns the symbol for a length or distance. `each` symbols (two or four) share each power of two.
#[inline]
fn class(number: usize, each: usize) -> usize {
    let power = number.ilog2();
    let extra = power - each.ilog2();
    (extra as usize + 1) * each + (number >> extra) - each
}

#[inline]
fn put(codes: &Codes, symbol: usize, bits: &mut BitWriter) -> Result<(), DifferenceError> {
    let code = codes[symbol];
    if code.length == 0 {
        return Err(DifferenceError::Damaged("a symbol has no code"));
    }
    bits.put(code.bits.into(), code.length.into());
    Ok(())
}

const IMPOSSIBLE: DifferenceError = DifferenceError::Damaged("a Huffman code is impossible");

/// Writes a block's head from the bytes that were kept of it.
struct HeadWriter<'a, 'b, 'c> {
    kept: &'a mut Patched<'b>,
    bits: &'a mut BitWriter<'c>,
    codes: Codes,
}

impl Head for HeadWriter<'_, '_, '_> {
    fn number(&mut self, bits: u32) -> Result<u8, DifferenceError> {
        let number = self.kept.byte()?;
        if number >> bits > 0 {
            return Err(self.refuse("a number in a block's head is too large"));
        }
        self.bits.put(number.into(), bits);
        Ok(number)
    }

    fn set_code(&mut self, lengths: &[u8]) -> Result<(), DifferenceError> {
        self.codes = codes(lengths).ok_or(IMPOSSIBLE)?;
        Ok(())
    }

    fn symbol(&mut self) -> Result<u8, DifferenceError> {
        let symbol = self.kept.byte()?;
        put(&self.codes, symbol.into(), self.bits)?;
        Ok(symbol)
    }

    fn refuse(&self, reason: &'static str) -> DifferenceError {
        DifferenceError::Damaged(reason)
    }
}
