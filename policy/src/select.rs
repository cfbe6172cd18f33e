//! Which children of an index are wanted.

use std::collections::HashSet;

use transload_reference::{Descriptor, Digest, Index, MediaKind, Platform};

use crate::{PlatformPattern, PlatformSet};

/// Where BuildKit writes which image an attestation is about.
const ATTESTS: &str = "vnd.docker.reference.digest";

/// What a missing platform means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The image fails.
    #[default]
    Strict,
    /// What exists is moved, with a warning.
    Warn,
}

/// Which children of an index are wanted, as positions in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those that are moved: of a wanted platform, without a platform (artifacts), and attestations of those.
    pub keep: Vec<usize>,
    /// Indexes whose platform isn't told: their own children decide.
    pub nested: Vec<usize>,
    /// Images whose platform isn't told: their configuration may tell it.
    pub untold: Vec<usize>,
    /// The wanted platforms that were found here.
    pub satisfied: Vec<PlatformPattern>,
    /// The platforms that the index tells.
    pub existing: Vec<Platform>,
}

/// Chooses the children of an index that are of the wanted platforms.
pub fn select(index: &Index, wanted: &PlatformSet) -> Selection {
    let mut selection = Selection::default();
    let mut kept: HashSet<&Digest> = HashSet::new();
    for (at, child) in index.manifests.iter().enumerate() {
        if attested(child).is_some() {
            continue;
        }
        let told = child.platform.as_ref().filter(|platform| !platform.is_unknown());
        selection.existing.extend(told.map(Platform::normalised));
        let Some(patterns) = wanted.patterns() else {
            kept.insert(&child.digest);
            selection.keep.push(at);
            continue;
        };
        match told {
            Some(platform) => {
                let matching: Vec<_> = patterns
                    .iter()
                    .filter(|pattern| pattern.matches(platform))
                    .collect();
                if !matching.is_empty() {
                    kept.insert(&child.digest);
                    selection.keep.push(at);
                    selection.satisfied.extend(matching.into_iter().cloned());
                }
            }
            None => match child.media_type.kind() {
                MediaKind::Index => selection.nested.push(at),
                MediaKind::Image if child.artifact_type.is_none() => selection.untold.push(at),
                _ => {
                    kept.insert(&child.digest);
                    selection.keep.push(at);
                }
            },
        }
    }
    for (at, child) in index.manifests.iter().enumerate() {
        // An attestation goes where its image goes; one of an image outside the index goes along.
        if let Some(image) = attested(child)
            && (kept.contains(&image) || !index.manifests.iter().any(|other| other.digest == image))
        {
            selection.keep.push(at);
        }
    }
    selection.keep.sort_unstable();
    selection.satisfied.sort();
    selection.satisfied.dedup();
    selection
}

/// The image that an attestation is about.
fn attested(child: &Descriptor) -> Option<Digest> {
    let is_unknown = child.platform.as_ref().is_some_and(Platform::is_unknown);
    let image = child.annotations.get(ATTESTS)?;
    is_unknown.then(|| image.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use transload_reference::{Manifest, RawManifest};

    use super::*;

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn child(name: &str, platform: &str, more: &str) -> String {
        let platform = match platform.split('/').collect::<Vec<_>>().as_slice() {
            [os, arch] => format!(r#","platform":{{"os":"{os}","architecture":"{arch}"}}"#),
            [os, arch, variant] => {
                format!(r#","platform":{{"os":"{os}","architecture":"{arch}","variant":"{variant}"}}"#)
            }
            _ => String::new(),
        };
        let digest = digest(name);
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":9{platform}{more}}}"#
        )
    }

    fn attestation(name: &str, of: &str) -> String {
        let more = format!(
            r#","annotations":{{"vnd.docker.reference.digest":"{}","vnd.docker.reference.type":"attestation-manifest"}}"#,
            digest(of)
        );
        child(name, "unknown/unknown", &more)
    }

    fn selected(children: &[String], wanted: &[&str]) -> Selection {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","));
        let raw = RawManifest::parse(text.into_bytes(), None).unwrap();
        let Manifest::Index(index) = raw.view() else {
            panic!("no index")
        };
        select(index, &PlatformSet::parse(wanted).unwrap())
    }

    fn buildkit() -> Vec<String> {
        vec![
            child("a", "linux/amd64", ""),
            child("b", "linux/arm64", ""),
            child("c", "linux/arm/v6", ""),
            child("d", "linux/arm/v7", ""),
            attestation("e", "a"),
            attestation("f", "b"),
        ]
    }

    #[test]
    fn attestations_follow_the_image_that_they_are_about() {
        assert_eq!(selected(&buildkit(), &["linux/amd64"]).keep, [0, 4]);
        assert_eq!(selected(&buildkit(), &["linux/arm"]).keep, [2, 3]);
        assert_eq!(selected(&buildkit(), &[]).keep, [0, 1, 2, 3, 4, 5]);
        assert_eq!(
            selected(&buildkit(), &["linux/riscv64"]).keep,
            Vec::<usize>::new()
        );
    }

    #[test]
    fn what_is_there_and_what_was_found_is_told() {
        let selection = selected(&buildkit(), &["linux/arm/v7", "linux/s390x", "linux/amd64"]);
        assert_eq!(selection.keep, [0, 3, 4]);
        let found: Vec<String> = selection.satisfied.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["linux/amd64", "linux/arm/v7"]);
        let existing: Vec<String> = selection.existing.iter().map(ToString::to_string).collect();
        assert_eq!(
            existing,
            ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7"]
        );
    }

    #[test]
    fn what_has_no_platform_is_kept_unless_its_own_parts_decide() {
        let digest = digest("n");
        let nested = format!(
            r#"{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{digest}","size":9}}"#
        );
        let artifact = child("h", "", r#","artifactType":"application/vnd.cncf.helm.chart""#);
        let odd = r#"{"mediaType":"application/vnd.new+json","digest":"DIGEST","size":9}"#
            .replace("DIGEST", &digest.to_string());
        let selection = selected(&[nested, artifact, odd, child("u", "", "")], &["linux/amd64"]);
        assert_eq!(
            (selection.keep, selection.nested, selection.untold),
            (vec![1, 2], vec![0], vec![3])
        );
    }

    #[test]
    fn two_children_of_one_platform_are_both_kept() {
        let children = [child("a", "linux/amd64", ""), child("b", "linux/amd64", "")];
        assert_eq!(selected(&children, &["linux/amd64"]).keep, [0, 1]);
    }

    #[test]
    fn a_windows_image_is_taken_in_every_version() {
        let versions: Vec<String> = ["10.0.17763.1", "10.0.20348.2"]
            .iter()
            .map(|version| {
                child(version, "windows/amd64", "")
                    .replace(r#""amd64""#, &format!(r#""amd64","os.version":"{version}""#))
            })
            .collect();
        assert_eq!(selected(&versions, &["windows/amd64"]).keep, [0, 1]);
    }
}
