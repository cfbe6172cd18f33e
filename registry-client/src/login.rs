//! What a registry's answers taught about logging in there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::auth::Scheme;
use crate::config::Credential;
use crate::core::lock;
use crate::error::{Error, Place};

/// How one registry is logged in to under one rule, and what came of it.
#[derive(Default)]
pub(crate) struct Login {
    /// How it wants users to prove who they are.
    pub scheme: Mutex<Option<Scheme>>,
    /// Held during the first request, so that all workers learn from it how to prove who they are.
    first_contact: Mutex<()>,
    is_known: AtomicBool,
    /// The credentials that were sent there.
    standings: Mutex<Vec<(Credential, Standing)>>,
    /// Held while credentials are sent there that were never sent before.
    trial: Mutex<()>,
}

#[derive(Clone)]
enum Standing {
    Accepted,
    Refused(Arc<Error>),
}

/// The right to be the first who sends credentials: the others wait until it is dropped.
pub(crate) type Trial<'a> = MutexGuard<'a, ()>;

impl Login {
    /// Waits for the first request to be over, or is its guard. Those who waited go on together.
    pub fn first_contact(&self) -> Option<MutexGuard<'_, ()>> {
        let is_known = || self.is_known.load(Ordering::Acquire);
        if is_known() {
            return None;
        }
        Some(lock(&self.first_contact)).filter(|_| !is_known())
    }

    /// Ends the first contact.
    pub fn is_known(&self) {
        self.is_known.store(true, Ordering::Release);
    }

    /// Waits until credentials were tried, or gives the right to try them. A wrong password is sent once: some servers lock a user out who
    /// sends it often.
    ///
    /// # Errors
    /// The refusal, where they were refused.
    pub fn admit(&self, credential: &Credential, place: &Place) -> Result<Option<Trial<'_>>, Error> {
        let settled = || match self.standing(credential) {
            None => None,
            Some(Standing::Accepted) => Some(Ok(None)),
            Some(Standing::Refused(error)) => Some(Err(error.of_another(place))),
        };
        if let Some(settled) = settled() {
            return settled;
        }
        let trial = lock(&self.trial);
        settled().unwrap_or(Ok(Some(trial)))
    }

    /// Takes note that credentials are good. What is refused afterwards isn't their fault.
    pub fn accept(&self, credential: &Credential) {
        if self.standing(credential).is_none() {
            lock(&self.standings).push((credential.clone(), Standing::Accepted));
        }
    }

    /// Takes note of what an error says of credentials that were never accepted.
    pub fn refuse(&self, credential: &Credential, error: &Error) {
        if error.refuses_credentials() {
            let refused = Standing::Refused(Arc::new(error.of_another(&error.inner().place)));
            lock(&self.standings).push((credential.clone(), refused));
        } else if error.is_denied() {
            self.accept(credential);
        }
    }

    fn standing(&self, credential: &Credential) -> Option<Standing> {
        let standings = lock(&self.standings);
        let found = standings.iter().find(|(known, _)| known == credential);
        found.map(|(_, standing)| standing.clone())
    }
}
