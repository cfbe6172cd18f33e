//! Whether a bundle has the same bytes wherever it is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Release, bundle};
use crate::command::output;

/// Builds the release once more, from a copy of the repository in another folder, and compares each file with the one in `out`.
///
/// # Errors
/// Where something can't be built, or has other bytes: it says where the first differs.
pub fn run(release: &Release, out: &Path, files: &[String]) -> Result<(), String> {
    let folder = tempfile::Builder::new()
        .prefix("another-folder-with-a-longer-name-")
        .tempdir()
        .map_err(|error| format!("a temporary folder: {error}"))?;
    let root = folder.path().join("copy");
    copy(&release.root, &root)?;
    let again = Release {
        build_folder: root.join("target/dist-build"),
        root,
        target: release.target.clone(),
        compilers: release.compilers.clone(),
        emulator: None,
        version: release.version.clone(),
        epoch: release.epoch,
        commit: release.commit.clone(),
    };
    let second = folder.path().join("out");
    let built = bundle(&again, &second)?;
    if built != files {
        return Err(format!("the second build made other files: {}", built.join(", ")));
    }
    let mut wrong = Vec::new();
    for file in files {
        let read = |folder: &Path| {
            let path = folder.join(file);
            fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        wrong.extend(difference(&read(out)?, &read(&second)?).map(|what| format!("{file}: {what}")));
    }
    if wrong.is_empty() {
        eprintln!(
            "verify: two builds in different folders have the same {} files",
            files.len()
        );
        return Ok(());
    }
    Err(format!(
        "two builds in different folders differ\n  {}",
        wrong.join("\n  ")
    ))
}

/// How two files differ, if they do.
fn difference(first: &[u8], second: &[u8]) -> Option<String> {
    if first == second {
        return None;
    }
    let place = first.iter().zip(second).position(|(a, b)| a != b);
    let place = place.unwrap_or(first.len().min(second.len()));
    Some(format!(
        "{} and {} bytes, other from byte {place} on",
        first.len(),
        second.len()
    ))
}

/// Copies what git knows or would take, as it stands in the folder.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let mut list = Command::new("git");
    list.current_dir(from)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    for name in output(&mut list)?.split_terminator('\0') {
        let (source, target) = (from.join(name), to.join(name));
        // One that is removed and not yet committed.
        let Ok(kind) = fs::symlink_metadata(&source) else {
            continue;
        };
        let failed = |error| format!("{name}: {error}");
        let parent = target.parent().map_or_else(PathBuf::new, Path::to_owned);
        fs::create_dir_all(parent).map_err(failed)?;
        if kind.is_symlink() {
            let link = fs::read_link(&source).map_err(failed)?;
            std::os::unix::fs::symlink(link, &target).map_err(failed)?;
        } else {
            fs::copy(&source, &target).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told() {
        assert_eq!(difference(b"same", b"same"), None);
        assert_eq!(
            difference(b"abcd", b"abXd").unwrap(),
            "4 and 4 bytes, other from byte 2 on"
        );
        assert_eq!(
            difference(b"ab", b"abc").unwrap(),
            "2 and 3 bytes, other from byte 2 on"
        );
    }

    #[test]
    fn what_git_ignores_isnt_copied() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir_all(from.join("sub")).unwrap();
        output(Command::new("git").current_dir(&from).args(["init", "--quiet"])).unwrap();
        for (name, text) in [(".gitignore", "target"), ("sub/new", "x"), ("target", "y")] {
            fs::write(from.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink("sub/new", from.join("link")).unwrap();
        let to = dir.path().join("to");
        copy(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("sub/new")).unwrap(), "x");
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("sub/new"));
        assert!(!to.join("target").exists());
    }
}
