//! SHA-256 ([FIPS 180-4]) over sha2's compression of blocks, with a state that two contents can be taken further by together.
//!
//! [FIPS 180-4]: https://csrc.nist.gov/pubs/fips/180-4/upd1/final

use sha2::block_api::compress256;

use super::pair;

/// How many bytes are taken in at once.
pub(super) const BLOCK: usize = 64;

/// Where the length stands in the last block: in its last eight bytes (section 5.1.1).
const LENGTH_AT: usize = BLOCK - 8;

/// The state that every hash begins with (section 5.3.3).
const FIRST: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// The hash of the bytes so far.
#[derive(Clone)]
pub(super) struct Sha256 {
    state: [u32; 8],
    /// The bytes behind the last whole block.
    beyond: [u8; BLOCK],
    /// How many bytes were taken in.
    length: u64,
}

impl Default for Sha256 {
    fn default() -> Sha256 {
        Sha256 {
            state: FIRST,
            beyond: [0; BLOCK],
            length: 0,
        }
    }
}

impl Sha256 {
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = self.fill_block(bytes).as_chunks();
        compress256(&mut self.state, blocks);
        self.keep(blocks.len(), rest);
    }

    /// The same for two contents at once.
    pub fn update_both(&mut self, bytes: &[u8], other: &mut Sha256, others: &[u8]) {
        let (blocks, rest) = self.fill_block(bytes).as_chunks();
        let (other_blocks, other_rest) = other.fill_block(others).as_chunks();
        let common = blocks.len().min(other_blocks.len());
        let ((both, more), (others_both, others_more)) =
            (blocks.split_at(common), other_blocks.split_at(common));
        pair::compress(&mut self.state, both, &mut other.state, others_both);
        compress256(&mut self.state, more);
        compress256(&mut other.state, others_more);
        self.keep(blocks.len(), rest);
        other.keep(other_blocks.len(), other_rest);
    }

    /// Ends the content by a one bit, zeros and its length in bits (section 5.1.1).
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.length.wrapping_mul(8);
        let at = self.beyond_len();
        self.beyond[at] = 0x80;
        self.beyond[at + 1..].fill(0);
        if at >= LENGTH_AT {
            compress256(&mut self.state, &[self.beyond]);
            self.beyond.fill(0);
        }
        self.beyond[LENGTH_AT..].copy_from_slice(&bits.to_be_bytes());
        compress256(&mut self.state, &[self.beyond]);
        let mut hash = [0; 32];
        let (words, _) = hash.as_chunks_mut();
        for (into, word) in words.iter_mut().zip(self.state) {
            *into = word.to_be_bytes();
        }
        hash
    }

    fn beyond_len(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    /// Completes the block that was begun, as far as there are bytes for it. The bytes that are left; none unless the block is complete.
    fn fill_block<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let at = self.beyond_len();
        if at == 0 {
            return bytes;
        }
        let (first, rest) = bytes.split_at(bytes.len().min(BLOCK - at));
        self.beyond[at..at + first.len()].copy_from_slice(first);
        self.length += first.len() as u64;
        if self.beyond_len() == 0 {
            compress256(&mut self.state, &[self.beyond]);
        }
        rest
    }

    /// Takes note of blocks that were taken in, and of the bytes behind them.
    fn keep(&mut self, blocks: usize, rest: &[u8]) {
        self.beyond[..rest.len()].copy_from_slice(rest);
        self.length += (blocks * BLOCK + rest.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::Digest as _;

    /// What sha2 makes of it.
    fn expected(bytes: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(bytes).into()
    }

    fn content(length: usize, seed: u8) -> Vec<u8> {
        (0..length)
            .map(|at| (at % 251) as u8 ^ (at >> 8) as u8 ^ seed)
            .collect()
    }

    #[test]
    fn every_length_around_the_edges_of_blocks_is_padded_as_it_should_be() {
        for length in (0..=260).chain([4095, 4096, 4097]) {
            let bytes = content(length, 7);
            let mut hash = Sha256::default();
            hash.update(&bytes);
            assert_eq!(hash.finish(), expected(&bytes), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_make_the_same_as_the_whole(cuts in prop::collection::vec(0usize..300, 0..20)) {
            let bytes = content(cuts.iter().sum(), 3);
            let mut hash = Sha256::default();
            let mut left = bytes.as_slice();
            for cut in cuts {
                let (piece, rest) = left.split_at(cut);
                hash.update(piece);
                left = rest;
            }
            prop_assert_eq!(hash.finish(), expected(&bytes));
        }

        #[test]
        fn two_contents_in_pieces_of_any_sizes_keep_their_own_hashes(
            cuts in prop::collection::vec((0usize..700, 0usize..700, any::<bool>()), 0..12),
        ) {
            let a = content(cuts.iter().map(|cut| cut.0).sum(), 1);
            let b = content(cuts.iter().map(|cut| cut.1).sum(), 2);
            let (mut hash, mut other) = (Sha256::default(), Sha256::default());
            let (mut left, mut others_left) = (a.as_slice(), b.as_slice());
            for (cut, other_cut, together) in cuts {
                let ((piece, rest), (others, others_rest)) = (left.split_at(cut), others_left.split_at(other_cut));
                if together {
                    hash.update_both(piece, &mut other, others);
                } else {
                    hash.update(piece);
                    other.update(others);
                }
                (left, others_left) = (rest, others_rest);
            }
            prop_assert_eq!(hash.finish(), expected(&a));
            prop_assert_eq!(other.finish(), expected(&b));
        }
    }
}
