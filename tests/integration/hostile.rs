//! The program against registries, directories and files that mean harm.
//!
//! None of it panics, hangs, uses up the memory, writes outside of its directory or lets a password out; each says what was wrong, and
//! the other images of the run are moved. `docs/security.md` has the list.

mod addresses;
mod directories;
mod exposure;
mod floods;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use transload_reference::Digest;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::{Output, ScriptedRegistry, Transload};

/// Generous: what would hang would hang for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// The most memory that a run may take, whatever it is sent. Moving one small image takes some 15 MiB, the worst of these floods 76.
const MOST_MEMORY: u64 = 192 << 20;

/// A password that must be nowhere.
const PASSWORD: &str = "Pa55-hunter2+word";

/// A directory for a run, with something beside it that must stay as it is.
struct Arena {
    dir: TempDir,
}

impl Arena {
    fn new() -> Arena {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(dir.path().join("beside")).expect("a writable folder");
        fs::write(dir.path().join("beside/file"), "not the store's").expect("a writable folder");
        fs::create_dir(dir.path().join("here")).expect("a writable folder");
        Arena { dir }
    }

    /// The folder that the program runs in; its directories of images are below.
    fn here(&self) -> PathBuf {
        self.dir.path().join("here")
    }

    fn beside(&self) -> PathBuf {
        self.dir.path().join("beside")
    }

    fn program(&self, args: &[&str]) -> Transload {
        Transload::new()
            .args(args)
            .args(["--retries", "0"])
            .current_dir(self.here())
            .time_limit(PATIENCE)
    }

    /// Runs a command that must fail in an orderly way, and touch nothing that isn't its own.
    #[track_caller]
    fn fails(&self, args: &[&str]) -> Output {
        let output = self.program(args).run();
        self.check(&output, &args.join(" "));
        assert_eq!(
            output.code,
            Some(1),
            "{args:?}\n{}{}",
            output.stdout,
            output.stderr
        );
        output
    }

    /// What holds of every run, however it ended.
    #[track_caller]
    fn check(&self, output: &Output, case: &str) {
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(
            matches!(output.code, Some(0..=2)),
            "{case}: {:?} {:?}\n{said}",
            output.code,
            output.signal
        );
        assert!(said.len() < 128 << 10, "{case}: {} bytes were said", said.len());
        self.check_text(output, case);
        let peak = output.peak_memory_bytes;
        assert!(peak < MOST_MEMORY, "{case}: {} MiB were resident", peak >> 20);
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .expect("a readable folder")
            .map(|entry| entry.expect("a readable folder").file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["beside", "here"],
            "{case}: something was written beside the directory"
        );
        assert_eq!(files(&self.beside()), ["file"], "{case}");
        assert_eq!(
            fs::read_to_string(self.beside().join("file")).expect("a readable file"),
            "not the store's",
            "{case}"
        );
    }

    /// Nothing was said that a terminal would obey.
    #[track_caller]
    fn check_text(&self, output: &Output, case: &str) {
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(!said.contains("panicked"), "{case}\n{said}");
        let is_obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        let line = said.lines().find(|line| line.contains(is_obeyed));
        assert_eq!(line, None, "{case}");
    }

    /// Whether a directory of images has an image with all its blobs.
    fn holds(&self, store: &str, image: &Image) -> bool {
        let blobs = self.here().join(store).join("blobs");
        image
            .blobs
            .iter()
            .all(|(blob, bytes)| fs::read(blobs.join(blob.digest.as_str())).is_ok_and(|held| held == *bytes))
    }
}

/// The paths of all files below a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("a path below the folder");
                found.push(name.display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// A registry with a good image, `good/app:v1`, to which a run's other image does no harm.
fn good() -> (ScriptedRegistry, Image, String) {
    let registry = ScriptedRegistry::start();
    let image = samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64"], 7);
    registry.put_image("good/app", "v1", &image);
    let name = format!("{}/good/app:v1", registry.host());
    (registry, image, name)
}

/// The name of an image that isn't good.
fn evil(registry: &ScriptedRegistry) -> String {
    format!("{}/evil/app:v1", registry.host())
}

/// A descriptor as JSON, of content that is somewhere.
fn descriptor(media_type: &str, content: &[u8]) -> String {
    let digest = Digest::of(content);
    format!(
        r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}}}"#,
        content.len()
    )
}
