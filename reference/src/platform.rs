//! Platforms ([image specification, "Image Index", `platform`]).
//!
//! [image specification, "Image Index", `platform`]: https://github.com/opencontainers/image-spec/blob/main/image-index.md

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ParseError, ParseErrorKind, printable};

/// How many characters of an operating system's, an architecture's or a variant's name are shown.
const LONGEST_PART: usize = 64;

/// What an image runs on, in the words of Go's `GOOS` and `GOARCH` ([image specification, "platform"]). It is read from and
/// written as `os/architecture` or `os/architecture/variant`.
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
            os_version: self.os_version.clone(),
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

    /// Reads `os/architecture[/variant]` and normalises it.
    fn from_str(input: &str) -> Result<Self, ParseError> {
        let parts: Vec<&str> = input.split('/').collect();
        let well_formed = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        if !parts.iter().all(well_formed) {
            return Err(ParseError::new("platform", input, ParseErrorKind::Platform));
        }
        match parts[..] {
            [os, architecture] => Ok(Platform::new(os, architecture, None).normalised()),
            [os, architecture, variant] => Ok(Platform::new(os, architecture, Some(variant)).normalised()),
            _ => Err(ParseError::new("platform", input, ParseErrorKind::Platform)),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text may come from a hostile manifest: nothing that a terminal would obey gets through.
        let mut write = |text: &str| f.write_str(&printable(text, LONGEST_PART));
        write(if self.os.is_empty() { "unknown" } else { &self.os })?;
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
        ] {
            assert!(input.parse::<Platform>().is_err(), "{input}");
        }
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
        fn platforms_round_trip(os in "[a-z]{1,8}", architecture in "[a-z0-9]{1,8}", variant in prop::option::of("v[0-9]{1,2}")) {
            let platform = Platform::new(&os, &architecture, variant.as_deref()).normalised();
            prop_assert_eq!(platform.to_string().parse::<Platform>().unwrap(), platform.clone());
            prop_assert_eq!(platform.normalised(), platform);
        }
    }
}
