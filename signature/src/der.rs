//! The few forms of DER that public keys have (ITU-T X.690). What DER allows to be written in one way is read in that way only.

/// `INTEGER`.
pub(crate) const INTEGER: u8 = 0x02;
/// `BIT STRING`.
pub(crate) const BIT_STRING: u8 = 0x03;
/// `NULL`.
pub(crate) const NULL: u8 = 0x05;
/// `OBJECT IDENTIFIER`.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// `SEQUENCE`.
pub(crate) const SEQUENCE: u8 = 0x30;

/// Bytes that aren't the DER that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotDer;

/// The rest of a DER text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// Takes the next value, which must have this tag, and returns its content.
    pub fn value(&mut self, tag: u8) -> Result<&'a [u8], NotDer> {
        let [first, length, rest @ ..] = self.0 else {
            return Err(NotDer);
        };
        if *first != tag {
            return Err(NotDer);
        }
        let (length, rest) = match (*length, rest) {
            (short @ 0..=0x7f, rest) => (usize::from(short), rest),
            (0x81, [long, rest @ ..]) if *long > 0x7f => (usize::from(*long), rest),
            (0x82, [high, low, rest @ ..]) if *high > 0 => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => return Err(NotDer),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(NotDer)?;
        self.0 = rest;
        Ok(content)
    }

    /// Takes the next value, which must be a sequence, and returns a reader of it.
    pub fn sequence(&mut self) -> Result<Reader<'a>, NotDer> {
        self.value(SEQUENCE).map(Reader)
    }

    /// Takes a bit string that has whole bytes.
    pub fn bit_string(&mut self) -> Result<&'a [u8], NotDer> {
        match self.value(BIT_STRING)? {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(NotDer),
        }
    }

    /// Takes an integer above zero, and returns its bytes without leading zeros.
    pub fn positive(&mut self) -> Result<&'a [u8], NotDer> {
        match self.value(INTEGER)? {
            [0, rest @ ..] if rest.first().is_some_and(|second| *second > 0x7f) => Ok(rest),
            whole @ [1..=0x7f, ..] => Ok(whole),
            _ => Err(NotDer),
        }
    }

    /// The tag of the next value.
    pub fn next_tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<(), NotDer> {
        if self.0.is_empty() { Ok(()) } else { Err(NotDer) }
    }
}

/// Writes a value of fewer than 64 KiB.
pub(crate) fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes() {
        [0, short @ 0..=0x7f] => bytes.push(short),
        [0, long] => bytes.extend([0x81, long]),
        [high, low] => bytes.extend([0x82, high, low]),
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let content = vec![7; length];
            let written = write(SEQUENCE, &content);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.value(SEQUENCE), Ok(&content[..]), "{length}");
            assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn what_could_be_written_shorter_is_refused() {
        let long_form_of_one = [SEQUENCE, 0x81, 1, 7];
        let two_bytes_of_128 = [&[SEQUENCE, 0x82, 0, 0x80][..], &[7; 128]].concat();
        let indefinite = [SEQUENCE, 0x80, 7, 0, 0];
        for bytes in [&long_form_of_one[..], &two_bytes_of_128, &indefinite] {
            assert_eq!(Reader::new(bytes).value(SEQUENCE), Err(NotDer), "{bytes:x?}");
        }
        let negative = [INTEGER, 1, 0x80];
        let padded = [INTEGER, 2, 0, 0x7f];
        let zero = [INTEGER, 1, 0];
        let empty = [INTEGER, 0];
        for bytes in [&negative[..], &padded, &zero, &empty] {
            assert_eq!(Reader::new(bytes).positive(), Err(NotDer), "{bytes:x?}");
        }
        assert_eq!(Reader::new(&[INTEGER, 2, 0, 0x80]).positive(), Ok(&[0x80][..]));
        // Seven bits in the last byte.
        assert_eq!(Reader::new(&[BIT_STRING, 2, 1, 0xfe]).bit_string(), Err(NotDer));
    }
}
