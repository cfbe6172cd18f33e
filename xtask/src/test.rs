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

/// Long use of one directory, in place of all tests.
#[derive(Debug, PartialEq, Eq)]
struct Soak {
    minutes: u64,
    args: Vec<String>,
}

impl Soak {
    /// Reads `--soak MINUTES`, if it is there.
    fn read(args: &[String]) -> Result<Option<Soak>, String> {
        if args.first().is_none_or(|first| first != "--soak") {
            return Ok(None);
        }
        let minutes = args.get(1).and_then(|minutes| minutes.parse().ok());
        let minutes = minutes.filter(|minutes| *minutes > 0);
        let test = ["-p", "transload-tests", "--", "unkillable::soak", "--nocapture"];
        match (minutes, args.len()) {
            (Some(minutes), 2) => Ok(Some(Soak {
                minutes,
                args: test.map(str::to_owned).to_vec(),
            })),
            _ => Err("--soak takes a whole number of minutes above 0, and nothing follows it".to_owned()),
        }
    }
}

/// Sees to the programs that the tests need, builds transload and the libraries' examples once, and runs all tests. `args` go to `cargo test`.
///
/// # Errors
/// Where a program is missing and can't be installed, or a test fails.
pub fn run(args: &[String]) -> Result<(), String> {
    let soak = Soak::read(args)?;
    let args = soak.as_ref().map_or(args, |soak| soak.args.as_slice());
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
    tests.envs(
        soak.as_ref()
            .map(|soak| ("TRANSLOAD_TEST_SOAK", soak.minutes.to_string())),
    );
    run_command(&mut tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soak_takes_minutes_and_nothing_else() {
        let read = |line: &str| {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Soak::read(&args)
        };
        for line in ["", "-p xtask", "-- --soak 5"] {
            assert_eq!(read(line), Ok(None), "{line}");
        }
        let soak = read("--soak 60").unwrap().unwrap();
        assert_eq!((soak.minutes, soak.args[3].as_str()), (60, "unkillable::soak"));
        for line in ["--soak", "--soak 0", "--soak x", "--soak 5 -p xtask"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
