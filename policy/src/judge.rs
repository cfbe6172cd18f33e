//! What becomes of an image that lacks platforms that were asked for.

use std::fmt;

use transload_reference::Platform;

use crate::{PlatformPattern, PlatformSet, Selection};

/// How many platforms of an image a message names. Real images have a dozen.
const MOST_NAMED: usize = 24;

/// How much of a platform's name a message shows, in characters.
const LONGEST_NAME: usize = 60;

/// What a missing platform means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The image fails.
    #[default]
    Strict,
    /// What exists is moved, with a warning.
    Warn,
}

/// What an image of a single platform means where several platforms are asked for and its own is one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Single {
    /// It lacks the others.
    #[default]
    Refuse,
    /// It lacks none, as in KubeKey's code.
    Accept,
}

/// What becomes of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is moved: nothing that was asked for is missing.
    Take,
    /// It is moved, and this is to be warned of.
    Warn(Shortfall),
    /// It is left out, and this is to be warned of.
    Skip(Shortfall),
    /// It fails.
    Refuse(Shortfall),
}

/// Platforms that were asked for and aren't there. Displayed, it goes on after the image's name:
/// `has no linux/s390x (it has linux/amd64, linux/arm64); the others are moved`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Shortfall {
    missing: Vec<PlatformPattern>,
    existing: Vec<Platform>,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Refused,
    /// It has one of the platforms, and no more.
    SingleRefused,
    Skipped,
    OthersMove,
    MovesAnyway,
}

/// Decides about an index: `found` is what [`select`](crate::select) chose in it, with what stands in its nested indexes
/// ([`Selection::absorb`]).
///
/// An index without any platform holds artifacts, which are never filtered: it is taken.
pub fn judge(found: &Selection, wanted: &PlatformSet, mode: Mode) -> Decision {
    let missing = wanted.missing(&found.satisfied);
    if missing.is_empty() || found.existing.is_empty() {
        return Decision::Take;
    }
    let shortfall = |outcome| Shortfall::new(&missing, &found.existing, outcome);
    match mode {
        Mode::Strict => Decision::Refuse(shortfall(Outcome::Refused)),
        Mode::Warn if found.satisfied.is_empty() => Decision::Skip(shortfall(Outcome::Skipped)),
        Mode::Warn => Decision::Warn(shortfall(Outcome::OthersMove)),
    }
}

/// Decides about a single image by the platform of its configuration ([`config_platform`](crate::config_platform)). One without
/// a platform is an artifact, which is never filtered: it is taken.
pub fn judge_single(
    platform: Option<&Platform>,
    wanted: &PlatformSet,
    mode: Mode,
    single: Single,
) -> Decision {
    let (Some(platform), Some(patterns)) = (platform, wanted.patterns()) else {
        return Decision::Take;
    };
    let missing: Vec<_> = patterns
        .iter()
        .filter(|pattern| !pattern.matches(platform))
        .collect();
    let is_wanted = missing.len() < patterns.len();
    if missing.is_empty() || (is_wanted && single == Single::Accept) {
        return Decision::Take;
    }
    let shortfall = |outcome| Shortfall::new(&missing, std::slice::from_ref(platform), outcome);
    match mode {
        Mode::Strict if is_wanted => Decision::Refuse(shortfall(Outcome::SingleRefused)),
        Mode::Strict => Decision::Refuse(shortfall(Outcome::Refused)),
        Mode::Warn => Decision::Warn(shortfall(Outcome::MovesAnyway)),
    }
}

impl Shortfall {
    fn new(missing: &[&PlatformPattern], existing: &[Platform], outcome: Outcome) -> Shortfall {
        let by_version = missing.iter().any(|pattern| pattern.has_version());
        let mut existing: Vec<Platform> = existing
            .iter()
            .map(|platform| Platform {
                os_version: platform.os_version.clone().filter(|_| by_version),
                ..plain(platform)
            })
            .collect();
        existing.sort();
        existing.dedup();
        Shortfall {
            missing: missing.iter().copied().cloned().collect(),
            existing,
            outcome,
        }
    }

    /// The platforms that were asked for and aren't there, in the order in which they were asked for.
    pub fn missing(&self) -> &[PlatformPattern] {
        &self.missing
    }

    /// The platforms that are there, normalised, sorted, each once; with versions of the operating system where one was asked for.
    pub fn existing(&self) -> &[Platform] {
        &self.existing
    }

    /// Always false: the same image lacks the same platforms.
    pub fn is_retryable(&self) -> bool {
        false
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self.outcome {
            Outcome::Refused => {
                Some("ask for platforms that it has, or set policy: warn to take what there is")
            }
            Outcome::SingleRefused => Some(
                "set single: accept (--single accept) to take an image of one platform if that is among those asked for, as KubeKey does, \
                 or policy: warn",
            ),
            Outcome::Skipped => Some("ask for platforms that it has"),
            Outcome::OthersMove | Outcome::MovesAnyway => None,
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: Vec<String> = self.missing.iter().map(ToString::to_string).collect();
        let mut existing: Vec<String> = self.existing.iter().take(MOST_NAMED).map(shortened).collect();
        if self.existing.len() > MOST_NAMED {
            existing.push(format!("{} more", self.existing.len() - MOST_NAMED));
        }
        let outcome = match self.outcome {
            Outcome::Refused | Outcome::SingleRefused => "",
            Outcome::Skipped => "; it is left out",
            Outcome::OthersMove => "; the others are moved",
            Outcome::MovesAnyway => "; it is moved as it is",
        };
        write!(
            f,
            "has no {} (it has {}){outcome}",
            missing.join(", "),
            existing.join(", ")
        )
    }
}

/// The platform without the operating system's version and features.
fn plain(platform: &Platform) -> Platform {
    Platform::new(&platform.os, &platform.architecture, platform.variant.as_deref()).normalised()
}

/// A manifest may name its platform in megabytes; a message is not the place for it.
fn shortened(platform: &Platform) -> String {
    let name = platform.to_string();
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platforms(list: &[&str]) -> Vec<Platform> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn index(existing: &[&str], wanted: &PlatformSet) -> Selection {
        let existing = platforms(existing);
        let patterns = wanted.patterns().unwrap_or_default();
        let is_there = |pattern: &&PlatformPattern| existing.iter().any(|platform| pattern.matches(platform));
        Selection {
            satisfied: patterns.iter().filter(is_there).cloned().collect(),
            existing,
            ..Selection::default()
        }
    }

    /// The decision's word and message.
    fn told(decision: &Decision) -> (&'static str, String) {
        match decision {
            Decision::Take => ("take", String::new()),
            Decision::Warn(shortfall) => ("warn", shortfall.to_string()),
            Decision::Skip(shortfall) => ("skip", shortfall.to_string()),
            Decision::Refuse(shortfall) => ("refuse", shortfall.to_string()),
        }
    }

    #[test]
    fn an_index_is_judged_by_what_it_has() {
        let two = &["linux/arm64", "linux/amd64", "linux/amd64"][..];
        for (existing, wanted, mode, word, message) in [
            (two, &[][..], Mode::Strict, "take", ""),
            (two, &["linux/amd64"], Mode::Strict, "take", ""),
            (two, &["linux/amd64", "linux/arm64/v8"], Mode::Warn, "take", ""),
            (
                two,
                &["linux/amd64", "linux/s390x", "linux/arm/v7"],
                Mode::Strict,
                "refuse",
                "has no linux/s390x, linux/arm/v7 (it has linux/amd64, linux/arm64)",
            ),
            (
                two,
                &["linux/amd64", "linux/s390x"],
                Mode::Warn,
                "warn",
                "has no linux/s390x (it has linux/amd64, linux/arm64); the others are moved",
            ),
            (
                two,
                &["linux/s390x"],
                Mode::Warn,
                "skip",
                "has no linux/s390x (it has linux/amd64, linux/arm64); it is left out",
            ),
            (
                two,
                &["linux/s390x"],
                Mode::Strict,
                "refuse",
                "has no linux/s390x (it has linux/amd64, linux/arm64)",
            ),
            (&[], &["linux/s390x"], Mode::Strict, "take", ""),
        ] {
            let wanted = PlatformSet::parse(wanted).unwrap();
            let decision = judge(&index(existing, &wanted), &wanted, mode);
            assert_eq!(told(&decision), (word, message.to_owned()), "{wanted:?} {mode:?}");
        }
    }

    #[test]
    fn a_single_image_is_judged_by_its_own_platform() {
        for (platform, wanted, mode, word, message) in [
            (Some("linux/amd64"), &[][..], Mode::Strict, "take", ""),
            (Some("linux/amd64"), &["linux/amd64"], Mode::Strict, "take", ""),
            (None, &["linux/amd64"], Mode::Strict, "take", ""),
            (
                Some("linux/amd64"),
                &["linux/amd64", "linux/arm64"],
                Mode::Strict,
                "refuse",
                "has no linux/arm64 (it has linux/amd64)",
            ),
            (
                Some("linux/arm/v6"),
                &["linux/arm64"],
                Mode::Warn,
                "warn",
                "has no linux/arm64 (it has linux/arm/v6); it is moved as it is",
            ),
            (
                Some("linux/amd64"),
                &["linux/arm64"],
                Mode::Strict,
                "refuse",
                "has no linux/arm64 (it has linux/amd64)",
            ),
        ] {
            let platform: Option<Platform> = platform.map(|text| text.parse().unwrap());
            let wanted = PlatformSet::parse(wanted).unwrap();
            let decision = judge_single(platform.as_ref(), &wanted, mode, Single::Refuse);
            assert_eq!(
                told(&decision),
                (word, message.to_owned()),
                "{platform:?} {mode:?}"
            );
        }
    }

    #[test]
    fn a_single_image_of_one_of_the_platforms_is_refused_with_the_setting_that_takes_it() {
        let amd64: Platform = "linux/amd64".parse().unwrap();
        let both = PlatformSet::parse(&["linux/amd64", "linux/arm64"]).unwrap();
        let others = PlatformSet::parse(&["linux/s390x", "linux/arm64"]).unwrap();
        let judged =
            |wanted: &PlatformSet, mode, single| told(&judge_single(Some(&amd64), wanted, mode, single)).0;
        for (mode, single, of_both, of_others) in [
            (Mode::Strict, Single::Refuse, "refuse", "refuse"),
            (Mode::Strict, Single::Accept, "take", "refuse"),
            (Mode::Warn, Single::Refuse, "warn", "warn"),
            (Mode::Warn, Single::Accept, "take", "warn"),
        ] {
            assert_eq!(judged(&both, mode, single), of_both, "{mode:?} {single:?}");
            assert_eq!(judged(&others, mode, single), of_others, "{mode:?} {single:?}");
        }
        let hint =
            |wanted: &PlatformSet| match judge_single(Some(&amd64), wanted, Mode::Strict, Single::Refuse) {
                Decision::Refuse(shortfall) => shortfall.hint().unwrap_or_default(),
                other => panic!("{other:?}"),
            };
        assert!(hint(&both).contains("--single accept"), "{}", hint(&both));
        assert!(!hint(&others).contains("single"), "{}", hint(&others));
    }

    #[test]
    fn a_hostile_index_makes_no_endless_message() {
        let wanted = PlatformSet::parse(&["linux/amd64"]).unwrap();
        let existing = (0..9000).map(|at| Platform::new(&format!("{at:04}{}", "é".repeat(9000)), "x", None));
        let found = Selection {
            existing: existing.collect(),
            ..Selection::default()
        };
        let (_, message) = told(&judge(&found, &wanted, Mode::Strict));
        assert!(message.len() < 4000, "{} bytes", message.len());
        assert!(message.ends_with("…, 8976 more)"), "{message}");
    }

    #[test]
    fn windows_versions_are_named_where_one_is_asked_for() {
        let wanted = PlatformSet::parse(&["linux/amd64"]).unwrap();
        let existing = ["10.0.17763.1", "10.0.20348.2"].map(|version| Platform {
            os_version: Some(version.to_owned()),
            ..Platform::new("windows", "amd64", None)
        });
        let found = Selection {
            existing: existing.to_vec(),
            ..Selection::default()
        };
        let Decision::Refuse(shortfall) = judge(&found, &wanted, Mode::Strict) else {
            panic!("it isn't there")
        };
        assert_eq!(shortfall.to_string(), "has no linux/amd64 (it has windows/amd64)");
        let wanted = PlatformSet::parse(&["windows(10.0.26100)/amd64"]).unwrap();
        let Decision::Refuse(by_version) = judge(&found, &wanted, Mode::Strict) else {
            panic!("it isn't there")
        };
        assert_eq!(
            by_version.to_string(),
            "has no windows(10.0.26100)/amd64 (it has windows(10.0.17763.1)/amd64, windows(10.0.20348.2)/amd64)"
        );
        assert_eq!(shortfall.existing().len(), 1);
        assert_eq!(shortfall.missing()[0].to_string(), "linux/amd64");
        assert!(shortfall.hint().is_some_and(|hint| hint.contains("policy: warn")));
    }
}
