//! What the program is given by its surroundings: globs, lists of images, `-` for files, variables, and what it gives back.

mod files;
mod globs;
mod init;
mod outputs;
mod places;
mod statuses;
mod variables;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::scripted::{Options, ScriptedRegistry};
use transload_test_support::{Output, Transload};

/// A registry, and a folder that the program is run in.
struct Scene {
    registry: ScriptedRegistry,
    dir: TempDir,
}

impl Scene {
    /// A registry that lists three tags a page and has `team/app` with these tags.
    fn with_tags(tags: &[&str]) -> Scene {
        let registry = ScriptedRegistry::with(Options {
            page_size: Some(3),
            ..Options::default()
        });
        for tag in tags {
            registry.put_image("team/app", tag, &image());
        }
        Scene {
            registry,
            dir: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("a writable folder");
    }

    /// The name of an image or a glob in the registry.
    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.host())
    }

    fn program<A: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Transload {
        Transload::new().args(args).current_dir(self.dir.path())
    }

    /// Pulls into `out`.
    #[track_caller]
    fn pull(&self, args: &[&str], code: i32) -> Output {
        self.program(["pull", "--dest", "out", "--plain-http", "--retries", "0"])
            .args(args)
            .run()
            .expect_code(code)
    }

    /// The images that a directory holds, without the registry's name.
    fn held(&self, dir: &str) -> Vec<String> {
        let output = self.program(["list", dir]).run().expect_code(0);
        let name = |line: &str| Some(line.split_once("  ")?.0.split_once('/')?.1.to_owned());
        output.stdout.lines().filter_map(name).collect()
    }
}

fn image() -> Image {
    samples::single(Family::Oci, "linux/amd64", 1)
}
