//! Programs of another machine, run by an emulator that the kernel calls (`binfmt_misc`), in chroots too.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// The variable that names the emulator of the bundle's machine.
const VARIABLE: &str = "TRANSLOAD_EMULATOR";

const FOLDER: &str = "/proc/sys/fs/binfmt_misc";
const NAME: &str = "transload-check-bundle";

/// What begins a program for aarch64, and which bits of it count.
const MAGIC: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
const MASK: &str = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";

/// An emulator that the kernel calls until this is dropped.
#[derive(Debug)]
pub struct Emulator {
    /// Whether the folder was mounted for it.
    is_mounted: bool,
}

/// Whether the bundle's program is for another machine.
pub fn is_asked_for() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Registers the emulator that the environment names, if it names one.
///
/// # Panics
/// Where the kernel refuses, which takes root.
pub fn register() -> Option<Emulator> {
    let emulator = PathBuf::from(env::var_os(VARIABLE)?);
    let control = Path::new(FOLDER).join("register");
    let is_mounted = !control.exists();
    if is_mounted {
        run(Command::new("mount").args(["-t", "binfmt_misc", "binfmt_misc", FOLDER]));
    }
    let registered = Emulator { is_mounted };
    // F: opened now, so that it is found from within a chroot.
    let line = format!(":{NAME}:M::{MAGIC}:{MASK}:{}:F", emulator.display());
    fs::write(&control, line).unwrap_or_else(|error| panic!("{}: {error}", control.display()));
    Some(registered)
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // What is left of it goes with the machine.
        let _ = fs::write(Path::new(FOLDER).join(NAME), "-1");
        if self.is_mounted {
            let _ = Command::new("umount").arg(FOLDER).status();
        }
    }
}
