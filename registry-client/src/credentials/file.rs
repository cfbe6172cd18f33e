//! Changes a credential file atomically, and keeps everything else in it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::docker::MAX_FILE_SIZE;
use super::{CredentialError, folder_of, planted};

/// The longest chain of symbolic links to follow.
const MAX_LINKS: usize = 40;

/// Changes the document in a file, or creates it. Only its owner can read it afterwards. The target of a symbolic link is changed.
pub(super) fn change(
    path: &Path,
    change: impl FnOnce(&mut Map<String, Value>),
) -> Result<(), CredentialError> {
    let fail = |what: String| CredentialError::new(format!("credentials file {}: {what}", path.display()));
    let io = |error: io::Error| fail(error.to_string());
    let file = target(path).map_err(io)?;
    let folder = folder_of(&file);
    make_folder(folder).map_err(io)?;
    // The lock keeps concurrent changes apart. A filesystem without locks is no reason to give up.
    let lock = File::open(folder).map_err(io)?;
    let _ = lock.lock();
    let mut document = match read(&file).map_err(io)? {
        None => Map::new(),
        Some(text) => match serde_json::from_slice(&text) {
            Ok(Value::Object(document)) => document,
            Ok(Value::Null) => Map::new(),
            // The parser's message may quote a secret.
            _ => return Err(fail("it isn't a JSON object".to_owned())),
        },
    };
    change(&mut document);
    write(&file, folder, &Value::Object(document)).map_err(io)
}

/// Resolves symbolic links, also to a file that doesn't exist.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut file = path.to_owned();
    for _ in 0..MAX_LINKS {
        if let Some(why) = planted(&file) {
            return Err(io::Error::other(why));
        }
        match fs::read_link(&file) {
            Ok(next) => file = folder_of(&file).join(next),
            Err(_) => return Ok(file),
        }
    }
    Err(io::Error::other("too many symbolic links lead there"))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    opened.take(MAX_FILE_SIZE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE_SIZE {
        return Err(io::Error::other("it is too large to be one"));
    }
    Ok((!text.iter().all(u8::is_ascii_whitespace)).then_some(text))
}

/// Writes a new file and renames it over the old one.
fn write(file: &Path, folder: &Path, document: &Value) -> io::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".{name}.{}", std::process::id()));
    // A killed process with the same id may have left it.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_new(&new, file, document).and_then(|()| fs::rename(&new, file));
    if let Err(error) = written {
        // Nothing more can be done.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    // Some filesystems can't sync a directory; the rename is done all the same.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn write_new(new: &Path, old: &Path, document: &Value) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(new)?;
    keep_owner(&file, old);
    // Docker's own format.
    let mut text = Vec::new();
    let layout = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut text, layout))?;
    text.push(b'\n');
    file.write_all(&text)?;
    file.sync_all()
}

/// Keeps the owner of the old file, when root changes a user's file.
#[cfg(unix)]
fn keep_owner(file: &File, old: &Path) {
    use std::os::unix::fs::{MetadataExt, fchown};
    if let Ok(old) = fs::metadata(old) {
        // Only root may change the owner.
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Path) {}
