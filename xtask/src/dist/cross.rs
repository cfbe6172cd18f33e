//! Compilers for a target that isn't this machine, from Debian's packages: unpacked below `target/cross`, since installing them would bring
//! another architecture's packages to this system.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::target::{Target, host};
use crate::command::run;
use crate::programs::{is_root_on_debian, on_path};

/// The target that Debian has compilers for, and its Rust library.
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// What runs its programs.
const EMULATOR: &str = "qemu-aarch64-static";

/// The packages: a Rust compiler with its library of both machines, a linker and C compiler, and an emulator. They are for bookworm.
const PACKAGES: [&str; 17] = [
    "rustc-web",
    "libstd-rust-web-1.96",
    "libstd-rust-web-dev",
    "libllvm22",
    "libstd-rust-web-1.96:arm64",
    "libstd-rust-web-dev:arm64",
    "gcc-aarch64-linux-gnu",
    "gcc-12-aarch64-linux-gnu",
    "cpp-12-aarch64-linux-gnu",
    "binutils-aarch64-linux-gnu",
    "libgcc-12-dev-arm64-cross",
    "libgcc-s1-arm64-cross",
    "libc6-arm64-cross",
    "libc6-dev-arm64-cross",
    "linux-libc-dev-arm64-cross",
    "gcc-12-cross-base",
    "qemu-user-static",
];

/// The programs of the packages that are needed, each with the variable that names it to cargo and to build scripts.
const PROGRAMS: [(&str, &str); 4] = [
    ("RUSTC", "rustc"),
    (
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
        "aarch64-linux-gnu-gcc",
    ),
    ("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc"),
    ("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar"),
];

/// The variables that lead cargo to compilers for a target; none where the caller's own do it already.
///
/// # Errors
/// Where there are no compilers and they can't be fetched: what is needed.
pub fn compilers(target: &Target, folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let linker = format!("CARGO_TARGET_{}_LINKER", target.variable().to_uppercase());
    if target.triple == host()? || env::var_os(&linker).is_some() {
        return Ok(Vec::new());
    }
    if target.triple != TARGET || !is_root_on_debian() {
        return Err(format!(
            "there is no compiler for {} here: name its linker in {linker}, and its C compiler in CC_{}, and add the target to the Rust \
             toolchain. As root on Debian, dist fetches all that it needs for {TARGET}",
            target.triple,
            target.variable()
        ));
    }
    let root = folder.join("root");
    if !root.join("usr/bin").join(EMULATOR).exists() {
        fetch(folder, &root)?;
    }
    let wrappers = folder.join("bin");
    fs::create_dir_all(&wrappers).map_err(|error| format!("{}: {error}", wrappers.display()))?;
    let wrapped = PROGRAMS.map(|(variable, program)| {
        let wrapper = wrappers.join(program);
        wrap(&root, program, &wrapper).map(|()| (variable.to_owned(), wrapper))
    });
    wrapped.into_iter().collect()
}

/// The emulator that runs a target's programs here: what [`compilers`] fetched, else the system's own.
///
/// # Errors
/// Where this machine's target can't be told.
pub fn emulator(target: &Target, folder: &Path) -> Result<Option<PathBuf>, String> {
    let fetched = folder.join("root/usr/bin").join(EMULATOR);
    let found = || {
        Some(fetched)
            .filter(|path| path.exists())
            .or_else(|| on_path(EMULATOR))
    };
    Ok(if target.triple == host()? { None } else { found() })
}

/// Downloads and unpacks the packages. Lists of packages and the packages themselves stay below the folder.
fn fetch(folder: &Path, root: &Path) -> Result<(), String> {
    let (lists, archives) = (folder.join("lists"), folder.join("archives"));
    for made in [&lists.join("partial"), &archives] {
        fs::create_dir_all(made).map_err(|error| format!("{}: {error}", made.display()))?;
    }
    let apt_get = || {
        let mut lists_at = OsString::from("Dir::State::lists=");
        lists_at.push(&lists);
        let mut command = Command::new("apt-get");
        command.current_dir(&archives).arg("-o").arg(lists_at);
        for option in [
            "APT::Architectures::=amd64",
            "APT::Architectures::=arm64",
            "APT::Sandbox::User=root",
            "Dir::Cache::pkgcache=",
            "Dir::Cache::srcpkgcache=",
        ] {
            command.args(["-o", option]);
        }
        command
    };
    run(apt_get().arg("update"))?;
    run(apt_get().arg("download").args(PACKAGES))?;
    let listed = fs::read_dir(&archives).map_err(|error| format!("{}: {error}", archives.display()))?;
    let files = listed.flatten().map(|entry| entry.path());
    for package in files.filter(|path| path.extension() == Some(OsStr::new("deb"))) {
        run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(root))?;
        // They are as large as what is in them.
        fs::remove_file(&package).map_err(|error| format!("{}: {error}", package.display()))?;
    }
    Ok(())
}

/// Writes a script that runs an unpacked program with its libraries.
fn wrap(root: &Path, program: &str, wrapper: &Path) -> Result<(), String> {
    let usr = root.join("usr");
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={usr}/lib/x86_64-linux-gnu PATH={usr}/bin:$PATH exec {usr}/bin/{program} \"$@\"\n",
        usr = usr.display()
    );
    // Cargo takes a compiler that was written again for another one, and builds everything anew.
    if fs::read(wrapper).is_ok_and(|there| there == script.as_bytes()) {
        return Ok(());
    }
    let failed = |error: std::io::Error| format!("{}: {error}", wrapper.display());
    fs::write(wrapper, script).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(wrapper, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    Ok(())
}
