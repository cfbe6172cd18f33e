//! The bits of a DEFLATE stream: the lowest bit of a byte comes first ([RFC 1951, section 3.1.1]).
//!
//! [RFC 1951, section 3.1.1]: https://www.rfc-editor.org/rfc/rfc1951#section-3.1.1

use std::io::{self, Read, Write};

use super::DifferenceError;

const BUFFER: usize = 64 * 1024;
const CUT_OFF: DifferenceError = DifferenceError::Unusable("it is cut off");

/// Reads bits.
pub(super) struct BitReader<'a> {
    source: &'a mut dyn Read,
    buffer: Vec<u8>,
    position: usize,
    filled: usize,
    bits: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub fn new(source: &'a mut dyn Read) -> BitReader<'a> {
        BitReader {
            source,
            buffer: vec![0; BUFFER],
            position: 0,
            filled: 0,
            bits: 0,
            count: 0,
        }
    }

    /// Makes 56 bits ready, or all that are left if they are fewer.
    #[inline]
    pub fn refill(&mut self) -> Result<(), DifferenceError> {
        let Some(word) = self.buffer[self.position..self.filled].first_chunk() else {
            return self.refill_slowly();
        };
        // Bits beyond the count may be set already, and are the same ones.
        self.bits |= u64::from_le_bytes(*word) << self.count;
        self.position += (63 - self.count as usize) / 8;
        self.count |= 56;
        Ok(())
    }

    #[cold]
    fn refill_slowly(&mut self) -> Result<(), DifferenceError> {
        while self.count < 56 {
            if self.position == self.filled && !self.fill()? {
                break;
            }
            self.bits |= u64::from(self.buffer[self.position]) << self.count;
            self.position += 1;
            self.count += 8;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<bool, DifferenceError> {
        self.position = 0;
        self.filled = 0;
        loop {
            match self.source.read(&mut self.buffer) {
                Ok(count) => {
                    self.filled = count.min(BUFFER);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DifferenceError::Read(error)),
            }
        }
    }

    /// Returns the next bits without taking them; behind the end they are zeros.
    #[inline]
    pub fn peek(&self, count: u32) -> usize {
        (self.bits & ((1 << count) - 1)) as usize
    }

    #[inline]
    pub fn skip(&mut self, count: u32) -> Result<(), DifferenceError> {
        self.count = self.count.checked_sub(count).ok_or(CUT_OFF)?;
        self.bits >>= count;
        Ok(())
    }

    /// Takes up to 16 bits that are ready.
    #[inline]
    pub fn take_ready(&mut self, count: u32) -> Result<usize, DifferenceError> {
        let bits = self.peek(count);
        self.skip(count)?;
        Ok(bits)
    }

    /// Takes up to 16 bits.
    pub fn take(&mut self, count: u32) -> Result<usize, DifferenceError> {
        self.refill()?;
        self.take_ready(count)
    }

    /// Skips to the next whole byte. False if a skipped bit is set.
    pub fn align(&mut self) -> Result<bool, DifferenceError> {
        Ok(self.take_ready(self.count % 8)? == 0)
    }

    /// Appends whole bytes; the reader is at the beginning of one.
    pub fn take_bytes(&mut self, mut count: usize, to: &mut Vec<u8>) -> Result<(), DifferenceError> {
        while count > 0 && self.count >= 8 {
            to.push(self.take_ready(8)? as u8);
            count -= 1;
        }
        if count > 0 {
            self.bits = 0;
        }
        while count > 0 {
            if self.position == self.filled && !self.fill()? {
                return Err(CUT_OFF);
            }
            let end = self.filled.min(self.position + count);
            to.extend_from_slice(&self.buffer[self.position..end]);
            count -= end - self.position;
            self.position = end;
        }
        Ok(())
    }

    /// Whether nothing is left.
    pub fn is_at_end(&mut self) -> Result<bool, DifferenceError> {
        self.refill()?;
        Ok(self.count == 0)
    }
}

/// Writes bits, and no more bytes than there may be.
pub(super) struct BitWriter<'a> {
    target: &'a mut dyn Write,
    buffer: Vec<u8>,
    bits: u64,
    count: u32,
    left: u64,
}

impl<'a> BitWriter<'a> {
    pub fn new(target: &'a mut dyn Write, size: u64) -> BitWriter<'a> {
        BitWriter {
            target,
            buffer: Vec::with_capacity(2 * BUFFER),
            bits: 0,
            count: 0,
            left: size,
        }
    }

    /// Writes up to 16 bits. The caller passes on what there is from time to time.
    #[inline]
    pub fn put(&mut self, bits: usize, count: u32) {
        self.bits |= (bits as u64) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.buffer.extend_from_slice(&(self.bits as u32).to_le_bytes());
            self.bits >>= 32;
            self.count -= 32;
        }
    }

    /// Fills up a byte with zeros.
    pub fn align(&mut self) {
        let bytes = self.count.div_ceil(8) as usize;
        self.buffer.extend_from_slice(&self.bits.to_le_bytes()[..bytes]);
        self.bits = 0;
        self.count = 0;
    }

    /// Writes whole bytes; the writer is at the beginning of one.
    pub fn put_bytes(&mut self, bytes: &[u8]) -> Result<(), DifferenceError> {
        self.align();
        self.buffer.extend_from_slice(bytes);
        self.pass_on()
    }

    /// Passes the bytes on if they are many.
    #[inline]
    pub fn pass_on(&mut self) -> Result<(), DifferenceError> {
        if self.buffer.len() >= BUFFER {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), DifferenceError> {
        let left = self.left.checked_sub(self.buffer.len() as u64);
        self.left = left.ok_or(DifferenceError::Damaged("the layer would be too long"))?;
        self.target
            .write_all(&self.buffer)
            .map_err(DifferenceError::Write)?;
        self.buffer.clear();
        Ok(())
    }

    /// Passes the last bytes on.
    pub fn finish(mut self) -> Result<(), DifferenceError> {
        self.align();
        self.flush()?;
        match self.left {
            0 => Ok(()),
            _ => Err(DifferenceError::Damaged("the layer would be too short")),
        }
    }
}
