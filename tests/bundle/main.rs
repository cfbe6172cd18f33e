//! Whether a release bundle keeps its promises: `cargo xtask dist --check` builds and runs this.
//!
//! It takes the folder that `cargo xtask dist` filled and the bundle's name. What this machine doesn't allow is told and passed over;
//! with `CI` set, nothing is: CI's machines allow everything.

mod alone;
mod emulator;
mod files;
mod image;
mod installer;
mod names;
mod packages;

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use tempfile::TempDir;

/// What is checked.
#[derive(Debug)]
pub struct Bundle {
    /// Where the bundle's files are.
    out: PathBuf,
    /// `transload-0.1.0-x86_64-unknown-linux-gnu`
    name: String,
    /// Where its archive is unpacked.
    unpacked: PathBuf,
    /// A folder for what the steps make, removed at the end.
    work: TempDir,
}

impl Bundle {
    /// The program.
    fn program(&self) -> PathBuf {
        self.unpacked.join("bin/transload")
    }

    /// What Debian calls the machine that it is for.
    fn architecture(&self) -> &'static str {
        match self.name.contains("-aarch64-") {
            true => "arm64",
            false => "amd64",
        }
    }

    /// One of the bundle's files, by the end of its name.
    fn file(&self, ending: &str) -> PathBuf {
        let entries = fs::read_dir(&self.out).expect("a readable folder");
        let mut paths = entries.map(|entry| entry.expect("a readable folder").path());
        paths
            .find(|path| path.to_string_lossy().ends_with(ending))
            .unwrap_or_else(|| panic!("no {ending} in {}", self.out.display()))
    }

    /// An empty folder of this name.
    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.work.path().join(name);
        fs::create_dir(&folder).expect("a writable temporary folder");
        folder
    }
}

/// How a step ended; one that fails panics.
#[derive(Debug)]
pub enum Outcome {
    /// It holds, and this was seen.
    Holds(String),
    /// This machine doesn't allow the step.
    NotRun(String),
}

type Step = (&'static str, fn(&Bundle) -> Outcome);

const STEPS: [Step; 9] = [
    ("its files are whole, and all are there", files::are_whole),
    ("the quickstart runs from the unpacked bundle", files::quickstart),
    ("each command has a man page and completions", files::pages),
    ("--version takes less than 5 ms", files::start_up),
    ("it pulls and pushes over TLS in an empty chroot", alone::tls),
    (
        "no library is loaded, whatever nsswitch.conf names",
        alone::no_library,
    ),
    ("transload pushes the image of itself, and it runs", image::pushed),
    (
        "the installer checks, installs, updates and removes",
        installer::holds,
    ),
    ("the packages install into a fresh Debian", packages::install),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [out, name] = args.as_slice() else {
        eprintln!("usage: check-bundle FOLDER NAME");
        return ExitCode::from(2);
    };
    let work = tempfile::tempdir().expect("a temporary folder");
    let out = fs::canonicalize(out).unwrap_or_else(|error| panic!("{out}: {error}"));
    run(Command::new("tar")
        .arg("-xzf")
        .arg(out.join(format!("{name}.tar.gz")))
        .arg("-C")
        .arg(work.path()));
    let bundle = Bundle {
        unpacked: work.path().join(name),
        out,
        name: name.clone(),
        work,
    };
    let _emulator = emulator::register();
    let (mut held, mut not_run) = (0, 0);
    for (title, step) in STEPS {
        match step(&bundle) {
            Outcome::Holds(seen) => {
                held += 1;
                eprintln!("holds: {title}: {seen}");
            }
            Outcome::NotRun(why) => {
                assert!(
                    env::var_os("CI").is_none(),
                    "not run, though this is CI: {title}: {why}"
                );
                not_run += 1;
                eprintln!("not run: {title}: {why}");
            }
        }
    }
    println!("bundle: {held} passed, 0 failed, {not_run} skipped");
    ExitCode::SUCCESS
}

/// Whether this process may do everything.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Runs a program without our environment; gives what it prints to stdout.
///
/// # Panics
/// Where it fails.
#[track_caller]
fn run(command: &mut Command) -> String {
    let (code, stdout, stderr) = ended(command);
    assert_eq!(code, Some(0), "{command:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
    stdout
}

/// Runs a program without our environment; gives its exit status, stdout and stderr.
fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = command
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The paths of all files and links below a folder, sorted, relative to it.
fn listed(folder: &Path) -> Vec<String> {
    let text = run(Command::new("find").arg(folder).args([
        "-mindepth",
        "1",
        "-not",
        "-type",
        "d",
        "-printf",
        "%P\\n",
    ]));
    let mut paths: Vec<String> = text.lines().map(str::to_owned).collect();
    paths.sort();
    paths
}
