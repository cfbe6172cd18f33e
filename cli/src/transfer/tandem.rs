//! Two blobs on one thread, where the processor is what limits a transfer: their bytes are hashed together, which takes less time than
//! one after the other.
//!
//! A **driver** takes its own blob's leg to its end, and that of a **rider** along, whose thread waits meanwhile. The rider looks after its
//! bytes now and then: where the driver is held up by its own connection, it goes on alone. A driver that reads from its rider's connection
//! waits for that one as long as it may stall. A driver alone waits a moment for a rider, or rides with another who is alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::leg::{Leg, Over};
use super::split::ENOUGH;

/// How often a rider looks after its bytes.
const LOOK: Duration = Duration::from_millis(100);

/// A driver that hasn't moved its rider's bytes for so long is held up.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a driver waits for a rider before it goes on alone: the others have use for the processor meanwhile, and the next blob begins soon.
const MEET: Duration = Duration::from_millis(20);

/// A leg of fewer bytes is over before it has found another.
const SHORT: u64 = 1 << 20;

/// After how many bytes it is judged anew whether riding pays.
const LAP: u64 = 16 << 20;

/// Once it pays, it does until less than this part of what makes it pay is brought: where the processor is the limit, bytes come slowly while
/// it is busy with requests.
const STILL: f64 = 0.25;

/// Where drivers and riders find each other.
pub struct Tandem {
    cores: usize,
    pays: AtomicBool,
    /// How many bytes have moved.
    moved: AtomicU64,
    /// When the present lap began; the first begins with the first bytes.
    lap: Mutex<Option<Instant>>,
    /// Drivers with a free seat.
    free: Mutex<Vec<Arc<Seat>>>,
}

/// A place beside a driver.
#[derive(Default)]
pub(crate) struct Seat {
    state: Mutex<Place>,
    changed: Condvar,
}

#[derive(Default)]
struct Place {
    rider: Option<Leg>,
    /// Why the rider goes no further.
    over: Option<Over>,
    /// The driver takes nobody along any more, or the rider left.
    is_closed: bool,
}

impl Seat {
    /// Takes it. `look` is called now and then, and ends the ride by `false`. The leg comes back; it goes on alone unless it is over.
    pub fn ride(&self, leg: Leg, look: &dyn Fn() -> bool) -> (Leg, Option<Over>) {
        let mut place = self.lock();
        if place.is_closed {
            return (leg, None);
        }
        let (mut position, mut moved) = (leg.position(), Instant::now());
        place.rider = Some(leg);
        self.changed.notify_one();
        loop {
            let (woken, waited) = self
                .changed
                .wait_timeout(place, LOOK)
                .unwrap_or_else(PoisonError::into_inner);
            place = woken;
            let mut goes_on = !place.is_closed;
            if waited.timed_out() {
                drop(place);
                goes_on &= look();
                place = self.lock();
                let now = place.rider.as_ref().map_or(position, Leg::position);
                if now > position {
                    (position, moved) = (now, Instant::now());
                }
                goes_on &= moved.elapsed() < PATIENCE;
            }
            if goes_on && place.over.is_none() {
                continue;
            }
            if let Some(leg) = place.rider.take() {
                place.is_closed = true;
                return (leg, place.over.take());
            }
        }
    }

    /// Waits a little until somebody takes it.
    fn wait_for_rider(&self) {
        let is_free = |place: &mut Place| place.rider.is_none() && !place.is_closed;
        let waited = self.changed.wait_timeout_while(self.lock(), MEET, is_free);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tandem {
    /// For a machine with so many processor cores.
    pub fn new(cores: usize) -> Tandem {
        Tandem {
            cores,
            pays: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            lap: Mutex::default(),
            free: Mutex::default(),
        }
    }

    /// Takes note of bytes that moved, while so many workers are at something.
    pub fn moved(&self, bytes: u64, busy: impl FnOnce() -> usize) {
        let before = self.moved.fetch_add(bytes, Ordering::Relaxed);
        if before > 0 && before / LAP == (before + bytes) / LAP {
            return;
        }
        let mut lap = self.lap.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(began) = lap.replace(Instant::now()) {
            self.judge(LAP as f64 / began.elapsed().as_secs_f64(), busy());
        }
    }

    /// Two on one thread pay where all together bring what the machine can, and half as many threads still keep each core busy. `rate` is in
    /// bytes a second.
    fn judge(&self, rate: f64, busy: usize) {
        let enough = if self.pays() { STILL * ENOUGH } else { ENOUGH };
        let pays = rate >= enough && busy >= 2 * self.cores;
        self.pays.store(pays, Ordering::Relaxed);
    }

    fn pays(&self) -> bool {
        self.pays.load(Ordering::Relaxed)
    }

    /// A free seat, which isn't free any more then, of another driver than the one that offers `own`. That isn't free then either; where it
    /// is taken already, there is no other.
    fn take(&self, own: Option<&Arc<Seat>>) -> Option<Arc<Seat>> {
        let mut free = self.free();
        if let Some(own) = own {
            let at = free.iter().position(|seat| Arc::ptr_eq(seat, own))?;
            if free.len() == 1 {
                return None;
            }
            free.swap_remove(at);
        }
        free.pop()
    }

    fn free(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who takes a leg to its end on this thread.
pub(crate) struct Driver<'a> {
    tandem: Option<&'a Tandem>,
    seat: Option<Arc<Seat>>,
}

impl<'a> Driver<'a> {
    /// Drives alone; with a tandem, as long as it doesn't pay to take another along.
    pub fn new(tandem: Option<&'a Tandem>) -> Driver<'a> {
        Driver { tandem, seat: None }
    }

    /// A free seat of another driver, where it pays to ride and nobody rides along here.
    pub fn find_seat(&mut self, leg: &Leg) -> Option<Arc<Seat>> {
        let tandem = self.tandem.filter(|tandem| tandem.pays())?;
        if leg.left() < SHORT {
            return None;
        }
        let found = tandem.take(self.seat.as_ref())?;
        self.seat = None;
        Some(found)
    }

    /// Takes the leg, and the rider's, a chunk further. How many bytes moved.
    pub fn advance(&mut self, leg: &mut Leg) -> Result<u64, Over> {
        let pays = self.tandem.is_some_and(Tandem::pays);
        if !pays {
            self.close_seat();
        } else if let Some(seat) = self.offer_seat(leg) {
            seat.wait_for_rider();
        }
        leg.read(pays)?;
        let Some(seat) = self.seat.clone() else {
            return leg.write();
        };
        let mut place = seat.lock();
        if place.is_closed {
            // The rider left.
            self.seat = None;
        }
        let Some(other) = &mut place.rider else {
            return leg.write();
        };
        let (written, theirs) = match other.read_for_image() {
            Ok(()) => leg.write_both(other),
            Err(over) => (leg.write(), Err(over)),
        };
        let theirs = theirs.unwrap_or_else(|over| {
            place.over = Some(over);
            seat.changed.notify_one();
            self.seat = None;
            0
        });
        Ok(written? + theirs)
    }

    /// Offers a seat, where none is offered yet: that seat.
    fn offer_seat(&mut self, leg: &Leg) -> Option<&Seat> {
        let tandem = self.tandem?;
        if self.seat.is_some() || leg.left() < SHORT {
            return None;
        }
        let seat = self.seat.insert(Arc::default());
        tandem.free().push(Arc::clone(seat));
        Some(seat)
    }

    /// Takes nobody along any more.
    fn close_seat(&mut self) {
        let (Some(tandem), Some(seat)) = (self.tandem, self.seat.take()) else {
            return;
        };
        tandem.free().retain(|free| !Arc::ptr_eq(free, &seat));
        seat.lock().is_closed = true;
        seat.changed.notify_one();
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        self.close_seat();
    }
}

#[cfg(test)]
mod tests;
