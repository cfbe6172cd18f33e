//! Files that are replaced as a whole: one of the old and the new one is there at any moment.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a file beside the one that is meant, and removes it: hours later is too late to find out that this can't be.
///
/// # Errors
/// Where it can't be.
pub(crate) fn try_to_replace(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    beside(path)?.close()
}

/// Writes a file under another name beside it, durably, and gives it the name then. A link stays one: what it leads to is replaced.
///
/// # Errors
/// Where it can't be written; what was there stays.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut file = beside(&path)?;
    file.write_all(text.as_bytes())?;
    if let Ok(before) = fs::metadata(&path) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
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
