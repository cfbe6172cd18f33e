//! Images by name.

use std::fmt;

use regex::Regex;
use transload_reference::Reference;

/// A regular expression that chooses images. It may match anywhere in the name, as it was written or as it is in full.
#[derive(Debug, Clone)]
pub struct ImagePattern(Regex);

/// A pattern that can't be read. Shown, it points at the place.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(#[from] regex::Error);

impl ImagePattern {
    /// Reads a pattern, in the [regex crate's syntax](https://docs.rs/regex/latest/regex/#syntax), which is Go's but for rare
    /// corners.
    ///
    /// # Errors
    /// Where it can't be read, or would take too much memory.
    pub fn new(pattern: &str) -> Result<ImagePattern, PatternError> {
        Ok(ImagePattern(Regex::new(pattern)?))
    }

    /// Whether it matches the name as it was written, or what that stands for.
    pub fn matches(&self, written: &str, reference: &Reference) -> bool {
        self.0.is_match(written) || self.0.is_match(&reference.to_string())
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_as_written_or_in_full_is_matched_anywhere() {
        for (pattern, image, matches) in [
            (".*calico.*", "docker.io/calico/apiserver:v3.28.2", true),
            ("calico", "docker.io/calico/apiserver:v3.28.2", true),
            ("^calico/", "calico/node:v3", true),
            ("^docker.io/calico/", "calico/node:v3", true),
            ("^alpine$", "alpine", true),
            ("library/alpine:latest$", "alpine", true),
            ("calico", "quay.io/tigera/operator:v1", false),
        ] {
            let reference: Reference = image.parse::<Reference>().unwrap().or_latest();
            assert_eq!(
                ImagePattern::new(pattern).unwrap().matches(image, &reference),
                matches,
                "{pattern} {image}"
            );
        }
    }

    #[test]
    fn a_bad_pattern_is_shown_with_the_place() {
        let message = ImagePattern::new("a(b").unwrap_err().to_string();
        assert!(message.contains("a(b\n     ^"), "{message}");
        assert!(message.contains("unclosed group"), "{message}");
    }
}
