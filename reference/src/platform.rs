//! Platforms ([image specification, "Image Index", `platform`]).
//!
//! [image specification, "Image Index", `platform`]: https://github.com/opencontainers/image-spec/blob/main/image-index.md

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ParseError, ParseErrorKind, printable};

/// How many characters of an operating system's, an architecture's or a variant's name are shown.
const LONGEST_PART: usize = 64;

/// Architectures as people write them, so that one in an operating system's place is told.
const ARCHITECTURES: [&str; 24] = [
    "amd64", "x86_64", "x86-64", "386", "i386", "i486", "i586", "i686", "x86", "arm64", "aarch64", "arm",
    "armhf", "armel", "armv6", "armv7", "ppc64", "ppc64le", "s390x", "riscv64", "loong64", "mips64",
    "mips64le", "wasm",
];

/// What an image runs on, in the words of Go's `GOOS` and `GOARCH` ([image specification, "platform"]). It is read from and
/// written as `os/architecture` or `os/architecture/variant`. A version of the operating system stands in parentheses behind it, as
/// containerd writes it: `windows(10.0.20348.2527)/amd64`.
///
/// [image specification, "platform"]: https://github.com/opencontainers/image-spec/blob/main/image-index.md#image-index-property-descriptions
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system: `linux`, `windows`, …
    #[serde(default)]
    pub os: String,
    /// The processor's architecture: `amd64`, `arm64`, `arm`, …
    #[serde(default)]
    pub architecture: String,
    /// The processor's variant: `v7` of `arm`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system's version, which Windows images have.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features that the operating system must have, such as `win32k`.
    #[serde(default, rename = "os.features", skip_serializing_if = "Option::is_none")]
    pub os_features: Option<Vec<String>>,
}

impl Platform {
    /// A platform of its operating system, architecture and variant, as written.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
            ..Platform::default()
        }
    }

    /// The same platform in the words that Go and every registry use: `x86_64` is `amd64`, `aarch64` is `arm64`, `arm64/v8` is
    /// `arm64`, `arm` is `arm/v7`.
    pub fn normalised(&self) -> Platform {
        let os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let variant = self.variant.as_deref().unwrap_or_default().to_ascii_lowercase();
        let variant = match variant.as_str() {
            digit if digit.len() == 1 && digit.bytes().all(|b| b.is_ascii_digit()) => format!("v{digit}"),
            other => other.to_owned(),
        };
        let architecture = self.architecture.to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
            ("x86_64" | "x86-64" | "amd64", other) => ("amd64", other),
            ("i386" | "i486" | "i586" | "i686" | "x86" | "386", _) => ("386", ""),
            ("aarch64" | "arm64", "" | "v8") => ("arm64", ""),
            ("aarch64" | "arm64", other) => ("arm64", other),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", "") => ("arm", "v7"),
            (architecture, variant) => (architecture, variant),
        };
        Platform {
            os,
            architecture: architecture.to_owned(),
            variant: (!variant.is_empty()).then(|| variant.to_owned()),
            os_version: self.os_version.clone().filter(|version| !version.is_empty()),
            os_features: self.os_features.clone(),
        }
    }

    /// Whether it names no platform: the `unknown/unknown` of attestations, or nothing at all.
    pub fn is_unknown(&self) -> bool {
        let none = |text: &str| text.is_empty() || text == "unknown";
        none(&self.os) && none(&self.architecture)
    }
}

impl FromStr for Platform {
    type Err = ParseError;

    /// Reads `os[(version)]/architecture[/variant]` and normalises it.
    fn from_str(input: &str) -> Result<Self, ParseError> {
        let mut parts: Vec<&str> = input.split('/').collect();
        let mut version = None;
        if let Some((os, rest)) = parts[0].split_once('(') {
            // A parenthesis that isn't closed is refused with the name.
            version = rest.strip_suffix(')');
            parts[0] = if version.is_some() { os } else { parts[0] };
        }
        let well_formed = |part: &&str| {
            (1..=LONGEST_PART).contains(&part.len())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        let refused = || ParseError::new("platform", input, ParseErrorKind::Platform);
        if !parts.iter().chain(&version).all(well_formed) || is_architecture(parts[0]) {
            return Err(refused());
        }
        let mut platform = match parts[..] {
            [os, architecture] => Platform::new(os, architecture, None),
            [os, architecture, variant] => Platform::new(os, architecture, Some(variant)),
            _ => return Err(refused()),
        };
        platform.os_version = version.map(str::to_owned);
        Ok(platform.normalised())
    }
}

fn is_architecture(name: &str) -> bool {
    ARCHITECTURES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The platform that may be meant by a text that isn't one: Linux, where the operating system is left out.
pub(crate) fn meant(input: &str) -> Option<Platform> {
    let architecture = input.split('/').next().filter(|first| is_architecture(first))?;
    let variant = &input[architecture.len()..];
    let architecture = match architecture.to_ascii_lowercase().as_str() {
        "armv6" => "armel",
        "armv7" => "armhf",
        _ => architecture,
    };
    format!("linux/{architecture}{variant}").parse().ok()
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text may come from a hostile manifest: nothing that a terminal would obey gets through.
        let mut write = |text: &str| f.write_str(&printable(text, LONGEST_PART));
        write(if self.os.is_empty() { "unknown" } else { &self.os })?;
        if let Some(version) = self.os_version.as_deref().filter(|version| !version.is_empty()) {
            write("(")?;
            write(version)?;
            write(")")?;
        }
        write("/")?;
        write(if self.architecture.is_empty() {
            "unknown"
        } else {
            &self.architecture
        })?;
        if let Some(variant) = &self.variant {
            write("/")?;
            write(variant)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn platforms_are_normalised() {
        let table = [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/i386", "linux/386"),
            ("macos/arm64", "darwin/arm64"),
            ("linux/riscv64", "linux/riscv64"),
            (
                "Windows(10.0.20348.2527)/x86_64",
                "windows(10.0.20348.2527)/amd64",
            ),
            ("windows(10.0.17763)/arm/7", "windows(10.0.17763)/arm/v7"),
        ];
        for (input, expected) in table {
            assert_eq!(
                input.parse::<Platform>().unwrap().to_string(),
                expected,
                "{input}"
            );
        }
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for input in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/amd64/v1/x",
            "linux amd64",
            "linux/amd 64",
            "a/b/",
            "amd64",
            "arm/v7",
            "X86_64/v3",
            "windows(10.0/amd64",
            "windows()/amd64",
            "windows(10.0)x/amd64",
            "windows/amd64(10.0)",
            "(10.0)/amd64",
        ] {
            assert!(input.parse::<Platform>().is_err(), "{input}");
        }
    }

    #[test]
    fn an_architecture_alone_is_told_with_the_platform_that_is_meant() {
        for (input, hint) in [
            ("amd64", Some("did you mean linux/amd64?")),
            ("x86_64", Some("did you mean linux/amd64?")),
            ("AArch64", Some("did you mean linux/arm64?")),
            ("arm/v6", Some("did you mean linux/arm/v6?")),
            ("armv7", Some("did you mean linux/arm/v7?")),
            ("arm64/v8", Some("did you mean linux/arm64?")),
            (
                "osver=10.0.20348",
                Some("an operating system's version is written windows(10.0.20348)/amd64"),
            ),
            ("linux", None),
            ("linux/amd64/v1/x", None),
        ] {
            let error = input.parse::<Platform>().unwrap_err();
            assert_eq!(error.hint().as_deref(), hint, "{input}");
        }
    }

    #[test]
    fn an_empty_version_is_none() {
        let mut platform = Platform::new("windows", "amd64", None);
        platform.os_version = Some(String::new());
        assert_eq!(platform.to_string(), "windows/amd64");
        assert_eq!(platform.normalised().os_version, None);
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        assert_eq!(
            Platform::new("li\u{1b}[31mnux", "amd64", None).to_string(),
            "li\\u{1b}[31mnux/amd64"
        );
    }

    proptest! {
        #[test]
        fn platforms_round_trip(os in "[a-z]{1,8}", architecture in "[a-z0-9]{1,8}", variant in prop::option::of("v[0-9]{1,2}"), version in prop::option::of("[0-9a-z._-]{1,20}")) {
            prop_assume!(!is_architecture(&os));
            let mut platform = Platform::new(&os, &architecture, variant.as_deref()).normalised();
            platform.os_version = version;
            prop_assert_eq!(platform.to_string().parse::<Platform>().unwrap(), platform.clone());
            prop_assert_eq!(platform.normalised(), platform);
        }
    }
}
