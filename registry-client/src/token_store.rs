//! Access tokens by what they allow, kept for as long as the client lives.
//!
//! Where a run has said which repositories it will need ([`Client::expect`](crate::Client::expect)), one token is asked for that serves many of them: some
//! services hash a password anew for each. Such a token is used only where it says itself that it allows what is wanted; all else is asked for
//! by itself, and a service that takes no such requests is asked for fewer at once.

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

/// The most repositories in one token, unless a service takes fewer. A batch has half as many: a mount needs those of two batches.
const MOST_SCOPES: usize = 40;

/// The largest token that is used for many repositories, in bytes: proxies take lines of 8 KiB in a request's head.
const MAX_BATCH_TOKEN: usize = 15 * 512;

/// Tokens by whom they are from and for.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<Issuer, Issued>>);

/// Whom tokens are from and for. Credentials may differ from repository to repository.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Issuer {
    reach: Reach,
    server: Server,
    credential: Option<Credential>,
}

/// The tokens of one issuer, and what is known of it.
struct Issued {
    /// For what one request needs, by that.
    single: HashMap<Scopes, Arc<Slot>>,
    /// For many repositories.
    batches: Vec<Arc<Slot>>,
    /// The most repositories in one token.
    most: usize,
    /// What the batches' tokens don't allow.
    apart: HashSet<Scopes>,
    /// For what a batch's token was refused that says that it allows it.
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
    /// How many batches it serves; none where it is for one request's needs.
    batches: usize,
    /// Held while a token is fetched.
    fetching: Mutex<()>,
    /// Held for a moment.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// What a challenge asked for besides the scopes that the client thought of.
    asked: Option<String>,
    /// How and when the last fetch failed.
    failure: Option<(Instant, Error)>,
    /// The token is as good as can be had, and doesn't suffice.
    is_lacking: bool,
    /// A batch that the service gives no usable token for.
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

    /// Asks for fewer repositories at once from now on than this batch has.
    fn shrink(&mut self, slot: &Slot) {
        self.most = self.most.min(slot.scopes.len() / slot.batches.max(1));
        self.give_up(slot);
    }

    /// Asks for the scopes of each request by themselves from now on.
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
    /// A token for these scopes: one in store, or a new one. One worker asks, and the others wait for the token that it gets, or for its
    /// failure.
    pub fn token(&self, wanted: &Wanted<'_>) -> Result<Secret, Error> {
        loop {
            let slot = self.slot(wanted);
            if let Some(secret) = self.token_of(&slot, wanted)? {
                return Ok(secret);
            }
        }
    }

    /// What is known of the issuer of a token.
    fn issued<T>(&self, wanted: &Wanted<'_>, look: impl FnOnce(&mut Issued) -> T) -> T {
        let issuer = Issuer {
            reach: wanted.reach.clone(),
            server: wanted.server.clone(),
            credential: wanted.credential.cloned(),
        };
        look(lock(&self.tokens.0).entry(issuer).or_default())
    }

    /// The slot whose token serves these scopes, or will.
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
            // Credentials are looked for meanwhile, and others may learn that the service takes fewer.
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

    /// What is wanted with what the same user will need of the repositories beside it, and how many batches that is; none where nothing is
    /// known that could be asked for along.
    fn widen(&self, wanted: &Wanted<'_>, most: usize) -> Option<(Scopes, usize)> {
        let own = wanted
            .place
            .repository
            .as_ref()
            .map(|repository| repository.path());
        let (mut chosen, mut batches) = (wanted.scopes.clone(), 0);
        // Its own batch first: those of a mount's source may be too many.
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

    /// The token of a slot. None where it is a batch's that doesn't serve.
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
            // Whoever wanted it before that failure shares it.
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

    /// The token, where it allows what is wanted. One that was asked for nothing else is as good as can be had.
    fn serve(&self, slot: &Slot, wanted: &Wanted<'_>, token: &Token) -> Option<Secret> {
        if slot.batches > 0 && !token.allows(wanted.scopes) {
            self.issued(wanted, |issued| issued.apart.insert(wanted.scopes.clone()));
            return None;
        }
        Some(token.secret.clone())
    }

    /// Whether a service's answer to a batch is one of a service that knows of batches, and of this size. Notes it where it isn't.
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

    /// Counts the failure of another request to the same host.
    fn count_failure(&self, failure: &Error) {
        if let Some(host) = failure.inner().host.as_ref().filter(|_| failure.is_retryable()) {
            self.throttle(host)
                .fails(Instant::now(), failure.inner().is_write);
        }
    }

    /// A token was refused: the next request gets a new one, unless somebody else renewed it already. `asked` is the refusal's own idea of the
    /// scope. Returns false where another token would allow no more than this one.
    pub fn refuse_token(&self, wanted: &Wanted<'_>, refused: Option<&str>, asked: Option<&str>) -> bool {
        let mut needed = wanted.scopes.clone();
        needed.add(asked.unwrap_or_default());
        self.issued(wanted, |issued| {
            let mut batches = issued.batches.iter();
            if let Some(slot) = refused.and_then(|refused| batches.find(|slot| slot.holds(refused))) {
                let mut held = lock(&slot.held);
                let says_so = held.token.as_ref().is_some_and(|token| token.allows(&needed));
                if says_so && issued.doubted.insert(wanted.scopes.clone()) {
                    // It ran out.
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
            // An older one may have run out.
            let is_fresh = held.is_lacking || token.asked_at >= wanted.since;
            held.is_lacking = is_fresh && token.asked.cover(&needed) && token.refuses(&needed);
            if !held.is_lacking {
                held.token = None;
            }
            !held.is_lacking
        })
    }

    /// A registry, or a proxy before it, takes no request's head as long as this token makes it. Returns whether it is a batch's: there will be
    /// shorter ones.
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
