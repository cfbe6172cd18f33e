//! Authentication to a registry.

use std::time::Instant;

use crate::answer::Answer;
use crate::challenge::{self, Challenge};
use crate::config::{Credential, IDENTITY_TOKEN_USER};
use crate::core::{Core, lock};
use crate::error::{Error, ErrorKind};
use crate::exchange::Exchange;
use crate::login::{Login, Trial};
use crate::origin::RefusedTarget;
use crate::payload::Payload;
use crate::request::Call;
use crate::secret::Secret;
use crate::token::{Server, Wanted, basic};

/// A registry's authentication scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scheme {
    Basic,
    Bearer(Server),
}

/// The authentication that a refusal asked for.
pub(crate) struct Demand {
    pub scheme: Scheme,
    scope: Option<String>,
    pub is_insufficient_scope: bool,
}

impl Scheme {
    /// Returns the scheme that an answer asks for, if it is usable.
    pub fn of(answer: &Answer) -> Option<Scheme> {
        Demand::of(answer).ok().flatten().map(|demand| demand.scheme)
    }
}

impl Demand {
    pub fn of(answer: &Answer) -> Result<Option<Demand>, RefusedTarget> {
        let values = answer.headers.get_all("www-authenticate").iter();
        let chosen = challenge::choose(values.filter_map(|value| value.to_str().ok()));
        Ok(match chosen {
            None => None,
            Some(Challenge::Basic) => Some(Demand {
                scheme: Scheme::Basic,
                scope: None,
                is_insufficient_scope: false,
            }),
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
                error,
            }) => Some(Demand {
                scheme: Scheme::Bearer(Server::read(&realm, service, &answer.url)?),
                scope,
                is_insufficient_scope: error.as_deref() == Some("insufficient_scope"),
            }),
        })
    }
}

/// The authorization of a request.
pub(crate) struct Authorization<'a> {
    /// The `Authorization` header.
    pub header: Secret,
    /// Credentials that are sent for the first time, and the lock that allows it.
    pub trial: Option<(Credential, Trial<'a>)>,
}

/// What to do about a refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again.
    Again,
    /// Give up: the answer would be the same.
    End,
    /// Give up: no token of the user's allows it.
    Lacking,
}

impl Core {
    /// Returns the authorization for a request that began at `since`, as far as the registry's scheme is known.
    pub fn authorize<'l>(
        &self,
        login: &'l Login,
        call: &mut Call,
        since: Instant,
    ) -> Result<Option<Authorization<'l>>, Error> {
        let Some(scheme) = lock(&login.scheme).clone() else {
            return Ok(None);
        };
        let credential = self.credential(&call.place)?;
        call.place.has_credential = credential.is_some();
        let proof = self.authorize_with(login, call, since, &scheme, credential.as_ref());
        // A helper's credentials may have expired.
        match proof {
            Err(error) if error.is_denied() && credential.is_some() => {
                self.forget_credential(&call.place);
                let renewed = self.credential(&call.place)?;
                if renewed == credential {
                    return Err(error);
                }
                self.authorize_with(login, call, since, &scheme, renewed.as_ref())
            }
            proof => proof,
        }
    }

    pub fn authorize_with<'l>(
        &self,
        login: &'l Login,
        call: &Call,
        since: Instant,
        scheme: &Scheme,
        credential: Option<&Credential>,
    ) -> Result<Option<Authorization<'l>>, Error> {
        let known = |header| Ok(Some(Authorization { header, trial: None }));
        if credential.is_some() && self.is_plain_unasked(&call.reach) {
            let message = format!(
                "{} speaks plain HTTP, and credentials go over plain HTTP only on request: set \
                 plain_http: true for it (or --plain-http)",
                call.reach.registry
            );
            return Err(Error::new(&call.place, ErrorKind::Config(message)).at(&call.url));
        }
        match (scheme, credential) {
            (Scheme::Basic, None) => Ok(None),
            (_, Some(Credential::RegistryToken(token))) => known(bearer(token)),
            (Scheme::Basic, Some(credential)) => {
                let header = match credential {
                    Credential::Basic { username, password } => basic(username, password),
                    Credential::IdentityToken(token) | Credential::RegistryToken(token) => {
                        basic(IDENTITY_TOKEN_USER, token)
                    }
                };
                let trial = login.admit(credential)?;
                Ok(Some(Authorization {
                    header,
                    trial: trial.map(|trial| (credential.clone(), trial)),
                }))
            }
            (Scheme::Bearer(server), credential) => known(bearer(
                &self.token(&wanted(login, call, since, server, credential))?,
            )),
        }
    }

    /// Learns from a 401, or a 403 with "insufficient scope". The request began at `since`.
    pub fn learn_from_refusal(
        &self,
        login: &Login,
        call: &mut Call,
        since: Instant,
        demand: Result<Option<Demand>, RefusedTarget>,
        sent: Option<&Secret>,
    ) -> Result<Next, Error> {
        let again = |is_worth_it| if is_worth_it { Next::Again } else { Next::End };
        let demand = match demand.map_err(|refused| call.refused(refused))? {
            Some(demand) => demand,
            None => match self.demand_of_ping(login, call)? {
                Some(demand) => demand,
                None => return Ok(Next::End),
            },
        };
        let token = sent.and_then(token_in);
        let scheme = {
            let mut known = lock(&login.scheme);
            match (&*known, &demand.scheme, token) {
                // Harbor asks for Basic where a better token is needed.
                (Some(Scheme::Bearer(_)), Scheme::Basic, Some(_)) => {}
                _ => *known = Some(demand.scheme.clone()),
            }
            known.clone().unwrap_or(demand.scheme)
        };
        let credential = self.credential(&call.place)?;
        call.place.has_credential = credential.is_some();
        Ok(match (&scheme, &credential) {
            // The same credentials would be refused again.
            (Scheme::Basic, Some(_)) if sent.is_none() => Next::Again,
            (Scheme::Basic, credential) => {
                self.forget_credential(&call.place);
                again(credential.is_some() && self.credential(&call.place)? != *credential)
            }
            (_, Some(Credential::RegistryToken(_))) => again(sent.is_none()),
            (Scheme::Bearer(server), credential) => {
                let wanted = wanted(login, call, since, server, credential.as_ref());
                match self.refuse_token(&wanted, token, demand.scope.as_deref()) {
                    true => Next::Again,
                    false => Next::Lacking,
                }
            }
        })
    }

    /// Shortens the token if the request's head was too long. Returns whether the next one is shorter.
    pub fn shorten_after(
        &self,
        login: &Login,
        call: &Call,
        answer: &Answer,
        sent: &Secret,
    ) -> Result<bool, Error> {
        // Proxies answer like this. Registries answer 400 in JSON, for other reasons.
        let is_json = answer
            .header("content-type")
            .is_some_and(|kind| kind.contains("json"));
        if answer.status != 431 && (answer.status != 400 || is_json) {
            return Ok(false);
        }
        let scheme = lock(&login.scheme).clone();
        let (Some(Scheme::Bearer(server)), Some(token)) = (scheme, token_in(sent)) else {
            return Ok(false);
        };
        let credential = self.credential(&call.place)?;
        let wanted = wanted(login, call, Instant::now(), &server, credential.as_ref());
        Ok(self.shorten_token(&wanted, token))
    }

    /// Asks the API's root for the scheme: some registries refuse without a challenge.
    fn demand_of_ping(&self, login: &Login, call: &Call) -> Result<Option<Demand>, Error> {
        if let Some(scheme) = lock(&login.scheme).clone() {
            return Ok(Some(Demand {
                scheme,
                scope: None,
                is_insufficient_scope: false,
            }));
        }
        let url = call.reach.url("/v2/")?;
        let exchange = Exchange {
            method: "GET",
            url: &url,
            headers: &[],
            authorization: None,
            identity: self.own_identity(call.reach.rule),
            place: &call.place,
            named_for: None,
            checked_bytes: 0,
        };
        let answer = self.exchange(exchange, &mut Payload::None)?;
        let demand = Demand::of(&answer);
        answer.drain();
        demand.map_err(|refused| call.refused(refused).at(&url))
    }
}

fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose()))
}

/// Returns the token in an `Authorization` header.
fn token_in(header: &Secret) -> Option<&str> {
    header.expose().strip_prefix("Bearer ")
}

fn wanted<'a>(
    login: &'a Login,
    call: &'a Call,
    since: Instant,
    server: &'a Server,
    credential: Option<&'a Credential>,
) -> Wanted<'a> {
    Wanted {
        server,
        place: &call.place,
        reach: &call.reach,
        login,
        credential,
        scopes: &call.scopes,
        since,
    }
}
