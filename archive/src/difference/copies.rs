//! A difference of bytes: copies from old bytes, and new ones between them.
//!
//! There are two streams, each packed by DEFLATE. The operations are three numbers each: how many bytes are inserted, how many are copied then, and how
//! far the copy begins from where the last one would have gone on, over as many old bytes as were inserted. The last operation may have but the
//! first number. The other stream has the inserted bytes.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;

use super::DifferenceError;

const LEVEL: u32 = 6;
const BUFFER: usize = 32 * 1024;
/// So many equal bytes make a copy where the last one would have gone on.
const SHORTEST_ON: usize = 12;
/// For so many inserted bytes it may go on there: a changed address leaves what follows in its place.
const LONGEST_GAP: usize = 64;
const FACTOR: u32 = 0x9e37_79b1;
const SPREAD: u32 = 0x85eb_ca6b;

/// Appends a number, seven bits a byte, the lowest first; all but the last byte have the eighth bit set.
pub(super) fn put_varint(to: &mut Vec<u8>, mut number: u64) {
    while number > 127 {
        to.push(number as u8 | 128);
        number >>= 7;
    }
    to.push(number as u8);
}

type Packer = BufWriter<DeflateEncoder<Vec<u8>>>;

/// Makes a difference, piece by piece.
pub(super) struct Differ<'a> {
    old: &'a [u8],
    /// How many bytes have to be equal for a copy; at each multiple of it old bytes are looked up.
    seed: usize,
    /// For a seed's hash: one more than its place in `old`, or zero.
    table: Vec<u32>,
    shift: u32,
    operations: Packer,
    inserted: Packer,
    /// Where the last copy ended in `old`.
    from: usize,
    /// How many bytes were inserted since.
    pending: usize,
    /// An operation's number.
    number: Vec<u8>,
}

impl<'a> Differ<'a> {
    /// `old` has less than 4 GiB.
    pub fn new(old: &'a [u8], seed: usize) -> Differ<'a> {
        let size = (old.len() / seed).next_power_of_two().max(1024);
        let packer = || {
            let encoder = DeflateEncoder::new(Vec::new(), Compression::new(LEVEL));
            BufWriter::with_capacity(BUFFER, encoder)
        };
        let mut differ = Differ {
            old,
            seed,
            table: vec![0; size],
            shift: 32 - size.trailing_zeros(),
            operations: packer(),
            inserted: packer(),
            from: 0,
            pending: 0,
            number: Vec::new(),
        };
        // Backwards: of equal seeds the first one stays.
        for (index, bytes) in old.chunks_exact(seed).enumerate().rev() {
            let slot = differ.slot(hash(bytes));
            differ.table[slot] = (index * seed) as u32 + 1;
        }
        differ
    }

    fn slot(&self, hash: u32) -> usize {
        (hash.wrapping_mul(SPREAD) >> self.shift) as usize
    }

    /// Goes on with the next bytes.
    pub fn add(&mut self, new: &[u8]) -> io::Result<()> {
        let seed = self.seed;
        let leaving = (1..seed).fold(1u32, |power, _| power.wrapping_mul(FACTOR));
        let mut done = 0;
        let mut at = 0;
        'copies: while at + seed <= new.len() {
            let mut sum = hash(&new[at..at + seed]);
            loop {
                if let Some(found) = self.find(&new[at..], sum, at - done) {
                    let back = common_end(&self.old[..found], &new[done..at]);
                    let length = back + common_start(&self.old[found..], &new[at..]);
                    self.put(&new[done..at - back], found - back, length)?;
                    at = at - back + length;
                    done = at;
                    continue 'copies;
                }
                let Some(&next) = new.get(at + seed) else {
                    break 'copies;
                };
                sum = sum.wrapping_sub(leaving.wrapping_mul(u32::from(new[at]) + 1));
                sum = sum.wrapping_mul(FACTOR).wrapping_add(u32::from(next) + 1);
                at += 1;
            }
        }
        self.pending += new.len() - done;
        self.inserted.write_all(&new[done..])
    }

    /// Where old bytes begin as these, after so many inserted ones.
    #[inline]
    fn find(&self, new: &[u8], sum: u32, inserted: usize) -> Option<usize> {
        let gap = self.pending + inserted;
        let on = self.from + gap;
        if gap <= LONGEST_GAP
            && new.len() >= SHORTEST_ON
            && self.old.get(on..on + SHORTEST_ON) == Some(&new[..SHORTEST_ON])
        {
            return Some(on);
        }
        let place = (self.table[self.slot(sum)] as usize).checked_sub(1)?;
        (self.old[place..place + self.seed] == new[..self.seed]).then_some(place)
    }

    fn put(&mut self, inserted: &[u8], place: usize, length: usize) -> io::Result<()> {
        let gap = self.pending + inserted.len();
        let step = place as i64 - (self.from + gap) as i64;
        for number in [gap as u64, length as u64, (step << 1 ^ step >> 63) as u64] {
            self.put_number(number)?;
        }
        self.from = place + length;
        self.pending = 0;
        self.inserted.write_all(inserted)
    }

    /// How many bytes it has so far, but for those that are still being packed.
    pub fn packed(&self) -> usize {
        [&self.operations, &self.inserted]
            .map(|packer| packer.get_ref().get_ref().len())
            .iter()
            .sum()
    }

    /// Returns the operations and the inserted bytes, both packed.
    pub fn finish(mut self) -> io::Result<[Vec<u8>; 2]> {
        if self.pending > 0 {
            self.put_number(self.pending as u64)?;
        }
        let finish = |packer: Packer| packer.into_inner()?.finish();
        Ok([finish(self.operations)?, finish(self.inserted)?])
    }

    fn put_number(&mut self, number: u64) -> io::Result<()> {
        self.number.clear();
        put_varint(&mut self.number, number);
        self.operations.write_all(&self.number)
    }
}

fn hash(bytes: &[u8]) -> u32 {
    let add = |sum: u32, &byte: &u8| sum.wrapping_mul(FACTOR).wrapping_add(u32::from(byte) + 1);
    bytes.iter().fold(0, add)
}

/// How many bytes are equal at the beginning.
fn common_start(a: &[u8], b: &[u8]) -> usize {
    let (words, others) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let equal = 8 * words.iter().zip(others).take_while(|(a, b)| a == b).count();
    let rest = a[equal..].iter().zip(&b[equal..]);
    equal + rest.take_while(|(a, b)| a == b).count()
}

/// How many bytes are equal at the end.
fn common_end(a: &[u8], b: &[u8]) -> usize {
    let pairs = a.iter().rev().zip(b.iter().rev());
    pairs.take_while(|(a, b)| a == b).count()
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
        if copy > 0 {
            let on = (self.from as u64).checked_add(insert);
            let from = on
                .and_then(|on| on.checked_add_signed(step))
                .ok_or_else(outside)?;
            let end = from.checked_add(copy).filter(|end| *end <= self.old.len() as u64);
            end.ok_or_else(outside)?;
            self.from = size(from)?;
        }
        match self.insert > 0 || self.copy > 0 {
            true => Ok(true),
            false => Err(DifferenceError::Damaged("an operation does nothing")),
        }
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

    /// Takes a number as [`put_varint`] writes it.
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
