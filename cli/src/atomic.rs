//! Files that are replaced as a whole: one of the old and the new one is there at any moment.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use tempfile::{Builder, NamedTempFile};
use transload_registry_client::planted;

/// How many symbolic links are followed, one after another.
const MAX_LINKS: usize = 40;

/// The path goes through something that another user may have put there to have this user's files overwritten.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Trap(String);

/// What to do about a file that can't be written, where it is another user's trap.
pub(crate) fn hint(error: &io::Error) -> Option<String> {
    let is_trap = error.get_ref().is_some_and(|error| error.is::<Trap>());
    is_trap.then(|| "choose a file in a directory of your own, or remove that one".to_owned())
}

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns the path of the file that a path leads to, which needn't be there. Symbolic links are followed, but not those that another
/// user laid in a sticky directory that everyone may write to, such as /tmp: Linux has the same rule as `fs.protected_symlinks` and
/// `fs.protected_regular`, where an administrator turned it on.
///
/// # Errors
/// Such a link or file; too many links.
pub(crate) fn target(path: &Path) -> io::Result<PathBuf> {
    let mut real = PathBuf::new();
    let mut rest = components(&std::path::absolute(path)?);
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            real.pop();
            continue;
        }
        real.push(&name);
        // What isn't there or can't be looked at is told by whoever uses the path.
        let Ok(found) = real.symlink_metadata() else {
            continue;
        };
        if let Some(why) = planted(&real) {
            return Err(io::Error::other(Trap(why)));
        }
        if found.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(io::Error::other("too many symbolic links lead there"));
            }
            let next = fs::read_link(&real)?;
            let leads_to = folder(&real).join(&next);
            if real.exists() && !leads_to.exists() {
                // A link of /proc, to a pipe for example, isn't followed by its text.
                continue;
            }
            real.pop();
            let next = components(&next);
            next.into_iter().rev().for_each(|name| rest.push_front(name));
        }
    }
    Ok(real)
}

/// The names that a path consists of; the root's, pushed to a path, takes its place.
fn components(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter(|name| *name != Component::CurDir);
    names.map(|name| name.as_os_str().to_owned()).collect()
}

/// The [`target`], if it is a regular file or isn't there: a device or a pipe is nothing to replace.
fn regular(path: &Path) -> io::Result<PathBuf> {
    let path = target(path)?;
    match path.metadata() {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => Err(io::Error::other("it isn't a regular file")),
        _ => Ok(path),
    }
}

/// Makes a file beside the one that is meant, and removes it: hours later is too late to find out that this can't be.
///
/// # Errors
/// Where it can't be.
pub(crate) fn try_to_replace(path: &Path) -> io::Result<()> {
    beside(&regular(path)?)?.close()
}

/// Writes a file under another name beside it, durably, and gives it the name then. A link stays one: its [`target`] is replaced.
///
/// # Errors
/// Where it can't be written; what was there stays.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = regular(path)?;
    let mut file = beside(&path)?;
    file.write_all(text.as_bytes())?;
    if let Ok(before) = fs::metadata(&path) {
        where_supported(file.as_file().set_permissions(before.permissions()))?;
    }
    where_supported(file.as_file().sync_all())?;
    file.persist(&path)?;
    Ok(())
}

/// Keeps other processes and threads that ask for the same from changing a file, as long as the answer lives. Filesystems without locks
/// let them.
///
/// # Errors
/// Where the file's folder can't be opened.
pub(crate) fn exclusively(path: &Path) -> io::Result<File> {
    // The file itself is another one after each change.
    let folder = File::open(folder(&target(path)?))?;
    let _ = folder.lock();
    Ok(folder)
}

/// Passes over what a filesystem such as exFAT or FAT can't do: modes and flushes. The file is this user's own.
fn where_supported(done: io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match done {
        Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        done => done,
    }
}

fn beside(path: &Path) -> io::Result<NamedTempFile> {
    // As any new file, it may be read by whom the user lets read files.
    let usual = Permissions::from_mode(0o666);
    Builder::new()
        .prefix(".transload-")
        .permissions(usual)
        .tempfile_in(folder(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_wherever_they_lead() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::create_dir(dir.join("folder")).unwrap();
        symlink("folder/missing", dir.join("link")).unwrap();
        symlink(dir.join("folder/../link"), dir.join("folder/second")).unwrap();
        symlink("loop", dir.join("loop")).unwrap();
        symlink("folder", dir.join("way")).unwrap();
        for path in [
            "link",
            "folder/second",
            "way/./missing",
            "way/../folder/missing",
            "folder/missing",
        ] {
            assert_eq!(
                target(&dir.join(path)).unwrap(),
                dir.join("folder/missing"),
                "{path}"
            );
        }
        assert_eq!(target(&dir.join("no/where")).unwrap(), dir.join("no/where"));
        assert!(
            target(&dir.join("loop"))
                .unwrap_err()
                .to_string()
                .contains("too many")
        );
        assert_eq!(
            target(Path::new("file")).unwrap(),
            std::env::current_dir().unwrap().join("file")
        );
    }

    #[test]
    fn a_device_is_not_replaced() {
        for path in ["/dev/null", "/dev/fd"] {
            assert!(
                try_to_replace(Path::new(path)).is_err() && replace(Path::new(path), "").is_err(),
                "{path}"
            );
        }
        assert!(!Path::new("/dev/null").is_file());
    }

    /// Only root can play another user.
    #[test]
    fn what_another_user_laid_where_everyone_may_is_left_alone() {
        use std::os::unix::fs::{MetadataExt, lchown, symlink};
        let dir = tempfile::tempdir().unwrap();
        if dir.path().metadata().unwrap().uid() != 0 {
            return;
        }
        let shared = dir.path().canonicalize().unwrap().join("shared");
        fs::create_dir(&shared).unwrap();
        let precious = dir.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        symlink(&precious, shared.join("link")).unwrap();
        symlink(dir.path(), shared.join("way")).unwrap();
        fs::write(shared.join("file"), "").unwrap();
        let all = ["link", "way/precious", "file"];
        let try_all = |mode, uid| {
            fs::set_permissions(&shared, Permissions::from_mode(mode)).unwrap();
            for name in ["link", "way", "file"] {
                lchown(shared.join(name), Some(uid), None).unwrap();
            }
            all.map(|name| {
                replace(&shared.join(name), "new")
                    .and(try_to_replace(&shared.join(name)))
                    .is_ok()
            })
        };
        assert_eq!(try_all(0o1777, 12345), [false; 3]);
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        let error = replace(&shared.join("link"), "new").unwrap_err();
        assert!(
            error.to_string().contains("shared/link belongs to another user") && hint(&error).is_some(),
            "{error}"
        );
        assert_eq!(try_all(0o755, 12345), [true; 3], "nobody else writes there");
        assert_eq!(try_all(0o1777, 0), [true; 3], "they are one's own");
    }

    #[test]
    fn a_file_is_replaced_with_its_permissions_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        try_to_replace(&path).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "a try leaves nothing");
        replace(&path, "one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        replace(&link, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert!(link.is_symlink());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
        assert!(try_to_replace(dir.path()).is_err() && try_to_replace(&dir.path().join("no/file")).is_err());
    }
}
