//! What the program says: help, mistakes, plans, summaries.
//!
//! Texts are compared whole, with snapshots. `INSTA_UPDATE=always cargo test -p transload-tests messages` writes them anew.

mod care;
mod help;
mod hints;
mod page;
mod plan;
mod projects;
mod registries;
mod secrets;
mod stopping;
mod stores;
mod summary;
mod tasks;
mod usage;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Compares with a snapshot, which has nothing in it but the text.
macro_rules! assert_said {
    ($($arguments:expr),+ $(,)?) => {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!($($arguments),+);
        })
    };
}
pub(crate) use assert_said;

use tempfile::TempDir;
use transload_test_support::image::Image;
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::{Output, Transload};

/// A folder that programs are run in, and the names that texts get in place of what varies.
pub(crate) struct Scene {
    dir: TempDir,
    names: Vec<(String, String)>,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().canonicalize().expect("a folder that is there");
        let names = vec![(path.display().to_string(), "/scene".to_owned())];
        Scene { dir, names }
    }

    /// Shows a text as another one from now on.
    pub(crate) fn name(&mut self, text: impl Into<String>, shown: &str) {
        self.names.push((text.into(), shown.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that is its owner's alone: some hold passwords, and others' eyes would be warned of.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a writable folder");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a file of this user");
    }

    pub(crate) fn program(&self, args: &[&str]) -> Transload {
        Transload::new().args(args).current_dir(self.dir.path())
    }

    /// Runs the program in the folder and checks its exit status.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str], code: i32) -> Output {
        self.program(args).run().expect_code(code)
    }

    /// The command and all that it said, with names in place of what varies.
    #[track_caller]
    pub(crate) fn said(&self, args: &[&str], code: i32) -> String {
        self.transcript(args, &self.run(args, code))
    }

    pub(crate) fn transcript(&self, args: &[&str], output: &Output) -> String {
        let quoted: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
        let mut text = format!("$ transload {}\n", quoted.join(" "));
        for (name, stream) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !stream.is_empty() {
                text += &format!("--- {name}\n{stream}");
            }
        }
        let code = output.code.map_or("none".to_owned(), |code| code.to_string());
        self.shown(&format!("{text}--- exit status {code}\n"))
    }

    pub(crate) fn shown(&self, text: &str) -> String {
        let named = self
            .names
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        named.lines().map(|line| without_chance(line) + "\n").collect()
    }

    /// What the program says to arguments that it refuses. The folder `out` must not come about.
    #[track_caller]
    pub(crate) fn refusal(&self, args: &[&str]) -> String {
        let output = self.run(args, 2);
        assert_eq!(output.stdout, "", "{args:?}");
        assert!(!self.path("out").exists(), "{args:?}\n{}", output.stderr);
        assert!(
            output.stderr.ends_with("\nNothing was moved.\n"),
            "{args:?}\n{}",
            output.stderr
        );
        self.transcript(args, &output)
    }

    /// The same of several command lines.
    #[track_caller]
    pub(crate) fn refusals(&self, commands: &[&[&str]]) -> String {
        commands.iter().map(|args| self.refusal(args) + "\n").collect()
    }
}

/// An argument as a shell takes it.
fn quoted(arg: &str) -> String {
    if arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || "'\"(){}[]*|$#&;<>".contains(c)) {
        format!("'{arg}'")
    } else {
        arg.to_owned()
    }
}

/// A line without what is up to chance: the time of the log, how long a task took, how long is waited, how much space is free.
fn without_chance(line: &str) -> String {
    if let Some((_, after)) = line.strip_prefix("[2").and_then(|line| line.split_once("Z ")) {
        let (before, wait) = after.rsplit_once(" in ").unwrap_or((after, ""));
        return match wait.strip_suffix(" s").map(str::parse::<f64>) {
            Some(Ok(_)) => format!("[TIME {before} in WAIT s"),
            _ => format!("[TIME {after}"),
        };
    }
    if line.starts_with("  disk: ")
        && let Some((before, free)) = line.rsplit_once(", ")
        && free.ends_with(" free")
    {
        return format!("{before}, SPACE free");
    }
    if ["copied   ", "there    "]
        .iter()
        .any(|mark| line.starts_with(mark))
        && let Some((before, time)) = line.rsplit_once("  ")
        && time.starts_with(|c: char| c.is_ascii_digit())
    {
        return format!("{before}  TIME");
    }
    for images in [" image in ", " images in "] {
        if let Some((before, after)) = line.split_once(images)
            && let Some((time, rest)) = after.split_once(": ")
            && time.starts_with(|c: char| c.is_ascii_digit())
        {
            return format!("{before}{images}TIME: {rest}");
        }
    }
    line.to_owned()
}

/// Writes an image into a directory of the scene.
pub(crate) fn store_with(
    scene: &Scene,
    store: &str,
    registry: &str,
    repository: &str,
    tag: &str,
    image: &Image,
) {
    kubekey::write(
        &scene.path(store),
        registry,
        repository,
        tag,
        image,
        Generation::Third,
    );
}
