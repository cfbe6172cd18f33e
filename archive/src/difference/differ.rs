//! Makes a difference of bytes: copies from old bytes, and new ones between them.

use std::io::{self, BufWriter, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::patched::{LONGEST_GAP, is_replacement};

const LEVEL: u32 = 6;
const BUFFER: usize = 32 * 1024;
/// The fewest equal bytes that continue the last copy.
const SHORTEST_ON: usize = 12;
/// An entry of the table has the number of a seed, from one, in these bits, and in the others a part of its hash: most of the seeds
/// with another hash are told by it, without a look at the old bytes.
const INDEX_BITS: u32 = 27;
const TAG: u32 = u32::MAX << INDEX_BITS;
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
    /// For a seed with some hash: its number and tag, or zero.
    table: Vec<u32>,
    shift: u32,
    operations: Packer,
    inserted: Packer,
    /// Where the last copy ended in `old`.
    from: usize,
    /// Bytes that are to be inserted behind it, and how many were inserted already, since they are too many to replace old ones.
    pending: Vec<u8>,
    passed: usize,
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
            pending: Vec::new(),
            passed: 0,
            number: Vec::new(),
        };
        // Backwards: of equal seeds the first one stays.
        for (index, bytes) in old.chunks_exact(seed).enumerate().rev() {
            let (slot, tag) = differ.slot(hash(bytes));
            differ.table[slot] = tag | (index as u32 + 1);
        }
        differ
    }

    /// Where a seed with this hash is in the table, and the tag that it has there.
    #[inline]
    fn slot(&self, hash: u32) -> (usize, u32) {
        let bits = hash.wrapping_mul(SPREAD);
        let slot = bits >> self.shift;
        (slot as usize, bits << (32 - self.shift) & TAG)
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
        self.pending.extend_from_slice(&new[done..]);
        if self.gap() > LONGEST_GAP {
            self.passed = self.gap();
            self.inserted.write_all(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }

    /// How many bytes are inserted since the last copy.
    fn gap(&self) -> usize {
        self.passed + self.pending.len()
    }

    /// Finds old bytes that begin like these. `inserted` is the number of new bytes since the last copy.
    #[inline]
    fn find(&self, new: &[u8], sum: u32, inserted: usize) -> Option<usize> {
        let gap = self.gap() + inserted;
        let on = self.from + gap;
        if gap <= LONGEST_GAP
            && new.len() >= SHORTEST_ON
            && self.old.get(on..on + SHORTEST_ON) == Some(&new[..SHORTEST_ON])
        {
            return Some(on);
        }
        let (slot, tag) = self.slot(sum);
        let entry = self.table[slot];
        if entry == 0 || entry & TAG != tag {
            return None;
        }
        let place = ((entry & !TAG) as usize - 1) * self.seed;
        (self.old[place..place + self.seed] == new[..self.seed]).then_some(place)
    }

    fn put(&mut self, inserted: &[u8], place: usize, length: usize) -> io::Result<()> {
        self.pending.extend_from_slice(inserted);
        let gap = self.gap();
        let step = place as i64 - (self.from + gap) as i64;
        if is_replacement(gap as u64, step) {
            for (new, old) in self.pending.iter_mut().zip(&self.old[self.from..]) {
                *new = new.wrapping_sub(*old);
            }
        }
        for number in [gap as u64, length as u64, (step << 1 ^ step >> 63) as u64] {
            self.put_number(number)?;
        }
        self.inserted.write_all(&self.pending)?;
        self.pending.clear();
        self.passed = 0;
        self.from = place + length;
        Ok(())
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
        if self.gap() > 0 {
            self.put_number(self.gap() as u64)?;
            self.inserted.write_all(&self.pending)?;
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
