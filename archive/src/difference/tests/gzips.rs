//! Gzips that come out again, and gzips that are refused.

use std::process::Command;

use super::*;

/// Lengths of the code for lengths, where 18 is `0`, 1 is `10`, and 2 is `11`.
const REPEAT_1_2: [u32; 19] = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0];
/// Where 18 is `0`, 0 is `10`, and 1 is `11`.
const REPEAT_0_1: [u32; 19] = [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0];
/// That of a match of three bytes, and of one byte back.
const THREE: &str = "0000001";
const ONE_BACK: &str = "00000";

/// A number's bits, the lowest first.
fn number(number: u32, count: usize) -> String {
    let bits = format!("{number:0count$b}");
    bits.chars().rev().collect()
}

/// Makes the bits of a last, dynamic block's head. `lengths` are those of the code lengths' own code; `symbols` are written in that code.
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
fn codes_of_every_length_come_out_again() {
    // The lengths from 1 to 15 and the repeat of zeros have codes of four bits; 16, 17 and 0, which come first, have none.
    let mut lengths = [4; 19];
    (lengths[0], lengths[1], lengths[3]) = (0, 0, 0);
    let length = |length: usize| format!("{:04b}", length - 1);
    let zeros = |count: u32| ["1111", &number(count - 11, 7)].concat();
    let literals: String = (1..=15).map(length).collect();
    let symbols = [
        &literals,
        &zeros(138),
        &zeros(103),
        &length(15),
        // Of the distances, one.
        &length(1),
    ];
    let block = dynamic(257, 1, lengths, &symbols.map(String::as_str));
    let code = |ones: usize| "1".repeat(ones) + if ones < 15 { "0" } else { "" };
    let all: String = (0..=15).map(code).collect();
    assert_rebuilt(&gzip(&bits(&[&block, &all])));
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
fn a_gzip_of_empty_blocks_ends_at_the_limit() {
    let empty = ["0", "10", END].concat();
    let many = bits(&vec![&empty[..]; 100_000]);
    let parts = split_old(&mut &gzip(&many)[..], 100_000);
    assert!(matches!(
        parts,
        Err(DifferenceError::Unusable("its content is too large"))
    ));
}
