//! Mounts in a namespace of a program's own.

use std::process::Command;

/// Whether `unshare -m` lets a program mount: for root, or whom the system lets make namespaces. Where not, that is said.
pub fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    let may = tried.as_ref().is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("not tested: nothing can be mounted here ({tried:?})");
    }
    may
}
