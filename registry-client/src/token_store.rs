//! Access tokens by scope, kept for the client's life.
//!
//! If a run announces its repositories ([`Client::expect`](crate::Client::expect)), one token serves a batch of them: some servers hash a
//! password anew for each token. A batch's token is used only for what its claims allow; everything else gets a token of its own. Batches
//! shrink for a server that refuses them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use transload_reference::Repository;

use crate::config::Credential;
use crate::core::{Core, lock};
use crate::error::Error;
use crate::operation::Place;
use crate::origin::Reach;
use crate::scope::Scopes;
use crate::secret::Secret;
use crate::token::{Server, Token, Wanted};

/// The most repositories in one token. A batch has half as many: a mount needs those of two batches.
const MOST_SCOPES: usize = 40;

/// The largest token of a batch, in bytes: proxies accept lines of 8 KiB in a request's head.
const MAX_BATCH_TOKEN: usize = 15 * 512;

/// Tokens by issuer.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<Issuer, Issued>>);

/// The server and the credentials of tokens. Credentials may differ between repositories.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Issuer {
    reach: Reach,
    server: Server,
    credential: Option<Credential>,
}

/// The tokens of one issuer, and the batches that it accepts.
struct Issued {
    /// The tokens for single requests, by scope.
    single: HashMap<Scopes, Arc<Slot>>,
    /// The tokens of batches.
    batches: Vec<Arc<Slot>>,
    /// The most repositories in one token.
    most: usize,
    /// Scopes that the batches' tokens don't allow.
    apart: HashSet<Scopes>,
    /// Scopes for which a batch's token was refused although its claims allow them.
    doubted: HashSet<Scopes>,
}

impl Default for Issued {
    fn default() -> Issued {
        Issued {
            single: HashMap::new(),
            batches: Vec::new(),
            most: MOST_SCOPES,
            apart: HashSet::new(),
            doubted: HashSet::new(),
        }
    }
}

/// The token for some scopes.
struct Slot {
    scopes: Scopes,
    /// The number of batches that it serves; `None` for a single request.
    batches: usize,
    /// Held while a token is fetched.
    fetching: Mutex<()>,
    /// Held briefly.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// Scopes that a challenge asked for besides the client's.
    asked: Option<String>,
    /// The last failure to fetch it, and when.
    failure: Option<(Instant, Error)>,
    /// No better token can be had, and this one doesn't suffice.
    is_lacking: bool,
    /// The server gives no usable token for this batch.
    is_given_up: bool,
}

impl Slot {
    fn new(scopes: Scopes, batches: usize) -> Arc<Slot> {
        Arc::new(Slot {
            scopes,
            batches,
            fetching: Mutex::default(),
            held: Mutex::default(),
        })
    }

    fn serves(&self, scopes: &Scopes) -> bool {
        lock(&self.held)
            .valid_token()
            .is_some_and(|token| token.allows(scopes))
    }

    fn holds(&self, secret: &str) -> bool {
        lock(&self.held)
            .token
            .as_ref()
            .is_some_and(|token| token.is(secret))
    }
}

impl Held {
    fn valid_token(&self) -> Option<&Token> {
        self.token
            .as_ref()
            .filter(|token| Instant::now() < token.renew_at)
    }
}

impl Issued {
    fn single(&mut self, scopes: &Scopes) -> Arc<Slot> {
        let slot = self.single.entry(scopes.clone());
        Arc::clone(slot.or_insert_with(|| Slot::new(scopes.clone(), 0)))
    }

    fn batch(&mut self, scopes: Scopes, batches: usize) -> Arc<Slot> {
        if let Some(slot) = self.batches.iter().find(|slot| slot.scopes == scopes) {
            return Arc::clone(slot);
        }
        let slot = Slot::new(scopes, batches);
        self.batches.push(Arc::clone(&slot));
        slot
    }

    /// Makes batches smaller than this one.
    fn shrink(&mut self, slot: &Slot) {
        self.most = self.most.min(slot.scopes.len() / slot.batches.max(1));
        self.give_up(slot);
    }

    /// Ends batches: each request gets a token of its own.
    fn end_batches(&mut self, slot: &Slot) {
        self.most = 0;
        self.give_up(slot);
    }

    fn give_up(&mut self, slot: &Slot) {
        self.batches.retain(|other| !std::ptr::eq(&**other, slot));
        *lock(&slot.held) = Held {
            is_given_up: true,
            ..Held::default()
        };
    }
}

impl Core {
    /// Returns a stored or new token. One worker fetches it; the others wait for its result.
    pub fn token(&self, wanted: &Wanted<'_>) -> Result<Secret, Error> {
        loop {
            let slot = self.slot(wanted);
            if let Some(secret) = self.token_of(&slot, wanted)? {
                return Ok(secret);
            }
        }
    }

    /// Returns the issuer of a token.
    fn issued<T>(&self, wanted: &Wanted<'_>, look: impl FnOnce(&mut Issued) -> T) -> T {
        let issuer = Issuer {
            reach: wanted.reach.clone(),
            server: wanted.server.clone(),
            credential: wanted.credential.cloned(),
        };
        look(lock(&self.tokens.0).entry(issuer).or_default())
    }

    /// Returns the slot whose token serves these scopes, or will.
    fn slot(&self, wanted: &Wanted<'_>) -> Arc<Slot> {
        loop {
            let known = self.issued(wanted, |issued| {
                let single = issued.single.get(wanted.scopes);
                let has_single = single.is_some_and(|slot| lock(&slot.held).valid_token().is_some());
                if has_single || issued.apart.contains(wanted.scopes) {
                    return Ok(issued.single(wanted.scopes));
                }
                let batch = issued.batches.iter().find(|slot| slot.serves(wanted.scopes));
                batch.map(Arc::clone).ok_or(issued.most)
            });
            let most = match known {
                Ok(slot) => return slot,
                Err(most) => most,
            };
            // Meanwhile another worker may have made batches smaller.
            let wide = self.widen(wanted, most);
            let slot = self.issued(wanted, |issued| {
                let is_current = issued.most == most;
                is_current.then(|| match wide {
                    Some((scopes, batches)) => issued.batch(scopes, batches),
                    None => issued.single(wanted.scopes),
                })
            });
            if let Some(slot) = slot {
                return slot;
            }
        }
    }

    /// Returns the scopes of the batch that a request belongs to, and the number of batches. `None` if no batch is known.
    fn widen(&self, wanted: &Wanted<'_>, most: usize) -> Option<(Scopes, usize)> {
        let own = wanted
            .place
            .repository
            .as_ref()
            .map(|repository| repository.path());
        let (mut chosen, mut batches) = (wanted.scopes.clone(), 0);
        // Its own batch first: with those of a mount's source, they may be too many.
        let others = wanted.scopes.repositories().filter(|path| Some(*path) != own);
        for path in own.into_iter().chain(others) {
            let batch = self.expected.batch(&wanted.reach.registry, path, most / 2);
            let before = chosen.len();
            for (repository, scopes) in batch {
                let is_alike =
                    self.rules.of(&repository) == wanted.reach.rule && self.is_same_user(wanted, &repository);
                let mut wider = chosen.clone();
                wider.merge(&scopes);
                if is_alike && wider.len() <= most && wider.token_size() <= MAX_BATCH_TOKEN {
                    chosen = wider;
                }
            }
            batches += usize::from(chosen.len() > before);
        }
        (batches > 0).then_some((chosen, batches))
    }

    fn is_same_user(&self, wanted: &Wanted<'_>, repository: &Repository) -> bool {
        let place = Place {
            repository: Some(repository.clone()),
            ..wanted.place.clone()
        };
        self.credential(&place)
            .is_ok_and(|credential| credential.as_ref() == wanted.credential)
    }

    /// Returns the token of a slot. `None` if a batch's token doesn't allow the request.
    fn token_of(&self, slot: &Slot, wanted: &Wanted<'_>) -> Result<Option<Secret>, Error> {
        let known = lock(&slot.held).valid_token().cloned();
        if let Some(token) = known {
            return Ok(self.serve(slot, wanted, &token));
        }
        let _fetching = lock(&slot.fetching);
        let mut scopes = slot.scopes.clone();
        let known = {
            let held = lock(&slot.held);
            if held.is_given_up {
                return Ok(None);
            }
            // Requests that began before the failure share it.
            let failure = held.failure.as_ref().filter(|(at, _)| *at >= wanted.since);
            if let Some((_, failure)) = failure.filter(|_| held.valid_token().is_none()) {
                self.count_failure(failure);
                return Err(failure.of_place(wanted.place));
            }
            scopes.add(held.asked.as_deref().unwrap_or_default());
            held.valid_token().cloned()
        };
        if let Some(token) = known {
            return Ok(self.serve(slot, wanted, &token));
        }
        let fetched = self.new_token(wanted, &scopes);
        if slot.batches > 0 && !self.heeds_batch(slot, wanted, &fetched) {
            return Ok(None);
        }
        match fetched {
            Ok(token) => {
                let mut held = lock(&slot.held);
                (held.token, held.is_lacking) = (Some(token.clone()), false);
                drop(held);
                Ok(self.serve(slot, wanted, &token))
            }
            Err(error) => {
                lock(&slot.held).failure = Some((Instant::now(), error.copy()));
                Err(error)
            }
        }
    }

    /// Returns the token if it allows the request. A token for a single request is always used.
    fn serve(&self, slot: &Slot, wanted: &Wanted<'_>, token: &Token) -> Option<Secret> {
        if slot.batches > 0 && !token.allows(wanted.scopes) {
            self.issued(wanted, |issued| issued.apart.insert(wanted.scopes.clone()));
            return None;
        }
        Some(token.secret.clone())
    }

    /// Whether a server's answer to a batch shows that it accepts batches of this size. Makes them smaller if not.
    fn heeds_batch(&self, slot: &Slot, wanted: &Wanted<'_>, fetched: &Result<Token, Error>) -> bool {
        let token = match fetched {
            Ok(token) => token,
            Err(error) => {
                let is_passing = error.is_retryable() && !matches!(error.status(), Some(500 | 501));
                let is_users = wanted.credential.is_some_and(|own| wanted.login.is_refused(own));
                if !is_passing && !is_users {
                    self.issued(wanted, |issued| issued.shrink(slot));
                    return false;
                }
                return true;
            }
        };
        let named = token
            .claims
            .access
            .as_ref()
            .map_or(0, |access| access.count_named(&slot.scopes));
        if named < 2 {
            self.issued(wanted, |issued| {
                issued.end_batches(slot);
                if token.allows(wanted.scopes) {
                    lock(&issued.single(wanted.scopes).held).token = Some(token.clone());
                }
            });
        } else if token.secret.expose().len() > MAX_BATCH_TOKEN {
            self.issued(wanted, |issued| issued.shrink(slot));
        }
        named >= 2 && token.secret.expose().len() <= MAX_BATCH_TOKEN
    }

    /// Records a failure at the token server's host.
    fn count_failure(&self, failure: &Error) {
        if let Some(host) = failure.inner().host.as_ref().filter(|_| failure.is_retryable()) {
            self.throttle(host)
                .fails(Instant::now(), failure.inner().is_write);
        }
    }

    /// Drops a refused token, unless another worker has renewed it. `asked` is the scope in the refusal's challenge. Returns false if another
    /// token would allow no more.
    pub fn refuse_token(&self, wanted: &Wanted<'_>, refused: Option<&str>, asked: Option<&str>) -> bool {
        let mut needed = wanted.scopes.clone();
        needed.add(asked.unwrap_or_default());
        self.issued(wanted, |issued| {
            let mut batches = issued.batches.iter();
            if let Some(slot) = refused.and_then(|refused| batches.find(|slot| slot.holds(refused))) {
                let mut held = lock(&slot.held);
                let says_so = held.token.as_ref().is_some_and(|token| token.allows(&needed));
                if says_so && issued.doubted.insert(wanted.scopes.clone()) {
                    // It expired.
                    held.token = None;
                    return true;
                }
                issued.apart.insert(wanted.scopes.clone());
            }
            let slot = issued.single(wanted.scopes);
            let mut held = lock(&slot.held);
            if let Some(asked) = asked {
                held.asked = Some(asked.to_owned());
            }
            let Some(token) = held
                .token
                .as_ref()
                .filter(|token| refused.is_some_and(|refused| token.is(refused)))
            else {
                return true;
            };
            // An older one may have expired.
            let is_fresh = held.is_lacking || token.asked_at >= wanted.since;
            held.is_lacking = is_fresh && token.asked.cover(&needed) && token.refuses(&needed);
            if !held.is_lacking {
                held.token = None;
            }
            !held.is_lacking
        })
    }

    /// Makes batches smaller because a registry or proxy refused a head as long as with this token. Returns whether it was a batch's.
    pub fn shorten_token(&self, wanted: &Wanted<'_>, sent: &str) -> bool {
        self.issued(wanted, |issued| {
            let slot = issued
                .batches
                .iter()
                .find(|slot| slot.holds(sent))
                .map(Arc::clone);
            slot.iter().for_each(|slot| issued.shrink(slot));
            slot.is_some()
        })
    }
}
