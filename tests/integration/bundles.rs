//! Bundles: what one side lacks goes over, whatever was lost on the way is named, and nothing moves twice.

mod crossing;
mod delta;
mod receipts;
mod refused;
mod served;
mod signing;
mod written;

use std::path::PathBuf;

use tempfile::TempDir;
use transload_test_support::image::{Family, Image, ImageBuilder};
use transload_test_support::{ScriptedRegistry, Transload};

/// An image with a layer that all share, and one of its own.
fn image(own: u64) -> Image {
    ImageBuilder::new(Family::Oci)
        .platform("linux/amd64")
        .noise_layer(1, 200_000)
        .noise_layer(100 + own, 150_000)
        .build()
}

/// Two months of images in a registry, and a folder.
struct World {
    registry: ScriptedRegistry,
    dir: TempDir,
}

impl World {
    fn new() -> World {
        let registry = ScriptedRegistry::start();
        for (repository, tag, own) in [
            ("lib/debian", "12", 1),
            ("team/app", "v1", 2),
            ("team/app", "v2", 3),
            ("team/new", "v1", 4),
        ] {
            registry.put_image(repository, tag, &image(own));
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        World { registry, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn bundle(&self, name: &str) -> String {
        format!("bundle:{}", self.path(name).display())
    }

    /// Pulls images into a place.
    fn pull(&self, images: &[&str], more: &[&str]) {
        let host = self.registry.host();
        let names = images.iter().map(|image| format!("{host}/{image}"));
        let program = Transload::new()
            .arg("pull")
            .args(names)
            .args(more.iter().copied());
        program.arg("--plain-http").run().expect_code(0);
    }

    fn months(&self) {
        self.pull(
            &["lib/debian:12", "team/app:v1"],
            &["--dest", &self.bundle("one")],
        );
        let base = self.path("one/BUNDLE.json").display().to_string();
        let limit = ["--base", &base, "--volume-size", "100K"];
        let dest = self.bundle("two");
        let more: Vec<&str> = ["--dest", &dest].into_iter().chain(limit).collect();
        self.pull(&["lib/debian:12", "team/app:v2", "team/new:v1"], &more);
    }
}
