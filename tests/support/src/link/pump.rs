//! What moves all bytes of a link: one thread, so that a link with many connections takes little of the processor's time. A real link
//! takes none, and this one shares the processor with the programs that are measured over it.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::line::{Line, Spare, Verdict};
use super::{Shared, Weather, lock};

/// Moves the bytes of a link's lines until it ends; `woken` has a byte whenever there is something new to be seen in `shared`.
pub(super) fn run(shared: &Arc<Shared>, mut woken: UnixStream) {
    let mut lines: Vec<Line> = Vec::new();
    let mut spare = Spare::default();
    let mut weather = *lock(&shared.weather);
    loop {
        let ready = wait(&lines, &weather, &woken);
        if shared.ends.load(Ordering::Relaxed) {
            return;
        }
        weather = *lock(&shared.weather);
        let mut has_changed = false;
        for (line, is_ready) in lines.iter_mut().zip(ready.lines) {
            if is_ready {
                line.take(&weather, &mut spare);
            }
            if line.give(shared, &weather, &mut spare) == Verdict::Ended {
                shared.end(line.number);
                has_changed = true;
            }
            has_changed |= line.is_over();
        }
        if ready.is_woken {
            // One byte at a time: each is a reason to look once more.
            woken.read_exact(&mut [0]).ok();
            lines.append(&mut lock(&shared.fresh));
            has_changed = true;
        }
        if has_changed {
            clear(&mut lines, shared);
        }
    }
}

/// What there is to do.
struct Ready {
    is_woken: bool,
    /// Of each line, whether there is something to take.
    lines: Vec<bool>,
}

/// Waits until there is something to do.
fn wait(lines: &[Line], weather: &Weather, woken: &UnixStream) -> Ready {
    let mut sockets = vec![PollFd::new(woken, PollFlags::IN)];
    let mut takers = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        if let Some(socket) = line.wants() {
            takers.push((sockets.len(), at));
            sockets.push(PollFd::new(socket, PollFlags::IN));
        }
        if let Some(socket) = line.waits_for() {
            sockets.push(PollFd::new(socket, PollFlags::OUT));
        }
    }
    let due = lines.iter().filter_map(|line| line.due(weather)).min();
    let left = due.map(|due| due.saturating_duration_since(Instant::now()));
    let timeout = left.and_then(|left| Timespec::try_from(left).ok());
    // It fails where a signal came, for one; there is nothing to take then.
    let count = poll(&mut sockets, timeout.as_ref()).unwrap_or(0);
    let is_ready = |at: usize| count > 0 && !sockets[at].revents().is_empty();
    let mut ready = Ready {
        is_woken: is_ready(0),
        lines: vec![false; lines.len()],
    };
    for (socket, line) in takers {
        ready.lines[line] = is_ready(socket);
    }
    ready
}

/// Forgets connections that are no more.
fn clear(lines: &mut Vec<Line>, shared: &Shared) {
    let over: Vec<u64> = lines
        .extract_if(.., |line| line.is_over())
        .map(|line| line.number)
        .collect();
    let mut open = lock(&shared.open);
    for number in over {
        if lines.iter().all(|line| line.number != number) {
            open.remove(&number);
        }
    }
    lines.retain(|line| open.contains_key(&line.number));
}
