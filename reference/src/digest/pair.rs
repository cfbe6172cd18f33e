//! Two contents' blocks taken in together, step by step in turn.
//!
//! Each of SHA-256's steps needs the result of the one before, and takes a processor's own instruction for it four clocks, of which it is
//! busy for two: another content's steps fit in between. A processor finds some of them by itself where whole blocks of two contents come
//! in turn; here they stand side by side.
//!
//! This is the workspace's one module with `unsafe`: the instructions may only be used where the processor has them, which is asked first,
//! and vectors are read through pointers.

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "the processor's instructions for two contents at once, with a proof at each place"
    )
)]

use sha2::block_api::compress256;

use super::sha256::BLOCK;

/// Takes the blocks of both contents into their states. There are as many of one as of the other.
pub(super) fn compress(
    state: &mut [u32; 8],
    blocks: &[[u8; BLOCK]],
    other: &mut [u32; 8],
    others: &[[u8; BLOCK]],
) {
    debug_assert_eq!(blocks.len(), others.len());
    #[cfg(target_arch = "x86_64")]
    if x86::is_available() {
        // SAFETY: the processor has the instructions.
        return unsafe { x86::compress(state, blocks, other, others) };
    }
    in_turn(state, blocks, other, others);
}

/// The same where there are no instructions for it that are known here: a block of one, a block of the other.
fn in_turn(state: &mut [u32; 8], blocks: &[[u8; BLOCK]], other: &mut [u32; 8], others: &[[u8; BLOCK]]) {
    for (block, other_block) in blocks.iter().zip(others) {
        compress256(state, std::slice::from_ref(block));
        compress256(other, std::slice::from_ref(other_block));
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_loadu_si128, _mm_set_epi32,
        _mm_set_epi64x, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
        _mm_shuffle_epi32,
    };

    use super::BLOCK;

    /// The constants of the rounds ([FIPS 180-4], section 4.2.2), four at a time as the processor has them in memory.
    ///
    /// [FIPS 180-4]: https://csrc.nist.gov/pubs/fips/180-4/upd1/final
    #[rustfmt::skip]
    static ROUNDS: [[u8; 16]; 16] = [
        four(0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5), four(0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5),
        four(0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3), four(0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174),
        four(0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc), four(0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da),
        four(0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7), four(0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967),
        four(0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13), four(0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85),
        four(0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3), four(0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070),
        four(0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5), four(0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3),
        four(0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208), four(0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2),
    ];

    const fn four(a: u32, b: u32, c: u32, d: u32) -> [u8; 16] {
        (a as u128 | (b as u128) << 32 | (c as u128) << 64 | (d as u128) << 96).to_le_bytes()
    }

    /// Whether the processor has what [`compress`] needs.
    pub fn is_available() -> bool {
        is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1")
    }

    /// The next four words of each block's schedule, in a ring: the first of them is what the next rounds take.
    type Schedule = [__m128i; 4];

    /// The state as the processor's instructions have it: the words `abef` and `cdgh`, the first in the highest place.
    type State = [__m128i; 2];

    /// As [`super::compress`].
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub fn compress(
        state: &mut [u32; 8],
        blocks: &[[u8; BLOCK]],
        other: &mut [u32; 8],
        others: &[[u8; BLOCK]],
    ) {
        let (mut s, mut t) = (load_state(state), load_state(other));
        for (block, other_block) in blocks.iter().zip(others) {
            let (s_before, t_before) = (s, t);
            let (mut v, mut w) = (load_block(block), load_block(other_block));
            for round in [0, 4, 8] {
                for four in 0..4 {
                    four_rounds(round + four, &mut s, v[four]);
                    extend(four, &mut v);
                    four_rounds(round + four, &mut t, w[four]);
                    extend(four, &mut w);
                }
            }
            for four in 0..4 {
                four_rounds(12 + four, &mut s, v[four]);
                four_rounds(12 + four, &mut t, w[four]);
            }
            (s, t) = (add(s, s_before), add(t, t_before));
        }
        (*state, *other) = (store_state(s), store_state(t));
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn load_state(&[a, b, c, d, e, f, g, h]: &[u32; 8]) -> State {
        let four = |a: u32, b: u32, c: u32, d: u32| {
            _mm_set_epi32(a.cast_signed(), b.cast_signed(), c.cast_signed(), d.cast_signed())
        };
        [four(a, b, e, f), four(c, d, g, h)]
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn store_state([abef, cdgh]: State) -> [u32; 8] {
        [
            _mm_extract_epi32::<3>(abef),
            _mm_extract_epi32::<2>(abef),
            _mm_extract_epi32::<3>(cdgh),
            _mm_extract_epi32::<2>(cdgh),
            _mm_extract_epi32::<1>(abef),
            _mm_extract_epi32::<0>(abef),
            _mm_extract_epi32::<1>(cdgh),
            _mm_extract_epi32::<0>(cdgh),
        ]
        .map(i32::cast_unsigned)
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn add(one: State, other: State) -> State {
        [_mm_add_epi32(one[0], other[0]), _mm_add_epi32(one[1], other[1])]
    }

    /// The words of a block, which has them with their highest bytes first.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn load_block(block: &[u8; BLOCK]) -> Schedule {
        let swapped = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        let (parts, _) = block.as_chunks();
        std::array::from_fn(|part| _mm_shuffle_epi8(vector(&parts[part]), swapped))
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn vector(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: as many bytes may be read there, and they needn't be aligned.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    /// Four rounds (section 6.2.2, step 3). `four` counts them by fours.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn four_rounds(four: usize, [abef, cdgh]: &mut State, words: __m128i) {
        let words = _mm_add_epi32(words, vector(&ROUNDS[four]));
        *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, words);
        *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32::<0b1110>(words));
    }

    /// Replaces the four words that were taken by those of four fours later (section 6.2.2, step 1).
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn extend(four: usize, words: &mut Schedule) {
        let [first, second, third, fourth] = std::array::from_fn(|next| words[(four + next) % 4]);
        let nearly = _mm_add_epi32(
            _mm_sha256msg1_epu32(first, second),
            _mm_alignr_epi8::<4>(fourth, third),
        );
        words[four] = _mm_sha256msg2_epu32(nearly, fourth);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Way = fn(&mut [u32; 8], &[[u8; BLOCK]], &mut [u32; 8], &[[u8; BLOCK]]);

    #[test]
    fn processors_with_the_instructions_use_them() {
        #[cfg(target_arch = "x86_64")]
        assert_eq!(x86::is_available(), is_x86_feature_detected!("sha"));
    }

    proptest! {
        #[test]
        fn each_way_does_to_two_states_what_is_done_to_each_alone(
            begin in prop::array::uniform8(any::<u32>()),
            other_begin in prop::array::uniform8(any::<u32>()),
            bytes in prop::collection::vec((prop::array::uniform32(any::<u8>()), prop::array::uniform32(any::<u8>())), 0..12),
        ) {
            let block = |(first, second): &([u8; 32], [u8; 32])| -> [u8; BLOCK] {
                std::array::from_fn(|at| if at < 32 { first[at] } else { second[at - 32] })
            };
            let blocks: Vec<[u8; BLOCK]> = bytes.iter().map(block).collect();
            let others: Vec<[u8; BLOCK]> = blocks.iter().rev().map(|block| block.map(|byte| !byte)).collect();
            let (mut alone, mut other_alone) = (begin, other_begin);
            compress256(&mut alone, &blocks);
            compress256(&mut other_alone, &others);
            for way in [compress as Way, in_turn] {
                let (mut state, mut other) = (begin, other_begin);
                way(&mut state, &blocks, &mut other, &others);
                prop_assert_eq!((state, other), (alone, other_alone));
            }
        }
    }
}
