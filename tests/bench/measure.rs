//! Running programs, and what they cost.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use transload_test_support::peak_memory;

use crate::stop;
use crate::told::{Result, Told};

/// How often the memory of running programs is looked at. The kernel keeps the peak, so that only what a program adds in the
/// last moments of its life is missed.
const SAMPLING: Duration = Duration::from_millis(10);

/// The unit of times in `/proc/<pid>/stat`: it is the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// One piece of work, as command lines.
#[derive(Debug, Clone)]
pub struct Work {
    /// The command lines, each with its program first.
    pub commands: Vec<Vec<OsString>>,
    /// How many of them run at a time.
    pub at_once: usize,
    /// What they find in their environment beside `PATH` and a home of their own.
    pub env: Vec<(&'static str, OsString)>,
}

/// What a piece of work cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// From the first start to the last end.
    pub wall: Duration,
    /// User and system time of all processes, to 10 ms.
    pub cpu: Duration,
    /// The most memory that one process had at a time, in bytes.
    pub peak: u64,
}

/// Runs a piece of work in a folder for homes and logs; it fails as soon as one command does, or an end is asked for.
pub fn run(work: &Work, folder: &Path) -> Result<Cost> {
    stop::check()?;
    let home = folder.join("home");
    fs::create_dir_all(&home).told(home.display())?;
    let running = Mutex::new(Vec::new());
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (peak, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let cpu_before = children_cpu()?;
    let started = Instant::now();
    let lane = |n: usize| {
        let log = folder.join(format!("log-{n}"));
        while let Some(line) = work.commands.get(next.fetch_add(1, Ordering::Relaxed)) {
            if failed.load(Ordering::Relaxed) {
                break;
            }
            run_one(line, work, &home, &log, &running)
                .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    let lane = &lane;
    let (ends, wall) = thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let pids: Vec<Pid> = lock(&running).clone();
                for pid in pids {
                    let pid = pid.as_raw_nonzero().get().unsigned_abs();
                    peak.fetch_max(peak_memory(pid).unwrap_or(0), Ordering::Relaxed);
                }
                if stop::is_asked() {
                    lock(&running).iter().for_each(end);
                }
                thread::sleep(SAMPLING);
            }
        });
        let lanes: Vec<_> = (0..work.at_once).map(|n| scope.spawn(move || lane(n))).collect();
        let ends: Vec<Result<()>> = lanes
            .into_iter()
            .map(|lane| {
                lane.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect();
        let wall = started.elapsed();
        ended.store(true, Ordering::Relaxed);
        (ends, wall)
    });
    ends.into_iter().collect::<Result<()>>()?;
    Ok(Cost {
        wall,
        cpu: children_cpu()?.saturating_sub(cpu_before),
        peak: peak.load(Ordering::Relaxed),
    })
}

fn run_one(line: &[OsString], work: &Work, home: &Path, log: &Path, running: &Mutex<Vec<Pid>>) -> Result<()> {
    let [program, args @ ..] = line else {
        return Err("an empty command line".to_owned());
    };
    let shown = || {
        let words: Vec<_> = line.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    };
    let output = File::create(log).told(log.display())?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .envs(work.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output.try_clone().told(log.display())?)
        .stderr(output);
    let mut child = command.spawn().told(shown())?;
    let pid = Pid::from_child(&child);
    lock(running).push(pid);
    // Its number is its own as long as it isn't waited for.
    let ended = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    lock(running).retain(|other| *other != pid);
    ended.told(shown())?;
    let status = child.wait().told(shown())?;
    if status.success() {
        return Ok(());
    }
    let said = fs::read(log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(12)..].join("\n");
    Err(format!("{} failed ({status}):\n{last}", shown()))
}

/// Ends a program whose work is of no use any more.
fn end(program: &Pid) {
    // This fails only where it has already ended.
    kill_process(*program, Signal::KILL).ok();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// User and system time of all children that have ended and been waited for, and of theirs.
fn children_cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat").told("/proc/self/stat")?;
    times(&text)
        .map(|times| times.children)
        .ok_or_else(|| format!("/proc/self/stat: {text}"))
}

/// User and system time of a running process, to 10 ms.
pub fn process_cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).told(&path)?;
    times(&text)
        .map(|times| times.own)
        .ok_or_else(|| format!("{path}: {text}"))
}

#[derive(Debug, PartialEq, Eq)]
struct Times {
    own: Duration,
    children: Duration,
}

/// Reads a line of `/proc/<pid>/stat`.
fn times(stat: &str) -> Option<Times> {
    // The name in parentheses may have anything in it; what follows are numbers, the 14th to 17th of the line are times.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: Vec<u32> = rest
        .split_whitespace()
        .skip(11)
        .take(4)
        .map_while(|field| field.parse().ok())
        .collect();
    let &[user, system, children_user, children_system] = ticks.as_slice() else {
        return None;
    };
    Some(Times {
        own: TICK * (user + system),
        children: TICK * (children_user + children_system),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, count: usize, at_once: usize) -> Work {
        Work {
            commands: vec![["sh", "-c", script].map(OsString::from).to_vec(); count],
            at_once,
            env: vec![("GREETING", "hello".into())],
        }
    }

    #[test]
    fn the_time_of_grandchildren_counts() {
        let folder = tempfile::tempdir().unwrap();
        let script =
            "test $GREETING = hello && sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; true";
        let cost = run(&shell(script, 3, 2), folder.path()).unwrap();
        assert!(cost.cpu >= 3 * TICK, "{cost:?}");
        assert!(cost.peak > 100_000, "{cost:?}");
    }

    #[test]
    fn a_failure_is_told_with_the_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let failure = run(&shell("echo no such thing; exit 3", 2, 1), folder.path()).unwrap_err();
        assert!(
            failure.contains("no such thing") && failure.contains('3'),
            "{failure}"
        );
    }

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) 3 R 1 2 3 4 5 6 7 8 9 10 110 20 300 40 5 6";
        let expected = Times {
            own: Duration::from_millis(1300),
            children: Duration::from_millis(3400),
        };
        let stat = stat.replace(") 3 R", ") R");
        assert_eq!(times(&stat), Some(expected));
        assert_eq!(times("nothing"), None);
    }
}
