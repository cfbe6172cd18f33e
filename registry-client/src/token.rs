//! Access tokens ([distribution specification's token authentication], and OAuth2).
//!
//! [distribution specification's token authentication]: https://distribution.github.io/distribution/spec/auth/token/

use std::time::{Duration, Instant};

use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;

use crate::answer::Answer;
use crate::claims::Claims;
use crate::config::Credential;
use crate::core::{Core, lock};
use crate::error::{Cause, Error, ErrorKind};
use crate::exchange::Exchange;
use crate::login::Login;
use crate::operation::Place;
use crate::origin::{Purpose, Reach, RefusedTarget};
use crate::payload::Payload;
use crate::request::{MAX_REDIRECTS, MAX_TOKEN};
use crate::scope::Scopes;
use crate::secret::Secret;
use crate::url::{Scheme, Url, encode_into};

/// The largest answer of a token server to read, in bytes.
const MAX_ANSWER: u64 = 1024 * 1024;

/// The life of a token without a valid `expires_in` (the specification's default).
const SHORTEST_LIFE: Duration = Duration::from_secs(60);

/// A token and its properties.
#[derive(Clone)]
pub(crate) struct Token {
    pub secret: Secret,
    pub asked_at: Instant,
    pub renew_at: Instant,
    /// The scopes that were asked for.
    pub asked: Scopes,
    pub claims: Claims,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        self.secret.expose() == text
    }

    /// Whether its claims allow all of these.
    pub fn allows(&self, scopes: &Scopes) -> bool {
        self.claims
            .access
            .as_ref()
            .is_some_and(|access| access.cover(scopes))
    }

    /// Whether its claims are known and don't allow all of these.
    pub fn refuses(&self, scopes: &Scopes) -> bool {
        self.claims
            .access
            .as_ref()
            .is_some_and(|access| !access.cover(scopes))
    }
}

/// A token server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub realm: Url,
    pub service: Option<String>,
}

#[derive(Deserialize)]
struct Grant {
    token: Option<String>,
    access_token: Option<String>,
    /// A number of seconds. Text, which some servers send, is ignored.
    expires_in: Option<Value>,
}

/// A request for a token: the purpose and the user.
pub(crate) struct Wanted<'a> {
    pub server: &'a Server,
    pub place: &'a Place,
    pub reach: &'a Reach,
    pub login: &'a Login,
    pub credential: Option<&'a Credential>,
    pub scopes: &'a Scopes,
    /// When the request that needs it began.
    pub since: Instant,
}

impl Core {
    /// Fetches a new token with the credentials.
    pub fn fetch_token(&self, wanted: &Wanted<'_>, scopes: &Scopes) -> Result<Token, Error> {
        let asked_at = Instant::now();
        let grant = self.fetch_grant(wanted, scopes)?;
        let life = grant
            .expires_in
            .and_then(|life| life.as_f64())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|life| *life >= SHORTEST_LIFE)
            .unwrap_or(SHORTEST_LIFE);
        let secret = [grant.token, grant.access_token]
            .into_iter()
            .flatten()
            .find(|text| !text.is_empty());
        let secret = secret.map(Secret::new).ok_or_else(|| {
            let message = "the token server's answer has no token in it".to_owned();
            Error::new(wanted.place, ErrorKind::Protocol(message)).at(&wanted.server.realm)
        })?;
        let size = secret.expose().len();
        if size > MAX_TOKEN {
            let message = format!(
                "the token server gave a token of {} KiB; a request carries at most {} KiB",
                size.div_ceil(1024),
                MAX_TOKEN / 1024
            );
            let error = Error::new(wanted.place, ErrorKind::Protocol(message)).at(&wanted.server.realm);
            return Err(error.because(Cause::TokenTooLarge));
        }
        // Early enough that it is still valid when the request arrives.
        let life = life.min(Duration::from_secs(24 * 3600));
        let renew_at = asked_at + life - (life / 5).min(SHORTEST_LIFE);
        Ok(Token {
            claims: Claims::read(secret.expose()),
            secret,
            asked_at,
            renew_at,
            asked: scopes.clone(),
        })
    }

    fn fetch_grant(&self, wanted: &Wanted<'_>, scopes: &Scopes) -> Result<Grant, Error> {
        let own = wanted.reach.url("/v2/")?;
        self.may_lead(wanted.reach, &own, &wanted.server.realm)
            .map_err(|refused| {
                let message = format!("the token server's URL can't be used: {}", refused.message);
                Error::new(wanted.place, ErrorKind::Protocol(message))
                    .at(&own)
                    .because(refused.cause)
            })?;
        let answer = match wanted.credential {
            Some(Credential::IdentityToken(token)) => {
                let fields = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
                let answer = self.post_token(wanted, scopes, &fields)?;
                if matches!(answer.status, 400 | 401 | 404 | 405) {
                    answer.drain();
                    self.get_token(wanted, scopes, Some(("<token>", token)))?
                } else {
                    answer
                }
            }
            Some(Credential::Basic { username, password }) => {
                let answer = self.get_token(wanted, scopes, Some((username, password)))?;
                if matches!(answer.status, 404 | 405) {
                    answer.drain();
                    let fields = [
                        ("grant_type", "password"),
                        ("username", username),
                        ("password", password.expose()),
                    ];
                    self.post_token(wanted, scopes, &fields)?
                } else {
                    answer
                }
            }
            _ => self.get_token(wanted, scopes, None)?,
        };
        let url = answer.url.clone();
        if !answer.is_success() {
            return Err(Error::new(wanted.place, ErrorKind::Token(answer.into_refusal())).at(&url));
        }
        let bytes = answer.bytes(MAX_ANSWER, wanted.place)?;
        // The parser's message could quote a token.
        serde_json::from_slice(&bytes).map_err(|_| {
            let message = "the token server's answer isn't the expected JSON".to_owned();
            Error::new(wanted.place, ErrorKind::Protocol(message)).at(&url)
        })
    }

    fn get_token(
        &self,
        wanted: &Wanted<'_>,
        scopes: &Scopes,
        user: Option<(&str, &Secret)>,
    ) -> Result<Answer, Error> {
        let mut url = wanted.server.realm.clone();
        if let Some(service) = &wanted.server.service {
            url = url.with_query("service", service);
        }
        for scope in scopes.each() {
            url = url.with_query("scope", &scope);
        }
        let authorization = user.map(|(name, password)| basic(name, password));
        if let Some((name, _)) = user {
            url = url.with_query("account", name);
        }
        let first = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let authorization = authorization.as_ref().filter(|_| url.same_origin(&first));
            let answer = self.exchange(
                self.token_request("GET", &url, wanted, authorization),
                &mut Payload::None,
            )?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            url = self.redirect_target(wanted.place, wanted.reach, &url, answer)?;
        }
        let message = format!("more than {MAX_REDIRECTS} redirects");
        Err(Error::new(wanted.place, ErrorKind::Protocol(message)).at(&first))
    }

    fn post_token(
        &self,
        wanted: &Wanted<'_>,
        scopes: &Scopes,
        fields: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let mut form = String::new();
        let scope = scopes.to_string();
        let service = wanted.server.service.as_deref().unwrap_or_default();
        let common = [
            ("service", service),
            ("client_id", "transload"),
            ("scope", scope.as_str()),
        ];
        for (name, value) in fields.iter().chain(&common) {
            if !form.is_empty() {
                form.push('&');
            }
            form.push_str(name);
            form.push('=');
            encode_into(&mut form, value);
        }
        let mut request = self.token_request("POST", &wanted.server.realm, wanted, None);
        let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        request.headers = &headers;
        self.exchange(request, &mut Payload::Bytes(form.as_bytes()))
    }

    fn token_request<'a>(
        &self,
        method: &'static str,
        url: &'a Url,
        wanted: &'a Wanted<'_>,
        authorization: Option<&'a Secret>,
    ) -> Exchange<'a> {
        let endpoint = format!("{}://{}{}", url.scheme().as_str(), url.host(), url.path());
        *lock(&self.token_requests).entry(endpoint).or_default() += 1;
        let is_own = wanted.reach.is_own(url);
        Exchange {
            method,
            url,
            headers: &[],
            authorization,
            identity: match is_own {
                true => self.own_identity(wanted.reach.rule),
                false => self.foreign_identity(wanted.reach, url),
            },
            place: wanted.place,
            named_for: (!is_own).then_some(Purpose::Tokens),
            checked_bytes: 0,
        }
    }
}

/// Returns the value of a Basic `Authorization` header.
pub(crate) fn basic(username: &str, password: &Secret) -> Secret {
    let pair = format!("{username}:{}", password.expose());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    Secret::new(format!("Basic {encoded}"))
}

impl Server {
    /// Returns the server of a challenge. A realm may be relative to the registry, and never leads from HTTPS to HTTP.
    pub fn read(realm: &str, service: Option<String>, asked_by: &Url) -> Result<Server, RefusedTarget> {
        let realm = asked_by
            .join(realm)
            .map_err(|error| format!("the token server's URL can't be used: {error}"))?;
        if asked_by.scheme() == Scheme::Https && realm.scheme() == Scheme::Http {
            return Err(RefusedTarget {
                message: format!(
                    "the token server {realm} would get the credentials over plain HTTP: refused"
                ),
                cause: Some(Cause::LeavesHttps),
            });
        }
        Ok(Server { realm, service })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_may_be_relative_and_never_leaves_https() {
        let base = Url::parse("https://hub.local/v2/").unwrap();
        let realm = |text: &str| Server::read(text, None, &base).map(|server| server.realm.expose());
        assert_eq!(realm("/token?a=b").unwrap(), "https://hub.local/token?a=b");
        assert_eq!(realm("https://auth.local/t").unwrap(), "https://auth.local/t");
        assert!(realm("http://auth.local/t").is_err());
        assert!(realm("file:///etc/passwd").is_err());
        let plain = Url::parse("http://hub.local/v2/").unwrap();
        assert!(Server::read("http://auth.local/t", None, &plain).is_ok());
    }

    #[test]
    fn basic_is_encoded() {
        assert_eq!(basic("u", &Secret::new("p:é")).expose(), "Basic dTpwOsOp");
    }
}
