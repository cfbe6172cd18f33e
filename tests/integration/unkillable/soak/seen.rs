//! What long use has shown: how much was done, and whether memory and open files are level.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// What a process may grow by, in bytes, and in open files.
const MORE_MEMORY: u64 = 4 << 20;
const MORE_FILES: usize = 4;

#[derive(Default)]
pub struct Seen {
    pub steps: usize,
    /// Commands that were begun, and those that are over.
    pub begun: usize,
    pub commands: usize,
    pub kills: usize,
    pub failures: usize,
    /// Each command's most memory and open files.
    pub commands_memory: Vec<u64>,
    pub commands_files: Vec<usize>,
    /// The server's after each step.
    pub server_memory: Vec<u64>,
    pub server_files: Vec<usize>,
}

impl Seen {
    /// Asserts that memory and open files are level: the last quarter of what was seen beside the second, since the first grows.
    pub fn assert_level(&self) {
        for (what, seen) in [
            ("a server's memory", &self.server_memory),
            ("a command's memory", &self.commands_memory),
        ] {
            let [early, late] = middle_of_quarters(seen);
            assert!(
                late <= early + MORE_MEMORY,
                "{what} grew from {early} to {late} bytes"
            );
        }
        for (what, seen) in [
            ("a server's files", &self.server_files),
            ("a command's files", &self.commands_files),
        ] {
            let [early, late] = middle_of_quarters(seen);
            assert!(late <= early + MORE_FILES, "{what} grew from {early} to {late}");
        }
    }

    /// Prints how it goes, after this time and so many bytes from the registry.
    pub fn tell(&self, elapsed: Duration, bytes: u64) {
        let mib = |seen: &[u64]| {
            let [early, late] = middle_of_quarters(seen).map(|bytes| bytes as f64 / 1_048_576.0);
            format!("{early:.1} and {late:.1} MiB")
        };
        let Seen {
            steps,
            commands,
            kills,
            failures,
            ..
        } = self;
        println!(
            "soak: {} s, {steps} steps, {commands} commands, {kills} kills, {failures} commands that didn't end well, {} MB from the \
             registry; in the second and the last quarter, server: {}, {:?} files; commands: {}, {:?} files",
            elapsed.as_secs(),
            bytes / 1_000_000,
            mib(&self.server_memory),
            middle_of_quarters(&self.server_files),
            mib(&self.commands_memory),
            middle_of_quarters(&self.commands_files),
        );
    }
}

/// The values in the middle of the second and of the last quarter.
fn middle_of_quarters<T: Copy + Ord + Default>(seen: &[T]) -> [T; 2] {
    [1, 3].map(|quarter| {
        let mut part = seen[seen.len() * quarter / 4..seen.len() * (quarter + 1) / 4].to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied().unwrap_or_default()
    })
}

/// The memory that a process has resident, in bytes.
pub fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.expect("a process has memory") * 1024
}

/// How many files a process has open; none once it has ended.
pub fn open_files(process: u32) -> usize {
    let files = fs::read_dir(Path::new("/proc").join(process.to_string()).join("fd"));
    files.map_or(0, Iterator::count)
}
