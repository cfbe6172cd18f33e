//! The `transload` program as its users run it: a child process with an environment of its own.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::capture::{Capture, Seen};
use crate::memory::peak_memory;

/// How often a running child's memory and state are looked at.
const SAMPLING: Duration = Duration::from_millis(3);

/// A command line of `transload`, to be run or spawned.
///
/// The child sees none of the caller's environment but `PATH`: its home and every folder that credentials are looked for in
/// are in a temporary folder, and no proxy is set.
///
/// ```no_run
/// use transload_test_support::Transload;
///
/// let output = Transload::new().args(["list", "images"]).run();
/// assert_eq!(output.code, Some(2), "{}", output.stderr);
/// ```
#[derive(Debug)]
pub struct Transload {
    program: PathBuf,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    dir: Option<PathBuf>,
    limit: Duration,
    home: TempDir,
}

impl Transload {
    /// The program without arguments; it may run for 60 seconds.
    ///
    /// The program is the file that `TRANSLOAD_BIN` names, else what `cargo build` makes of this workspace (once a process).
    ///
    /// # Panics
    /// Where it can't be built.
    pub fn new() -> Transload {
        Transload::of(binary())
    }

    pub(crate) fn of(program: &Path) -> Transload {
        Transload {
            program: program.to_owned(),
            args: Vec::new(),
            envs: Vec::new(),
            stdin: Vec::new(),
            dir: None,
            limit: Duration::from_secs(60),
            home: tempfile::tempdir().expect("a temporary folder for the child's home"),
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Transload {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Transload {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the child's environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Transload {
        self.envs
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// What the child reads on its standard input; nothing without this.
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Transload {
        self.stdin = text.into();
        self
    }

    /// The child's working directory; its home without this.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Transload {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// How long the child may run.
    pub fn time_limit(mut self, limit: Duration) -> Transload {
        self.limit = limit;
        self
    }

    /// The child's home, for files that it should find there, such as `.docker/config.json`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs it by another program, such as `strace`, whose last arguments it and its own become.
    pub fn under<A: AsRef<OsStr>>(mut self, program: &str, args: impl IntoIterator<Item = A>) -> Transload {
        let mut all: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        all.push(std::mem::replace(&mut self.program, program.into()).into());
        all.append(&mut self.args);
        self.args = all;
        self
    }

    /// Where the program is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// Where it doesn't start or outlives its time limit; it is killed then.
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// The command that starts it, for a caller that sees to its streams. Its home is there as long as this is.
    pub fn command(&self) -> Command {
        let home = self.home.path();
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("DOCKER_CONFIG", home.join(".docker"))
            .env("REGISTRY_AUTH_FILE", home.join("auth.json"))
            .env("NO_COLOR", "1")
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.as_deref().unwrap_or(home));
        command
    }

    /// Starts it.
    ///
    /// # Panics
    /// Where it doesn't start.
    pub fn spawn(self) -> Running {
        let mut command = self.command();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{} doesn't start: {error}", self.program.display()));
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let text = self.stdin;
        // A child that ends without reading closes the pipe; its exit status tells of it, not this thread.
        thread::spawn(move || stdin.write_all(&text).ok());
        let stdout = Capture::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Capture::of(child.stderr.take().expect("stderr is piped"));
        let mut running = Running {
            child,
            stdout,
            stderr,
            deadline: Instant::now() + self.limit,
            peak: 0,
            _home: self.home,
        };
        running.sample();
        running
    }
}

impl Default for Transload {
    fn default() -> Transload {
        Transload::new()
    }
}

/// A started `transload`. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Capture,
    stderr: Capture,
    deadline: Instant,
    peak: u64,
    _home: TempDir,
}

impl Running {
    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the predicate holds of everything on the standard error so far; gives that.
    ///
    /// # Panics
    /// Where the stream or the time limit ends before; the child is killed then.
    #[track_caller]
    pub fn wait_for_stderr(&mut self, predicate: impl Fn(&str) -> bool) -> String {
        self.wait_for(|running| &running.stderr, &predicate)
    }

    /// The same of the standard output.
    ///
    /// # Panics
    /// As [`Running::wait_for_stderr`].
    #[track_caller]
    pub fn wait_for_stdout(&mut self, predicate: impl Fn(&str) -> bool) -> String {
        self.wait_for(|running| &running.stdout, &predicate)
    }

    #[track_caller]
    fn wait_for(&mut self, stream: fn(&Running) -> &Capture, predicate: &impl Fn(&str) -> bool) -> String {
        loop {
            let why = match stream(self).look(predicate, SAMPLING) {
                Seen::Yes(text) => return text,
                Seen::Never => "ended before it wrote what was waited for",
                Seen::NotYet if Instant::now() < self.deadline => {
                    self.sample();
                    continue;
                }
                Seen::NotYet => "outlived its time limit",
            };
            self.end();
            let (stdout, stderr) = self.take_output();
            panic!("transload {why}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        }
    }

    /// Sends a signal by its name without `SIG`, such as `INT`, `TERM` or `KILL`.
    ///
    /// # Panics
    /// Where the `kill` program fails, as it does when the process has been waited for.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap_or_else(|error| panic!("no kill program (Debian package procps): {error}"));
        assert!(status.success(), "kill -s {name}: {status}");
    }

    /// Kills it, as `kill -9` does; without effect where it has ended.
    ///
    /// # Panics
    /// Where the system refuses.
    pub fn kill(&mut self) {
        self.child.kill().expect("one's own child can be killed");
    }

    /// Whether it has ended by itself.
    ///
    /// # Panics
    /// Where the system doesn't tell.
    pub fn has_ended(&mut self) -> bool {
        self.sample();
        self.child
            .try_wait()
            .expect("a child can be waited for")
            .is_some()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it outlives its time limit; it is killed then.
    pub fn wait(mut self) -> Output {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if Instant::now() >= self.deadline {
                self.end();
                let (stdout, stderr) = self.take_output();
                panic!("transload outlived its time limit\nstdout:\n{stdout}\nstderr:\n{stderr}");
            }
            self.sample();
            thread::sleep(SAMPLING);
        };
        let (stdout, stderr) = self.take_output();
        Output::new(status, stdout, stderr, self.peak)
    }

    fn sample(&mut self) {
        self.peak = self.peak.max(peak_memory(self.child.id()).unwrap_or(0));
    }

    fn take_output(&self) -> (String, String) {
        (self.stdout.finish(), self.stderr.finish())
    }

    fn end(&mut self) {
        // Both fail only where it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a child left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The signal's number, where one ended it.
    pub signal: Option<i32>,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
    /// The most memory that was resident, in bytes, as seen by samples some milliseconds apart.
    pub peak_memory_bytes: u64,
}

impl Output {
    fn new(status: ExitStatus, stdout: String, stderr: String, peak_memory_bytes: u64) -> Output {
        Output {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
            peak_memory_bytes,
        }
    }

    /// The cause that standard output tells of a failed image, in its own line or in that of the image that failed alike before it.
    pub fn cause_of(&self, image: &str) -> Option<&str> {
        let is_of_image = |line: &&str| {
            let rest = line
                .strip_prefix("failed   ")
                .and_then(|rest| rest.strip_prefix(image));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let mut lines = self.stdout.lines().skip_while(|line| !is_of_image(line));
        match lines.next()?.rsplit_once("  (same cause as ") {
            Some((_, first)) => self.cause_of(first.strip_suffix(')')?),
            None => lines.next(),
        }
    }

    /// The same output, after a check that the exit status is this.
    ///
    /// # Panics
    /// Where it is another; the message has both streams.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Output {
        assert_eq!(
            self.code,
            Some(code),
            "exit status (signal {:?})\nstdout:\n{}\nstderr:\n{}",
            self.signal,
            self.stdout,
            self.stderr
        );
        self
    }
}

fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("TRANSLOAD_BIN") {
        Some(path) => path.into(),
        None => build(&["--package", "transload", "--bin", "transload"])
            .remove("transload")
            .expect("cargo names the program that it built"),
    })
}

/// Builds programs; gives them by their names. Cargo itself says where they are, whatever the target folder, profile and platform.
pub(crate) fn build(args: &[&str]) -> HashMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet"])
        .args(args)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("cargo doesn't start: {error}"));
    assert!(output.status.success(), "cargo build: {}", output.status);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            Some((name.to_owned(), message["executable"].as_str()?.into()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Transload {
        Transload::of(Path::new("/bin/sh")).args(["-c", script])
    }

    #[test]
    fn output_and_status_are_reported() {
        let output = shell("cat; echo problem >&2; exit 3").stdin("text").run();
        assert_eq!(
            (output.code, output.stdout.as_str(), output.stderr.as_str()),
            (Some(3), "text", "problem\n")
        );
    }

    #[test]
    fn the_peak_of_memory_is_seen_after_it_has_passed() {
        // The shell holds 20 MB, frees them, and stays long enough to be looked at.
        let script = "x=$(head -c 20000000 /dev/zero | tr '\\0' a); x=; sleep 0.5";
        let peak = shell(script).run().peak_memory_bytes;
        assert!((20_000_000..500_000_000).contains(&peak), "{peak}");
    }

    #[test]
    fn a_signal_reaches_the_child() {
        // Not INT: a shell that was begun with that ignored, as in the background, can't trap it.
        let mut child = shell("trap 'exit 130' TERM; echo up >&2; while :; do sleep 0.01; done").spawn();
        assert_eq!(child.wait_for_stderr(|text| text.contains('\n')), "up\n");
        child.signal("TERM");
        assert_eq!(child.wait().code, Some(130));
    }

    #[test]
    fn output_is_seen_as_it_comes() {
        let mut child = shell("echo one; read line; echo two; exec sleep 600")
            .stdin("\n")
            .spawn();
        let text = child.wait_for_stdout(|text| text.lines().count() == 2);
        assert_eq!(text, "one\ntwo\n");
        child.signal("KILL");
        assert_eq!(child.wait().signal, Some(9));
    }

    #[test]
    #[should_panic(expected = "ended before it wrote what was waited for\nstdout:\n\nstderr:\nother")]
    fn output_that_never_comes_is_not_waited_for() {
        shell("echo other >&2")
            .spawn()
            .wait_for_stderr(|text| text.contains("never"));
    }

    #[test]
    #[should_panic(expected = "outlived its time limit\nstdout:\nbefore")]
    fn a_child_that_takes_too_long_is_killed() {
        shell("echo before; exec sleep 600")
            .time_limit(Duration::from_millis(300))
            .run();
    }

    #[test]
    fn the_environment_is_its_own() {
        let output = shell("env").env("EXTRA", "1").run();
        assert!(output.stdout.contains("EXTRA=1"), "{}", output.stdout);
        assert!(!output.stdout.contains("CARGO"), "{}", output.stdout);
    }
}
