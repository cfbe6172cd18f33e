//! The limit on open files, and how many workers it leaves room for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The soft limit is raised to this at most: enough for the most workers, and what a credential helper inherits stays modest.
const ENOUGH: u64 = 8192;

/// Files that are open whatever the number of workers: the standard streams, locks, the report, the store's folder.
const RESERVED: u64 = 24;

/// Files that a worker may have open: a connection to each side, an idle one beside each, a blob's two files, and a folder that is made durable.
const OF_A_WORKER: u64 = 7;

/// Raises the soft limit on open files as far as the hard limit lets it.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::debug!("the limit on open files stays at {current:?}: {error}");
    }
}

/// The number of workers asked for, or fewer where the limit on open files leaves no room for so many, with a warning.
pub(crate) fn workers(asked: u16) -> usize {
    let asked = usize::from(asked);
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return asked;
    };
    let most = most_workers(limit);
    if most < asked {
        log::warn!(
            "the limit of {limit} open files (ulimit -n) leaves room for {most} requests and blobs at once instead of {asked}"
        );
    }
    asked.min(most)
}

fn most_workers(limit: u64) -> usize {
    let most = limit.saturating_sub(RESERVED) / OF_A_WORKER;
    usize::try_from(most).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_limit_on_open_files_leaves_room_for_few_workers_and_always_for_one() {
        for (limit, expected) in [(0, 1), (24, 1), (38, 2), (128, 14), (1024, 142)] {
            assert_eq!(most_workers(limit), expected, "{limit}");
        }
        assert!(most_workers(ENOUGH) > 256, "room for all that can be asked for");
    }
}
