//! Filesystems that take no colon in a name, which the format can't do without: FAT, exFAT, NTFS.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Error;
use crate::disk::nearest;
use crate::folders::OWN;

/// Checks that a directory's filesystem takes the names of the format, before anything is written there. Where the directory isn't
/// there yet, that of the nearest one above it is asked. Of a filesystem that isn't known to take them, nothing else tells it than a
/// file that is made there and removed at once.
///
/// # Errors
/// [`Error::NoColons`] where it doesn't. Where no file can be made, this tells nothing.
pub(crate) fn check_names(folder: &Path) -> Result<(), Error> {
    let Some(there) = nearest(folder) else {
        return Ok(());
    };
    let make = |suffix: &str| make_and_remove(&there, suffix);
    if !is_known_to_take_colons(&there) && refuses_colons(make) {
        return Err(Error::NoColons {
            path: folder.to_owned(),
            filesystem: filesystem_name(&there),
        });
    }
    Ok(())
}

/// Filesystems that take any name, by what `statfs` calls them (statfs(2)). Nothing has to be written there to find out.
#[cfg(target_os = "linux")]
const TAKES_COLONS: [u32; 9] = [
    0x0000_ef53, // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0xca45_1a4e, // bcachefs
    0xf2f5_2010, // f2fs
    0x2fc1_2fc1, // zfs
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x794c_7630, // overlayfs
];

#[cfg(target_os = "linux")]
fn is_known_to_take_colons(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|found| TAKES_COLONS.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_known_to_take_colons(_: &Path) -> bool {
    false
}

fn make_and_remove(folder: &Path, suffix: &str) -> io::Result<()> {
    let mut name = tempfile::Builder::new();
    name.prefix(OWN).suffix(suffix).tempfile_in(folder).map(drop)
}

/// What it says of a file with a colon in its name that it can't be made: where the colon is the reason, it says so.
pub(crate) fn explain(error: Error, path: &Path) -> Error {
    let Err(no_colons) = check_names(path.parent().unwrap_or(path)) else {
        return error;
    };
    no_colons
}

/// Whether a name with a colon is refused where one without is taken. With which error, each filesystem has its own mind: EINVAL
/// (the kernel's drivers), ENOENT (exfat-fuse), EPERM (fusefat). The second try is for what passes, such as too many open files.
fn refuses_colons(make: impl Fn(&str) -> io::Result<()>) -> bool {
    make(":").is_err() && make("").is_ok() && make(":").is_err()
}

/// What the kernel calls the filesystem of a folder, such as `vfat`.
fn filesystem_name(folder: &Path) -> Option<String> {
    let device = folder.metadata().ok()?.dev();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    kind_of_device(&mounts, device).map(str::to_owned)
}

/// The kind of the filesystem on a device, by the lines of `/proc/self/mountinfo` (proc_pid_mountinfo(5)):
/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
fn kind_of_device(mounts: &str, device: u64) -> Option<&str> {
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let at = mount.split(' ').nth(2)?;
        kind.split(' ').next().filter(|_| at == device)
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_filesystem_takes_no_colons_whatever_it_calls_that() {
        for errno in [
            Errno::INVAL,
            Errno::NOENT,
            Errno::PERM,
            Errno::ACCESS,
            Errno::ILSEQ,
        ] {
            let make = |suffix: &str| match suffix.contains(':') {
                true => Err(errno.into()),
                false => Ok(()),
            };
            assert!(refuses_colons(make), "{errno}");
        }
    }

    #[test]
    fn where_no_file_can_be_made_nothing_is_said_of_colons() {
        for errno in [Errno::ROFS, Errno::ACCESS, Errno::NOSPC] {
            assert!(!refuses_colons(|_| Err(errno.into())), "{errno}");
        }
        assert!(!refuses_colons(|_| Ok(())));
    }

    #[test]
    fn what_passes_is_not_taken_for_a_refusal_of_colons() {
        let tries = Cell::new(0);
        let make = |_: &str| match tries.replace(tries.get() + 1) {
            0 => Err(Errno::MFILE.into()),
            _ => Ok(()),
        };
        assert!(!refuses_colons(make));
    }

    #[test]
    fn a_check_leaves_nothing_behind_and_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        check_names(folder.path()).unwrap();
        check_names(&folder.path().join("a/b")).unwrap();
        assert!(!refuses_colons(|suffix| make_and_remove(folder.path(), suffix)));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn the_kind_of_a_filesystem_is_found_by_its_device() {
        let mounts = "\
22 1 0:20 / /proc rw - proc proc rw
36 35 98:0 /mnt1 /mnt/usb rw,noatime master:1 - exfat /dev/root rw,errors=continue
63 43 7:0 / /disk\\040one rw - fuseblk /dev/loop0 rw
";
        assert_eq!(kind_of_device(mounts, rustix::fs::makedev(98, 0)), Some("exfat"));
        assert_eq!(kind_of_device(mounts, rustix::fs::makedev(7, 0)), Some("fuseblk"));
        assert_eq!(kind_of_device(mounts, rustix::fs::makedev(9, 8)), None);
    }
}
