//! What a place has, as a text: `transload inventory` writes it, and a bundle leaves out what it names.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;

use transload_reference::{Digest, Reference, printable};

/// The first line: format and version.
const FIRST: &str = "transload-inventory 1";
/// How the first line of any version begins.
const ANY_VERSION: &str = "transload-inventory ";

/// The most bytes of an inventory that are read.
pub const MOST_HOLDINGS_BYTES: u64 = 64 << 20;
/// The most bytes of a line.
const LONGEST_LINE: usize = 1024;
/// How much of a wrong line is shown, in characters.
const LONGEST_SHOWN: usize = 80;

/// A blob that a place has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Its size in bytes.
    pub size: u64,
    /// A repository that has it, without its registry, such as `library/alpine`.
    pub repository: Option<String>,
}

impl Held {
    /// A blob of this size in this repository.
    pub fn new(size: u64, repository: Option<String>) -> Held {
        Held { size, repository }
    }
}

/// The digests of a place's blobs and manifests, and its images' names.
///
/// As a text it has a line for each, sorted, and a last one with their number:
///
/// ```text
/// transload-inventory 1
/// blob sha256:<hex> <size> <repository or ->
/// image <name> <digest>
/// manifest sha256:<hex> <size>
/// end 3
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holdings {
    /// Its blobs.
    pub blobs: BTreeMap<Digest, Held>,
    /// Its manifests and indexes, with their sizes in bytes.
    pub manifests: BTreeMap<Digest, u64>,
    /// Its images by name, with the digests that the names stand for.
    pub images: BTreeMap<String, Digest>,
}

impl Holdings {
    /// Whether a text is an inventory of some version.
    pub fn is_one(text: &[u8]) -> bool {
        text.starts_with(ANY_VERSION.as_bytes())
    }

    /// Adds a blob. The first repository by its name is kept, so that the order of adding doesn't show.
    pub fn add_blob(&mut self, digest: &Digest, held: Held) {
        match self.blobs.entry(digest.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(held);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                let repositories = [known.repository.take(), held.repository];
                known.repository = repositories.into_iter().flatten().min();
            }
        }
    }

    /// Adds all that another place has.
    pub fn unite(&mut self, other: Holdings) {
        for (digest, held) in other.blobs {
            self.add_blob(&digest, held);
        }
        self.manifests.extend(other.manifests);
        self.images.extend(other.images);
    }

    /// Returns the text.
    pub fn to_text(&self) -> String {
        let mut text = format!("{FIRST}\n");
        let mut lines = 0;
        let mut add = |line: std::fmt::Arguments<'_>| {
            lines += 1;
            // Nothing refuses bytes for a string.
            let _ = text.write_fmt(line);
        };
        for (digest, held) in &self.blobs {
            let repository = held.repository.as_deref().unwrap_or("-");
            add(format_args!("blob {digest} {} {repository}\n", held.size));
        }
        for (name, digest) in &self.images {
            add(format_args!("image {name} {digest}\n"));
        }
        for (digest, size) in &self.manifests {
            add(format_args!("manifest {digest} {size}\n"));
        }
        let _ = writeln!(text, "end {lines}");
        text
    }

    /// Reads a text. Lines may end as mail programs end them; nothing else may differ from what is written.
    ///
    /// # Errors
    /// Says what is wrong, and in which line.
    pub fn parse(text: &[u8]) -> Result<Holdings, String> {
        if text.len() as u64 > MOST_HOLDINGS_BYTES {
            return Err(format!("it has more than {MOST_HOLDINGS_BYTES} bytes"));
        }
        let text = std::str::from_utf8(text).map_err(|_| "it isn't UTF-8".to_owned())?;
        let mut lines = text.lines();
        match lines.next() {
            Some(FIRST) => {}
            Some(other) if other.starts_with(ANY_VERSION) => {
                return Err(format!(
                    "it is of another version: \"{}\", and this transload reads \"{FIRST}\"",
                    printable(other, LONGEST_SHOWN)
                ));
            }
            _ => return Err(format!("it doesn't begin with \"{FIRST}\"")),
        }
        let mut holdings = Holdings::default();
        let mut last = String::new();
        for (count, line) in lines.by_ref().enumerate() {
            let number = count + 2;
            let wrong = |reason: &str| {
                let shown = printable(line, LONGEST_SHOWN);
                format!("line {number} {reason}: \"{shown}\"")
            };
            if line.len() > LONGEST_LINE {
                return Err(wrong("is too long"));
            }
            if let Some(told) = line.strip_prefix("end ") {
                if told != count.to_string() {
                    let told = printable(told, LONGEST_SHOWN);
                    return Err(format!(
                        "it has {count} lines, and its end says {told}: it was cut"
                    ));
                }
                return match lines.next() {
                    None if text.ends_with('\n') => Ok(holdings),
                    None => Err("its last line is cut".to_owned()),
                    Some(_) => Err(wrong("isn't the last one")),
                };
            }
            let key = holdings.take(line).ok_or_else(|| wrong("isn't valid"))?;
            if key <= last {
                return Err(wrong("isn't in its order"));
            }
            last = key;
        }
        Err("its last line is missing: it was cut".to_owned())
    }

    /// Takes a line, and returns what it is sorted by.
    fn take(&mut self, line: &str) -> Option<String> {
        let mut words = line.split(' ');
        let (kind, first, second) = (words.next()?, words.next()?, words.next()?);
        match kind {
            "blob" => {
                let digest: Digest = first.parse().ok()?;
                let repository = words.next()?;
                let is_name = |name: &str| {
                    format!("localhost/{name}")
                        .parse::<transload_reference::Repository>()
                        .is_ok()
                };
                let repository = match repository {
                    "-" => None,
                    name if is_name(name) => Some(name.to_owned()),
                    _ => return None,
                };
                self.blobs.insert(digest, Held::new(size(second)?, repository));
            }
            "image" => {
                let name: Reference = first.parse().ok()?;
                if name.to_string() != first {
                    return None;
                }
                self.images.insert(first.to_owned(), second.parse().ok()?);
            }
            "manifest" => {
                self.manifests.insert(first.parse().ok()?, size(second)?);
            }
            _ => return None,
        }
        words.next().is_none().then(|| format!("{kind} {first}"))
    }
}

/// A number as it is written, and no other form of it.
fn size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size: &u64| size.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Holdings {
        let mut holdings = Holdings::default();
        holdings.add_blob(&Digest::of(b"a"), Held::new(1, Some("library/alpine".to_owned())));
        holdings.add_blob(&Digest::of(b"b"), Held::new(2, None));
        holdings.manifests.insert(Digest::of(b"m"), 3);
        holdings
            .images
            .insert("docker.io/library/alpine:3.19".to_owned(), Digest::of(b"m"));
        holdings
    }

    #[test]
    fn what_is_written_is_read_back_also_with_the_line_ends_of_mail() {
        let text = sample().to_text();
        assert_eq!(Holdings::parse(text.as_bytes()), Ok(sample()));
        let mailed = text.replace('\n', "\r\n");
        assert_eq!(Holdings::parse(mailed.as_bytes()), Ok(sample()));
    }

    #[test]
    fn the_order_of_adding_does_not_show() {
        let mut other = Holdings::default();
        other.add_blob(&Digest::of(b"a"), Held::new(1, Some("library/debian".to_owned())));
        let (mut one, mut two) = (sample(), other.clone());
        one.unite(other);
        two.unite(sample());
        assert_eq!(one.to_text(), two.to_text());
        assert_eq!(
            one.blobs[&Digest::of(b"a")].repository.as_deref(),
            Some("library/alpine")
        );
    }

    #[test]
    fn an_end_of_control_characters_is_shown_escaped() {
        let text = format!("{FIRST}\nend \u{7f}\0{}\n", "x".repeat(900));
        let told = Holdings::parse(text.as_bytes()).unwrap_err();
        assert!(!told.contains(transload_reference::is_unprintable), "{told}");
        assert!(told.len() < 200, "{told}");
    }

    #[test]
    fn a_cut_or_changed_text_is_refused_with_its_line() {
        let text = sample().to_text();
        for cut in 0..text.len() {
            assert!(Holdings::parse(&text.as_bytes()[..cut]).is_err(), "{cut}");
        }
        let reversed: Vec<&str> = text.lines().collect();
        let order = [reversed[0], reversed[2], reversed[1], "end 2", ""].join("\n");
        for (text, told) in [
            (
                text.replace("inventory 1", "inventory 2"),
                "it is of another version: \"transload-inventory 2\"",
            ),
            (
                text.replace("end 4", "end 5"),
                "it has 4 lines, and its end says 5",
            ),
            (text.replace("library/alpine\n", "../etc\n"), "isn't valid"),
            (text.replace("blob sha256", "blob md5"), "isn't valid"),
            (text.replace(" 1 library", " 01 library"), "isn't valid"),
            (order, "line 3 isn't in its order"),
            (format!("{text}more"), "isn't the last one"),
            ("PK\u{3}\u{4}".to_owned(), "it doesn't begin with"),
        ] {
            let error = Holdings::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
