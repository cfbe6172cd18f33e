//! Faults of registries and of what lies between: those that can be survived are, and the others end their image alone.

mod kept_uploads;
mod lasting;
mod links;
mod pace;
mod passing;
mod tokens;

use std::path::Path;
use std::thread;

use tempfile::TempDir;
use transload_test_support::image::Image;
use transload_test_support::image::samples::one_layer;
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::{Output, Transload};

use super::registries::help::assert_stored;

const MIB: usize = 1024 * 1024;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The path of a name in a folder.
fn within(folder: &TempDir, name: &str) -> String {
    let path = folder.path().join(name);
    path.to_str()
        .expect("temporary folders have plain names")
        .to_owned()
}

/// Writes an image into a directory, as `hub.local/<repository>:v1`.
fn store(dir: &str, repository: &str, image: &Image) {
    kubekey::write(
        dir.as_ref(),
        "hub.local",
        repository,
        "v1",
        image,
        Generation::Third,
    );
}

/// The program with these arguments, for registries of plain HTTP.
fn program<'a>(args: impl IntoIterator<Item = &'a str>) -> Transload {
    Transload::new().args(args).arg("--plain-http")
}

/// The program with these arguments, run to its end, which must have this exit status.
#[track_caller]
fn transload<'a>(args: impl IntoIterator<Item = &'a str>, code: i32) -> Output {
    program(args).run().expect_code(code)
}

/// Checks that a directory has an image of a registry whole.
#[track_caller]
fn assert_pulled(dir: &str, host: &str, repository: &str, image: &Image) {
    assert_stored(Path::new(dir), &format!("{host}/{repository}:v1"), image);
}

/// Tries every case at the same time: most of their time they wait.
fn all_at_once<T: Sync>(cases: &[T], test: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| test(case));
        }
    });
}
