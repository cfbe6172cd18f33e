//! `SHA256SUMS`: digests of files, as `sha256sum -c` reads them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use transload_reference::{Algorithm, Digest};

pub(crate) const SUMS: &str = "SHA256SUMS";

/// The most bytes of such a file that are read.
pub(crate) const MOST_BYTES: u64 = 4 << 20;

/// Returns the text.
pub(crate) fn to_text(sums: &BTreeMap<String, Digest>) -> String {
    let mut text = String::new();
    for (file, digest) in sums {
        // Nothing refuses bytes for a string.
        let _ = writeln!(text, "{}  {file}", digest.hex());
    }
    text
}

/// Reads a text; a line that was cut or isn't one is an error with its number.
pub(crate) fn parse(text: &[u8]) -> Result<BTreeMap<String, Digest>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it isn't UTF-8".to_owned())?;
    let mut sums = BTreeMap::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let parsed = line.strip_suffix('\n').and_then(line_of);
        let (file, digest) = parsed.ok_or_else(|| format!("line {number} isn't a digest and a file"))?;
        if sums.insert(file, digest).is_some() {
            return Err(format!("line {number} names a file again"));
        }
    }
    Ok(sums)
}

fn line_of(line: &str) -> Option<(String, Digest)> {
    let (hex, file) = line.strip_suffix('\r').unwrap_or(line).split_once("  ")?;
    let digest = format!("{}:{hex}", Algorithm::Sha256.as_str()).parse().ok()?;
    (!file.is_empty() && !file.contains('/')).then(|| (file.to_owned(), digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nothing_else() {
        let sums = BTreeMap::from([
            ("BUNDLE.json".to_owned(), Digest::of(b"a")),
            ("vol-0001.tar".to_owned(), Digest::of(b"b")),
        ]);
        let text = to_text(&sums);
        assert_eq!(parse(text.as_bytes()), Ok(sums.clone()));
        assert_eq!(parse(text.replace('\n', "\r\n").as_bytes()), Ok(sums));
        for wrong in ["", "\n", "ab  x\n"] {
            assert!(
                parse(format!("{text}{wrong}").as_bytes()).is_err() != wrong.is_empty(),
                "{wrong:?}"
            );
        }
        assert!(
            parse(&text.as_bytes()[..text.len() - 1]).is_err(),
            "a line that was cut"
        );
        assert!(parse(text.replace("vol-", "../").as_bytes()).is_err());
    }
}
