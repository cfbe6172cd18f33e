//! Which children of an index are wanted.

use std::collections::HashSet;
use std::convert::Infallible;

use transload_reference::{Descriptor, Digest, Index, MediaKind, Platform};

use crate::{PlatformPattern, PlatformSet};

/// Where BuildKit writes which image an attestation is about.
const ATTESTS: &str = "vnd.docker.reference.digest";

/// Which children of an index are wanted, as positions in it, in rising order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// Those that are moved: of a wanted platform, without a platform (artifacts), and attestations of those.
    pub keep: Vec<usize>,
    /// Indexes whose platform isn't told: their own children decide. [`Selection::absorb`] adds what those were.
    pub nested: Vec<usize>,
    /// The wanted platforms that were found, each once.
    pub satisfied: Vec<PlatformPattern>,
    /// The platforms that there are, chosen or not, normalised.
    pub existing: Vec<Platform>,
}

impl Selection {
    /// Adds the platforms of an index that stands in this one. The positions, which are the other's, aren't taken over.
    pub fn absorb(&mut self, nested: Selection) {
        self.existing.extend(nested.existing);
        self.found(nested.satisfied);
    }

    fn found(&mut self, patterns: impl IntoIterator<Item = PlatformPattern>) {
        self.satisfied.extend(patterns);
        self.satisfied.sort();
        self.satisfied.dedup();
    }
}

/// Chooses the children of an index that are of the wanted platforms. Images that the index tells no platform of are kept;
/// [`select_with`] can look into them.
pub fn select(index: &Index, wanted: &PlatformSet) -> Selection {
    let none_told = |_: &Descriptor| Ok::<_, Infallible>(None);
    match select_with(index, wanted, none_told) {
        Ok(selection) => selection,
        Err(never) => match never {},
    }
}

/// Chooses the children of an index that are of the wanted platforms. Of each image that the index tells no platform of,
/// `platform_of` is asked: see [`config_platform`](crate::config_platform). Where that knows none, the child is kept.
///
/// # Errors
/// Those of `platform_of`.
pub fn select_with<E>(
    index: &Index,
    wanted: &PlatformSet,
    mut platform_of: impl FnMut(&Descriptor) -> Result<Option<Platform>, E>,
) -> Result<Selection, E> {
    let mut selection = Selection::default();
    let mut kept: HashSet<&Digest> = HashSet::new();
    let mut dropped: HashSet<&Digest> = HashSet::new();
    let mut attestations = Vec::new();
    for (at, child) in index.manifests.iter().enumerate() {
        if let Some(image) = attested(child) {
            attestations.push((at, image));
            continue;
        }
        let mut platform = told_platform(child);
        let Some(patterns) = wanted.patterns() else {
            selection.existing.extend(platform);
            selection.keep.push(at);
            kept.insert(&child.digest);
            continue;
        };
        if platform.is_none() && may_be_an_image(child) {
            platform = platform_of(child)?.filter(|platform| !platform.is_unknown());
        }
        let is_kept = match platform.map(|platform| platform.normalised()) {
            Some(platform) => {
                let matching: Vec<_> = patterns
                    .iter()
                    .filter(|pattern| pattern.matches(&platform))
                    .collect();
                let is_wanted = !matching.is_empty();
                selection.found(matching.into_iter().cloned());
                selection.existing.push(platform);
                is_wanted
            }
            None if child.media_type.kind() == MediaKind::Index => {
                selection.nested.push(at);
                continue;
            }
            None => true,
        };
        if is_kept {
            selection.keep.push(at);
            kept.insert(&child.digest);
        } else {
            dropped.insert(&child.digest);
        }
    }
    // An attestation goes where its image goes; one of an image outside the index, or of an index in it, stays.
    let stays = |image: &Digest| kept.contains(image) || !dropped.contains(image);
    selection.keep.extend(
        attestations
            .iter()
            .filter(|(_, image)| stays(image))
            .map(|(at, _)| *at),
    );
    selection.keep.sort_unstable();
    Ok(selection)
}

/// The platform that the index tells of its child, normalised.
fn told_platform(child: &Descriptor) -> Option<Platform> {
    let told = child
        .platform
        .as_deref()
        .filter(|platform| !platform.is_unknown());
    told.map(Platform::normalised)
}

/// Whether a child could have a configuration with a platform: old indexes leave the media type out.
fn may_be_an_image(child: &Descriptor) -> bool {
    let is_image = child.media_type.kind() == MediaKind::Image || child.media_type.as_str().is_empty();
    is_image && child.artifact_type.is_none()
}

/// The image that an attestation is about. An image with a platform of its own is no attestation, whatever it is annotated with.
fn attested(child: &Descriptor) -> Option<Digest> {
    let image = child.annotations.get(ATTESTS)?;
    let has_platform = told_platform(child).is_some();
    (!has_platform).then(|| image.parse().ok()).flatten()
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
        select(&parsed(children), &PlatformSet::parse(wanted).unwrap())
    }

    fn parsed(children: &[String]) -> Index {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","));
        let raw = RawManifest::parse(text.into_bytes(), None).unwrap();
        match raw.view() {
            Manifest::Index(index) => index.clone(),
            _ => panic!("no index"),
        }
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
        assert_eq!((selection.keep, selection.nested), (vec![1, 2, 3], vec![0]));
    }

    #[test]
    fn an_image_of_no_told_platform_is_asked_for_its_own() {
        let children = [
            child("a", "", ""),
            child("b", "", ""),
            child("c", "", r#","artifactType":"application/x""#),
            child("d", "linux/s390x", ""),
            attestation("e", "a"),
            attestation("f", "b"),
        ];
        let index = parsed(&children);
        let mut asked = Vec::new();
        let selection = select_with(&index, &PlatformSet::parse(&["linux/arm64"]).unwrap(), |child| {
            asked.push(child.digest.clone());
            let architecture = if child.digest == digest("a") {
                "aarch64"
            } else {
                "amd64"
            };
            Ok::<_, Infallible>(Some(Platform::new("linux", architecture, None)))
        })
        .unwrap();
        assert_eq!(asked, [digest("a"), digest("b")]);
        assert_eq!(selection.keep, [0, 2, 4]);
        let existing: Vec<String> = selection.existing.iter().map(ToString::to_string).collect();
        assert_eq!(existing, ["linux/arm64", "linux/amd64", "linux/s390x"]);
    }

    #[test]
    fn a_platform_that_cannot_be_asked_for_is_an_error() {
        let index = parsed(&[child("a", "", "")]);
        let wanted = PlatformSet::parse(&["linux/arm64"]).unwrap();
        assert_eq!(select_with(&index, &wanted, |_| Err("offline")), Err("offline"));
        assert!(select_with(&index, &PlatformSet::All, |_| Err("offline")).is_ok());
    }

    #[test]
    fn an_attestation_of_something_else_stays() {
        let outside = [child("a", "linux/amd64", ""), attestation("b", "not here")];
        assert_eq!(selected(&outside, &["linux/arm64"]).keep, [1]);
        let nested = format!(
            r#"{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{}","size":9}}"#,
            digest("n")
        );
        assert_eq!(
            selected(&[nested, attestation("b", "n")], &["linux/arm64"]).keep,
            [1]
        );
    }

    #[test]
    fn an_annotation_does_not_hide_an_image() {
        let marked = attestation("b", "a").replace("unknown", "linux");
        let children = [child("a", "linux/amd64", ""), marked];
        assert_eq!(selected(&children, &["linux/amd64"]).keep, [0]);
    }

    #[test]
    fn what_stands_in_a_nested_index_counts() {
        let mut outer = selected(&buildkit(), &["linux/amd64", "linux/s390x"]);
        outer.absorb(selected(
            &[child("z", "linux/s390x", "")],
            &["linux/amd64", "linux/s390x"],
        ));
        assert_eq!(outer.keep, [0, 4]);
        assert_eq!(outer.satisfied.len(), 2);
        assert_eq!(outer.existing.last().unwrap().to_string(), "linux/s390x");
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
        assert_eq!(selected(&versions, &["windows(10.0.20348)/amd64"]).keep, [1]);
    }
}
