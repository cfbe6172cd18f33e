//! Extended headers ([POSIX, "pax Extended Header"]): records `LENGTH KEY=VALUE\n`, whose values may hold anything, line ends too.
//!
//! [POSIX, "pax Extended Header"]: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html

/// What of a header changes where an entry is and what its name is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// The entry's name.
    pub path: Option<String>,
    /// The name of a link's target.
    pub link: Option<String>,
    /// The entry's size in bytes.
    pub size: Option<u64>,
}

impl Records {
    /// Allows a header for all entries that follow, such as git's comment, if it leaves their names and sizes alone.
    pub fn allow_global(self) -> Result<(), String> {
        if self == Records::default() {
            Ok(())
        } else {
            Err("gives all entries one name or size".to_owned())
        }
    }
}

/// Reads the records of a header.
pub(crate) fn read(mut rest: &[u8]) -> Result<Records, String> {
    let mut records = Records::default();
    while !rest.is_empty() {
        let (key, value, next) = record(rest).ok_or("is a pax header with an invalid record")?;
        rest = next;
        let text = || {
            let text = String::from_utf8(value.to_vec()).ok();
            text.ok_or_else(|| format!("is a pax header whose {} isn't UTF-8", key.escape_ascii()))
        };
        match key {
            b"path" => records.path = Some(text()?),
            b"linkpath" => records.link = Some(text()?),
            b"size" => {
                let size = text()?
                    .parse()
                    .map_err(|_| "is a pax header whose size isn't a number")?;
                records.size = Some(size);
            }
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(
                    "is the header of a sparse file, which doesn't belong in an archive of images".to_owned(),
                );
            }
            _ => {}
        }
    }
    Ok(records)
}

/// Splits off the first record: its key, its value and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let body = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], &bytes[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_are_read_by_their_lengths() {
        let records = read(b"15 path=a/b\nc=\n19 size=8589934592\n").unwrap();
        assert_eq!(records.path.as_deref(), Some("a/b\nc="));
        assert_eq!(records.size, Some(8_589_934_592));
        assert_eq!(read(b"20 comment=a commit\n").unwrap(), Records::default());
    }

    #[test]
    fn sparse_files_and_malformed_records_are_refused() {
        for bytes in [
            &b"22 GNU.sparse.major=1\n"[..],
            b"path=x\n",
            b"9 path=x",
            b"99 path=x\n",
            b"2 a\n",
            b"12 size=1e9\n\n",
            b"11 size=-1\n",
            b"10 path=\xff\n",
            b"0 a=b\n",
        ] {
            assert!(read(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(path in ".{0,40}", link in proptest::option::of(".{0,40}"), size: u64) {
            let mut bytes = Vec::new();
            let mut write = |key: &str, value: &str| {
                let body = format!(" {key}={value}\n");
                let mut length = body.len() + 1;
                while length.to_string().len() + body.len() != length {
                    length += 1;
                }
                bytes.extend(format!("{length}{body}").into_bytes());
            };
            write("path", &path);
            write("atime", "1.5");
            if let Some(link) = &link {
                write("linkpath", link);
            }
            write("size", &size.to_string());
            prop_assert_eq!(read(&bytes), Ok(Records { path: Some(path), link, size: Some(size) }));
        }

        #[test]
        fn no_header_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&bytes);
        }
    }
}
