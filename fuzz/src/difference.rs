//! Differences between layers, from the layers' blocks and from what a bundle brings.

use transload_archive::difference::{DifferenceError, apply};
use transload_archive::fuzzing::{difference, forged_difference};

/// The header of a gzip member.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
const SIZE: usize = 64 * 1024;

/// Whatever a difference says, no more is written than the layer's size; and what is made of two layers gives the new one again.
///
/// An input has one byte for its kind, and the parts that the kind needs, but for the last one with their sizes before them.
pub fn check(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    let (old, rest) = cut(rest);
    let old = [&HEADER, old].concat();
    match kind % 3 {
        0 => {
            rebuilt(&old, rest, SIZE);
        }
        1 => {
            let new = [&HEADER, rest].concat();
            if let Ok(known) = difference(&old, &new) {
                assert!(rebuilt(&old, &known, new.len()).as_ref() == Some(&new));
            }
        }
        _ => {
            let mut streams = [&[][..]; 6];
            let mut rest = rest;
            for stream in &mut streams {
                (*stream, rest) = cut(rest);
            }
            rebuilt(&old, &forged_difference(streams), SIZE);
        }
    }
}

/// Cuts off a part, whose size is in two bytes before it.
fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes {
        [low, high, rest @ ..] => {
            let size = usize::from(u16::from_le_bytes([*low, *high]));
            rest.split_at(size.min(rest.len()))
        }
        _ => (&[], &[]),
    }
}

fn rebuilt(old: &[u8], difference: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut new = Vec::new();
    let end = apply(&mut &old[..], difference, size as u64, &mut new);
    assert!(new.len() <= size, "more was written than there may be");
    match end {
        Ok(()) => {
            assert_eq!(new.len(), size);
            Some(new)
        }
        Err(error) => {
            let is_of_files = matches!(error, DifferenceError::Read(_) | DifferenceError::Write(_));
            assert!(!is_of_files, "memory can be read and written");
            None
        }
    }
}
