//! The header pass over an archive.

use std::ops::Range;

use transload_archive::fuzzing::entries;
use transload_reference::is_unprintable;

/// No name leads out of the archive, no file reaches beyond it, and what follows its end is nothing.
pub fn check(input: &[u8]) {
    let found = match entries(input) {
        Ok(found) => found,
        Err(error) => {
            assert!(!error.is_retryable(), "the same bytes fail in the same way");
            assert!(!error.to_string().contains(is_unprintable));
            return;
        }
    };
    for (name, bytes) in &found {
        assert!(!name.is_empty() && !name.contains('\0'));
        assert!(
            name.split('/').all(|part| !matches!(part, "" | "." | "..")),
            "{name:?}"
        );
        is_inside(bytes.as_ref(), input);
    }
    assert!(
        found.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "each name is there once"
    );
    let whole_blocks = &input[..input.len() / 512 * 512];
    let longer = [whole_blocks, &[0; 1024]].concat();
    assert_eq!(entries(&longer).ok(), Some(found), "more zeros change nothing");
}

fn is_inside(bytes: Option<&Range<u64>>, input: &[u8]) {
    if let Some(bytes) = bytes {
        assert!(bytes.start % 512 == 0 && bytes.start >= 512);
        assert!(bytes.start <= bytes.end && bytes.end <= input.len() as u64);
    }
}
