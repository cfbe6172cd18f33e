//! SSH's encoding of values (RFC 4251, section 5), and the armor around files of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes that aren't what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotWire;

/// What is still to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// Takes so many bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], NotWire> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(NotWire)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Takes a `uint32`.
    pub fn number(&mut self) -> Result<u32, NotWire> {
        let bytes = self.bytes(4)?.try_into().map_err(|_| NotWire)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Takes a `string`.
    pub fn string(&mut self) -> Result<&'a [u8], NotWire> {
        let length = usize::try_from(self.number()?).map_err(|_| NotWire)?;
        self.bytes(length)
    }

    /// Takes a `string` of text.
    pub fn text(&mut self) -> Result<&'a str, NotWire> {
        std::str::from_utf8(self.string()?).map_err(|_| NotWire)
    }

    /// Takes an `mpint` above zero, and returns its bytes without leading zeros.
    pub fn positive(&mut self) -> Result<&'a [u8], NotWire> {
        match self.string()? {
            [0, rest @ ..] if rest.first().is_some_and(|second| *second > 0x7f) => Ok(rest),
            whole @ [1..=0x7f, ..] => Ok(whole),
            _ => Err(NotWire),
        }
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<(), NotWire> {
        if self.0.is_empty() { Ok(()) } else { Err(NotWire) }
    }

    /// Returns what is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Writes a `string`. None of ours has 4 GiB.
pub(super) fn put(bytes: &mut Vec<u8>, content: &[u8]) {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(content);
}

/// Writes a number that isn't negative as an `mpint`.
pub(super) fn put_number(bytes: &mut Vec<u8>, number: &[u8]) {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let mut content = number.get(zeros..).unwrap_or_default().to_vec();
    if content.first().is_some_and(|first| *first > 0x7f) {
        content.insert(0, 0);
    }
    put(bytes, &content);
}

/// Puts a number before zeros, so that it has so many bytes.
pub(super) fn padded(number: &[u8], size: usize) -> Result<Vec<u8>, NotWire> {
    let zeros = size.checked_sub(number.len()).ok_or(NotWire)?;
    Ok([&vec![0; zeros], number].concat())
}

/// How many letters of base64 a line has, as ssh-keygen writes them.
const LINE: usize = 70;

/// Returns bytes as a text between a first and a last line.
pub(super) fn armored(label: &str, bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while let Some((line, more)) = rest.split_at_checked(LINE) {
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    if !rest.is_empty() {
        text.push_str(rest);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Returns the bytes of such a text, which has nothing but white space around it.
pub(super) fn unarmored(label: &str, text: &[u8]) -> Result<Vec<u8>, NotWire> {
    let text = std::str::from_utf8(text).map_err(|_| NotWire)?.trim();
    let body = text
        .strip_prefix(&format!("-----BEGIN {label}-----"))
        .and_then(|rest| rest.strip_suffix(&format!("-----END {label}-----")))
        .filter(|body| body.starts_with(['\n', '\r']) && body.ends_with('\n'));
    let body: String = body.ok_or(NotWire)?.split_ascii_whitespace().collect();
    STANDARD.decode(body).map_err(|_| NotWire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut bytes = Vec::new();
        put(&mut bytes, b"a text");
        put_number(&mut bytes, &[0, 0, 0x80, 1]);
        put_number(&mut bytes, &[0, 0x7f]);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.text(), Ok("a text"));
        assert_eq!(reader.positive(), Ok(&[0x80, 1][..]));
        assert_eq!(reader.positive(), Ok(&[0x7f][..]));
        assert_eq!(reader.end(), Ok(()));
        for length in [1, 52, 53, 54, 105, 106, 400] {
            let text = armored("A THING", &vec![7; length]);
            assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
            assert_eq!(unarmored("A THING", text.as_bytes()), Ok(vec![7; length]));
        }
    }

    #[test]
    fn what_is_cut_off_or_written_otherwise_is_refused() {
        let number = |content: &[u8]| {
            let mut bytes = Vec::new();
            put(&mut bytes, content);
            Reader::new(&bytes).positive().map(<[u8]>::to_vec)
        };
        for wrong in [&[][..], &[0], &[0x80], &[0, 0x7f], &[0, 0, 0x80]] {
            assert_eq!(number(wrong), Err(NotWire), "{wrong:?}");
        }
        assert_eq!(Reader::new(&[0, 0, 0, 5, 1]).string(), Err(NotWire));
        assert_eq!(Reader::new(&[0, 0, 0]).number(), Err(NotWire));
        assert_eq!(Reader::new(&[0xff; 8]).string(), Err(NotWire));
        assert_eq!(padded(&[1, 2, 3], 2), Err(NotWire));
        let text = armored("A THING", b"content");
        for wrong in [
            &text[1..],
            &text[..text.len() - 3],
            &text.replace("A THING", "OTHER"),
            &text.replace("Y29", "Y2"),
            &text.replace("A==", "A="),
            &format!("{text}x"),
            "-----BEGIN A THING-----",
            "-----BEGIN A THING----------END A THING-----",
            "",
        ] {
            assert_eq!(unarmored("A THING", wrong.as_bytes()), Err(NotWire), "{wrong}");
        }
    }
}
