//! The state that clients with different settings share: each host's throttle, and the thread that ends hanging writes. Nothing here depends
//! on the user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use transload_reference::Registry;

use crate::core::lock;
use crate::throttle::Throttle;
use crate::transport::ConnectionPool;

/// The interval between two checks of the cancel flag on behalf of hanging writes.
const SHUT_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(crate) struct Shared {
    throttles: Mutex<HashMap<Registry, Arc<Throttle>>>,
    /// The connections to shut when their client is cancelled. The thread ends when there are none.
    pools: Mutex<Vec<Weak<ConnectionPool>>>,
}

impl Shared {
    /// Returns a registry's throttle; `most` is its largest limit.
    pub fn throttle(&self, registry: &Registry, most: usize) -> Arc<Throttle> {
        let mut throttles = lock(&self.throttles);
        if let Some(throttle) = throttles.get(registry) {
            return Arc::clone(throttle);
        }
        let throttle = throttles.entry(registry.clone());
        Arc::clone(throttle.or_insert_with(|| Throttle::new(most)))
    }

    /// Allows requests again to hosts that were given up.
    pub fn readmit_hosts(&self) {
        lock(&self.throttles)
            .values()
            .for_each(|throttle| throttle.readmit());
    }

    /// Shuts a client's connections once its cancel flag is set: a blocked write can't check the flag.
    pub fn shut_when_cancelled(self: &Arc<Self>, pool: &Arc<ConnectionPool>) {
        let mut pools = lock(&self.pools);
        pools.push(Arc::downgrade(pool));
        if pools.len() > 1 {
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

    /// Shuts the cancelled clients. Returns whether others are left.
    fn look(&self) -> bool {
        let mut pools = lock(&self.pools);
        pools.retain(|pool| {
            let Some(pool) = pool.upgrade() else {
                return false;
            };
            let is_cancelled = pool.is_cancelled();
            if is_cancelled {
                pool.shut();
            }
            !is_cancelled
        });
        !pools.is_empty()
    }
}
