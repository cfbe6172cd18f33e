//! A program of the operator's that accepts or refuses images.

use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use transload_reference::printable;

use super::{Candidate, refused};
use crate::fault::Fault;
use crate::lock::lock;

/// How long a program has for an image.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// How often it is looked whether a program has ended, at first and in the long run.
const LOOKS: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];

/// How long the end of what a program says is waited for once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How many bytes are kept of what a program says.
const MOST_KEPT: usize = 16 << 10;

/// How much of that is shown, in characters.
const MOST_SHOWN: usize = 600;

/// A program that is run for each image, without a shell: with its own arguments, then the image's reference at the source and its digest.
/// They are in the environment, too: `TRANSLOAD_IMAGE` (as it was written), `TRANSLOAD_REFERENCE`, `TRANSLOAD_DIGEST` and
/// `TRANSLOAD_SOURCE` (the registry, directory or archive). It accepts the image with the exit status 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustProgram {
    program: OsString,
    arguments: Vec<OsString>,
    time_limit: Duration,
}

impl TrustProgram {
    /// Of a program, by its path or its name on `PATH`, and the arguments that come before the image. It has two minutes for an image.
    pub fn new(program: impl Into<OsString>, arguments: Vec<OsString>) -> TrustProgram {
        TrustProgram {
            program: program.into(),
            arguments,
            time_limit: TIME_LIMIT,
        }
    }

    /// The same, with another limit of its time.
    pub fn with_time_limit(self, time_limit: Duration) -> TrustProgram {
        TrustProgram { time_limit, ..self }
    }

    /// Returns the program as what vouches for an image.
    ///
    /// # Errors
    /// Where it refuses the image, takes too long or can't be run.
    pub(super) fn check(&self, image: &Candidate<'_>) -> Result<String, Fault> {
        let name = self.program.to_string_lossy();
        let fail = |what: &str| refused(format!("{}: the program {name} {what}", image.name));
        let could_not = |error: io::Error| fail(&format!("couldn't be run: {error}"));
        let digest = image.root.digest();
        let reference = image.from.by_digest(digest).to_string();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .args([reference.as_str(), digest.as_str()])
            .env("TRANSLOAD_IMAGE", image.name.written())
            .env("TRANSLOAD_REFERENCE", &reference)
            .env("TRANSLOAD_DIGEST", digest.as_str())
            .env("TRANSLOAD_SOURCE", image.source.describe())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                could_not(error)
                    .with_hint("`--verify-with` and `with` name a program, which is run without a shell")
            })?;
        let said = Said::listen(child.stderr.take());
        let ended = wait(&mut child, self.time_limit, image.cancel);
        if !matches!(ended, Ok(Ended::ByItself(_))) {
            // It is of no use any more, whatever comes of this.
            let _ = child.kill();
            let _ = child.wait();
        }
        match ended.map_err(could_not)? {
            Ended::ByItself(status) if status.success() => Ok(format!("program {name}")),
            Ended::ByItself(status) => Err(fail(&refusal(status, &said.text()))
                .with_hint("its exit status 0 means that the image may move")),
            Ended::Late => {
                let limit = self.time_limit.as_secs_f64();
                Err(fail(&format!(
                    "didn't end within {limit} seconds, and was stopped"
                )))
            }
            Ended::Cancelled => Err(Fault::interrupted()),
        }
    }
}

fn refusal(status: ExitStatus, said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    match said.trim() {
        "" => format!("refused it ({status})"),
        said => format!("refused it ({status}): {}", printable(said, MOST_SHOWN)),
    }
}

/// How a program ended.
enum Ended {
    ByItself(ExitStatus),
    Late,
    Cancelled,
}

/// Waits for a program: the standard library has no wait with an end.
fn wait(child: &mut Child, time_limit: Duration, cancel: &AtomicBool) -> io::Result<Ended> {
    let began = Instant::now();
    let [mut pause, longest] = LOOKS;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::ByItself(status));
        }
        let left = time_limit.saturating_sub(began.elapsed());
        if cancel.load(Ordering::Relaxed) {
            return Ok(Ended::Cancelled);
        }
        if left.is_zero() {
            return Ok(Ended::Late);
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(longest);
    }
}

/// What a program says on its standard error.
struct Said {
    text: Arc<Mutex<Vec<u8>>>,
    /// Closed at its end.
    end: mpsc::Receiver<()>,
}

impl Said {
    /// Reads all of it, so that the program never waits for a reader, and keeps its beginning.
    fn listen(stream: Option<ChildStderr>) -> Said {
        let (at_end, end) = mpsc::channel();
        let text = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&text);
        let listen = move || {
            let _at_end: mpsc::Sender<()> = at_end;
            let Some(mut stream) = stream else { return };
            let mut chunk = [0; 4096];
            loop {
                let read = match stream.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => return,
                };
                let mut kept = lock(&kept);
                let space = MOST_KEPT.saturating_sub(kept.len());
                kept.extend_from_slice(&chunk[..read.min(space)]);
            }
        };
        // Without a thread, its words are lost, and the pipe is closed.
        drop(thread::Builder::new().spawn(listen));
        Said { text, end }
    }

    /// What was said by a program that has ended. What it started may live on and hold the pipe.
    fn text(self) -> Vec<u8> {
        let _ = self.end.recv_timeout(LAST_WORDS);
        std::mem::take(&mut lock(&self.text))
    }
}
