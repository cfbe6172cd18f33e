//! Who uses a store: everyone who opened it holds a lease, and nothing is removed while someone else does.
//!
//! The lease is a shared lock on the store's own folder, which every directory has, whichever program made it, and which needs no
//! right to write. Whoever removes something holds it alone, from opening on: a shared lock can't become an exclusive one without
//! being let go of in between. The kernel lets go of a lock when its process ends, however it ends.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Error;
use crate::caution::{self, Caution, Cautions};
use crate::folders::{Kind, OWN, TEMPORARY, kind};

/// How long a lock that somebody else holds is left alone before it is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a wait stays untold: most are over before anybody could read of them.
const GRACE: Duration = Duration::from_millis(500);

/// The log target of a line that tells of a wait for another process. [`WAIT_IS_OVER`] follows from the same thread.
pub const WAITING: &str = "transload_layout_store::waiting";

/// The log target of a line that tells that a wait is over.
pub const WAIT_IS_OVER: &str = "transload_layout_store::wait_is_over";

/// How a lock is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Share {
    /// Together with others who share it.
    Shared,
    /// Alone.
    Alone,
}

/// Opens a file that is to be locked, making it if it isn't there.
pub(crate) fn open(path: &Path) -> Result<File, Error> {
    if matches!(kind(path)?, Kind::Folder | Kind::Other) {
        return Err(Error::damaged(path, "it isn't a regular file"));
    }
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    file.map_err(Error::io("opening", path))
}

/// Tries to take a lock. Returns false while somebody else has one that excludes it. Where the filesystem has no locks, that is noted, and
/// the lock keeps nobody away.
pub(crate) fn try_lock(file: &File, path: &Path, share: Share, cautions: &Cautions) -> Result<bool, Error> {
    let taken = match share {
        Share::Shared => file.try_lock_shared(),
        Share::Alone => file.try_lock(),
    };
    match taken {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if caution::has_no_locks(&error) => {
            cautions.note(Caution::NoLocks);
            Ok(true)
        }
        Err(TryLockError::Error(error)) => Err(Error::io("locking", path)(error)),
    }
}

/// Takes a lock as [`try_lock`] does, waiting for it until `cancel` is set. A wait that takes its time is told once, with who is in the way.
pub(crate) fn lock(
    file: &File,
    path: &Path,
    share: Share,
    cautions: &Cautions,
    cancel: &AtomicBool,
    why: &str,
) -> Result<(), Error> {
    let began = Instant::now();
    let mut has_told = false;
    while !try_lock(file, path, share, cautions)? {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Stopped {
                path: path.to_owned(),
            });
        }
        if began.elapsed() >= GRACE && !std::mem::replace(&mut has_told, true) {
            log::warn!(target: WAITING, "waiting for {}{}: {why}", path.display(), holders(file));
        }
        // The kernel's own wait couldn't be ended by `cancel`.
        std::thread::sleep(PAUSE);
    }
    if has_told {
        let waited = began.elapsed().as_secs_f64();
        log::warn!(target: WAIT_IS_OVER, "{} is free after {waited:.1} s", path.display());
    }
    Ok(())
}

/// Takes a lease on a store, waiting for it until `cancel` is set.
pub(crate) fn take(
    root: &Path,
    share: Share,
    cautions: &Cautions,
    cancel: &AtomicBool,
) -> Result<File, Error> {
    let folder = File::open(root).map_err(Error::io("opening", root))?;
    let why = match share {
        Share::Shared => "images are being removed",
        Share::Alone => "others use the directory",
    };
    lock(&folder, root, share, cautions, cancel, why)?;
    Ok(folder)
}

/// Takes a lease without waiting; none while somebody has one that excludes it.
pub(crate) fn try_take(root: &Path, share: Share, cautions: &Cautions) -> Result<Option<File>, Error> {
    let folder = File::open(root).map_err(Error::io("opening", root))?;
    Ok(try_lock(&folder, root, share, cautions)?.then_some(folder))
}

/// Finds out whether files can be locked, before anything is written: some filesystems have locks of folders, and so a lease, and
/// none of files.
pub(crate) fn try_locks_of_files(root: &Path, cautions: &Cautions) {
    if let Ok(file) = tempfile::tempfile_in(root.join(OWN)) {
        let _ = try_lock(&file, root, Share::Alone, cautions);
    }
}

/// Removes the temporary files that killed processes left, if nobody uses the store now: whoever writes one holds a lease. What
/// can't be removed is in nobody's way.
pub(crate) fn remove_leftovers(root: &Path) {
    let own = root.join(OWN);
    if !matches!(kind(&own), Ok(Kind::Folder)) {
        return;
    }
    let Ok(folder) = File::open(root) else { return };
    if folder.try_lock().is_err() {
        return;
    }
    for entry in own.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            log::debug!("{}: {error}", entry.path().display());
        }
    }
}

/// Who holds a lock on the file, for people: ` (process 1234: transload pull)`. Empty where that can't be told.
pub(crate) fn holders(file: &File) -> String {
    let (Ok(metadata), Ok(locks)) = (file.metadata(), std::fs::read_to_string("/proc/locks")) else {
        return String::new();
    };
    let own = std::process::id();
    let mut holders: Vec<String> = lock_owners(&locks, metadata.dev(), metadata.ino())
        .filter(|process| *process != own)
        .map(|process| format!("process {process}{}", command(process)))
        .collect();
    holders.dedup();
    if holders.is_empty() {
        String::new()
    } else {
        format!(" ({})", holders.join(", "))
    }
}

/// The processes that hold a lock on this inode, by the lines of `/proc/locks` (proc_locks(5)):
/// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`. Lines with `->` are of those who wait.
fn lock_owners(locks: &str, device: u64, inode: u64) -> impl Iterator<Item = u32> {
    // Linux's encoding of a device number: 12 bits of major and 20 of minor, each in two pieces.
    let major = (device >> 8) & 0xfff | (device >> 32) & 0xffff_f000;
    let minor = device & 0xff | (device >> 12) & 0xffff_ff00;
    let place = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[_, "FLOCK", _, _, process, at, ..] = fields.as_slice() else {
            return None;
        };
        if at == place { process.parse().ok() } else { None }
    })
}

/// `: transload pull`, the program's name and its first argument: the others may hold what isn't for everyone's eyes.
fn command(process: u32) -> String {
    let Ok(line) = std::fs::read(format!("/proc/{process}/cmdline")) else {
        return String::new();
    };
    let mut words = line
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .filter(|word| !word.is_empty());
    let Some(program) = words.next() else {
        return String::new();
    };
    let program = program.rsplit('/').next().unwrap_or(&program).to_owned();
    match words
        .next()
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
    {
        Some(command) => format!(": {program} {command}"),
        None => format!(": {program}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    use super::*;

    #[test]
    fn lock_owners_are_found_by_device_and_inode() {
        let locks = "\
1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF
1: -> FLOCK  ADVISORY  READ 9 08:01:5678 0 EOF
2: POSIX  ADVISORY  READ 7 08:01:5678 0 EOF
3: FLOCK  ADVISORY  READ 1235 08:01:5678 0 EOF
4: FLOCK  ADVISORY  READ 8 08:01:56789 0 EOF
";
        assert_eq!(lock_owners(locks, 0x801, 5678).collect::<Vec<_>>(), [1234, 1235]);
    }

    #[test]
    fn a_lock_that_fails_is_not_taken_for_one_that_the_filesystem_lacks() {
        let folder = tempfile::tempdir().unwrap();
        // The kernel refuses to lock what is open as a path alone.
        let path_only = OFlags::PATH.bits().cast_signed();
        let file = File::options()
            .read(true)
            .custom_flags(path_only)
            .open(folder.path())
            .unwrap();
        for share in [Share::Shared, Share::Alone] {
            let cautions = Cautions::default();
            let error = try_lock(&file, folder.path(), share, &cautions).unwrap_err();
            assert!(error.to_string().starts_with("locking "), "{error}");
            assert_eq!(cautions.all(), []);
        }
    }

    #[test]
    fn the_own_process_is_no_other_holder() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::open(folder.path()).unwrap();
        file.lock().unwrap();
        assert_eq!(holders(&file), "");
    }
}
