//! Applies a difference of bytes.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::DeflateDecoder;

use super::DifferenceError;

const BUFFER: usize = 32 * 1024;
/// The most inserted bytes that may replace old ones: after a changed address, the rest stays in its place.
pub(super) const LONGEST_GAP: usize = 200;

/// Whether inserted bytes replace as many old ones. The difference then holds what to add to the old bytes, since addresses often change by the same amount.
pub(super) fn is_replacement(inserted: u64, step: i64) -> bool {
    step == 0 && inserted <= LONGEST_GAP as u64
}

/// The new bytes of a difference, as they come.
pub(super) struct Patched<'a> {
    old: &'a [u8],
    operations: BufReader<DeflateDecoder<&'a [u8]>>,
    inserted: DeflateDecoder<&'a [u8]>,
    /// How many bytes of the operation are still to be inserted, and copied.
    insert: usize,
    copy: usize,
    from: usize,
    is_replacement: bool,
    /// How many more bytes there may be.
    left: u64,
    buffer: Vec<u8>,
    position: usize,
}

impl<'a> Patched<'a> {
    pub fn new(old: &'a [u8], operations: &'a [u8], inserted: &'a [u8], most: u64) -> Patched<'a> {
        Patched {
            old,
            operations: BufReader::with_capacity(BUFFER, DeflateDecoder::new(operations)),
            inserted: DeflateDecoder::new(inserted),
            insert: 0,
            copy: 0,
            from: 0,
            is_replacement: false,
            left: most,
            buffer: Vec::with_capacity(BUFFER),
            position: 0,
        }
    }

    /// The bytes that are ready: at least one.
    #[inline]
    fn ready(&mut self) -> Result<&[u8], DifferenceError> {
        if self.position == self.buffer.len() {
            self.fill()?;
        }
        Ok(&self.buffer[self.position..])
    }

    fn fill(&mut self) -> Result<(), DifferenceError> {
        self.buffer.clear();
        self.position = 0;
        while self.buffer.len() < BUFFER && self.next_operation()? {
            let room = BUFFER - self.buffer.len();
            let inserted = self.insert.min(room);
            let start = self.buffer.len();
            self.buffer.resize(start + inserted, 0);
            self.inserted
                .read_exact(&mut self.buffer[start..])
                .map_err(|_| ENDS)?;
            if self.is_replacement {
                let replaced = &self.old[self.from - self.insert..];
                for (new, old) in self.buffer[start..].iter_mut().zip(replaced) {
                    *new = new.wrapping_add(*old);
                }
            }
            self.insert -= inserted;
            let copied = self.copy.min(room - inserted);
            self.buffer
                .extend_from_slice(&self.old[self.from..self.from + copied]);
            self.copy -= copied;
            self.from += copied;
        }
        if self.buffer.is_empty() {
            return Err(ENDS);
        }
        let left = self.left.checked_sub(self.buffer.len() as u64);
        self.left = left.ok_or(DifferenceError::Damaged("the layer's content would be too large"))?;
        Ok(())
    }

    /// Goes on with the next operation if there is nothing left of this one. False at the end.
    fn next_operation(&mut self) -> Result<bool, DifferenceError> {
        if self.insert > 0 || self.copy > 0 {
            return Ok(true);
        }
        if self.operations.fill_buf().map_err(|_| ENDS)?.is_empty() {
            return Ok(false);
        }
        let insert = self.number()?;
        let is_last = self.operations.fill_buf().map_err(|_| ENDS)?.is_empty();
        let (copy, step) = if is_last {
            (0, 0)
        } else {
            (self.number()?, self.number()?)
        };
        let step = (step >> 1) as i64 ^ -((step & 1) as i64);
        let outside = || DifferenceError::Damaged("a copy is outside of the old layer");
        let size = |number| usize::try_from(number).map_err(|_| outside());
        (self.insert, self.copy) = (size(insert)?, size(copy)?);
        if (if is_last { insert } else { copy }) == 0 {
            return Err(DifferenceError::Damaged("an operation does nothing"));
        }
        self.is_replacement = copy > 0 && is_replacement(insert, step);
        if copy > 0 {
            let on = (self.from as u64).checked_add(insert);
            let from = on
                .and_then(|on| on.checked_add_signed(step))
                .ok_or_else(outside)?;
            let end = from.checked_add(copy).filter(|end| *end <= self.old.len() as u64);
            end.ok_or_else(outside)?;
            self.from = size(from)?;
        }
        Ok(true)
    }

    fn number(&mut self) -> Result<u64, DifferenceError> {
        let operations = &mut self.operations;
        varint(|| {
            let byte = *operations.fill_buf().map_err(|_| ENDS)?.first().ok_or(ENDS)?;
            operations.consume(1);
            Ok(byte)
        })
    }

    /// Takes a byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, DifferenceError> {
        let byte = self.ready()?[0];
        self.position += 1;
        Ok(byte)
    }

    /// Takes a number of seven bits a byte.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DifferenceError> {
        varint(|| self.byte())
    }

    /// Takes so many bytes, a piece at a time.
    #[inline]
    pub fn take(
        &mut self,
        mut count: u64,
        mut piece: impl FnMut(&[u8]) -> Result<(), DifferenceError>,
    ) -> Result<(), DifferenceError> {
        while count > 0 {
            let ready = self.ready()?;
            let taken = usize::try_from(count).map_or(ready.len(), |count| count.min(ready.len()));
            piece(&ready[..taken])?;
            self.position += taken;
            count -= taken as u64;
        }
        Ok(())
    }
}

const ENDS: DifferenceError = DifferenceError::Damaged("it ends early, or can't be unpacked");

#[inline]
fn varint(mut next: impl FnMut() -> Result<u8, DifferenceError>) -> Result<u64, DifferenceError> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let byte = next()?;
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Ok(number);
        }
    }
    Err(DifferenceError::Damaged("a number is too large"))
}
