//! Where programs run that keep images: a folder and namespaces of their own, which leave nothing behind.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::text;

/// Where programs are below a folder that packages were unpacked into, and below the root.
const PROGRAMS: [&str; 2] = ["usr/bin", "usr/sbin"];

/// How long a daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder for what programs keep, and the ways to run them.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    /// A sandbox for these programs. `None` where one is missing or this process may make no namespaces, which is said.
    pub fn for_programs(programs: &[&str]) -> Option<Sandbox> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            eprintln!("not tested: the images' program is for Linux on amd64");
            return None;
        }
        let missing: Vec<&str> = programs
            .iter()
            .copied()
            .filter(|program| find(program).is_none())
            .collect();
        if !missing.is_empty() {
            eprintln!(
                "not tested: no {} on PATH, nor in TRANSLOAD_ENGINES",
                missing.join(", ")
            );
            return None;
        }
        let tried = isolated(Path::new("true")).output();
        if !tried.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("not tested: no namespaces and mounts, which take root: {tried:?}");
            return None;
        }
        // Sockets' names have at most 107 bytes.
        let dir = TempDir::with_prefix("t").expect("a temporary folder");
        for folder in ["run", "tmp"] {
            fs::create_dir(dir.path().join(folder)).expect("a writable temporary folder");
        }
        Some(Sandbox { dir })
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where a program is.
    pub fn program(&self, name: &str) -> PathBuf {
        find(name).expect("looked for before")
    }

    /// A program with none of the caller's settings, in namespaces of its own.
    pub fn command(&self, program: &str) -> Command {
        self.at_home(isolated(&self.program(program)))
    }

    /// A client of a daemon: a program in the caller's namespaces.
    pub fn client(&self, program: &str) -> Command {
        self.at_home(Command::new(self.program(program)))
    }

    fn at_home(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .envs(search_variables())
            .env("HOME", self.dir.path())
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.dir.path());
        command
    }

    /// Writes the settings of podman and buildah; gives the variables that lead to them.
    pub fn settings(&self) -> Vec<(&'static str, PathBuf)> {
        let folder = |name| text(self.path(name));
        let storage = format!(
            "[storage]\ndriver = 'vfs'\ngraphroot = '{}'\nrunroot = '{}'\n",
            folder("root"),
            folder("state")
        );
        // conmon starts podman once a container ends, with these variables alone. podman waits 20 s for it to tell how that went.
        let inherited = search_variables();
        let inherited = inherited
            .iter()
            .map(|(variable, value)| format!("'{variable}={}'", value.to_string_lossy()));
        let engine = format!(
            "[engine]\nlock_type = 'file'\ncgroup_manager = 'cgroupfs'\nevents_logger = 'file'\nconmon_env_vars = [{}]\n",
            inherited.collect::<Vec<_>>().join(", ")
        );
        let written = [
            ("CONTAINERS_STORAGE_CONF", "storage.conf", storage.as_str()),
            ("CONTAINERS_CONF", "containers.conf", engine.as_str()),
            ("CONTAINERS_REGISTRIES_CONF", "registries.conf", ""),
        ];
        let written = written.map(|(variable, name, content)| {
            fs::write(self.path(name), content).expect("a writable temporary folder");
            (variable, self.path(name))
        });
        written.to_vec()
    }

    /// The option by which podman and buildah take images that nobody signed.
    pub fn policy(&self) -> String {
        let path = self.path("policy.json");
        let policy = "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}";
        fs::write(&path, policy).expect("a writable temporary folder");
        named("--signature-policy=", &path, "")
    }

    /// Starts a daemon and waits until it answers.
    ///
    /// # Panics
    /// Where it ends or doesn't answer in time.
    pub fn daemon(&self, command: &mut Command, answers: impl Fn() -> bool) -> Daemon {
        let log = self.path("log");
        let file = File::create(&log).expect("a writable temporary folder");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file can be shared"))
            .stderr(file)
            .spawn()
            .expect("a program unshare");
        let mut daemon = Daemon { child };
        let deadline = Instant::now() + PATIENCE;
        while !answers() {
            let ended = daemon.child.try_wait().expect("a child can be waited for");
            let is_late = Instant::now() > deadline;
            let told = || fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none() && !is_late, "{command:?}: {ended:?}\n{}", told());
            thread::sleep(Duration::from_millis(20));
        }
        daemon
    }
}

/// A program and all that it starts. They end when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The first process of the namespace of process ids: all others end with it, and `unshare` after them.
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        for first in children.split_whitespace() {
            Command::new("kill").args(["-s", "KILL", first]).status().ok();
        }
        if children.is_empty() {
            self.child.kill().ok();
        }
        self.child.wait().ok();
    }
}

/// A program in namespaces of mounts and processes, where `/run` is empty: its mounts and processes end with it.
fn isolated(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", "mount -t tmpfs none /run && exec \"$@\"", "sh"])
        .arg(program);
    command
}

/// The folder that `cargo xtask test` unpacked packages into.
fn unpacked() -> Option<PathBuf> {
    env::var_os("TRANSLOAD_ENGINES").map(PathBuf::from)
}

/// What leads to programs and their libraries.
fn search_variables() -> Vec<(&'static str, OsString)> {
    let mut variables = vec![("PATH", search_path())];
    let libraries = libraries();
    if !libraries.is_empty() {
        let joined = env::join_paths(libraries).expect("folders without colons");
        variables.push(("LD_LIBRARY_PATH", joined));
    }
    variables
}

/// The folders that programs are looked for in: the caller's first.
fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let within = |root: &Path| PROGRAMS.map(|folder| root.join(folder));
    let unpacked = unpacked().map(|root| within(&root));
    let all = env::split_paths(&path)
        .chain(within(Path::new("/")))
        .chain(unpacked.into_iter().flatten());
    env::join_paths(all).expect("folders without colons")
}

/// The folders of the unpacked packages' libraries, which were made for this system's.
fn libraries() -> Vec<PathBuf> {
    let roots = unpacked().into_iter();
    let folders =
        roots.flat_map(|root| ["usr/lib", "lib"].map(|lib| root.join(lib).join("x86_64-linux-gnu")));
    folders.filter(|folder| folder.exists()).collect()
}

fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&search_path())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Runs a command, which must succeed; gives what it printed.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {}", told(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command to its end.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn told(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!(
        "{}\n{}{stderr}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    )
}

/// Runs a container, which prints [`GREETING`](super::written::GREETING); or says that the kernel lets nobody run containers here.
#[track_caller]
pub fn assert_greets(command: &mut Command) {
    const REFUSALS: [&str; 3] = [
        "Operation not permitted",
        "hybrid mode not supported",
        "Read-only file system",
    ];
    let mut output = self::output(command);
    if output.status.success() && output.stdout.is_empty() {
        // On a busy machine, ctr may lose what a program printed that ended at once.
        output = self::output(command);
    }
    let told = told(&output);
    if !output.status.success() && REFUSALS.iter().any(|refusal| told.contains(refusal)) {
        eprintln!("not tested: containers don't run here: {told}");
        return;
    }
    assert!(output.status.success(), "{command:?}: {told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), super::written::GREETING);
}

/// Runs a command that reads what another one writes. Both must succeed.
#[track_caller]
pub fn pipe(writer: &mut Command, reader: &mut Command) {
    let mut writing = writer
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{writer:?}: {error}"));
    let bytes = writing.stdout.take().expect("it is piped");
    succeed(reader.stdin(bytes));
    let written = writing.wait_with_output().expect("a child can be waited for");
    assert!(written.status.success(), "{writer:?}: {}", told(&written));
}

/// The line of a text that has all of these.
#[track_caller]
pub fn line_with<'a>(text: &'a str, parts: &[&str]) -> &'a str {
    let mut lines = text.lines();
    let found = lines.find(|line| parts.iter().all(|part| line.contains(part)));
    found.unwrap_or_else(|| panic!("no line has {parts:?}:\n{text}"))
}

/// A path with something before and after it, such as `oci:/tmp/x:v1`.
pub fn named(scheme: &str, path: &Path, name: &str) -> String {
    format!("{scheme}{}{name}", text(path))
}
