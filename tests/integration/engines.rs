//! Programs that keep, load and run images take what transload writes, and transload reads what they write.
//!
//! They run as root on Linux for amd64, in a namespace and below a folder of their own. `cargo xtask test` unpacks those that
//! aren't installed (Debian's packages), and names the folder in `TRANSLOAD_ENGINES`.

mod buildah;
mod containerd;
mod docker;
mod oras;
mod podman;
mod sandbox;
mod saved;
mod skopeo;
mod umoci;
mod written;

use std::path::Path;

use tempfile::TempDir;
use transload_test_support::{Output, Transload};

/// A folder that is removed with everything in it at the end of the test.
fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A path as text.
fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref().to_str();
    path.expect("temporary folders have plain names").to_owned()
}

/// The program with these arguments, which succeeds.
#[track_caller]
fn transload(args: &[&str]) -> Output {
    Transload::new().args(args).run().expect_code(0)
}
