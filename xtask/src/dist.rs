//! Building what is released: the program, and all that goes with it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use crate::command::{build, output, run as run_command};
use crate::programs;
use crate::shipped;

mod cross;
mod deb;
mod image;
mod notices;
mod pack;
mod program;
mod rpm;
mod sbom;
mod target;
mod tree;
mod verify;

use target::Target;
use tree::Tree;

/// What the packages tell of the program.
const SUMMARY: &str = "Copies container images into and out of air-gapped networks";
const DESCRIPTION: [&str; 3] = [
    "transload pulls lists of container images into a directory, pushes a directory to a registry, and copies between directories and",
    "registries, from YAML tasks or from the command line. It is made for installing Kubernetes offline: each layer is moved once, every",
    "byte is verified, and the same command goes on where a stopped one ended.",
];
const HOMEPAGE: &str = "https://github.com/transload/transload";
const MAINTAINER: &str = "transload maintainers <https://github.com/transload/transload>";

/// The most bytes that the program may have.
const LARGEST: u64 = 12_000_000;

/// What the checks of a bundle need, and the Debian packages that hold it.
const NEEDED: [(&str, &str); 5] = [
    ("docker-registry", "docker-registry"),
    ("skopeo", "skopeo"),
    ("debootstrap", "debootstrap"),
    ("shellcheck", "shellcheck"),
    ("busybox", "busybox-static"),
];

/// What to build.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The target; the host's if none is named.
    target: Option<String>,
    /// Where it goes; `target/dist` if nothing else is named.
    out: Option<PathBuf>,
    /// Whether to build it once more in another folder and to compare.
    verify: bool,
    /// Whether to run the bundle's own checks.
    check: bool,
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    /// Where they are something else.
    pub fn read(args: Vec<String>) -> Result<Options, String> {
        let mut options = Options::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--verify" => options.verify = true,
                "--check" => options.check = true,
                "--target" => options.target = Some(args.next().ok_or("--target takes a target")?),
                "--out" => options.out = Some(args.next().ok_or("--out takes a folder")?.into()),
                _ => return Err(format!("dist has no option \"{arg}\"")),
            }
        }
        Ok(options)
    }
}

/// What all files of a bundle agree on.
#[derive(Debug)]
struct Release {
    /// The repository, or a copy of it.
    root: PathBuf,
    /// Where cargo builds.
    build_folder: PathBuf,
    target: Target,
    /// The variables that lead to compilers for it.
    compilers: Vec<(String, PathBuf)>,
    /// What runs its programs here, where it is another machine's.
    emulator: Option<PathBuf>,
    version: String,
    /// The commit's time, in seconds of the Unix epoch: no file is younger.
    epoch: u64,
    /// The commit, as `--version` tells it; empty where nobody knows it.
    commit: String,
}

impl Release {
    /// `transload-0.1.0-x86_64-unknown-linux-gnu`
    fn name(&self) -> String {
        format!("transload-{}-{}", self.version, self.target.triple)
    }
}

/// Builds a bundle, and checks it as far as it is asked for.
///
/// # Errors
/// Where something can't be built or doesn't hold.
pub fn run(options: &Options) -> Result<(), String> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let target = Target::named(options.target.as_deref())?;
    let cross = metadata.target_directory.join("cross");
    let release = Release {
        root: metadata.workspace_root.clone().into(),
        build_folder: metadata.target_directory.join("dist-build").into(),
        compilers: cross::compilers(&target, cross.as_std_path())?,
        emulator: cross::emulator(&target, cross.as_std_path())?,
        target,
        version: version(&metadata)?,
        epoch: epoch(metadata.workspace_root.as_std_path())?,
        commit: commit(metadata.workspace_root.as_std_path()),
    };
    let out = match &options.out {
        Some(out) => std::path::absolute(out).map_err(|error| format!("{}: {error}", out.display()))?,
        None => metadata.target_directory.join("dist").into(),
    };
    let files = bundle(&release, &out)?;
    eprintln!("{}:", out.display());
    for file in &files {
        let length = fs::metadata(out.join(file)).map(|metadata| metadata.len());
        eprintln!("  {file}  {:.1} MB", length.unwrap_or(0) as f64 / 1e6);
    }
    if options.verify {
        verify::run(&release, &out, &files)?;
    }
    if options.check {
        check(&release, &out)?;
    }
    Ok(())
}

/// Builds everything into a folder; gives the files' names. What was in the folder by these names is replaced.
fn bundle(release: &Release, out: &Path) -> Result<Vec<String>, String> {
    let program = program::build(release)?;
    program::inspect(&program, &release.target, LARGEST)?;
    size_as_told(&release.root, &release.target, program.len() as u64)?;
    let pages = program::pages(release)?;
    let crates = shipped::crates(&release.root, release.target.triple.as_str())?;
    let bill = sbom::bill(release, &crates);

    let mut tree = Tree::default();
    tree.file("bin/transload", 0o755, program.clone());
    tree.pages(&pages)?;
    tree.documents(&release.root)?;
    tree.text(
        "share/doc/transload/THIRD-PARTY.md",
        notices::text(release, &crates)?,
    );
    tree.text("share/doc/transload/sbom.cdx.json", bill.clone());

    fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let installer = read(&release.root, "packaging/install.sh")?;
    let name = release.name();
    let image = image::archive(release, &tree)?;
    let mut files = vec![
        (
            format!("{name}.tar.gz"),
            pack::bundle(release, &tree, &installer)?,
        ),
        (deb::file_name(release), deb::package(release, &tree)?),
        (rpm::file_name(release), rpm::package(release, &tree)?),
        (format!("{name}.image.tar"), image),
        (format!("{name}.cdx.json"), bill.into_bytes()),
        ("install.sh".to_owned(), installer),
    ];
    files.sort();
    let sums = tree::sums(
        files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
    );
    files.push(("SHA256SUMS".to_owned(), sums.into_bytes()));
    for (name, bytes) in &files {
        let path = out.join(name);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

/// Runs the program that checks bundles: it needs registries, which are the tests' own.
fn check(release: &Release, out: &Path) -> Result<(), String> {
    programs::see_to("the bundle's checks", &NEEDED)?;
    let checker = build(&["--workspace", "--bin", "check-bundle"])?;
    let mut command = Command::new(checker);
    command.arg(out).arg(release.name());
    if let Some(emulator) = &release.emulator {
        command.env("TRANSLOAD_EMULATOR", emulator);
    }
    run_command(&mut command)
}

/// The size that docs/dependencies.md tells must be about what it is.
fn size_as_told(root: &Path, target: &Target, bytes: u64) -> Result<(), String> {
    const PAGE: &str = "docs/dependencies.md";
    if target.triple != "x86_64-unknown-linux-gnu" {
        return Ok(());
    }
    let page = String::from_utf8(read(root, PAGE)?).map_err(|error| format!("{PAGE}: {error}"))?;
    let told = told_size(&page).ok_or_else(|| format!("{PAGE} doesn't say \"The program has **N MB**\""))?;
    let real = bytes as f64 / 1e6;
    if (real / told - 1.0).abs() <= 0.05 {
        return Ok(());
    }
    Err(format!(
        "{PAGE} says that the program has {told} MB, and it has {real:.1}: if the difference has a good reason, write it there"
    ))
}

fn told_size(page: &str) -> Option<f64> {
    let after = page.split_once("The program has **")?.1;
    after.split_once(" MB**")?.0.parse().ok()
}

fn read(root: &Path, name: &str) -> Result<Vec<u8>, String> {
    fs::read(root.join(name)).map_err(|error| format!("{name}: {error}"))
}

fn version(metadata: &Metadata) -> Result<String, String> {
    let packages = metadata.workspace_packages();
    let program = packages.iter().find(|package| package.name == "transload");
    Ok(program
        .ok_or("the workspace has no package transload")?
        .version
        .to_string())
}

/// `SOURCE_DATE_EPOCH`, or the time of the commit.
fn epoch(root: &Path) -> Result<u64, String> {
    let told = match env::var("SOURCE_DATE_EPOCH") {
        Ok(told) => told,
        Err(_) => output(
            Command::new("git")
                .current_dir(root)
                .args(["log", "-1", "--format=%ct"]),
        )
        .map_err(|error| format!("{error}\nOutside of a git repository, SOURCE_DATE_EPOCH tells the time"))?,
    };
    told.trim()
        .parse()
        .map_err(|_| format!("SOURCE_DATE_EPOCH: \"{told}\" is no number of seconds"))
}

/// `TRANSLOAD_COMMIT`, or the commit that is checked out; empty where there is none.
fn commit(root: &Path) -> String {
    let told = env::var("TRANSLOAD_COMMIT").ok();
    let of_git = || {
        output(
            Command::new("git")
                .current_dir(root)
                .args(["rev-parse", "--short=12", "HEAD"]),
        )
    };
    let commit = told.or_else(|| of_git().ok()).unwrap_or_default();
    commit.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the parts are tested with.
    pub fn release() -> Release {
        Release {
            root: "/nowhere".into(),
            build_folder: "/nowhere/target".into(),
            target: Target::named(Some("x86_64-unknown-linux-gnu")).unwrap(),
            compilers: Vec::new(),
            emulator: None,
            version: "0.1.0-rc1".to_owned(),
            epoch: 1_700_000_000,
            commit: "0123456789ab".to_owned(),
        }
    }

    #[test]
    fn options_come_in_any_order() {
        let read = |line: &str| Options::read(line.split_whitespace().map(str::to_owned).collect());
        assert_eq!(read(""), Ok(Options::default()));
        let expected = Options {
            target: Some("t".to_owned()),
            out: Some("o".into()),
            verify: true,
            check: true,
        };
        assert_eq!(read("--verify --out o --check --target t"), Ok(expected));
        for (line, named) in [
            ("--target", "takes a target"),
            ("--fast", "\"--fast\""),
            ("x", "\"x\""),
        ] {
            let message = read(line).unwrap_err();
            assert!(message.contains(named), "{line}: {message}");
        }
    }

    #[test]
    fn the_size_is_where_the_page_tells_it() {
        assert_eq!(told_size("text\nThe program has **8.4 MB** for x.\n"), Some(8.4));
        assert_eq!(told_size("The program has **many MB**"), None);
        assert_eq!(told_size(""), None);
    }
}
