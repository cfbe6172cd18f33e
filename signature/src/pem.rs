//! The blocks of a PEM file (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::KeyError;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A block: what it says that it is, and its bytes.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub label: &'a str,
    pub bytes: Vec<u8>,
}

/// Returns the blocks of a file with at most `most` of them. Text between them is a comment, but for a line that has five dashes.
///
/// # Errors
/// A block that isn't closed, or whose content isn't base64; dashes outside of a block's first and last line.
pub(crate) fn blocks(text: &str, most: usize) -> Result<Vec<Block<'_>>, KeyError> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_end();
        let bad = |reason| KeyError::Pem { line: number, reason };
        match &mut open {
            None if line.contains(DASHES) => {
                let label = line
                    .strip_prefix(BEGIN)
                    .and_then(|rest| rest.strip_suffix(DASHES));
                open = Some((label.ok_or(bad("isn't how a key begins"))?, String::new()));
            }
            None => {}
            Some((label, body)) if line.contains(DASHES) => {
                let end = line.strip_prefix(END).and_then(|rest| rest.strip_suffix(DASHES));
                if end != Some(label) {
                    return Err(bad("isn't the end of the key that begins above"));
                }
                if blocks.len() >= most {
                    return Err(KeyError::TooMany { most });
                }
                // An encrypted private key has headers: its label tells what it is.
                let bytes = STANDARD.decode(body.as_str());
                blocks.push(Block {
                    label,
                    bytes: if label.ends_with("PUBLIC KEY") {
                        bytes.map_err(|_| bad("ends a key whose content isn't base64"))?
                    } else {
                        Vec::new()
                    },
                });
                open = None;
            }
            Some((_, body)) => body.push_str(line.trim_start()),
        }
    }
    match open {
        Some((label, _)) => Err(KeyError::Unclosed {
            label: label.to_owned(),
        }),
        None => Ok(blocks),
    }
}
