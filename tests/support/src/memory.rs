//! The memory that a program takes, as seen from outside.

use std::fs;

/// The most memory that a child has had resident since it became its program, in bytes; `None` before that, and once it has ended.
///
/// A child that is being started shares its parent's memory for a moment: what is told of it then is the parent's peak, which may be any
/// size. Whether that moment is over is asked first, as it doesn't come back.
pub fn peak_memory(pid: u32) -> Option<u64> {
    let program = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).ok();
    if program(&pid.to_string())? == program("self")? {
        return None;
    }
    high_water_mark(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// `VmHWM` of a `/proc/<pid>/status` (proc_pid_status(5)), in bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_peak_is_the_programs_and_not_that_of_who_started_it() {
        assert_eq!(peak_memory(std::process::id()), None);
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let mut peak = None;
        while peak.is_none() && child.try_wait().unwrap().is_none() {
            peak = peak_memory(child.id());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // Little at first: it has only begun.
        assert!(peak.unwrap() < 100_000_000, "{peak:?}");
        assert_eq!(peak_memory(child.id()), None);
    }

    #[test]
    fn a_status_without_memory_has_no_peak() {
        assert_eq!(
            high_water_mark("Name:\tx\nVmHWM:\t    1672 kB\n"),
            Some(1672 * 1024)
        );
        for status in [
            "",
            "Name:\tx\nState:\tZ (zombie)\n",
            "VmHWM:\t12 MB\n",
            "VmHWM:\t-1 kB\n",
        ] {
            assert_eq!(high_water_mark(status), None, "{status}");
        }
    }
}
