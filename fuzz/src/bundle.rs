//! What crosses an air gap besides blobs: `BUNDLE.json` and inventories.

use transload_archive::bundle::Holdings;
use transload_archive::fuzzing::bundle;
use transload_reference::is_unprintable;

/// What is read is read back from what is written of it, layers are rebuilt from others, and errors can be shown.
pub fn check(input: &[u8]) {
    match bundle(input) {
        Ok((holdings, rebuilt)) => {
            is_read_back(&holdings);
            for (layer, base) in &rebuilt {
                assert!(holdings.blobs.contains_key(layer), "it is there afterwards");
                let is_rebuilt = rebuilt.iter().any(|(other, _)| other == base);
                assert!(!is_rebuilt, "nothing is rebuilt from what isn't there before");
            }
        }
        Err(error) => {
            assert!(!error.is_retryable(), "the same bytes fail in the same way");
            assert!(!error.to_string().contains(is_unprintable));
        }
    }
    match Holdings::parse(input) {
        Ok(holdings) => {
            is_read_back(&holdings);
            let text = String::from_utf8(input.to_vec()).expect("a text");
            assert_eq!(
                holdings.to_text(),
                text.replace("\r\n", "\n"),
                "there is one form"
            );
        }
        Err(reason) => assert!(!reason.contains(is_unprintable)),
    }
}

fn is_read_back(holdings: &Holdings) {
    assert_eq!(
        Holdings::parse(holdings.to_text().as_bytes()).as_ref(),
        Ok(holdings)
    );
}
