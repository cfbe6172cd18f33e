//! What moves all bytes of a link: one thread, so that a link with many connections takes little of the processor's time. A real link
//! takes none, and this one shares the processor with the programs that are measured over it.
//!
//! The thread is told of what changed (`epoll`, edges): to ask about each socket every time took half of its time.

use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::line::{Line, Spare, Verdict};
use super::{LinkConditions, Shared, lock};

/// What stands for the thread's own socket among the events.
const WOKEN: u64 = u64::MAX;

/// How many events are taken at once.
const EVENTS: usize = 64;

/// Who tells the thread which sockets have something to give, or room again.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub fn new(woken: &UnixStream) -> io::Result<Bell> {
        let bell = Bell(epoll::create(CreateFlags::CLOEXEC)?);
        epoll::add(&bell.0, woken, EventData::new_u64(WOKEN), EventFlags::IN)?;
        Ok(bell)
    }

    /// Tells of both sockets of a connection from now on, until they are closed.
    pub fn watch(&self, number: u64, [near, far]: [&TcpStream; 2]) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        for (socket, is_far) in [(near, false), (far, true)] {
            let which = EventData::new_u64(number << 1 | u64::from(is_far));
            epoll::add(&self.0, socket, which, flags)?;
        }
        Ok(())
    }

    /// Waits for events, for so long at most.
    fn wait(&self, events: &mut Vec<Event>, longest: Option<Duration>) {
        events.clear();
        let timeout = longest.and_then(|longest| Timespec::try_from(longest).ok());
        // It fails where a signal came, for one; nothing has changed then.
        epoll::wait(&self.0, spare_capacity(events), timeout.as_ref()).ok();
    }
}

/// Moves the bytes of a link's lines until it ends; `woken` has a byte whenever there is something new to be seen in `shared`.
pub(super) fn run(shared: &Arc<Shared>, mut woken: UnixStream) {
    let mut lines: Vec<Line> = Vec::new();
    let mut spare = Spare::default();
    let mut conditions = *lock(&shared.conditions);
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        let left = left(&lines, &conditions);
        shared.bell.wait(&mut events, left);
        if shared.ends.load(Ordering::Relaxed) {
            return;
        }
        conditions = *lock(&shared.conditions);
        let mut has_changed = false;
        for event in &events {
            // The fields of an event may lie anywhere.
            let (which, flags) = (event.data.u64(), event.flags);
            if which == WOKEN {
                // One byte at a time: each is a reason to look once more.
                woken.read_exact(&mut [0]).ok();
                lines.append(&mut lock(&shared.fresh));
                has_changed = true;
            }
            let (number, is_far) = (which >> 1, which & 1 == 1);
            let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
            for line in lines.iter_mut().filter(|line| line.number == number) {
                line.notice(
                    is_far,
                    flags.intersects(EventFlags::IN | ends),
                    flags.intersects(EventFlags::OUT | ends),
                );
            }
        }
        for line in &mut lines {
            line.take(&conditions, &mut spare);
            if line.give(shared, &conditions, &mut spare) == Verdict::Ended {
                shared.end(line.number);
                has_changed = true;
            }
            has_changed |= line.is_over();
        }
        if has_changed {
            clear(&mut lines, shared);
        }
    }
}

/// How long there is nothing to do if nothing changes; none: for ever.
fn left(lines: &[Line], conditions: &LinkConditions) -> Option<Duration> {
    if lines.iter().any(Line::can_take) {
        return Some(Duration::ZERO);
    }
    let due = lines.iter().filter_map(|line| line.due(conditions)).min();
    due.map(|due| due.saturating_duration_since(Instant::now()))
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
