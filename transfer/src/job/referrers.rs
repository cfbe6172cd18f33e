//! Which referrers of an image come along.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use transload_reference::{MediaType, ReferrerTag, printable};

/// How much of a wrong type is shown, in characters.
const LONGEST_SHOWN: usize = 100;

/// The words for cosign's tags.
const COSIGN: [(&str, ReferrerTag); 3] = [
    ("sig", ReferrerTag::Signature),
    ("att", ReferrerTag::Attestation),
    ("sbom", ReferrerTag::Sbom),
];

/// Which referrers of an image come along: signatures, SBOMs, attestations and the like.
///
/// ```
/// use transload_transfer::job::Referrers;
///
/// let referrers: Referrers = "sig,application/spdx+json".parse()?;
/// assert!(referrers.takes_type(Some("application/spdx+json")) && !referrers.takes_type(None));
/// assert!("signatures".parse::<Referrers>().is_err());
/// # Ok::<(), transload_transfer::job::ReferrersError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Referrers {
    /// None: registries aren't asked for them.
    #[default]
    None,
    /// All.
    All,
    /// Those of these artifact types, and those under these tags of cosign's.
    Types {
        /// Artifact types, such as `application/spdx+json`.
        artifacts: BTreeSet<String>,
        /// Kinds of tags.
        tags: BTreeSet<ReferrerTag>,
    },
}

impl Referrers {
    /// Whether a referrer of this artifact type comes along.
    pub fn takes_type(&self, artifact_type: Option<&str>) -> bool {
        match self {
            Referrers::None => false,
            Referrers::All => true,
            Referrers::Types { artifacts, .. } => {
                artifact_type.is_some_and(|artifact_type| artifacts.contains(artifact_type))
            }
        }
    }

    /// Whether referrers are looked for that tell their `subject`.
    pub fn takes_subjects(&self) -> bool {
        match self {
            Referrers::None => false,
            Referrers::All => true,
            Referrers::Types { artifacts, .. } => !artifacts.is_empty(),
        }
    }

    /// Whether what cosign keeps under this kind of tag comes along.
    pub fn takes_tag(&self, tag: ReferrerTag) -> bool {
        match self {
            Referrers::None => false,
            Referrers::All => true,
            Referrers::Types { tags, .. } => tags.contains(&tag),
        }
    }
}

/// Why a text doesn't tell which referrers come along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrersError {
    part: String,
}

impl fmt::Display for ReferrersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" isn't a type of referrers: expected none, all, or artifact types such as application/spdx+json, and sig, att and sbom for \
             cosign's tags, separated by commas",
            printable(&self.part, LONGEST_SHOWN)
        )
    }
}

impl std::error::Error for ReferrersError {}

impl FromStr for Referrers {
    type Err = ReferrersError;

    fn from_str(text: &str) -> Result<Referrers, ReferrersError> {
        match text.trim() {
            "none" => return Ok(Referrers::None),
            "all" => return Ok(Referrers::All),
            _ => {}
        }
        let (mut artifacts, mut tags) = (BTreeSet::new(), BTreeSet::new());
        for part in text.split(',').map(str::trim) {
            if let Some((_, tag)) = COSIGN.iter().find(|(word, _)| *word == part) {
                tags.insert(*tag);
            } else if part.contains('/') && MediaType::new(part).is_sendable() {
                artifacts.insert(part.to_owned());
            } else {
                return Err(ReferrersError {
                    part: part.to_owned(),
                });
            }
        }
        Ok(Referrers::Types { artifacts, tags })
    }
}

impl fmt::Display for Referrers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Referrers::None => f.write_str("none"),
            Referrers::All => f.write_str("all"),
            Referrers::Types { artifacts, tags } => {
                let words = COSIGN.iter().filter(|(_, tag)| tags.contains(tag));
                let words = words.map(|(word, _)| *word);
                let all: Vec<&str> = artifacts.iter().map(String::as_str).chain(words).collect();
                f.write_str(&all.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "none",
            "all",
            "application/spdx+json,application/x,sig,sbom",
            "att",
        ] {
            assert_eq!(text.parse::<Referrers>().unwrap().to_string(), text);
        }
        let both: Referrers = "sbom, application/x".parse().unwrap();
        assert!(both.takes_tag(ReferrerTag::Sbom) && !both.takes_tag(ReferrerTag::Signature));
        assert!(both.takes_subjects() && !"sig".parse::<Referrers>().unwrap().takes_subjects());
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in ["", "all,none", "signature", "a/b,", "a /b", "sig;att"] {
            assert!(text.parse::<Referrers>().is_err(), "{text}");
        }
    }
}
