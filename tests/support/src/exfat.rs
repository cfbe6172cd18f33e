//! A disk as people carry it: exFAT on a loop device, in a namespace of its own.

use std::path::Path;
use std::process::Command;

use crate::Transload;

/// The size of the disk in bytes.
const SIZE: u64 = 64 << 20;

/// Where system programs are, which PATH lacks for many users.
const SYSTEM: &str = "/usr/sbin:/sbin";

/// A disk image with an empty exFAT filesystem.
#[derive(Debug, Clone, Copy)]
pub struct ExfatImage<'a> {
    file: &'a Path,
}

impl<'a> ExfatImage<'a> {
    /// Makes the image. None where this machine lets nobody mount it, which is said.
    ///
    /// # Panics
    /// Where a program isn't installed. In CI (the variable `CI`), where it can't be mounted.
    pub fn make(file: &'a Path) -> Option<ExfatImage<'a>> {
        for (program, package) in [
            ("mkfs.exfat", "exfatprogs"),
            ("mount.exfat-fuse", "exfat-fuse"),
            ("losetup", "mount"),
        ] {
            let found = Command::new("sh")
                .args(["-c", "PATH=\"$PATH:$0\"; command -v \"$1\"", SYSTEM, program])
                .output();
            let is_there = found.is_ok_and(|output| output.status.success());
            assert!(is_there, "no {program} (Debian package {package})");
        }
        let made = std::fs::File::create(file).and_then(|image| image.set_len(SIZE));
        made.expect("a writable folder");
        let image = ExfatImage { file };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tried = Command::new("sh")
            .args(["-c", "PATH=\"$PATH:$0\"; mkfs.exfat \"$1\"", SYSTEM])
            .arg(file)
            .output()
            .expect("a shell");
        assert!(tried.status.success(), "{tried:?}");
        let tried = Command::new("unshare")
            .args(image.mounted_for("test -d \"$DISK\""))
            .env("DISK", folder.path())
            .output()
            .expect("a program unshare");
        if tried.status.success() {
            return Some(image);
        }
        assert!(
            std::env::var_os("CI").is_none(),
            "exFAT can't be mounted here, which takes root, /dev/fuse and a loop device: {tried:?}"
        );
        eprintln!("not tested: exFAT can't be mounted here: {tried:?}");
        None
    }

    /// Runs the program by a script in which `"$@"` is its command line, with the filesystem mounted at `disk`, which `$DISK` is
    /// too.
    pub fn with(&self, program: Transload, disk: &Path, script: &str) -> Transload {
        program
            .env("DISK", disk)
            .under("unshare", self.mounted_for(script))
    }

    /// The arguments of `unshare`. The device goes as soon as nothing is mounted from it, and the daemon that serves the mount ends
    /// with it.
    fn mounted_for(&self, script: &str) -> [String; 5] {
        let file = self.file.to_str().expect("temporary folders have plain names");
        let script = format!(
            "PATH=\"$PATH:{SYSTEM}\"; device=$(losetup --find --show '{file}') || exit 99; \
             mount.exfat-fuse \"$device\" \"$DISK\" >&2 || {{ losetup --detach \"$device\"; exit 99; }}; \
             trap 'umount \"$DISK\"; losetup --detach \"$device\"' EXIT; {script}"
        );
        ["-m", "sh", "-c", &script, "sh"].map(str::to_owned)
    }
}
