//! Which layers have differences, and how large these are.

use super::*;

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
    assert!(matches!(error, DifferenceError::Read(_)));
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
fn layers_with_more_heads_than_the_limit_have_no_difference() {
    const LIMIT: u64 = 100_000;
    let empty = ["0", "10", END].concat();
    let last = ["1", "10", A, END].concat();
    // Each block has two bytes of them.
    let blocks = |count| [vec![&empty[..]; count], vec![&last]].concat();
    let many = gzip(&bits(&blocks(4000)));
    let few = gzip(&bits(&blocks(2000)));
    let old = split_old(&mut &few[..], LIMIT).unwrap();
    assert!(matches!(
        split_old(&mut &many[..], LIMIT),
        Err(DifferenceError::Unusable("its content is too large"))
    ));
    assert!(compare(&old, &mut &few[..], u64::MAX, LIMIT).is_ok());
    assert!(compare(&old, &mut &many[..], u64::MAX, LIMIT).is_err());
    let known = make_anyway(&few, &many).unwrap();
    let rebuilt = rebuild(&old, &known, many.len() as u64, LIMIT, &mut io::sink());
    assert!(matches!(rebuilt, Err(DifferenceError::Damaged(_))), "{rebuilt:?}");
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
