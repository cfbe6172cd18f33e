//! Huffman codes by the lengths of their codes ([RFC 1951, sections 3.2.2 and 3.2.5 to 3.2.7]).
//!
//! [RFC 1951, sections 3.2.2 and 3.2.5 to 3.2.7]: https://www.rfc-editor.org/rfc/rfc1951#section-3.2.2

use super::DifferenceError;
use super::bits::BitReader;

/// The symbol that ends a block.
pub(super) const END: usize = 256;
/// The shortest match, which the first symbol behind [`END`] stands for.
pub(super) const SHORTEST: usize = 3;
/// For each symbol of a match's length: the shortest length it stands for, and how many bits tell which one it is.
pub(super) const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];
/// The same for distances.
pub(super) const DISTANCES: [(u16, u8); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];
/// In this order a block's head has the lengths of the code that its code lengths are written in.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// How many symbols for literals and lengths the fixed code has.
const FIXED: usize = 288;
const LONGEST: usize = 15;
/// The longest codes that are found at the first look, so that a table is quick to fill.
const SHORT: u32 = 11;

/// A symbol's bits, the first one lowest; no length where it has none.
#[derive(Clone, Copy, Default)]
pub(super) struct Code {
    pub bits: u16,
    pub length: u8,
}

/// The codes of a block's symbols.
pub(super) type Codes = [Code; FIXED];

/// Returns the codes of these lengths, of at most 15 bits each; none where there are more than bits can tell apart.
pub(super) fn codes(lengths: &[u8]) -> Option<Codes> {
    let mut counts = [0u32; LONGEST + 1];
    for &length in lengths {
        counts[usize::from(length)] += 1;
    }
    let mut next = [0u32; LONGEST + 2];
    for length in 1..=LONGEST {
        let end = next[length] + counts[length];
        if end > 1 << length {
            return None;
        }
        next[length + 1] = end << 1;
    }
    let mut codes = [Code::default(); FIXED];
    for (code, &length) in codes.iter_mut().zip(lengths).filter(|(_, length)| **length > 0) {
        let bits = next[usize::from(length)] as u16;
        next[usize::from(length)] += 1;
        code.bits = bits.reverse_bits() >> (16 - length);
        code.length = length;
    }
    Some(codes)
}

/// Finds symbols by their bits.
#[derive(Default)]
pub(super) struct Table {
    /// For each possible value of the next bits: the symbol, shifted by four, and its code's length. Zero where there is no short one.
    entries: Vec<u16>,
    width: u32,
    /// How many codes of each length there are.
    counts: [u16; LONGEST + 1],
    /// The symbols, in the order of their codes.
    symbols: Vec<u16>,
}

impl Table {
    /// Takes another code.
    pub fn set(&mut self, lengths: &[u8]) -> Result<(), DifferenceError> {
        let codes = codes(lengths).ok_or(DifferenceError::Unusable("a Huffman code is impossible"))?;
        let longest = lengths.iter().copied().max().unwrap_or(0);
        self.width = SHORT.min(longest.into());
        self.entries.clear();
        self.entries.resize(1 << self.width, 0);
        self.counts = [0; LONGEST + 1];
        for &length in lengths.iter().filter(|length| **length > 0) {
            self.counts[usize::from(length)] += 1;
        }
        self.symbols.clear();
        if u32::from(longest) > SHORT {
            self.symbols.extend(0..lengths.len() as u16);
            self.symbols.retain(|symbol| lengths[usize::from(*symbol)] > 0);
            self.symbols.sort_by_key(|symbol| lengths[usize::from(*symbol)]);
        }
        let is_short = |code: &Code| (1..=SHORT).contains(&u32::from(code.length));
        for (symbol, code) in codes.iter().enumerate().filter(|(_, code)| is_short(code)) {
            let entry = (symbol as u16) << 4 | u16::from(code.length);
            for slot in self
                .entries
                .iter_mut()
                .skip(code.bits.into())
                .step_by(1 << code.length)
            {
                *slot = entry;
            }
        }
        Ok(())
    }

    /// Takes a symbol from bits that are ready.
    #[inline]
    pub fn decode(&self, bits: &mut BitReader) -> Result<usize, DifferenceError> {
        let entry = self.entries[bits.peek(self.width)];
        if entry == 0 {
            return self.decode_long(bits);
        }
        bits.skip(u32::from(entry & 15))?;
        Ok(usize::from(entry >> 4))
    }

    /// Of each length, codes follow each other: the first one is known by the shorter ones.
    #[cold]
    fn decode_long(&self, bits: &mut BitReader) -> Result<usize, DifferenceError> {
        let next = bits.peek(LONGEST as u32);
        let (mut code, mut first, mut shorter) = (0, 0, 0);
        for (length, &count) in (1..).zip(&self.counts[1..]) {
            code = code << 1 | next >> (length - 1) & 1;
            first <<= 1;
            let count = usize::from(count);
            if code < first + count
                && let Some(symbol) = self.symbols.get(shorter + code - first)
            {
                bits.skip(length)?;
                return Ok(usize::from(*symbol));
            }
            first += count;
            shorter += count;
        }
        Err(DifferenceError::Unusable("a Huffman code is unknown"))
    }
}

/// The lengths of a block's codes.
pub(super) struct BlockLengths {
    lengths: [u8; FIXED + 32],
    literals: usize,
    count: usize,
}

impl BlockLengths {
    /// Returns those of a block with the fixed code.
    pub fn fixed() -> BlockLengths {
        let mut lengths = [5; FIXED + 32];
        lengths[..FIXED].fill(8);
        lengths[144..END].fill(9);
        lengths[END..280].fill(7);
        BlockLengths {
            lengths,
            literals: FIXED,
            count: FIXED + DISTANCES.len(),
        }
    }

    /// Takes a block's own from its head.
    pub fn from_head(head: &mut dyn Head) -> Result<BlockLengths, DifferenceError> {
        let literals = usize::from(head.number(5)?) + END + 1;
        let distances = usize::from(head.number(5)?) + 1;
        if literals > END + 1 + LENGTHS.len() || distances > DISTANCES.len() {
            return Err(head.refuse("a block has too many symbols"));
        }
        let mut code = [0; ORDER.len()];
        let given = usize::from(head.number(4)?) + 4;
        for &symbol in &ORDER[..given] {
            code[symbol] = head.number(3)?;
        }
        head.set_code(&code)?;
        let mut block = BlockLengths {
            lengths: [0; FIXED + 32],
            literals,
            count: literals + distances,
        };
        let mut known = 0;
        while known < block.count {
            let (length, times) = match head.symbol()? {
                length @ 0..=15 => (length, 1),
                16 if known > 0 => (block.lengths[known - 1], usize::from(head.number(2)?) + 3),
                16 => return Err(head.refuse("a block repeats a length before the first")),
                17 => (0, usize::from(head.number(3)?) + 3),
                _ => (0, usize::from(head.number(7)?) + 11),
            };
            if times > block.count - known {
                return Err(head.refuse("a block has too many lengths"));
            }
            block.lengths[known..known + times].fill(length);
            known += times;
        }
        Ok(block)
    }

    pub fn literals(&self) -> &[u8] {
        &self.lengths[..self.literals]
    }

    pub fn distances(&self) -> &[u8] {
        &self.lengths[self.literals..self.count]
    }
}

/// Passes the head of a dynamic block field by field. One side reads it from a stream and keeps it; the other writes the kept fields.
pub(super) trait Head {
    /// Takes a number of at most seven bits.
    fn number(&mut self, bits: u32) -> Result<u8, DifferenceError>;
    /// Sets the code that symbols are written in.
    fn set_code(&mut self, lengths: &[u8]) -> Result<(), DifferenceError>;
    /// Takes a symbol.
    fn symbol(&mut self) -> Result<u8, DifferenceError>;
    /// Makes an error.
    fn refuse(&self, reason: &'static str) -> DifferenceError;
}
