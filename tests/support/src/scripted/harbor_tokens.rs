//! Tokens as Harbor's core gives them (2.x, `/service/token`): JWTs with their user and access, for any number of scopes;
//! anonymous ones for a wrong password; dear, and refused to everybody of a name for a while after a failed login.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::auth::parameter;
use super::fault::Reply;
use crate::http::basic;
use crate::real::{PASSWORD, USER};

/// How a token service like Harbor's answers. The user is [`USER`], with [`PASSWORD`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HarborTokens {
    /// How long a token for a user takes: Harbor hashes the password 600,000 times.
    pub cost: Duration,
    /// How long a user name is locked after a failed login: a right password is refused, too.
    pub lockout: Duration,
    /// Projects that everybody may pull from.
    pub public: &'static [&'static str],
    /// Projects that the user has no part in.
    pub foreign: &'static [&'static str],
    /// The most scopes in one request, and the status that answers one with more.
    pub most_scopes: Option<(usize, u16)>,
    /// The longest `Authorization` header of a request to the registry, in bytes, and the status that answers a longer one, with a page, as a
    /// proxy does.
    pub longest_header: Option<(usize, u16)>,
    /// Only the first scope of a request is heeded.
    pub first_scope_only: bool,
    /// Tokens say nothing of themselves.
    pub opaque: bool,
}

impl Default for HarborTokens {
    /// A Harbor whose projects are all the user's, without limits; it locks nobody and takes no time.
    fn default() -> HarborTokens {
        HarborTokens {
            cost: Duration::ZERO,
            lockout: Duration::ZERO,
            public: &[],
            foreign: &[],
            most_scopes: None,
            longest_header: None,
            first_scope_only: false,
            opaque: false,
        }
    }
}

/// The state of the service's users, and its counters.
#[derive(Debug, Default)]
pub(super) struct Logins {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    locked_until: HashMap<String, Instant>,
    /// How many more logins of the user are refused.
    locked: usize,
    failed: usize,
    tokens: u64,
}

/// A token, and the actions that it allows by repository.
pub(super) struct Granted {
    pub(super) token: String,
    pub(super) allowed: Vec<(String, Vec<String>)>,
}

impl Logins {
    /// How many logins failed, those of locked users included.
    pub(super) fn failed(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).failed
    }

    /// Refuses the user's next logins, as after somebody else's mistakes.
    pub(super) fn lock_out(&self, logins: usize) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).locked = logins;
    }

    /// Whether a password is right and the user isn't locked.
    fn log_in(&self, service: &HarborTokens, name: &str, password: &str) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_locked = inner.locked > 0
            || inner
                .locked_until
                .get(name)
                .is_some_and(|until| Instant::now() < *until);
        inner.locked = inner.locked.saturating_sub(1);
        let is_right = name == USER && password == PASSWORD;
        if !is_right && !is_locked {
            let until = Instant::now() + service.lockout;
            inner.locked_until.insert(name.to_owned(), until);
        }
        if !is_right || is_locked {
            inner.failed += 1;
        }
        is_right && !is_locked
    }

    /// Answers the token endpoint: a token, or a refusal.
    pub(super) fn grant(
        &self,
        service: &HarborTokens,
        query: &str,
        authorization: Option<&str>,
    ) -> Result<Granted, Reply> {
        let mut scopes: Vec<String> = parameter(query, "scope").collect();
        if let Some((most, status)) = service.most_scopes
            && scopes.len() > most
        {
            return Err(Reply::status(status));
        }
        if service.first_scope_only {
            scopes.truncate(1);
        }
        let user = authorization.and_then(basic).and_then(|(name, password)| {
            thread::sleep(service.cost);
            self.log_in(service, &name, &password).then_some(name)
        });
        if user.is_none() && scopes.is_empty() {
            return Err(Reply::status(401).error("UNAUTHORIZED", "unauthorized"));
        }
        let allowed: Vec<(String, Vec<String>)> = scopes
            .iter()
            .filter_map(|scope| scope.strip_prefix("repository:")?.rsplit_once(':'))
            .map(|(name, asked)| {
                let project = name.split('/').next().unwrap_or(name);
                let actions = asked.split(',').filter(|action| {
                    let is_users = user.is_some() && !service.foreign.contains(&project);
                    is_users || *action == "pull" && service.public.contains(&project)
                });
                (name.to_owned(), actions.map(str::to_owned).collect())
            })
            .collect();
        let number = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.tokens += 1;
            inner.tokens
        };
        let token = match service.opaque {
            true => format!("opaque-{number}"),
            false => jwt(number, user.as_deref().unwrap_or_default(), &allowed),
        };
        Ok(Granted { token, allowed })
    }
}

/// A token in Harbor's form; its signature is as long as one of a key of 4096 bits, and none.
fn jwt(number: u64, user: &str, allowed: &[(String, Vec<String>)]) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let access = allowed
        .iter()
        .map(|(name, actions)| json!({"type": "repository", "class": "", "name": name, "actions": actions}));
    let claims = json!({
        "iss": "harbor-token-issuer",
        "sub": user,
        "aud": "harbor-registry",
        "exp": 1_900_001_800,
        "nbf": 1_900_000_000,
        "iat": 1_900_000_000,
        "jti": format!("{number}"),
        "access": access.collect::<Vec<_>>(),
    });
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let signature = URL_SAFE_NO_PAD.encode([0; 512]);
    format!("{}.{}.{signature}", encode(&header), encode(&claims))
}
