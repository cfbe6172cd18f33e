use std::io::Write as _;
use std::process::Command;

use flate2::write::DeflateEncoder;
use flate2::{Compression, GzBuilder};
use proptest::collection::vec;
use proptest::prelude::*;
use transload_reference::{Digest, MediaType};

use super::*;

const TEXT: &[u8] = include_bytes!("tests.rs");

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

/// A number's bits, the lowest first.
fn number(number: u32, count: usize) -> String {
    let bits = format!("{number:0count$b}");
    bits.chars().rev().collect()
}

/// The head of a last block with a code of its own: the lengths of the code for lengths, then what is written in it.
fn dynamic(literals: u32, distances: u32, lengths: [u32; 19], symbols: &[&str]) -> String {
    let head = [
        "1",
        "01",
        &number(literals - 257, 5),
        &number(distances - 1, 5),
        "1111",
    ]
    .concat();
    let lengths: String = lengths.iter().map(|length| number(*length, 3)).collect();
    [head, lengths, symbols.concat()].concat()
}

/// Lengths of the code for lengths, where 18 is `0`, 1 is `10`, and 2 is `11`.
const REPEAT_1_2: [u32; 19] = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0];
/// Where 18 is `0`, 0 is `10`, and 1 is `11`.
const REPEAT_0_1: [u32; 19] = [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0];
/// The fixed code of `a`, of a match of three bytes, of one byte back, and of the end.
const A: &str = "10010001";
const THREE: &str = "0000001";
const ONE_BACK: &str = "00000";
const END: &str = "0000000";

/// Asserts that a gzip comes out again, from itself and from another one.
#[track_caller]
fn assert_rebuilt(gzip: &[u8]) {
    for old in [gzip, &pack(b"something else", 6)] {
        let difference = make_anyway(old, gzip).unwrap();
        let (new, end) = written(old, &difference, gzip.len());
        end.unwrap();
        assert!(new == gzip);
    }
}

#[track_caller]
fn assert_refused(gzip: &[u8], reason: &str) {
    match make_anyway(gzip, gzip) {
        Err(DifferenceError::Unusable(found)) => assert_eq!(found, reason),
        other => panic!("{other:?}"),
    }
    assert_eq!(make_of(gzip, &pack(TEXT, 6)), None);
    assert_eq!(make_of(&pack(TEXT, 6), gzip), None);
}

#[test]
fn a_gzip_of_any_level_comes_out_again() {
    for level in 0..=9 {
        for plain in [TEXT, b"", &[0; 300_000]] {
            assert_rebuilt(&pack(plain, level));
        }
    }
}

#[test]
fn a_layer_of_which_little_changed_has_a_small_difference() {
    let old = pack(TEXT, 6);
    let new = pack(&[&TEXT[..5000], b"and a line more\n", &TEXT[5000..]].concat(), 6);
    let difference = make_of(&old, &new).unwrap();
    assert!(
        difference.len() * 2 < new.len(),
        "{} of {}",
        difference.len(),
        new.len()
    );
    let (rebuilt, end) = written(&old, &difference, new.len());
    end.unwrap();
    assert!(rebuilt == new);
}

#[test]
fn a_layer_of_which_all_changed_has_none() {
    let new = pack(TEXT, 6);
    assert_eq!(make_of(&pack(b"something else", 6), &new), None);
}

#[test]
fn what_comes_with_another_digest_has_none() {
    let new = pack(TEXT, 6);
    let layer = Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(b""), new.len() as u64);
    assert_eq!(make(&mut &new[..], &mut &new[..], &layer).unwrap(), None);
}

#[test]
fn a_layer_that_cannot_be_read_is_an_error() {
    struct Unreadable;
    impl Read for Unreadable {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
    let gzip = pack(TEXT, 6);
    let layer = Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(&gzip), gzip.len() as u64);
    for (old, new) in [(true, false), (false, true)] {
        let mut old: Box<dyn Read> = if old {
            Box::new(Unreadable)
        } else {
            Box::new(&gzip[..])
        };
        let mut new: Box<dyn Read> = if new {
            Box::new(Unreadable)
        } else {
            Box::new(&gzip[..])
        };
        let error = make(&mut old, &mut new, &layer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
    let known = make_anyway(&gzip, &gzip).unwrap();
    let error = apply(&mut Unreadable, &known, layer.size, &mut io::sink()).unwrap_err();
    assert!(matches!(error, DifferenceError::Read(_)) && error.is_retryable());
}

#[test]
fn what_gnu_gzip_and_pigz_write_comes_out_again() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), TEXT.repeat(20)).unwrap();
    for program in ["gzip", "pigz"] {
        for level in ["-1", "-6", "-9"] {
            let packed = Command::new(program)
                .args(["-c", "-n", level])
                .arg(file.path())
                .output();
            match packed {
                Ok(packed) => assert_rebuilt(&packed.stdout),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            }
        }
    }
}

#[test]
fn streams_that_were_flushed_come_out_again() {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::new(6));
    for part in TEXT.chunks(1000) {
        encoder.write_all(part).unwrap();
        encoder.flush().unwrap();
    }
    assert_rebuilt(&encoder.finish().unwrap());
}

#[test]
fn every_field_of_a_header_comes_out_again() {
    for fields in 0..8 {
        let mut builder = GzBuilder::new().mtime(1_700_000_000).operating_system(3);
        if fields & 1 > 0 {
            builder = builder.filename("layer.tar");
        }
        if fields & 2 > 0 {
            builder = builder.comment("a comment");
        }
        if fields & 4 > 0 {
            builder = builder.extra(vec![7; 300]);
        }
        let mut encoder = builder.write(Vec::new(), Compression::new(6));
        encoder.write_all(TEXT).unwrap();
        let mut gzip = encoder.finish().unwrap();
        assert_rebuilt(&gzip);
        if fields == 0 {
            // A checksum of the header.
            gzip[3] |= 2;
            gzip.splice(10..10, [1, 2]);
            assert_rebuilt(&gzip);
        }
    }
}

#[test]
fn stored_blocks_come_out_again_empty_ones_too() {
    let empty = bits(&["000", "00000", &number(0, 16), &number(0xffff, 16)]);
    let two = bits(&[
        "000",
        "00000",
        &number(2, 16),
        &number(0xfffd, 16),
        &number(0x6261, 16),
    ]);
    let last = bits(&["100", "00000", &number(0, 16), &number(0xffff, 16)]);
    assert_rebuilt(&gzip(&last));
    assert_rebuilt(&gzip(&[&empty[..], &two, &empty, &two, &last].concat()));
}

#[test]
fn fixed_blocks_come_out_again_empty_ones_too() {
    let empty = ["0", "10", END].concat();
    let last = ["1", "10", A, THREE, ONE_BACK, A, END].concat();
    assert_rebuilt(&gzip(&bits(&[&empty, &empty, &last])));
    // Each of the other lengths and distances is in a text that flate2 packs.
    let longest = ["1", "10", A, "11000101", ONE_BACK, END].concat();
    assert_rebuilt(&gzip(&bits(&[&longest])));
}

#[test]
fn blocks_with_one_distance_or_none_come_out_again() {
    // Nothing up to `a`, then `a`, nothing up to the end, then the rest.
    let up_to_a = ["0", &number(86, 7)].concat();
    let up_to_end = ["0", &number(127, 7), "0", &number(9, 7)].concat();
    let one = [&up_to_a, "10", &up_to_end, "11", "11", "10", "0", "11", "0", "10"];
    let one = dynamic(258, 1, REPEAT_1_2, &one);
    assert_rebuilt(&gzip(&bits(&[&one])));
    let none = [&up_to_a, "11", &up_to_end, "11", "10", "0", "1"];
    let none = dynamic(257, 1, REPEAT_0_1, &none);
    assert_rebuilt(&gzip(&bits(&[&none])));
}

#[test]
fn blocks_with_impossible_codes_are_refused() {
    let three_of_one_bit = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let impossible = "a Huffman code is impossible";
    assert_refused(
        &gzip(&bits(&[&dynamic(257, 1, three_of_one_bit, &[])])),
        impossible,
    );
    // 258 literals of one bit.
    let only_one = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    let ones = "0".repeat(258);
    assert_refused(&gzip(&bits(&[&dynamic(257, 1, only_one, &[&ones])])), impossible);
    assert_refused(
        &gzip(&bits(&[&dynamic(257, 1, only_one, &["1"])])),
        "a Huffman code is unknown",
    );
    assert_refused(
        &gzip(&bits(&[&dynamic(257, 1, [0; 19], &["1"])])),
        "a Huffman code is unknown",
    );
    let repeat_first = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_refused(
        &gzip(&bits(&[&dynamic(257, 1, repeat_first, &["0"])])),
        "a block repeats a length before the first",
    );
    let zeros = ["0", &number(127, 7)].concat();
    assert_refused(
        &gzip(&bits(&[&dynamic(257, 1, REPEAT_0_1, &[&zeros, &zeros])])),
        "a block has too many lengths",
    );
    for (literals, distances) in [(287, 1), (257, 31)] {
        assert_refused(
            &gzip(&bits(&[&dynamic(literals, distances, REPEAT_0_1, &[])])),
            "a block has too many symbols",
        );
    }
}

#[test]
fn matches_that_no_packer_writes_are_refused() {
    let fixed = |symbols: &[&str]| gzip(&bits(&[&["1", "10"], symbols, &[END]].concat()));
    assert_refused(&fixed(&[THREE, ONE_BACK]), "a match reaches before the beginning");
    assert_refused(
        &fixed(&[A, THREE, "00001"]),
        "a match reaches before the beginning",
    );
    assert_refused(&fixed(&[A, "11000110", ONE_BACK]), "a match's symbol is unknown");
    assert_refused(&fixed(&[A, THREE, "11110"]), "a Huffman code is unknown");
    assert_refused(
        &fixed(&[A, "11000100", "11111", ONE_BACK]),
        "a match's length is written in an unusual way",
    );
}

#[test]
fn blocks_that_no_packer_writes_are_refused() {
    assert_refused(&gzip(&bits(&["111"])), "a block is of no known kind");
    let wrong = bits(&["100", "00000", &number(1, 16), &number(0xffff, 16)]);
    assert_refused(&gzip(&wrong), "a stored block's length is wrong");
    let set = "bits between its blocks are set";
    assert_refused(&gzip(&bits(&["1", "10", END, "000001"])), set);
    assert_refused(
        &gzip(&bits(&["100", "00001", &number(0, 16), &number(0xffff, 16)])),
        set,
    );
}

#[test]
fn what_is_no_gzip_of_one_member_is_refused() {
    let gzip = pack(TEXT, 6);
    let behind = "it goes on behind its gzip member";
    assert_refused(&[&gzip[..], &gzip].concat(), behind);
    assert_refused(&[&gzip[..], &[0]].concat(), behind);
    assert_refused(&[0; 1024], "it is no gzip");
    assert_refused(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0, 0, 0], "it is no gzip");
    assert_refused(&[&[0x1f, 0x8b, 8, 32], &gzip[4..]].concat(), "it is no gzip");
    assert_refused(b"", "it is cut off");
    let name = [
        &[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0][..],
        &vec![b'a'; 70_000],
        &gzip[9..],
    ]
    .concat();
    assert_refused(&name, "its header is too long");
}

#[test]
fn a_gzip_that_is_cut_off_anywhere_is_refused() {
    let text = pack(&TEXT[..600], 6);
    let stored = pack(&TEXT[..60], 0);
    for gzip in [text, stored] {
        for end in 0..gzip.len() {
            assert_refused(&gzip[..end], "it is cut off");
        }
    }
}

#[test]
fn content_above_the_limit_has_no_difference() {
    const LIMIT: u64 = 3_000_000;
    for level in [0, 6] {
        let large = pack(&vec![1; 3_000_001], level);
        let small = pack(&[1; 100], level);
        assert!(split_old(&mut &large[..], LIMIT).is_err());
        let old = split_old(&mut &small[..], LIMIT).unwrap();
        assert!(compare(&old, &mut &large[..], u64::MAX, LIMIT).is_err());
        let fits = pack(&vec![1; 3_000_000], level);
        assert!(compare(&old, &mut &fits[..], u64::MAX, LIMIT).is_ok());
        let known = make_anyway(&small, &large).unwrap();
        let rebuilt = rebuild(&old, &known, large.len() as u64, LIMIT, &mut io::sink());
        assert!(matches!(rebuilt, Err(DifferenceError::Damaged(_))), "{rebuilt:?}");
    }
}

#[test]
fn a_gzip_of_empty_blocks_ends_at_the_limit() {
    let empty = ["0", "10", END].concat();
    let many = bits(&vec![&empty[..]; 100_000]);
    let parts = split_old(&mut &gzip(&many)[..], 100_000);
    assert!(matches!(
        parts,
        Err(DifferenceError::Unusable("its content is too large"))
    ));
}

#[test]
fn a_layer_larger_than_a_piece_comes_out_again() {
    let plain: Vec<u8> = (0..3_000_000u32)
        .flat_map(|n| (n / 7 * 7 % 65_537).to_le_bytes())
        .collect();
    let old = pack(&plain, 1);
    let mut changed = plain.clone();
    changed.splice(1_000_000..1_000_100, *b"less");
    changed[6_000_000] ^= 1;
    let new = pack(&changed, 1);
    let difference = make_of(&old, &new).unwrap();
    assert!(
        difference.len() * 20 < new.len(),
        "{} of {}",
        difference.len(),
        new.len()
    );
    assert!(written(&old, &difference, new.len()).0 == new);
}

#[test]
fn a_difference_that_is_cut_off_anywhere_is_refused() {
    let old = pack(&TEXT[..2000], 6);
    let new = pack(&TEXT[300..2300], 6);
    let whole = make_anyway(&old, &new).unwrap();
    for end in 0..whole.len() {
        assert!(written(&old, &whole[..end], new.len()).1.is_err());
        // Also where the sizes in its head fit what is left.
        let mut shorter = whole[..end].to_vec();
        for index in (0..6).rev().filter(|_| end >= HEAD) {
            let size = 8 + 8 * index..16 + 8 * index;
            let total: u64 = sizes(&shorter).iter().sum();
            let surplus = total.saturating_sub((end - HEAD) as u64);
            let fitting = sizes(&shorter)[index].saturating_sub(surplus);
            shorter[size].copy_from_slice(&fitting.to_le_bytes());
        }
        let (rebuilt, end) = written(&old, &shorter, new.len());
        assert!(end.is_err() || rebuilt == new);
    }
    assert_damaged(&old, &[&whole[..], &[0]].concat(), "it goes on behind its end");
}

fn sizes(difference: &[u8]) -> Vec<u64> {
    difference[8..HEAD]
        .as_chunks()
        .0
        .iter()
        .map(|size| u64::from_le_bytes(*size))
        .collect()
}

#[test]
fn a_difference_with_any_bit_flipped_stays_within_the_size() {
    let old = pack(&TEXT[..1200], 6);
    let new = pack(&TEXT[200..1400], 6);
    let mut changed = make_anyway(&old, &new).unwrap();
    for at in 0..changed.len() {
        for bit in 0..8 {
            changed[at] ^= 1 << bit;
            let _ = written(&old, &changed, new.len());
            changed[at] ^= 1 << bit;
        }
    }
}

#[test]
fn a_difference_of_another_version_is_refused_before_the_old_layer_is_read() {
    let mut newer = make_anyway(&pack(TEXT, 6), &pack(TEXT, 9)).unwrap();
    newer[7] = 2;
    assert!(matches!(
        written(b"", &newer, 9).1,
        Err(DifferenceError::Version(2))
    ));
    newer[0] = 0;
    assert_damaged(b"", &newer, "it is none, or cut off");
}

#[test]
fn another_old_layer_gives_an_error_or_other_bytes_within_the_size() {
    let (old, new) = (pack(TEXT, 6), pack(&TEXT[700..], 6));
    let known = make_anyway(&old, &new).unwrap();
    for other in [
        pack(b"", 6),
        pack(&[0; 100_000], 6),
        pack(TEXT, 1),
        pack(&TEXT[1..], 6),
    ] {
        let (rebuilt, end) = written(&other, &known, new.len());
        assert!(end.is_err() || rebuilt != new);
    }
}

#[test]
fn a_layer_is_never_longer_or_shorter_than_it_should_be() {
    let gzip = pack(TEXT, 6);
    let known = make_anyway(&gzip, &gzip).unwrap();
    for size in [0, 1, 1000, gzip.len() - 1] {
        let end = written(&gzip, &known, size).1;
        assert!(matches!(
            end,
            Err(DifferenceError::Damaged("the layer would be too long"))
        ));
    }
    let end = written(&gzip, &known, gzip.len() + 1).1;
    assert!(matches!(
        end,
        Err(DifferenceError::Damaged("the layer would be too short"))
    ));
}

/// A difference whose streams are these: for each part operations and inserted bytes.
fn forged(streams: [&[u8]; 6]) -> Vec<u8> {
    with_head(&streams.map(|stream| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(stream).unwrap();
        encoder.finish().unwrap()
    }))
}

#[test]
fn forged_operations_are_refused() {
    let old = pack(b"abc", 6);
    let outside = "a copy is outside of the old layer";
    let with_parse = |operations: &[u8]| forged([&[], &[], operations, &[0; 99], &[9], &[0; 9]]);
    for operations in [
        &[0, 127, 0][..],
        &[0, 1, 255, 255, 3],
        &[0, 1, 1],
        &[
            0, 255, 255, 255, 255, 255, 255, 255, 255, 127, 254, 255, 255, 255, 255, 255, 255, 255, 127,
        ],
    ] {
        assert_damaged(&old, &with_parse(operations), outside);
    }
    assert_damaged(&old, &with_parse(&[0, 0, 0]), "an operation does nothing");
    assert_damaged(&old, &with_parse(&[0]), "an operation does nothing");
    let ends = "it ends early, or can't be unpacked";
    assert_damaged(&old, &with_parse(&[]), ends);
    assert_damaged(&old, &with_parse(&[100]), ends);
    assert_damaged(&old, &with_parse(&[0, 1]), ends);
    assert_damaged(&old, &with_parse(&[255; 20]), "a number is too large");
}

#[test]
fn changed_addresses_take_hardly_any_bytes() {
    // Functions that call each other, and moved by as much.
    let call = |at: u32, to: u32| {
        [
            &at.wrapping_mul(0x9e37_79b1).to_be_bytes()[..],
            &at.wrapping_mul(0x85eb_ca6b).to_be_bytes(),
            &at.wrapping_mul(0xc2b2_ae35).to_be_bytes(),
            &to.to_le_bytes(),
        ]
        .concat()
    };
    let program = |by: u32| -> Vec<u8> {
        (0..20_000)
            .flat_map(|at| call(at, at * 7919 % 1_000_000 + by))
            .collect()
    };
    let (old, new) = (pack(&program(0), 6), pack(&program(0x0101), 6));
    let streams = sizes(&make_anyway(&old, &new).unwrap());
    // Of the plain bytes; the parse is another matter.
    assert!(
        streams[0] + streams[1] < new.len() as u64 / 10,
        "{streams:?} of {}",
        new.len()
    );
}

#[test]
fn forged_heads_are_refused() {
    let old = pack(b"abc", 6);
    let with_heads = |heads: &[u8]| {
        forged([
            &[100],
            &[b'a'; 100],
            &[9],
            &[0, 255, 255, 255, 0, 0, 0, 0, 0],
            &[heads.len() as u8],
            heads,
        ])
    };
    assert_damaged(&old, &with_heads(&[0, 7]), "a block is of no known kind");
    assert_damaged(&old, &with_heads(&[0, 255]), "a block is of no known kind");
    assert_damaged(
        &old,
        &with_heads(&[0, 1, 255, 255, 4]),
        "a stored block is too long",
    );
    assert_damaged(
        &old,
        &with_heads(&[0, 5, 32]),
        "a number in a block's head is too large",
    );
    assert_damaged(&old, &with_heads(&[0, 5, 30, 0]), "a block has too many symbols");
    assert_damaged(
        &old,
        &with_heads(&[0, 5, 0, 0, 0, 1, 1, 1, 0, 0]),
        "a Huffman code is impossible",
    );
    assert_damaged(
        &old,
        &with_heads(&[0, 5, 0, 0, 0, 0, 0, 1, 0, 5]),
        "a symbol has no code",
    );
    assert_damaged(
        &old,
        &with_heads(&[0, 5, 0, 0, 0, 0, 0, 1, 0, 255]),
        "a symbol has no code",
    );
    assert_damaged(&old, &with_heads(&[0, 3, 5]), "a match reaches too far");
    assert_damaged(
        &old,
        &with_heads(&[0, 3, 0]),
        "it ends early, or can't be unpacked",
    );
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
