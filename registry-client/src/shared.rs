//! What clients with different settings share in one run: the pace that each registry is asked at, and the thread that ends what hangs.
//! Nothing here depends on who asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use transload_reference::Registry;

use crate::core::{Core, lock};
use crate::throttle::Throttle;

/// How often the cancel flag is looked at for those who hang in a write.
const SHUT_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(crate) struct Shared {
    throttles: Mutex<HashMap<Registry, Arc<Throttle>>>,
    /// The clients that may have to be stopped. The thread that does it ends once there are none.
    cores: Mutex<Vec<Weak<Core>>>,
}

impl Shared {
    /// The pace of a registry, which is asked at most so many things at once.
    pub fn throttle(&self, registry: &Registry, most: usize) -> Arc<Throttle> {
        let mut throttles = lock(&self.throttles);
        if let Some(throttle) = throttles.get(registry) {
            return Arc::clone(throttle);
        }
        let throttle = throttles.entry(registry.clone());
        Arc::clone(throttle.or_insert_with(|| Throttle::new(most)))
    }

    /// Lets requests go to hosts again that were given up.
    pub fn take_back_hosts(&self) {
        lock(&self.throttles)
            .values()
            .for_each(|throttle| throttle.take_back());
    }

    /// Ends whatever of a client hangs in a write once its flag is set: reads look at it by themselves, and writes can't.
    pub fn shut_when_cancelled(self: &Arc<Self>, core: &Arc<Core>) {
        let mut cores = lock(&self.cores);
        cores.push(Arc::downgrade(core));
        if cores.len() > 1 {
            return;
        }
        let shared = Arc::downgrade(self);
        let watch = move || {
            while let Some(shared) = shared.upgrade()
                && shared.look()
            {
                drop(shared);
                thread::sleep(SHUT_INTERVAL);
            }
        };
        let started = thread::Builder::new().name("cancel".to_owned()).spawn(watch);
        if let Err(error) = started {
            log::warn!("a stalled upload won't heed the wish to stop: {error}");
        }
    }

    /// Shuts the clients that are to stop. Returns whether any is left.
    fn look(&self) -> bool {
        let mut cores = lock(&self.cores);
        cores.retain(|core| {
            let Some(core) = core.upgrade() else {
                return false;
            };
            let is_cancelled = core.cancel.is_set();
            if is_cancelled {
                core.connections.shut();
            }
            !is_cancelled
        });
        !cores.is_empty()
    }
}
