//! Each kind of image, in both families, on every way between registries and directories.

use transload_reference::{Algorithm, Descriptor, Digest, MediaType};
use transload_test_support::image::{Family, Image, ImageBuilder, IndexBuilder, Style, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::{RealRegistry, ScriptedRegistry};

use super::{Held, assert_holds, folder, held, transload, within};

/// An image of some kind.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) tag: String,
    pub(super) image: Image,
    /// What remains of it where only linux/amd64 is asked for.
    amd64: Image,
}

/// Every kind. All have something for linux/amd64, or no platform at all.
pub(super) fn kinds() -> Vec<Kind> {
    let kind = |name, image: Image| Kind {
        name,
        tag: "v1".to_owned(),
        amd64: image.clone(),
        image,
    };
    let only_amd64 = |family, seed| samples::index_of(family, &["linux/amd64"], seed);
    let single = samples::single(Family::Oci, "linux/amd64", 2);
    let nested = IndexBuilder::new(Family::Oci)
        .image(&only_amd64(Family::Oci, 3))
        .style(Style::Compact)
        .build();
    let without_media_type = samples::single_builder(Family::Oci, "linux/amd64", 4)
        .without_media_type()
        .build();
    vec![
        kind("docker", samples::single(Family::Docker, "linux/amd64", 1)),
        kind("oci", single.clone()),
        kind("without-media-type", without_media_type),
        Kind {
            amd64: only_amd64(Family::Docker, 1),
            ..kind("docker-list", samples::multi_platform(Family::Docker, 1))
        },
        Kind {
            amd64: only_amd64(Family::Oci, 1),
            ..kind("oci-index", samples::multi_platform(Family::Oci, 1))
        },
        Kind {
            amd64: samples::attested_of(&["linux/amd64"], 1),
            ..kind("attested", samples::attested(1))
        },
        Kind {
            amd64: nested,
            ..kind("nested", samples::nested(3))
        },
        kind("helm-chart", samples::helm_chart("chart", "1.0.0")),
        Kind {
            tag: format!("sha256-{}.sig", single.digest().hex()),
            ..kind("oci", samples::cosign_signature(&single))
        },
        Kind {
            tag: "sbom".to_owned(),
            ..kind("oci", samples::artifact(&single))
        },
        kind("unusual-layers", samples::unusual_layers()),
        kind("no-layers", ImageBuilder::new(Family::Docker).build()),
    ]
}

/// What is asked for, what that leaves of a kind, and whether that is the whole of it.
type Choice = (&'static [&'static str], fn(&Kind) -> &Image);

const CHOICES: [Choice; 2] = [
    (&[], |kind| &kind.image),
    (&["--platform", "linux/amd64"], |kind| &kind.amd64),
];

fn registry_of(kinds: &[Kind]) -> RealRegistry {
    let registry = RealRegistry::plain();
    for kind in kinds {
        registry.push(&format!("kinds/{}", kind.name), &kind.tag, &kind.image);
    }
    registry
}

/// Fills a directory as KubeKey does, with the images of the registry `hub.local`.
pub(super) fn directory_of(kinds: &[Kind], dir: &str, generation: Generation) {
    for kind in kinds {
        let repository = format!("kinds/{}", kind.name);
        kubekey::write(
            dir.as_ref(),
            "hub.local",
            &repository,
            &kind.tag,
            &kind.image,
            generation,
        );
    }
}

fn names(kinds: &[Kind], host: &str) -> Vec<String> {
    let name = |kind: &Kind| format!("{host}/kinds/{}:{}", kind.name, kind.tag);
    kinds.iter().map(name).collect()
}

fn texts(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}

pub(super) fn all_held<'a>(kinds: &'a [Kind], host: &str, left: fn(&Kind) -> &Image) -> Vec<Held<'a>> {
    let images = kinds.iter().map(left);
    names(kinds, host)
        .into_iter()
        .zip(images)
        .map(|(name, image)| held(name, image))
        .collect()
}

#[track_caller]
pub(super) fn assert_pushed(
    registry: &RealRegistry,
    prefix: &str,
    kinds: &[Kind],
    left: fn(&Kind) -> &Image,
) {
    for kind in kinds {
        let repository = format!("{prefix}/kinds/{}", kind.name);
        assert!(
            registry.has_image(&repository, &kind.tag, left(kind)),
            "{prefix} {}:{}",
            kind.name,
            kind.tag
        );
        for (descriptor, _) in &kind.image.blobs {
            let wanted = left(kind).blob(&descriptor.digest).is_some();
            let there = registry.blob(&repository, descriptor.digest.as_str()).is_some();
            assert!(wanted || !there, "{repository} has {}", descriptor.digest);
        }
    }
}

#[test]
fn every_kind_moves_from_a_registry_to_a_directory() {
    let (kinds, dirs) = (kinds(), folder());
    let registry = registry_of(&kinds);
    for (number, (platforms, left)) in CHOICES.into_iter().enumerate() {
        let dir = within(&dirs, &number.to_string());
        let images = names(&kinds, registry.host());
        transload(
            &[&["pull", "--dest", &dir], platforms, &texts(&images)].concat(),
            0,
        );
        assert_holds(&dir, &all_held(&kinds, registry.host(), left));
    }
}

#[test]
fn every_kind_moves_from_a_directory_to_a_registry() {
    let (kinds, dirs) = (kinds(), folder());
    let (src, registry) = (within(&dirs, "src"), RealRegistry::plain());
    directory_of(&kinds, &src, Generation::Third);
    for (prefix, (platforms, left)) in ["whole", "cut"].into_iter().zip(CHOICES) {
        let dest = format!("{}/{prefix}", registry.host());
        transload(
            &[&["push", "--src", &src, "--dest", &dest], platforms].concat(),
            0,
        );
        assert_pushed(&registry, prefix, &kinds, left);
    }
}

#[test]
fn every_kind_moves_from_a_directory_to_another() {
    let (kinds, dirs) = (kinds(), folder());
    let src = within(&dirs, "src");
    directory_of(&kinds, &src, Generation::Third);
    for (number, (platforms, left)) in CHOICES.into_iter().enumerate() {
        let dest = within(&dirs, &number.to_string());
        transload(
            &[&["copy", "--src", &src, "--dest", &dest], platforms].concat(),
            0,
        );
        assert_holds(&dest, &all_held(&kinds, "hub.local", left));
    }
}

#[test]
fn every_kind_moves_from_a_registry_to_another() {
    let kinds = kinds();
    let (from, to) = (registry_of(&kinds), RealRegistry::plain());
    let images = names(&kinds, from.host());
    for (prefix, (platforms, left)) in ["whole", "cut"].into_iter().zip(CHOICES) {
        let dest = format!("{}/{prefix}", to.host());
        transload(
            &[&["copy", "--dest", &dest], platforms, &texts(&images)].concat(),
            0,
        );
        assert_pushed(&to, prefix, &kinds, left);
    }
}

#[test]
fn every_kind_is_named_by_digest_alone() {
    let (kinds, dirs) = (kinds(), folder());
    let (from, to) = (registry_of(&kinds), RealRegistry::plain());
    let dir = within(&dirs, "dir");
    let name = |kind: &Kind| format!("{}/kinds/{}@{}", from.host(), kind.name, kind.image.digest());
    let images: Vec<String> = kinds.iter().map(name).collect();
    transload(&[&["pull", "--dest", &dir][..], &texts(&images)].concat(), 0);
    let stored: Vec<Held<'_>> = kinds.iter().map(|kind| held(name(kind), &kind.image)).collect();
    assert_holds(&dir, &stored);
    transload(
        &[&["push", "--src", &dir, "--dest", to.host()][..], &texts(&images)].concat(),
        0,
    );
    for kind in &kinds {
        let repository = format!("kinds/{}", kind.name);
        assert!(
            to.has_image(&repository, kind.image.digest().as_str(), &kind.image),
            "{repository}"
        );
        assert_eq!(to.manifest(&repository, &kind.tag), None, "{repository}");
    }
}

#[test]
fn of_a_tag_and_a_digest_the_digest_says_what_moves_and_the_tag_how_it_is_called() {
    let dirs = folder();
    let (from, to) = (RealRegistry::plain(), RealRegistry::plain());
    let [old, new] = [1, 2].map(|seed| samples::multi_platform(Family::Oci, seed));
    from.push("team/app", "v1", &old);
    from.push("team/app", "v1", &new);
    let name = format!("{}/team/app:v1@{}", from.host(), old.digest());
    let dir = within(&dirs, "dir");
    transload(&["pull", "--dest", &dir, &name], 0);
    assert_holds(&dir, &[held(&name, &old)]);
    transload(&["push", "--src", &dir, "--dest", to.host(), &name], 0);
    assert!(to.has_image("team/app", "v1", &old));
}

#[test]
fn what_is_named_by_sha512_moves_like_all_else() {
    let content = b"a layer under a longer digest";
    let digest = Digest::with(Algorithm::Sha512, content);
    let layer = Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, content.len() as u64);
    let mut image = ImageBuilder::new(Family::Oci)
        .described_layer(layer, content)
        .build();
    image.root.digest = Digest::with(Algorithm::Sha512, &image.root.bytes);
    image.manifests = vec![image.root.clone()];
    let (from, to, dirs) = (ScriptedRegistry::start(), ScriptedRegistry::start(), folder());
    from.put_image("app", "v1", &image);
    let dir = within(&dirs, "dir");
    let name = format!("{}/app@{}", from.host(), image.digest());
    transload(&["pull", &name, "--dest", &dir], 0);
    assert_holds(&dir, &[held(&name, &image)]);
    transload(
        &["push", "--src", &dir, "--dest", &format!("{}/pushed", to.host())],
        0,
    );
    transload(&["copy", &name, "--dest", &format!("{}/copied", to.host())], 0);
    let template =
        "/named/{{ .module.image.src.reference.repository }}:{{ .module.image.src.reference.reference }}";
    transload(
        &[
            "push",
            "--src",
            &dir,
            "--dest",
            &format!("{}{template}", to.host()),
        ],
        0,
    );
    for repository in ["pushed/app", "copied/app", "named/app"] {
        assert!(
            to.has_image(repository, image.digest().as_str(), &image),
            "{repository}"
        );
        assert_eq!(to.tags(repository), [""; 0], "{repository}");
    }
}

#[test]
fn a_tag_that_moves_to_a_digest_that_is_there_counts_as_copied() {
    let registry = ScriptedRegistry::start();
    let [one, two] = [1, 2].map(|seed| samples::single(Family::Oci, "linux/amd64", seed));
    registry.put_image("app", "v1", &one);
    registry.put_image("app", "v2", &two);
    let dirs = folder();
    let dest = within(&dirs, "dest");
    let name = |tag: &str| format!("{}/app:{tag}", registry.host());
    let pull = |name: &str| transload(&["pull", name, "--dest", &dest], 0).stdout;
    pull(&name("v1"));
    pull(&name("v2"));
    let moved = format!("{}@{}", name("v2"), one.digest());
    let planned = transload(&["pull", &moved, "--dest", &dest, "--dry-run"], 0).stdout;
    assert!(!planned.contains("already there"), "{planned}");
    assert!(pull(&moved).starts_with("copied "));
    let layout = format!("{dest}/{}/app/manifests/layout", registry.host());
    let tags = std::fs::read_to_string(layout).expect("the tags");
    assert_eq!(tags.matches(&one.digest().to_string()).count(), 2, "{tags}");
    assert!(!pull(&moved).starts_with("copied "));
}
