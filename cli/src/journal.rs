//! Upload sessions kept in files of the user's, so that a run that was killed in the middle of a large blob goes on there.
//!
//! A file holds one session's address, which may be as good as a key to the registry: files are for their owner's eyes alone.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use transload_reference::{Digest, Repository};
use transload_registry_client::{UploadEntry, UploadJournal};

/// How long a session is kept. Registries forget theirs after a week at most.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 64 * 1024;

/// A folder with a file for each upload that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    folder: PathBuf,
}

/// What a file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    registry: String,
    repository: String,
    digest: Digest,
    location: String,
    /// In seconds since 1970.
    saved_at: u64,
}

impl Journal {
    /// The user's own, in `$XDG_STATE_HOME` or else `~/.local/state`. `None` where there is no such place.
    pub fn of_user() -> Option<Journal> {
        let folder = |name: &str| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
        Some(Journal::at(state.join("transload/uploads")))
    }

    /// The one in this folder, which is made once there is something to keep. What is too old to be of use is removed.
    pub fn at(folder: PathBuf) -> Journal {
        let journal = Journal { folder };
        if let Err(error) = journal.remove_old(SystemTime::now()) {
            log::debug!("{}: {error}", journal.folder.display());
        }
        journal
    }

    fn remove_old(&self, now: SystemTime) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let is_ours = path.extension().is_some_and(|extension| extension == "json");
            let age = path
                .symlink_metadata()
                .and_then(|metadata| metadata.modified())
                .map(|written| now.duration_since(written).unwrap_or_default());
            if is_ours && age.is_ok_and(|age| age > KEPT) && open_locked(&path)?.is_some() {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        let name = Digest::of(format!("{repository}@{digest}").as_bytes());
        self.folder.join(format!("{}.json", name.hex()))
    }

    fn open(&self, repository: &Repository, digest: &Digest) -> io::Result<Option<Entry>> {
        make_folder(&self.folder)?;
        let path = self.path(repository, digest);
        let Some(file) = open_locked(&path)? else {
            return Ok(None);
        };
        let mut entry = Entry {
            path,
            file,
            registry: repository.registry().to_string(),
            repository: repository.path().to_owned(),
            digest: digest.clone(),
            location: None,
        };
        entry.location = entry.read(SystemTime::now());
        Ok(Some(entry))
    }
}

impl UploadJournal for Journal {
    fn claim(&self, repository: &Repository, digest: &Digest) -> Option<Box<dyn UploadEntry>> {
        match self.open(repository, digest) {
            Ok(entry) => entry.map(|entry| Box::new(entry) as Box<dyn UploadEntry>),
            Err(error) => {
                log::debug!("uploads can't be kept in {}: {error}", self.folder.display());
                None
            }
        }
    }
}

/// A file that nobody else uses.
struct Entry {
    path: PathBuf,
    file: File,
    registry: String,
    repository: String,
    digest: Digest,
    location: Option<String>,
}

impl Entry {
    /// The address in the file. One that is damaged, too old or another upload's has none.
    fn read(&mut self, now: SystemTime) -> Option<String> {
        let mut bytes = Vec::new();
        (&self.file).take(MAX_SIZE).read_to_end(&mut bytes).ok()?;
        let kept: Kept = serde_json::from_slice(&bytes).ok()?;
        let age = seconds(now).saturating_sub(kept.saved_at);
        let is_it = kept.registry == self.registry
            && kept.repository == self.repository
            && kept.digest == self.digest;
        (is_it && age <= KEPT.as_secs()).then_some(kept.location)
    }

    fn write(&mut self, location: &str) -> io::Result<()> {
        let kept = Kept {
            registry: self.registry.clone(),
            repository: self.repository.clone(),
            digest: self.digest.clone(),
            location: location.to_owned(),
            saved_at: seconds(SystemTime::now()),
        };
        let text = serde_json::to_vec(&kept)?;
        // A file that is half written is as good as none.
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&text)
    }
}

impl UploadEntry for Entry {
    fn location(&self) -> Option<String> {
        self.location.clone()
    }

    fn save(&mut self, location: &str) {
        if self.location.as_deref() == Some(location) {
            return;
        }
        self.location = Some(location.to_owned());
        if let Err(error) = self.write(location) {
            log::debug!("{}: {error}", self.path.display());
        }
    }

    fn forget(&mut self) {
        self.location = None;
        // An empty file keeps nothing either, should it not go.
        self.file.set_len(0).ok();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.location.is_none() {
            // Still locked: nobody else can have begun to use it.
            fs::remove_file(&self.path).ok();
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Opens a file, made if it isn't there, and locks it. `None`: somebody else has it.
fn open_locked(path: &Path) -> io::Result<Option<File>> {
    // The file may be removed by who had it, between the opening and the locking here.
    for _ in 0..3 {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) if is_there(&file, path) => return Ok(Some(file)),
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether a file still has its name.
fn is_there(file: &File, path: &Path) -> bool {
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    matches!((file.metadata(), path.symlink_metadata()), (Ok(a), Ok(b)) if same(&a, &b))
}

/// Makes a folder for its owner's eyes alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (Repository, Digest) {
        ("hub.local/team/app".parse().unwrap(), Digest::of(b"blob"))
    }

    fn claim(journal: &Journal) -> Option<Box<dyn UploadEntry>> {
        let (repository, digest) = names();
        journal.claim(&repository, &digest)
    }

    #[test]
    fn an_address_is_kept_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().join("state/uploads"));
        let mut entry = claim(&journal).unwrap();
        assert_eq!(entry.location(), None);
        entry.save("https://hub.local/a?long=address");
        entry.save("https://hub.local/b");
        drop(entry);
        let mut entry = claim(&journal).unwrap();
        assert_eq!(entry.location().as_deref(), Some("https://hub.local/b"));
        entry.forget();
        drop(entry);
        assert_eq!(claim(&journal).unwrap().location(), None);
        assert_eq!(fs::read_dir(dir.path().join("state/uploads")).unwrap().count(), 0);
    }

    #[test]
    fn one_at_a_time_has_an_entry() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        let (repository, _) = names();
        let mut first = claim(&journal).unwrap();
        first.save("https://hub.local/a");
        assert!(claim(&journal).is_none());
        assert!(journal.claim(&repository, &Digest::of(b"other")).is_some());
        first.forget();
        assert!(claim(&journal).is_none());
        drop(first);
        assert!(claim(&journal).is_some());
    }

    #[test]
    fn what_is_damaged_old_or_of_another_upload_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        let (repository, digest) = names();
        let path = journal.path(&repository, &digest);
        let now = seconds(SystemTime::now());
        let text = |registry: &str, saved_at: u64| {
            format!(
                r#"{{"registry":"{registry}","repository":"team/app","digest":"{digest}","location":"https://x/","saved_at":{saved_at}}}"#
            )
        };
        let table = [
            (text("hub.local", now), true),
            // A clock that was set back.
            (text("hub.local", now + 1_000_000), true),
            (text("hub.local", now - KEPT.as_secs() - 60), false),
            (text("other.local", now), false),
            (text("hub.local", now)[..40].to_owned(), false),
            (String::new(), false),
            ("[1,2]".to_owned(), false),
        ];
        for (text, is_good) in table {
            fs::write(&path, &text).unwrap();
            assert_eq!(claim(&journal).unwrap().location().is_some(), is_good, "{text}");
        }
    }

    #[test]
    fn a_file_of_last_week_is_removed_unless_it_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        let mut entry = claim(&journal).unwrap();
        entry.save("https://hub.local/a");
        let later = SystemTime::now() + KEPT + Duration::from_secs(60);
        let count = || fs::read_dir(dir.path()).unwrap().count();
        journal.remove_old(later).unwrap();
        assert_eq!(count(), 1, "in use");
        drop(entry);
        journal.remove_old(SystemTime::now()).unwrap();
        assert_eq!(count(), 1, "not old");
        journal.remove_old(later).unwrap();
        assert_eq!(count(), 0);
    }

    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().join("uploads"));
        claim(&journal).unwrap().save("https://hub.local/a");
        let (repository, digest) = names();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&journal.folder), mode(&journal.path(&repository, &digest))),
            (0o700, 0o600)
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_keeps_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(claim(&Journal::at(file.join("uploads"))).is_none());
    }
}
