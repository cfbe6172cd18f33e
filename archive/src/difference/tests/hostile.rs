//! Differences that are damaged, forged, or of another layer.

use super::*;

#[test]
fn a_difference_that_is_cut_off_anywhere_is_refused() {
    let old = pack(&TEXT[..2000], 6);
    let new = pack(&TEXT[300..2300], 6);
    let whole = make_anyway(&old, &new).unwrap();
    for end in 0..whole.len() {
        assert!(written(&old, &whole[..end], new.len()).1.is_err());
        // It is refused even if the sizes in its head are made to fit what is left.
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

#[test]
fn a_layer_larger_than_one_may_be_is_refused_before_the_old_one_is_read() {
    let known = make_anyway(&pack(TEXT, 6), &pack(TEXT, 9)).unwrap();
    let end = apply(&mut &b""[..], &known, MOST_PLAIN + 1, &mut io::sink());
    assert!(matches!(
        end,
        Err(DifferenceError::Damaged("the layer would be too large"))
    ));
}

/// A number of seven bits a byte.
fn varint(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    differ::put_varint(&mut bytes, number);
    bytes
}

/// Asserts that the gzip of these heads is passed on in small pieces, and ends at its size.
#[track_caller]
fn assert_small_pieces(matches: usize, heads: &[u8]) {
    #[derive(Default)]
    struct Largest(usize);
    impl io::Write for Largest {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.max(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    // Three bytes, from as far back as can be.
    let parse = [[0, 0, 255, 127].repeat(matches), vec![0]].concat();
    let plain = vec![0; 3 * matches + 1];
    let sizes = [plain.len(), parse.len(), heads.len()].map(|size| varint(size as u64));
    let known = forged([&sizes[0], &plain, &sizes[1], &parse, &sizes[2], heads]);
    let mut largest = Largest::default();
    let end = apply(&mut &pack(TEXT, 6)[..], &known, 1 << 20, &mut largest);
    assert!(
        matches!(end, Err(DifferenceError::Damaged("the layer would be too long"))),
        "{end:?}"
    );
    assert!((1..100_000).contains(&largest.0), "{}", largest.0);
}

#[test]
fn a_block_of_matches_alone_is_passed_on_in_small_pieces() {
    assert_small_pieces(600_000, &[&[0, 3][..], &varint(600_000)].concat());
}

#[test]
fn empty_blocks_are_passed_on_in_small_pieces() {
    // Stored, and with the fixed code.
    for block in [[0, 0], [2, 0]] {
        assert_small_pieces(0, &[vec![0], block.repeat(1_000_000)].concat());
    }
}
