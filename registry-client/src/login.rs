//! The state of logging in to a registry, learnt from its answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use crate::auth::Scheme;
use crate::config::Credential;
use crate::core::lock;
use crate::error::Error;

/// The state of logging in to one registry under one rule.
#[derive(Default)]
pub(crate) struct Login {
    /// The scheme that the registry asks for.
    pub scheme: Mutex<Option<Scheme>>,
    /// Held during the first request, from which all workers learn the scheme.
    first_contact: Mutex<()>,
    is_known: AtomicBool,
    /// The verdicts on credentials.
    standings: Mutex<Vec<(Credential, Standing)>>,
    /// Held while credentials are sent for the first time.
    trial: Mutex<()>,
}

#[derive(Clone)]
enum Standing {
    Accepted {
        /// Whether the server's tokens name their user.
        is_named: bool,
    },
    Refused(Arc<Error>),
}

/// A first use of credentials. Other requests wait until this is dropped.
pub(crate) struct Trial<'a> {
    _alone: Option<MutexGuard<'a, ()>>,
}

impl Login {
    /// Waits for the end of the first request, or returns its guard. All that waited go on together.
    pub fn first_contact(&self) -> Option<MutexGuard<'_, ()>> {
        let is_known = || self.is_known.load(Ordering::Acquire);
        if is_known() {
            return None;
        }
        Some(lock(&self.first_contact)).filter(|_| !is_known())
    }

    /// Marks the first request as over.
    pub fn end_first_contact(&self) {
        self.is_known.store(true, Ordering::Release);
    }

    /// Returns whether the registry asks for a login; `None` before its first answer.
    pub fn asks(&self) -> Option<bool> {
        let is_known = self.is_known.load(Ordering::Acquire);
        is_known.then(|| lock(&self.scheme).is_some())
    }

    /// Waits for the verdict on credentials, or begins their trial. A wrong password is sent once: some servers lock a user after several. If
    /// a trial ends without a verdict, all that waited for it go on together.
    ///
    /// # Errors
    /// The refusal, if they were refused.
    pub fn admit(&self, credential: &Credential) -> Result<Option<Trial<'_>>, Error> {
        let settled = || match self.standing(credential) {
            None => None,
            Some(Standing::Accepted { .. }) => Some(Ok(None)),
            Some(Standing::Refused(error)) => Some(Err(error.copy())),
        };
        if let Some(settled) = settled() {
            return settled;
        }
        let alone = match self.trial.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                drop(lock(&self.trial));
                None
            }
        };
        settled().unwrap_or(Ok(Some(Trial { _alone: alone })))
    }

    /// Records that credentials are good. `is_named`: the server's tokens name their user.
    pub fn accept(&self, credential: &Credential, is_named: bool) {
        if self.standing(credential).is_none() {
            lock(&self.standings).push((credential.clone(), Standing::Accepted { is_named }));
        }
    }

    /// Records the verdict of an error on credentials, described by `blame`. Returns the error to report: if it refuses the credentials, the
    /// same for all requests.
    pub fn refuse(&self, credential: &Credential, error: Error, blame: String) -> Error {
        if self.standing(credential).is_some() {
            return error;
        }
        if error.refuses_credentials() {
            let refused = error.of_login(&blame);
            lock(&self.standings).push((credential.clone(), Standing::Refused(Arc::new(refused.copy()))));
            return refused;
        }
        if error.is_denied() {
            self.accept(credential, false);
        }
        error
    }

    /// Whether credentials were accepted by a server whose tokens name their user.
    pub fn is_named(&self, credential: &Credential) -> bool {
        matches!(
            self.standing(credential),
            Some(Standing::Accepted { is_named: true })
        )
    }

    /// Whether credentials were refused.
    pub fn is_refused(&self, credential: &Credential) -> bool {
        matches!(self.standing(credential), Some(Standing::Refused(_)))
    }

    fn standing(&self, credential: &Credential) -> Option<Standing> {
        let standings = lock(&self.standings);
        let found = standings.iter().find(|(known, _)| known == credential);
        found.map(|(_, standing)| standing.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::error::ErrorKind;
    use crate::operation::{Operation, Place};
    use crate::refusal::Refusal;

    fn place() -> Place {
        Place {
            has_credential: true,
            ..Place::nowhere(Operation::Ping)
        }
    }

    fn refusal(is_tokens: bool, status: u16, code: Option<&str>, message: Option<&str>) -> Error {
        let refusal = Refusal {
            status,
            code: code.map(str::to_owned),
            message: message.map(str::to_owned),
            ..Refusal::default()
        };
        let kind = match is_tokens {
            true => ErrorKind::Token(refusal),
            false => ErrorKind::Status(refusal),
        };
        Error::new(&place(), kind)
    }

    #[test]
    fn a_refusal_of_credentials_is_distinguished_from_a_missing_right() {
        let harbors = Some("unauthorized to access repository: a/b, action: pull");
        let table = [
            (false, 401, None, None, true),
            (false, 401, Some("UNAUTHORIZED"), harbors, false),
            (false, 401, None, Some("project team not found"), false),
            (false, 403, None, None, false),
            (false, 500, None, None, false),
            (true, 401, None, None, true),
            (true, 403, None, None, true),
            (true, 403, Some("DENIED"), None, false),
            (true, 400, Some("invalid_grant"), None, true),
            (true, 400, None, None, false),
            (true, 429, None, None, false),
        ];
        for (is_tokens, status, code, message, expected) in table {
            let error = refusal(is_tokens, status, code, message);
            assert_eq!(error.refuses_credentials(), expected, "{error}");
        }
    }

    #[test]
    fn accepted_credentials_stay_accepted_and_others_are_judged_apart() {
        let login = Login::default();
        let refused = || refusal(true, 401, None, None);
        let [good, bad, new] = ["good", "bad", "new"].map(|word| Credential::new("anna", word));
        login.accept(&good, false);
        assert_eq!(
            login
                .refuse(&good, refused(), String::new())
                .inner()
                .place
                .operation,
            Operation::Ping
        );
        let told = login
            .refuse(&bad, refused(), "it is wrong".to_owned())
            .to_string();
        assert!(told.starts_with("logging in: it is wrong: "), "{told}");
        assert!(login.admit(&good).unwrap().is_none());
        let again = login.admit(&bad).err().unwrap();
        assert_eq!((again.status(), again.to_string()), (Some(401), told));
        assert!(login.admit(&new).unwrap().is_some());
    }

    #[test]
    fn waiters_go_on_after_a_trial_without_a_verdict() {
        let (login, credential) = (Login::default(), Credential::new("anna", "word"));
        let first = login.admit(&credential).unwrap();
        assert!(first.as_ref().is_some_and(|trial| trial._alone.is_some()));
        thread::scope(|scope| {
            let waiters: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| login.admit(&credential).unwrap().unwrap()._alone.is_some()))
                .collect();
            drop(first);
            // None of them waits for another.
            for waiter in waiters {
                waiter.join().unwrap();
            }
        });
    }
}
