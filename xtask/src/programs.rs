//! Finding programs.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::run as run_command;

/// Where a program stands on `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    find(name, &env::var_os("PATH")?)
}

/// Where Debian keeps programs for the system's keeper, which the `PATH` of other users lacks.
const SYSTEM: &str = "/usr/sbin:/sbin";

fn is_installed(name: &str) -> bool {
    on_path(name).or_else(|| find(name, OsStr::new(SYSTEM))).is_some()
}

/// Where a program stands in a list of folders such as `PATH`.
pub fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

/// Whether a file can be run.
pub fn is_executable(file: &Path) -> bool {
    let Ok(metadata) = fs::metadata(file) else {
        return false;
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    metadata.is_file()
}

/// Whether this process may install packages on this system by apt-get.
pub fn is_root_on_debian() -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        let is_root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
        is_root && Path::new("/etc/debian_version").exists() && on_path("apt-get").is_some()
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Sees to programs that `who` needs, given with the Debian packages that hold them: as root on Debian they are installed.
///
/// # Errors
/// Where one is missing and can't be installed: the way to get it.
pub fn see_to(who: &str, needed: &[(&str, &str)]) -> Result<(), String> {
    let missing = || -> Vec<(&str, &str)> {
        let is_missing = |(program, _): &(&str, &str)| !is_installed(program);
        needed.iter().copied().filter(is_missing).collect()
    };
    let wanted = missing();
    if wanted.is_empty() {
        return Ok(());
    }
    let how = how_to_install(who, &wanted);
    if !is_root_on_debian() {
        return Err(how);
    }
    let packages = wanted.iter().map(|(_, package)| *package);
    let failed = |error| format!("{how}\n{error}");
    run_command(apt_get().arg("update")).map_err(failed)?;
    run_command(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )
    .map_err(failed)?;
    let still_missing = missing();
    if still_missing.is_empty() {
        return Ok(());
    }
    Err(how_to_install(who, &still_missing))
}

/// Sees to programs that keep and run images, given with the Debian packages that hold them: as root on Debian those that are
/// missing are unpacked below `folder`, with the libraries that they need. They aren't installed, since that would start services, and
/// remove other programs that do the same. Returns where they are; `None` where some are missing, which is said.
///
/// # Errors
/// Where they can't be downloaded or unpacked.
pub fn unpack(folder: &Path, needed: &[(&str, &str)]) -> Result<Option<PathBuf>, String> {
    let (archives, root) = (folder.join("archives"), folder.join("root"));
    let places = ["usr/bin", "usr/sbin"].map(|place| root.join(place));
    let unpacked = env::join_paths(&places).map_err(|error| error.to_string())?;
    let is_missing =
        |(program, _): &&(&str, &str)| !is_installed(program) && find(program, &unpacked).is_none();
    let missing: Vec<&(&str, &str)> = needed.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(Some(root));
    }
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    if !is_root_on_debian() {
        eprintln!(
            "Some tests are left out, which need Debian's packages {} and root.",
            packages.join(", ")
        );
        return Ok(None);
    }
    let made = fs::create_dir_all(archives.join("partial"));
    made.map_err(|error| format!("{}: {error}", archives.display()))?;
    let mut cache = OsString::from("Dir::Cache::archives=");
    cache.push(&archives);
    run_command(apt_get().arg("update"))?;
    run_command(
        apt_get()
            .args(["install", "--download-only", "--yes", "--no-install-recommends"])
            .args(["-o", "APT::Sandbox::User=root", "-o"])
            .arg(cache)
            .args(packages),
    )?;
    let listed = fs::read_dir(&archives).map_err(|error| format!("{}: {error}", archives.display()))?;
    let files = listed.flatten().map(|entry| entry.path());
    for package in files.filter(|path| path.extension() == Some(OsStr::new("deb"))) {
        run_command(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root))?;
    }
    Ok(Some(root))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn how_to_install(who: &str, wanted: &[(&str, &str)]) -> String {
    let programs: Vec<&str> = wanted.iter().map(|(program, _)| *program).collect();
    let packages: Vec<&str> = wanted.iter().map(|(_, package)| *package).collect();
    let mut text = format!(
        "{who} need {}, which PATH doesn't have.\n\
         On Debian and Ubuntu: sudo apt-get update && sudo apt-get install --no-install-recommends {}\n\
         Elsewhere they are in most systems' packages",
        programs.join(" and "),
        packages.join(" ")
    );
    if programs.contains(&"docker-registry") {
        text.push_str(
            "; docker-registry is the `registry` program of\n\
             https://github.com/distribution/distribution, to be put on PATH under this name",
        );
    }
    text.push('.');
    text
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_a_file_that_can_be_run_is_a_program() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let path = env::join_paths(folders.iter().map(|folder| folder.path())).unwrap();
        fs::create_dir(folders[0].path().join("tool")).unwrap();
        let file = folders[1].path().join("tool");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(find("tool", &path), None);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("tool", &path), Some(file));
        assert_eq!(find("other", &path), None);
    }

    #[test]
    fn what_is_missing_is_named_with_the_way_to_get_it() {
        const NEEDED: [(&str, &str); 2] = [("docker-registry", "docker-registry"), ("sk", "skopeo")];
        let both = how_to_install("the tests", &NEEDED);
        assert!(
            both.starts_with("the tests need docker-registry and sk,"),
            "{both}"
        );
        assert!(
            both.contains("--no-install-recommends docker-registry skopeo\n"),
            "{both}"
        );
        assert!(both.ends_with("on PATH under this name."), "{both}");
        let one = how_to_install("the tests", &NEEDED[1..]);
        assert!(one.contains("need sk,") && !one.contains("docker"), "{one}");
    }
}
