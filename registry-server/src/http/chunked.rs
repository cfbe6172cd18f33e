//! The lines between chunks (RFC 9112, section 7.1).

/// The longest line between chunks, in bytes, its end included.
pub(crate) const LONGEST_LINE: usize = 256;

/// The most bytes of trailers, which are discarded.
pub(crate) const LONGEST_TRAILERS: usize = 4096;

/// Returns the size that a chunk's line tells, in bytes. The line is without its end. An extension is ignored.
pub(crate) fn size(line: &[u8]) -> Option<u64> {
    if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return None;
    }
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extension) = line.split_at(digits);
    let extension = extension.trim_ascii_start();
    if !extension.is_empty() && !extension.starts_with(b";") {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Returns whether a line, without its end, could be a trailer.
pub(crate) fn is_trailer(line: &[u8]) -> bool {
    line.contains(&b':') && !line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_hexadecimal_and_nothing_else() {
        for (line, expected) in [
            ("0", Some(0)),
            ("fF", Some(255)),
            ("5;name=value", Some(5)),
            ("5 ;name", Some(5)),
            ("5 ", Some(5)),
            ("00000000000000000000005", Some(5)),
            ("ffffffffffffffff", Some(u64::MAX)),
            ("10000000000000000", None),
            ("", None),
            (" 5", None),
            ("+5", None),
            ("-5", None),
            ("0x5", None),
            ("5g", None),
            ("5 5", None),
            (";name", None),
            ("5;a\nb", None),
            ("5;a\rb", None),
            ("5\0", None),
        ] {
            assert_eq!(size(line.as_bytes()), expected, "{line:?}");
        }
    }
}
