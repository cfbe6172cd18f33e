//! The documents that list an archive's images: `index.json` and Docker's `manifest.json`.

use transload_archive::Error;
use transload_archive::fuzzing::{docker, index};
use transload_reference::{Reference, is_unprintable};

/// Full names read back to what they are, and what is read of Docker's list is the same when it is written.
pub fn check(input: &[u8]) {
    match index(input) {
        Ok(images) => {
            for image in images {
                assert_eq!(image.made_from, None);
                if let Some(reference) = image.reference {
                    assert!(image.name.is_some());
                    assert_eq!(
                        reference.to_string().parse::<Reference>().as_ref(),
                        Ok(&reference)
                    );
                }
            }
        }
        Err(error) => is_told(&error),
    }
    match docker(input) {
        Ok(written) => assert_eq!(docker(&written).expect("what was written can be read"), written),
        Err(error) => is_told(&error),
    }
}

fn is_told(error: &Error) {
    assert!(!error.is_retryable(), "the same bytes fail in the same way");
    assert!(!error.to_string().contains(is_unprintable));
}
