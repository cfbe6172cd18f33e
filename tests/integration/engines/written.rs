//! What transload writes, to be loaded by programs.

use std::path::PathBuf;

use tempfile::TempDir;
use transload_reference::Digest;
use transload_test_support::Transload;
use transload_test_support::image::{Family, Image, ImageBuilder, IndexBuilder, program_that_prints};
use transload_test_support::kubekey::{self, Generation};

use super::{folder, text, transload};

/// What the images' program prints.
pub const GREETING: &str = "hello from the image\n";
/// Where the program is in the images.
pub const PROGRAM: &str = "/hello";

const REGISTRY: &str = "hub.example.com";

/// An image as it was asked for.
#[derive(Debug)]
pub struct Case {
    /// The image's full name.
    pub name: String,
    /// Its tag.
    pub tag: &'static str,
    /// What is expected of it.
    pub image: Image,
    /// Which platform was asked for, where not all were.
    platform: Option<&'static str>,
    /// The image for linux/amd64.
    amd64: Image,
}

impl Case {
    /// The digest of the configuration for linux/amd64: what Docker and podman call the image's id.
    pub fn id(&self) -> &Digest {
        let (config, _) = self.amd64.blobs.first().expect("an image with a configuration");
        &config.digest
    }

    /// The digest of the root.
    pub fn digest(&self) -> &Digest {
        self.image.digest()
    }

    /// Whether it has more than one platform.
    pub fn is_multi_platform(&self) -> bool {
        self.image.manifests.len() > 2
    }
}

/// A directory of images for several platforms, and what is copied from it.
pub struct Written {
    dir: TempDir,
    /// The cases: one image, an index, and an index of which one platform was asked for.
    pub cases: [Case; 3],
}

impl Written {
    /// Writes the directory.
    pub fn new() -> Written {
        let dir = folder();
        let program = program_that_prints(GREETING.as_bytes());
        let build = |repository: &str, platform: &str| {
            ImageBuilder::new(Family::Oci)
                .platform(platform)
                .layer(&[("etc/name", repository.as_bytes())])
                .program_layer(PROGRAM.trim_start_matches('/'), &program)
                .build()
        };
        let index_of = |platforms: &[&str]| {
            let children = platforms.iter().map(|platform| build("team/many", platform));
            children
                .fold(IndexBuilder::new(Family::Oci), |index, child| index.image(&child))
                .build()
        };
        let (one, many) = (
            build("team/one", "linux/amd64"),
            index_of(&["linux/arm64", "linux/amd64"]),
        );
        for (repository, image) in [("team/one", &one), ("team/many", &many)] {
            let store = dir.path().join("store");
            kubekey::write(&store, REGISTRY, repository, "v1", image, Generation::Third);
        }
        let case = |repository: &str, image: Image, platform| Case {
            name: format!("{REGISTRY}/{repository}:v1"),
            tag: "v1",
            image,
            platform,
            amd64: build(repository, "linux/amd64"),
        };
        let filtered = index_of(&["linux/amd64"]);
        let cases = [
            case("team/one", one, None),
            case("team/many", many, None),
            case("team/many", filtered, Some("linux/amd64")),
        ];
        Written { dir, cases }
    }

    /// The directory, in which both images are whole.
    pub fn store(&self) -> String {
        text(self.dir.path().join("store"))
    }

    fn args(&self, case: &Case, dest: &str) -> Vec<String> {
        let mut args = ["copy", &case.name, "--src", &self.store(), "--dest", dest]
            .map(str::to_owned)
            .to_vec();
        args.extend(case.platform.map(|platform| format!("--platform={platform}")));
        args
    }

    fn to(&self, case: &Case, scheme: &str, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        let args = self.args(case, &format!("{scheme}{}", text(&path)));
        transload(&args.iter().map(String::as_str).collect::<Vec<_>>());
        path
    }

    /// An archive of the image.
    pub fn archive(&self, case: &Case) -> PathBuf {
        self.to(case, "oci-archive:", &format!("{}.tar", case.digest().hex()))
    }

    /// An OCI layout of the image.
    pub fn layout(&self, case: &Case) -> PathBuf {
        self.to(case, "oci:", case.digest().hex())
    }

    /// The program, to write an archive of the image to standard output.
    pub fn to_stdout(&self, case: &Case) -> Transload {
        Transload::new().args(self.args(case, "-")).arg("--quiet")
    }
}
