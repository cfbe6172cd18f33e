//! Differences between gzip streams: those that compressors write, and valid ones that none of them writes.

mod gzips;
mod hostile;
mod layers;

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, GzBuilder};
use proptest::collection::vec;
use proptest::prelude::*;
use transload_reference::{Digest, MediaType};

use super::*;

const TEXT: &[u8] = include_bytes!("../mod.rs");
/// The fixed code of `a`, and of the end.
const A: &str = "10010001";
const END: &str = "0000000";

/// What the difference makes of the old layer, and how that ends.
fn written(old: &[u8], difference: &[u8], size: usize) -> (Vec<u8>, Result<(), DifferenceError>) {
    let mut new = Vec::new();
    let end = apply(&mut &old[..], difference, size as u64, &mut new);
    assert!(new.len() <= size, "more was written than there may be");
    assert!(end.is_err() || new.len() == size);
    (new, end)
}

#[track_caller]
fn assert_damaged(old: &[u8], difference: &[u8], reason: &str) {
    match written(old, difference, 1 << 20).1 {
        Err(DifferenceError::Damaged(found)) => assert_eq!(found, reason),
        other => panic!("{other:?}"),
    }
}

fn make_of(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let layer = Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(new), new.len() as u64);
    make(&mut &old[..], &mut &new[..], &layer).expect("memory can be read")
}

fn pack(plain: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::new(level));
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A gzip of these blocks, whose trailer is wrong.
fn gzip(blocks: &[u8]) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], blocks, &[0; 8]].concat()
}

/// Bytes of these bits, as they follow each other.
fn bits(bits: &[&str]) -> Vec<u8> {
    let bits: Vec<bool> = bits.concat().bytes().map(|bit| bit == b'1').collect();
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}

/// A difference whose streams are these: for each part operations and inserted bytes.
fn forged(streams: [&[u8]; 6]) -> Vec<u8> {
    let packed = streams.map(|stream| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(stream).unwrap();
        encoder.finish().unwrap()
    });
    with_head(packed.into())
}

/// The sizes of a difference's streams.
fn sizes(difference: &[u8]) -> Vec<u64> {
    difference[8..HEAD]
        .as_chunks()
        .0
        .iter()
        .map(|size| u64::from_le_bytes(*size))
        .collect()
}

/// A tar's worth of files, made of a few numbers.
fn content(files: &[(u8, u16)]) -> Vec<u8> {
    let mut plain = Vec::new();
    for &(kind, size) in files {
        let mut state = u32::from(kind) + 1;
        let bytes = (0..u32::from(size)).map(|at| match kind % 4 {
            0 => 0,
            1 => TEXT[at as usize % TEXT.len()],
            2 => (at / 32) as u8,
            _ => {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            }
        });
        plain.extend(bytes);
    }
    plain
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_edit_comes_out_again(
        files in vec((any::<u8>(), any::<u16>()), 1..6),
        edits in vec((any::<prop::sample::Index>(), 0..400usize, vec(any::<u8>(), 0..60)), 0..12),
        levels in (0..10u32, 0..10u32),
    ) {
        let old = content(&files);
        let mut new = old.clone();
        for (place, removed, inserted) in edits {
            let start = place.index(new.len() + 1);
            let end = new.len().min(start + removed);
            new.splice(start..end, inserted);
        }
        let (old, new) = (pack(&old, levels.0), pack(&new, levels.1));
        let known = make_anyway(&old, &new).unwrap();
        let (rebuilt, end) = written(&old, &known, new.len());
        prop_assert!(end.is_ok() && rebuilt == new, "{end:?}");
    }

    #[test]
    fn random_streams_of_a_difference_stay_within_the_size(
        streams in prop::array::uniform6(vec(any::<u8>(), 0..40)),
        size in 0..2000usize,
    ) {
        let _ = written(&pack(TEXT, 6), &forged(streams.each_ref().map(Vec::as_slice)), size);
    }

    #[test]
    fn random_blocks_are_refused_or_come_out_again(blocks in vec(any::<u8>(), 0..60)) {
        let gzip = gzip(&blocks);
        if let Ok(known) = make_anyway(&gzip, &gzip) {
            prop_assert_eq!(written(&gzip, &known, gzip.len()).0, gzip);
        }
    }
}
