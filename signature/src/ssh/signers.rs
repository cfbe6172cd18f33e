//! Lists of signers, as ssh-keygen reads them (ssh-keygen(1), "ALLOWED SIGNERS").

use std::fmt;
use std::time::SystemTime;

use transload_reference::printable;

use super::envelope::Envelope;
use super::key::{blob_of, fingerprint};
use super::{SshError, SshPublicKey};

/// The largest list of signers that is read, in bytes.
pub const MAX_ALLOWED_SIGNERS: usize = 1 << 20;

/// How much of a list is shown, in characters.
const LONGEST: usize = 100;

/// An hour, in seconds.
const HOUR: i64 = 3600;

/// Who may sign.
#[derive(Debug, Clone, Default)]
pub struct AllowedSigners(Vec<Entry>);

/// A line of a list.
#[derive(Debug, Clone, Default)]
struct Entry {
    principals: String,
    /// The key, which may be of a type that can't be used.
    blob: Vec<u8>,
    /// What signatures may be for; anything where nothing is said.
    namespaces: Option<String>,
    /// Seconds since 1970.
    valid_after: Option<i64>,
    valid_before: Option<i64>,
}

/// Who signed something. It is displayed as the principal and the key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedBy {
    /// The principals of the signer's line.
    pub principals: String,
    /// The key.
    pub key: SshPublicKey,
}

impl fmt::Display for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", printable(&self.principals, LONGEST), self.key)
    }
}

impl AllowedSigners {
    /// Reads a list.
    ///
    /// # Errors
    /// A list without signers, and a line that isn't understood as a whole: it is all of them or none.
    pub fn parse(text: &[u8]) -> Result<AllowedSigners, SshError> {
        if text.len() > MAX_ALLOWED_SIGNERS {
            return Err(SshError::TooLarge {
                what: "list of signers",
                most: MAX_ALLOWED_SIGNERS,
            });
        }
        let text = std::str::from_utf8(text).map_err(|_| SshError::Damaged("list of signers"))?;
        let mut entries = Vec::new();
        for (line, text) in (1..).zip(text.lines().map(str::trim)) {
            if !text.is_empty() && !text.starts_with('#') {
                let entry = entry(text);
                entries.push(entry.map_err(|reason| SshError::Line { line, reason })?);
            }
        }
        match entries.is_empty() {
            true => Err(SshError::NoSigner),
            false => Ok(AllowedSigners(entries)),
        }
    }

    /// Checks the file of a signature of a message that is for `namespace`, at a time.
    ///
    /// # Errors
    /// Why it doesn't count.
    pub fn check(
        &self,
        namespace: &str,
        message: &[u8],
        signature: &[u8],
        now: SystemTime,
    ) -> Result<SignedBy, SshError> {
        let envelope = Envelope::parse(signature)?;
        if envelope.namespace != namespace {
            return Err(SshError::Namespace {
                found: envelope.namespace,
                expected: namespace.to_owned(),
            });
        }
        let entries: Vec<&Entry> = self.0.iter().filter(|entry| entry.blob == envelope.key).collect();
        if entries.is_empty() {
            return Err(SshError::Unknown(fingerprint(&envelope.key)));
        }
        let key = SshPublicKey::from_blob(&envelope.key)?;
        envelope.verify(&key, message)?;
        let mut refused = None;
        for entry in entries {
            match entry.refuses(namespace, now) {
                None => {
                    let principals = entry.principals.clone();
                    return Ok(SignedBy { principals, key });
                }
                Some(reason) => {
                    refused.get_or_insert(SshError::NotNow {
                        signer: entry.principals.clone(),
                        reason,
                    });
                }
            }
        }
        Err(refused.unwrap_or(SshError::Invalid))
    }
}

impl Entry {
    /// Why a signature by its key doesn't count, to be said after the key.
    fn refuses(&self, namespace: &str, now: SystemTime) -> Option<String> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        if let Some(list) = &self.namespaces
            && !is_listed(list, namespace)
        {
            let list = printable(list, LONGEST);
            return Some(format!("is for \"{list}\", and not for \"{namespace}\""));
        }
        if self.valid_after.is_some_and(|time| now < time) {
            return Some("isn't valid yet".to_owned());
        }
        if self.valid_before.is_some_and(|time| now > time) {
            return Some("has expired".to_owned());
        }
        None
    }
}

/// Reads a line.
fn entry(line: &str) -> Result<Entry, String> {
    let (principals, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("a quote isn't closed")?,
        None => line.split_once([' ', '\t']).ok_or("it has no key")?,
    };
    let mut entry = Entry {
        principals: principals.to_owned(),
        ..Entry::default()
    };
    let mut rest = rest.trim_start();
    if is_key_type(principals) && !is_key_type(rest) {
        return Err("it has no name before the key".to_owned());
    }
    if !is_key_type(rest) {
        rest = entry.options(rest)?.trim_start();
    }
    let mut words = rest.split_ascii_whitespace();
    let (name, key) = words.next().zip(words.next()).ok_or("it has no key")?;
    entry.blob = blob_of(name, key).map_err(|error| error.to_string())?;
    match SshPublicKey::from_blob(&entry.blob) {
        // A list may have signers of other things, whose keys aren't supported.
        Ok(_) | Err(SshError::KeyType(_)) => Ok(entry),
        Err(error) => Err(error.to_string()),
    }
}

fn is_key_type(text: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"]
        .iter()
        .any(|start| text.starts_with(start))
}

impl Entry {
    /// Reads the options that a text begins with, and returns what follows them.
    fn options<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let mut rest = text;
        loop {
            let end = rest.find(['=', ',', ' ', '\t']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let (value, after) = match after.strip_prefix('=') {
                Some(after) => {
                    let (value, after) = quoted(after)?;
                    (Some(value), after)
                }
                None => (None, after),
            };
            self.option(name, value)?;
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None if after.is_empty() || after.starts_with([' ', '\t']) => return Ok(after),
                None => return Err(format!("the option {} has no end", printable(name, LONGEST))),
            }
        }
    }

    fn option(&mut self, name: &str, value: Option<String>) -> Result<(), String> {
        let shown = printable(name, LONGEST);
        let again = || Err(format!("the option {shown} is there twice"));
        let time = |value: &str, is_end| time(value, is_end).ok_or(format!("{shown} has no date"));
        match (name.to_ascii_lowercase().as_str(), value) {
            ("cert-authority", _) => {
                Err("cert-authority isn't supported: certificates aren't checked".to_owned())
            }
            ("namespaces", Some(_)) if self.namespaces.is_some() => again(),
            ("valid-after", Some(_)) if self.valid_after.is_some() => again(),
            ("valid-before", Some(_)) if self.valid_before.is_some() => again(),
            ("namespaces", Some(list)) => {
                self.namespaces = Some(list);
                Ok(())
            }
            ("valid-after", Some(value)) => {
                self.valid_after = Some(time(&value, false)?);
                Ok(())
            }
            ("valid-before", Some(value)) => {
                self.valid_before = Some(time(&value, true)?);
                Ok(())
            }
            _ => Err(format!("the option {shown} isn't known, or has no value")),
        }
    }
}

/// Takes a text in quotes, and returns what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let inside = text.strip_prefix('"').ok_or("a value isn't in quotes")?;
    let mut value = String::new();
    let mut is_escaped = false;
    for (at, letter) in inside.char_indices() {
        match letter {
            '"' if is_escaped => {
                value.pop();
                value.push('"');
            }
            '"' => return Ok((value, &inside[at + 1..])),
            letter => value.push(letter),
        }
        is_escaped = letter == '\\';
    }
    Err("a quote isn't closed".to_owned())
}

/// Whether a list of patterns has a text: one matches, and none with a `!` does.
fn is_listed(list: &str, text: &str) -> bool {
    let mut is_listed = false;
    for pattern in list.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => is_listed |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    is_listed
}

/// Whether a text is like a pattern with `*` and `?`. It takes as many steps as the two lengths' product at most.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where the last star is, and up to where it reaches.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(letter) if *letter == b'?' || *letter == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((begin, reach)) = star else {
                    return false;
                };
                star = Some((begin, reach + 1));
                at = begin + 1;
                seen = reach + 1;
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

/// Reads `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, as seconds since 1970. Without a `Z` behind it, it is the time of some zone: of
/// all zones' moments, the one that counts is the one that leaves the key the shortest life.
fn time(text: &str, is_end: bool) -> Option<i64> {
    let (digits, zone) = match (text.strip_suffix(['Z', 'z']), is_end) {
        (Some(digits), _) => (digits, 0),
        (None, true) => (text, -14 * HOUR),
        (None, false) => (text, 12 * HOUR),
    };
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = |at: usize, count: usize| {
        digits
            .get(at..at + count)
            .map_or(Some(0), |part| part.parse::<i64>().ok())
    };
    let (year, month, day) = (number(0, 4)?, number(4, 2)?, number(6, 2)?);
    let (hour, minute, second) = (number(8, 2)?, number(10, 2)?, number(12, 2)?);
    let is_one =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    // Days of the proleptic Gregorian calendar, of years that begin in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
    is_one.then_some(days * 24 * HOUR + hour * HOUR + minute * 60 + second + zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds_since_1970() {
        let table = [
            ("19700101Z", Some(0)),
            ("20000229Z", Some(951_782_400)),
            ("20261129162900Z", Some(1_795_969_740)),
            ("202612312359Z", Some(1_798_761_540)),
            ("2026Z", None),
            ("20261301Z", None),
            ("20260132Z", None),
            ("202601012460Z", None),
            ("2026010x", None),
            ("", None),
            ("Z", None),
            ("２０２６", None),
        ];
        for (text, expected) in table {
            assert_eq!(time(text, true), expected, "{text}");
        }
        assert_eq!(time("19700102", false), Some(36 * HOUR));
        assert_eq!(time("19700102", true), Some(10 * HOUR));
    }

    #[test]
    fn namespaces_are_patterns() {
        let table = [
            ("transload-bundle", true),
            ("file,transload-*", true),
            ("*", true),
            ("transload-????le", true),
            ("**b*n*d*le", true),
            ("file", false),
            ("transload", false),
            ("transload-bundle?", false),
            ("*,!transload-*", false),
            ("!file", false),
            ("", false),
        ];
        for (list, expected) in table {
            assert_eq!(is_listed(list, "transload-bundle"), expected, "{list}");
        }
        let long = "*a".repeat(2000);
        assert!(!matches(long.as_bytes(), "a".repeat(1999).as_bytes()));
    }
}
