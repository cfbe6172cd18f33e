//! Proving to a registry who one is.

use transload_reference::Registry;

use crate::answer::Answer;
use crate::challenge::{self, Challenge};
use crate::config::Credential;
use crate::core::{Core, Host, lock};
use crate::error::{Error, ErrorKind};
use crate::request::{Call, Exchange, Payload};
use crate::secret::Secret;
use crate::token::{Server, Wanted, basic};

/// How a registry wants it proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scheme {
    Basic,
    Bearer(Server),
}

/// What a refusal asked for.
pub(crate) struct Demand {
    pub scheme: Scheme,
    scope: Option<String>,
    pub is_insufficient_scope: bool,
}

impl Scheme {
    /// The scheme that an answer asks for, if it can be used.
    pub fn of(answer: &Answer) -> Option<Scheme> {
        Demand::of(answer).ok().flatten().map(|demand| demand.scheme)
    }
}

impl Demand {
    pub fn of(answer: &Answer) -> Result<Option<Demand>, String> {
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

impl Core {
    /// The `Authorization` header for a request, as far as the registry's wishes are known.
    pub fn authorize(&self, host: &Host, call: &mut Call<'_>) -> Result<Option<Secret>, Error> {
        let Some(scheme) = lock(&host.auth).clone() else {
            return Ok(None);
        };
        let credential = self.credential(&call.place)?;
        call.place.has_credential = credential.is_some();
        match (&scheme, &credential) {
            (Scheme::Basic, Some(Credential::Basic { username, password })) => {
                Ok(Some(basic(username, password)))
            }
            (Scheme::Basic, Some(Credential::IdentityToken(token))) => Ok(Some(basic("<token>", token))),
            (_, Some(Credential::RegistryToken(token))) => Ok(Some(bearer(token))),
            (Scheme::Basic, None) => Ok(None),
            (Scheme::Bearer(server), credential) => {
                let error = match self.token(&wanted(call, server, credential.as_ref())) {
                    Ok(token) => return Ok(Some(bearer(&token))),
                    Err(error) => error,
                };
                // What a helper gave may have run out meanwhile.
                if !error.is_denied() || credential.is_none() {
                    return Err(error);
                }
                self.forget_credential(&call.place);
                let renewed = self.credential(&call.place)?;
                if renewed == *credential {
                    return Err(error);
                }
                let token = self.token(&wanted(call, server, renewed.as_ref()))?;
                Ok(Some(bearer(&token)))
            }
        }
    }

    /// Takes note of a 401, or of a 403 that says "insufficient scope". True: it is worth trying again.
    pub fn heed(
        &self,
        host: &Host,
        call: &mut Call<'_>,
        answer: &Answer,
        sent: Option<&Secret>,
    ) -> Result<bool, Error> {
        let refuse = |message: String| Error::new(&call.place, ErrorKind::Protocol(message)).at(&answer.url);
        let demand = match Demand::of(answer).map_err(refuse)? {
            Some(demand) => demand,
            None => match self.demand_of_ping(host, call)? {
                Some(demand) => demand,
                None => return Ok(false),
            },
        };
        *lock(&host.auth) = Some(demand.scheme.clone());
        let credential = self.credential(&call.place)?;
        call.place.has_credential = credential.is_some();
        match (&demand.scheme, &credential) {
            // The same again would be refused again.
            (Scheme::Basic, Some(_)) if sent.is_none() => Ok(true),
            (Scheme::Basic, credential) => {
                self.forget_credential(&call.place);
                Ok(credential.is_some() && self.credential(&call.place)? != *credential)
            }
            (_, Some(Credential::RegistryToken(_))) => Ok(sent.is_none()),
            (Scheme::Bearer(server), credential) => {
                let refused = sent.and_then(|sent| sent.expose().strip_prefix("Bearer "));
                let wanted = wanted(call, server, credential.as_ref());
                self.refuse_token(&wanted, refused, demand.scope.as_deref());
                Ok(true)
            }
        }
    }

    /// Some registries refuse without saying what they want; the API's root says it.
    fn demand_of_ping(&self, host: &Host, call: &Call<'_>) -> Result<Option<Demand>, Error> {
        if let Some(scheme) = lock(&host.auth).clone() {
            return Ok(Some(Demand {
                scheme,
                scope: None,
                is_insufficient_scope: false,
            }));
        }
        let url = self.url(call.registry, call.place.repository.as_ref(), "/v2/")?;
        let exchange = Exchange {
            method: "GET",
            url: &url,
            headers: &[],
            authorization: None,
            identity: self.identity(call.rule, true),
            place: &call.place,
            checked_bytes: 0,
        };
        let answer = self.exchange(exchange, &mut Payload::None)?;
        let demand = Demand::of(&answer);
        answer.drain();
        demand.map_err(|message| Error::new(&call.place, ErrorKind::Protocol(message)).at(&url))
    }
}

fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose()))
}

fn wanted<'a>(call: &'a Call<'_>, server: &'a Server, credential: Option<&'a Credential>) -> Wanted<'a> {
    Wanted {
        server,
        place: &call.place,
        rule: call.rule,
        credential,
        scopes: &call.scopes,
    }
}

/// Whether a registry's answer may be asked for with credentials: only the registry's own host sees them.
pub(crate) fn is_home(registry: &Registry, home: &crate::url::Url, url: &crate::url::Url) -> bool {
    url.host().host() == registry.host() && url.same_origin(home)
}
