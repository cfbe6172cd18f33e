//! Running every test.

use cargo_metadata::MetadataCommand;

use crate::command::{build, cargo, run as run_command};
use crate::programs;

/// Programs that the tests run, and the Debian packages that hold them.
const NEEDED: [(&str, &str); 8] = [
    ("docker-registry", "docker-registry"),
    ("skopeo", "skopeo"),
    ("strace", "strace"),
    ("faketime", "faketime"),
    ("mkfs.exfat", "exfatprogs"),
    ("mount.exfat-fuse", "exfat-fuse"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("mkfs.xfs", "xfsprogs"),
];

/// Programs that keep, load and run images, for the tests of archives, and the Debian packages that hold them.
const ENGINES: [(&str, &str); 9] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("podman", "podman"),
    ("conmon", "conmon"),
    ("buildah", "buildah"),
    ("umoci", "umoci"),
];

/// Sees to the programs that the tests need, builds transload and the libraries' examples once, and runs all tests. `args` go to `cargo test`.
///
/// # Errors
/// Where a program is missing and can't be installed, or a test fails.
pub fn run(args: &[String]) -> Result<(), String> {
    programs::see_to("the tests", &NEEDED)?;
    let metadata = MetadataCommand::new().no_deps().exec();
    let metadata = metadata.map_err(|error| format!("cargo metadata: {error}"))?;
    let engines = metadata.target_directory.join("engines");
    let engines = programs::unpack(engines.as_std_path(), &ENGINES)?;
    // With the workspace's features, so that `cargo test` doesn't build everything again.
    let transload = build(&["--workspace", "--bin", "transload"])?;
    let example = build(&["--workspace", "--examples"])?;
    let examples = example.parent().unwrap_or(&example);
    let mut tests = cargo();
    // Who names packages wants no others.
    let names_packages = args.iter().any(|arg| arg == "-p" || arg.starts_with("--package"));
    let which: &[&str] = if names_packages { &[] } else { &["--workspace"] };
    tests
        .args(["test", "--no-fail-fast"])
        .args(which)
        .args(args)
        .env("TRANSLOAD_BIN", transload)
        .env("TRANSLOAD_EXAMPLES", examples);
    tests.envs(engines.map(|root| ("TRANSLOAD_ENGINES", root)));
    run_command(&mut tests)
}
