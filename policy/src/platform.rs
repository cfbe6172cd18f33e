//! Platforms that are asked for.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use transload_reference::{ParseError, Platform};

/// A platform that is asked for: `linux/arm64`, `linux/arm/v7`, `windows(10.0.20348)/amd64`.
///
/// Without a variant it stands for every variant; with one, for that one alone. Both sides are normalised first, as containerd
/// does, so that `linux/arm64/v8` asks for `linux/arm64` as an index has it, and `linux/arm/v7` for an `arm` whose variant isn't
/// told. `windows/amd64` is an image of any Windows version; with a version it is one of that version, or of one that begins with it:
/// `windows(10.0.20348)/amd64` stands for 10.0.20348.2527, too. Features of the operating system aren't looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlatformPattern {
    platform: Platform,
    any_variant: bool,
}

impl PlatformPattern {
    /// Whether the platform is one of those that are asked for.
    pub fn matches(&self, platform: &Platform) -> bool {
        let platform = platform.normalised();
        platform.os == self.platform.os
            && platform.architecture == self.platform.architecture
            && (self.any_variant || platform.variant == self.platform.variant)
            && self.platform.os_version.as_deref().is_none_or(|wanted| {
                let version = platform.os_version.as_deref().unwrap_or_default();
                let rest = version.strip_prefix(wanted);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
    }

    /// Whether a version of the operating system is asked for.
    pub(crate) fn has_version(&self) -> bool {
        self.platform.os_version.is_some()
    }
}

impl FromStr for PlatformPattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let mut platform = text.parse::<Platform>()?;
        // Normalising gives `arm` its usual variant, which was not asked for. `armhf` and `armel` do ask for one.
        let asks_for_one = text.matches('/').count() == 2
            || text.split('/').nth(1).is_some_and(|architecture| {
                ["armhf", "armel"]
                    .iter()
                    .any(|name| architecture.eq_ignore_ascii_case(name))
            });
        let any_variant = !asks_for_one || (platform.variant.is_none() && first_variant(&platform).is_none());
        if any_variant {
            platform.variant = None;
        }
        Ok(PlatformPattern {
            platform,
            any_variant,
        })
    }
}

impl fmt::Display for PlatformPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.platform.fmt(f)?;
        match first_variant(&self.platform) {
            Some(first) if !self.any_variant && self.platform.variant.is_none() => write!(f, "/{first}"),
            _ => Ok(()),
        }
    }
}

/// The variant that an architecture has where none is written.
fn first_variant(platform: &Platform) -> Option<&'static str> {
    match platform.architecture.as_str() {
        "amd64" => Some("v1"),
        "arm64" => Some("v8"),
        _ => None,
    }
}

/// The platforms that are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PlatformSet {
    /// All that there are.
    #[default]
    All,
    /// These, at least one.
    Some(Vec<PlatformPattern>),
}

impl PlatformSet {
    /// Reads a list of platforms. An empty list, or one with `all` in it, asks for all.
    ///
    /// # Errors
    /// Where an entry is no platform.
    pub fn parse<S: AsRef<str>>(list: &[S]) -> Result<PlatformSet, ParseError> {
        let mut patterns = Vec::new();
        let mut all = list.is_empty();
        for text in list {
            let text = text.as_ref().trim();
            if text.eq_ignore_ascii_case("all") {
                all = true;
                continue;
            }
            let pattern: PlatformPattern = text.parse()?;
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        Ok(if all {
            PlatformSet::All
        } else {
            PlatformSet::Some(patterns)
        })
    }

    /// The platforms, unless all are asked for.
    pub fn patterns(&self) -> Option<&[PlatformPattern]> {
        match self {
            PlatformSet::All => None,
            PlatformSet::Some(patterns) => Some(patterns),
        }
    }

    /// The platforms that aren't among those that were found.
    pub fn missing<'a>(&'a self, satisfied: &[PlatformPattern]) -> Vec<&'a PlatformPattern> {
        let wanted = self.patterns().unwrap_or_default();
        wanted
            .iter()
            .filter(|pattern| !satisfied.contains(pattern))
            .collect()
    }
}

/// The platform of an image by its configuration ([image specification, "Image Configuration"]), normalised; none for what has
/// none, such as an artifact's, or an attestation's `unknown`.
///
/// [image specification, "Image Configuration"]: https://github.com/opencontainers/image-spec/blob/main/config.md
pub fn config_platform(config: &[u8]) -> Option<Platform> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        os: String,
        #[serde(default)]
        architecture: String,
        variant: Option<String>,
        #[serde(rename = "os.version")]
        os_version: Option<String>,
    }
    let config: Config = serde_json::from_slice(config).ok()?;
    let mut platform = Platform::new(&config.os, &config.architecture, config.variant.as_deref());
    platform.os_version = config.os_version;
    let is_told = !config.os.is_empty() && !config.architecture.is_empty() && !platform.is_unknown();
    is_told.then(|| platform.normalised())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_matches_what_it_stands_for() {
        for (pattern, platform, matches) in [
            ("linux/amd64", ("linux", "amd64", None), true),
            ("linux/amd64", ("linux", "x86_64", None), true),
            ("linux/x86_64", ("linux", "amd64", None), true),
            ("linux/amd64", ("linux", "amd64", Some("v3")), true),
            ("linux/amd64", ("windows", "amd64", None), false),
            ("linux/amd64", ("linux", "arm64", None), false),
            ("linux/arm64", ("linux", "arm64", Some("v8")), true),
            ("linux/arm64/v8", ("linux", "arm64", None), true),
            ("linux/arm64/v8", ("linux", "aarch64", Some("v8")), true),
            ("linux/arm64/v8", ("linux", "arm64", Some("v9")), false),
            ("linux/arm", ("linux", "arm", Some("v5")), true),
            ("linux/arm", ("linux", "arm", None), true),
            ("linux/arm/v7", ("linux", "arm", Some("v7")), true),
            ("linux/arm/v7", ("linux", "arm", Some("7")), true),
            ("linux/arm/v7", ("linux", "arm", None), true),
            ("linux/arm/v7", ("linux", "arm", Some("v6")), false),
            ("linux/arm/v6", ("linux", "arm", Some("v6")), true),
            ("linux/arm/v6", ("linux", "arm", None), false),
            ("Linux/AMD64", ("linux", "amd64", None), true),
            (" linux/amd64 ", ("linux", "amd64", None), true),
            ("linux/amd64/v1", ("linux", "amd64", None), true),
            ("linux/amd64/v1", ("linux", "amd64", Some("v3")), false),
            ("linux/amd64/v3", ("linux", "amd64", Some("v3")), true),
            ("linux/arm64", ("linux", "arm64", Some("v9")), true),
            ("linux/armhf", ("linux", "arm", Some("v7")), true),
            ("linux/armhf", ("linux", "arm", Some("v6")), false),
            ("linux/armel", ("linux", "arm", Some("v6")), true),
            ("linux/386", ("linux", "i686", None), true),
            ("linux/386/sse2", ("linux", "386", None), true),
            ("windows/amd64", ("windows", "amd64", None), true),
            ("linux/amd64", ("unknown", "unknown", None), false),
        ] {
            let found = Platform::new(platform.0, platform.1, platform.2);
            let parsed: PlatformPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(&found), matches, "{pattern} and {found}");
        }
    }

    #[test]
    fn a_version_stands_for_those_that_begin_with_it() {
        for (pattern, version, matches) in [
            ("windows/amd64", Some("10.0.20348.2527"), true),
            ("windows/amd64", None, true),
            ("windows(10.0.20348.2527)/amd64", Some("10.0.20348.2527"), true),
            ("windows(10.0.20348)/amd64", Some("10.0.20348.2527"), true),
            ("Windows(10.0)/x86_64", Some("10.0.20348.2527"), true),
            ("windows(10.0.2034)/amd64", Some("10.0.20348.2527"), false),
            ("windows(10.0.17763)/amd64", Some("10.0.20348.2527"), false),
            ("windows(10.0.20348.2527)/amd64", Some("10.0.20348"), false),
            ("windows(10.0.20348)/arm64", Some("10.0.20348.2527"), false),
            ("windows(10.0.20348)/amd64", None, false),
        ] {
            let mut found = Platform::new("windows", "amd64", None);
            found.os_version = version.map(str::to_owned);
            let parsed: PlatformPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(&found), matches, "{pattern} and {found}");
        }
    }

    #[test]
    fn a_pattern_is_shown_as_what_it_asks_for() {
        for (pattern, shown) in [
            ("linux/arm", "linux/arm"),
            ("linux/arm/7", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64/v1"),
            ("linux/386/sse2", "linux/386"),
            ("macos/arm64", "darwin/arm64"),
            ("Windows(10.0.20348)/x86_64", "windows(10.0.20348)/amd64"),
        ] {
            assert_eq!(
                pattern.parse::<PlatformPattern>().unwrap().to_string(),
                shown,
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for text in [
            "",
            "/",
            "linux",
            "linux/",
            "linux/arm/v7/x",
            "linux/arm/",
            "all",
            "linux amd64",
        ] {
            assert!(text.parse::<PlatformPattern>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_shown_pattern_asks_for_the_same(
            os in "linux|windows|Darwin|macos",
            architecture in "amd64|x86_64|arm64|aarch64|arm|armhf|armel|386|i686|riscv64|s390x",
            variant in proptest::option::of("v?[1-9]|sse2"),
            version in proptest::option::of("[0-9]{1,2}(\\.[0-9]{1,5}){0,3}"),
        ) {
            let os = os + &version.map(|version| format!("({version})")).unwrap_or_default();
            let text = [Some(os), Some(architecture), variant].into_iter().flatten().collect::<Vec<_>>().join("/");
            let pattern: PlatformPattern = text.parse().unwrap();
            prop_assert_eq!(pattern.to_string().parse::<PlatformPattern>().unwrap(), pattern.clone());
            prop_assert!(pattern.matches(&text.parse().unwrap()), "{} asks for itself", text);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", config in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = text.parse::<PlatformPattern>();
            let _ = config_platform(&config);
        }
    }

    #[test]
    fn all_or_nothing_asked_for_is_everything() {
        assert_eq!(PlatformSet::parse::<&str>(&[]).unwrap(), PlatformSet::All);
        assert_eq!(PlatformSet::parse(&["all"]).unwrap(), PlatformSet::All);
        assert_eq!(
            PlatformSet::parse(&["linux/amd64", "all"]).unwrap(),
            PlatformSet::All
        );
        assert!(PlatformSet::parse(&["linux"]).is_err());
        let twice = PlatformSet::parse(&["linux/arm64", "linux/aarch64"]).unwrap();
        assert_eq!(twice.patterns().unwrap().len(), 1);
    }

    #[test]
    fn a_config_tells_its_platform_and_an_artifacts_config_none() {
        let platform = config_platform(br#"{"os":"linux","architecture":"aarch64","variant":"v8"}"#);
        assert_eq!(platform.unwrap().to_string(), "linux/arm64");
        let windows =
            config_platform(br#"{"os":"windows","architecture":"amd64","os.version":"10.0.20348.2527"}"#);
        assert_eq!(windows.unwrap().to_string(), "windows(10.0.20348.2527)/amd64");
        for config in [
            &b"{}"[..],
            b"",
            b"[]",
            br#"{"os":"linux"}"#,
            br#"{"os":"unknown","architecture":"unknown","config":{}}"#,
            br#"{"os":1,"architecture":[]}"#,
            br#"{"name":"chart","version":"1"}"#,
        ] {
            assert_eq!(config_platform(config), None);
        }
    }
}
