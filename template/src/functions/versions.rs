//! Semantic versions and constraints on them, by the rules of Go's `Masterminds/semver` (v3.4).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Arguments;
use crate::error::Fault;
use crate::value::Value;

type Given = Result<Value, Fault>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    /// Major, minor, patch.
    numbers: [u64; 3],
    pre: String,
    metadata: String,
}

/// The parts of a version as they are written: numbers and placeholders, prerelease, metadata.
struct Parts<'t> {
    numbers: Vec<&'t str>,
    pre: &'t str,
    metadata: &'t str,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Option<Parts<'t>> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, metadata) = match text.split_once('+') {
            Some((text, metadata)) => (text, Some(metadata)),
            None => (text, None),
        };
        let (text, pre) = match text.split_once('-') {
            Some((text, pre)) => (text, Some(pre)),
            None => (text, None),
        };
        let is_identifier = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        };
        let are_identifiers = |part: Option<&str>| part.is_none_or(|part| part.split('.').all(is_identifier));
        let numbers: Vec<&str> = text.split('.').collect();
        let is_good = numbers.len() <= 3 && are_identifiers(pre) && are_identifiers(metadata);
        // A number in a prerelease has no zeros before it.
        let has_zeros = |part: &str| {
            part.len() > 1 && part.starts_with('0') && part.chars().all(|digit| digit.is_ascii_digit())
        };
        (is_good && !pre.is_some_and(|pre| pre.split('.').any(has_zeros))).then_some(Parts {
            numbers,
            pre: pre.unwrap_or_default(),
            metadata: metadata.unwrap_or_default(),
        })
    }
}

impl Version {
    fn read(text: &str) -> Option<Version> {
        let parts = Parts::of(text)?;
        let mut numbers = [0; 3];
        for (number, text) in numbers.iter_mut().zip(&parts.numbers) {
            *number = digits(text)?;
        }
        Some(Version {
            numbers,
            pre: parts.pre.to_owned(),
            metadata: parts.metadata.to_owned(),
        })
    }

    fn compare(&self, other: &Version) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| compare_prereleases(&self.pre, &other.pre))
    }
}

fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn compare_prereleases(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (digits(a), digits(b)) {
                (Some(a), Some(b)) => a.cmp(&b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

struct Constraint {
    operator: &'static str,
    version: Version,
    /// How many numbers are given: fewer than three where the others are left out or are `x` or `*`.
    given: usize,
}

const OPERATORS: [&str; 11] = ["=>", ">=", "=<", "<=", "!=", "~>", "=", ">", "<", "~", "^"];

impl Constraint {
    fn read(text: &str) -> Option<Constraint> {
        let operator = OPERATORS
            .into_iter()
            .find(|operator| text.starts_with(operator))
            .unwrap_or("");
        let parts = Parts::of(text[operator.len()..].trim_start())?;
        let is_any = |number: &str| matches!(number, "x" | "X" | "*");
        let given = parts
            .numbers
            .iter()
            .position(|number| is_any(number))
            .unwrap_or(parts.numbers.len());
        let mut numbers = [0; 3];
        for (at, text) in parts.numbers.iter().enumerate() {
            match at < given {
                true => numbers[at] = digits(text)?,
                // What follows a placeholder says nothing more.
                false if is_any(text) || digits(text).is_some() => {}
                false => return None,
            }
        }
        Some(Constraint {
            operator,
            version: Version {
                numbers,
                pre: parts.pre.to_owned(),
                metadata: String::new(),
            },
            given,
        })
    }

    /// `with_prereleases`: whether one of the constraints that must hold together names a prerelease.
    fn holds(&self, version: &Version, with_prereleases: bool) -> bool {
        let wanted = &self.version;
        let order = version.compare(wanted);
        if !version.pre.is_empty() && !with_prereleases {
            return false;
        }
        let given = |count: usize| (&version.numbers[..count], &wanted.numbers[..count]);
        match (self.operator, self.given) {
            ("!=", 1) => given(1).0 != given(1).1,
            ("!=", 2) => given(2).0 != given(2).1 || compare_prereleases(&version.pre, &wanted.pre).is_ne(),
            ("!=", _) => order.is_ne(),
            (">", 1 | 2) => given(self.given).0 > given(self.given).1,
            (">", _) => order.is_gt(),
            ("<", _) => order.is_lt(),
            (">=" | "=>", _) => order.is_ge(),
            ("<=" | "=<", 3) => order.is_le(),
            ("<=" | "=<", 1) => given(1).0 <= given(1).1,
            ("<=" | "=<", _) => given(2).0 <= given(2).1,
            ("^", _) => {
                // The first number that isn't 0 stays as it is.
                let leading_zeros = wanted.numbers.iter().take_while(|number| **number == 0).count();
                let kept = match self.given {
                    given @ (1 | 2) => given.min(leading_zeros + 1),
                    _ => 3.min(leading_zeros + 1),
                };
                order.is_ge() && given(kept).0 == given(kept).1
            }
            ("" | "=", 3) => order.is_eq(),
            // `~`, `~>`, and what stands alone with numbers left out.
            _ => {
                let is_any = self.given == 0 || (self.given == 3 && wanted.numbers == [0, 0, 0]);
                let kept = self.given.min(2);
                order.is_ge() && (is_any || given(kept).0 == given(kept).1)
            }
        }
    }
}

/// Constraints apart by blanks or commas, which must all hold.
fn read_all(text: &str) -> Option<Vec<Constraint>> {
    let mut parts: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in text.replace(',', " ").split_whitespace() {
        let is_operator = OPERATORS.contains(&word);
        match parts.last_mut() {
            Some(operator) if is_open => operator.push_str(word),
            _ => parts.push(word.to_owned()),
        }
        is_open = is_operator;
    }
    if is_open {
        return None;
    }
    if parts.is_empty() {
        parts.push("*".to_owned());
    }
    // `1.2 - 1.4` is `>=1.2 <=1.4`.
    while let Some(dash) = parts.iter().position(|part| part == "-") {
        if dash == 0 || dash + 1 == parts.len() {
            return None;
        }
        parts[dash - 1].insert_str(0, ">=");
        parts[dash + 1].insert_str(0, "<=");
        parts.remove(dash);
    }
    parts.iter().map(|part| Constraint::read(part)).collect()
}

fn holds(constraints: &str, version: &Version) -> Option<bool> {
    let mut any = false;
    for together in constraints.split("||") {
        let together = read_all(together)?;
        let with_prereleases = together
            .iter()
            .any(|constraint| !constraint.version.pre.is_empty());
        any |= together
            .iter()
            .all(|constraint| constraint.holds(version, with_prereleases));
    }
    Some(any)
}

/// `semverCompare CONSTRAINT VERSION`
pub(super) fn compare(args: &Arguments<'_>) -> Given {
    let version = version(args, 1)?;
    match holds(args.text(0)?, &version) {
        Some(holds) => Ok(holds.into()),
        None => Err(args.refused(
            0,
            "this isn't a constraint on versions, such as \">=1.2 <2\" or \"^1.2\"",
        )),
    }
}

fn version(args: &Arguments<'_>, at: usize) -> Result<Version, Fault> {
    Version::read(args.text(at)?)
        .ok_or_else(|| args.refused(at, "this isn't a version, such as 1.2.3 or v1.2"))
}

/// A version's parts under the names that Go gives them.
pub(super) fn semver(args: &Arguments<'_>) -> Given {
    let version = version(args, 0)?;
    let number = |at: usize| Value::Number(crate::value::Scalar::new(version.numbers[at].into()));
    let parts = [
        ("Major", number(0)),
        ("Minor", number(1)),
        ("Patch", number(2)),
        ("Prerelease", version.pre.as_str().into()),
        ("Metadata", version.metadata.as_str().into()),
        ("Original", args.text(0)?.into()),
    ];
    let parts = parts.map(|(name, value)| (name.to_owned(), value));
    Ok(Value::Object(BTreeMap::from(parts)))
}
