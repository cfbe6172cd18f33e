//! What other programs saved, as transload reads it.

use std::path::Path;

use serde_json::Value;
use transload_reference::Digest;
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::Image;

use super::{folder, text, transload};

/// Which digest an image has in what a program saved.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// The image as it was.
    Same(&'a Image),
    /// Another image with this digest, since the program packs layers anew.
    Told(&'a str),
    /// A manifest that is made from the configuration with this digest, since the program kept none. It is told that the digest is new.
    New(&'a Digest),
}

/// Checks that a file or folder that a program wrote has this one image under this name: it is listed, found whole, copied,
/// and pushed to a registry, where all of it arrives.
#[track_caller]
pub fn assert_read(place: &Path, name: &str, expected: Expected<'_>) {
    let place = text(place);
    let listed = transload(&["list", &place, "--output", "json"]).stdout;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let images = listed["images"].as_array().expect("the images");
    assert_eq!(images.len(), 1, "{listed}");
    assert_eq!(images[0]["image"].as_str(), Some(name), "{listed}");
    let digest = images[0]["digest"].as_str().expect("a digest").to_owned();
    transload(&["verify", &place]);

    let dir = folder();
    let copied = transload(&["copy", "--src", &place, "--dest", &text(dir.path().join("copy"))]);
    let is_new = "so its digest is new: ";
    let registry = ScriptedRegistry::start();
    transload(&["push", "--src", &place, "--dest", registry.host(), "--plain-http"]);
    let (_, repository) = name.split_once('/').expect("a name with a registry");
    let (repository, tag) = repository.rsplit_once(':').expect("a name with a tag");
    let pushed = registry
        .manifest(repository, tag)
        .expect("a manifest under the tag");
    assert_eq!(pushed.digest.as_str(), digest);
    match expected {
        Expected::Same(image) => {
            assert_eq!(digest, image.digest().as_str(), "{place}");
            assert!(
                registry.has_image(repository, tag, image),
                "{place} came as another image"
            );
            assert!(!copied.stdout.contains(is_new), "{}", copied.stdout);
        }
        Expected::Told(told) => {
            assert_eq!(digest, told, "{place}");
            assert!(!copied.stdout.contains(is_new), "{}", copied.stdout);
        }
        Expected::New(config) => {
            let manifest: Value = serde_json::from_slice(&pushed.bytes).expect("JSON");
            assert_eq!(
                manifest["config"]["digest"].as_str(),
                Some(config.as_str()),
                "{place}"
            );
            for layer in manifest["layers"].as_array().expect("the layers") {
                let layer = layer["digest"].as_str().and_then(|digest| digest.parse().ok());
                assert!(
                    registry.blob(repository, &layer.expect("a digest")).is_some(),
                    "{place}"
                );
            }
            assert!(copied.stdout.contains(is_new), "{}", copied.stdout);
        }
    }
}
