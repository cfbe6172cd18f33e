//! Authentication at a scripted registry, and its token endpoint.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::fault::Reply;
use super::harbor_tokens::{HarborTokens, Logins};
use super::{Authentication, TokenAnswers, TokenField};
use crate::http::{basic, percent_decode};
use crate::real::{PASSWORD, USER};

/// The service that tokens are for.
const SERVICE: &str = "scripted";

/// The access that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) repository: String,
    pub(super) action: &'static str,
}

/// The tokens that were given.
#[derive(Debug)]
pub(super) struct Tokens {
    answers: TokenAnswers,
    /// The state of tokens like Harbor's.
    harbor: Option<HarborTokens>,
    pub(super) logins: Logins,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    given: HashMap<String, Given>,
    count: u64,
}

#[derive(Debug)]
struct Given {
    allowed: Vec<Wanted>,
    /// How many requests it is still good for.
    uses: usize,
}

impl Tokens {
    pub(super) fn new(answers: TokenAnswers, harbor: Option<HarborTokens>) -> Tokens {
        Tokens {
            answers,
            harbor,
            logins: Logins::default(),
            inner: Mutex::default(),
        }
    }

    /// Makes every token given so far worthless.
    pub(super) fn revoke(&self) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .given
            .clear();
    }

    /// Checks a request's `Authorization` header; the answer that refuses it, if it has to be.
    pub(super) fn check(
        &self,
        authentication: Authentication,
        base: &str,
        authorization: Option<&str>,
        wanted: &[Wanted],
    ) -> Result<(), Reply> {
        let limit = self.harbor.as_ref().and_then(|harbor| harbor.longest_header);
        if let (Some((longest, status)), Some(sent)) = (limit, authorization)
            && sent.len() > longest
        {
            let page = "<html><body>Request Header Or Cookie Too Large</body></html>\n";
            return Err(Reply::status(status)
                .header("Content-Type", "text/html")
                .body(page));
        }
        match authentication {
            Authentication::Off => Ok(()),
            Authentication::Basic => match authorization.and_then(basic) {
                Some((user, password)) if user == USER && password == PASSWORD => Ok(()),
                _ => Err(refuse("Basic realm=\"scripted registry\"")),
            },
            Authentication::Bearer { .. } => {
                let token = authorization.and_then(|value| value.split_once(' '));
                let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
                let error = match token {
                    None => "",
                    Some((_, token)) => match self.allows(token, wanted) {
                        Some(true) => return Ok(()),
                        Some(false) => ",error=\"insufficient_scope\"",
                        None => ",error=\"invalid_token\"",
                    },
                };
                Err(refuse(&format!(
                    "Bearer realm=\"{base}/token\",service=\"{SERVICE}\"{}{error}",
                    scope(wanted)
                )))
            }
        }
    }

    /// Whether a token allows the access, which counts as a use; `None` if it isn't valid.
    fn allows(&self, token: &str, wanted: &[Wanted]) -> Option<bool> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let given = inner.given.get_mut(token)?;
        let uses = given.uses.checked_sub(1)?;
        let allowed = wanted.iter().all(|wanted| given.allowed.contains(wanted));
        if allowed {
            given.uses = uses;
        }
        Some(allowed)
    }

    /// Answers the token endpoint: GET with a query, or POST with a form.
    pub(super) fn endpoint(
        &self,
        authentication: Authentication,
        method: &str,
        query: &str,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Reply {
        let Authentication::Bearer { anonymous, oauth2 } = authentication else {
            return Reply::status(404);
        };
        if let Some(harbor) = &self.harbor {
            return match method {
                "GET" => self.grant_as_harbor(harbor, query, authorization),
                _ => Reply::status(405),
            };
        }
        let form = String::from_utf8_lossy(body);
        let (parameters, known) = match method {
            "GET" => {
                let known = authorization
                    .map(|header| basic(header).is_some_and(|(user, password)| is_user(&user, &password)));
                (query, known)
            }
            "POST" if oauth2 => {
                let value = |name| parameter(&form, name).next().unwrap_or_default();
                let known = match value("grant_type").as_str() {
                    "password" => is_user(&value("username"), &value("password")),
                    "refresh_token" => value("refresh_token") == REFRESH_TOKEN,
                    _ => return Reply::status(400).error("UNSUPPORTED", "unknown grant_type"),
                };
                (&*form, Some(known))
            }
            _ => return Reply::status(405),
        };
        if known == Some(false) || (known.is_none() && !anonymous) {
            return Reply::status(401).error("UNAUTHORIZED", "wrong credentials");
        }
        let allowed = parameter(parameters, "scope")
            .flat_map(|scopes| scopes.split(' ').flat_map(granted).collect::<Vec<_>>())
            .filter(|wanted| known.is_some() || wanted.action == "pull")
            .collect();
        let number = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.count += 1;
            inner.count
        };
        let token = format!("token-{number}");
        self.keep(token.clone(), allowed);
        let name = match self.answers.field {
            TokenField::ByMethod if method == "GET" => "token",
            TokenField::Token => "token",
            TokenField::ByMethod | TokenField::AccessToken => "access_token",
        };
        let mut answer = json!({name: token});
        if let Some(seconds) = self.answers.expires_in {
            answer["expires_in"] = seconds.into();
        }
        if let Some(text) = self.answers.expires_in_text {
            answer["expires_in"] = text.into();
            answer["issued_at"] = text.into();
        }
        Reply::status(200)
            .header("Content-Type", "application/json")
            .body(answer.to_string())
    }

    fn keep(&self, token: String, allowed: Vec<Wanted>) {
        let given = Given {
            allowed,
            uses: self.answers.uses.unwrap_or(usize::MAX),
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.given.insert(token, given);
    }

    fn grant_as_harbor(&self, harbor: &HarborTokens, query: &str, authorization: Option<&str>) -> Reply {
        let granted = match self.logins.grant(harbor, query, authorization) {
            Ok(granted) => granted,
            Err(refusal) => return refusal,
        };
        let allowed = granted.allowed.iter().flat_map(|(name, actions)| {
            granted_actions(actions.iter().map(String::as_str)).map(|action| Wanted {
                repository: name.clone(),
                action,
            })
        });
        self.keep(granted.token.clone(), allowed.collect());
        Reply::status(200)
            .header("Content-Type", "application/json")
            .body(json!({"token": granted.token, "expires_in": 1800}).to_string())
    }
}

/// The identity token that the endpoint's OAuth2 form takes in place of user and password.
pub const REFRESH_TOKEN: &str = "identity-token-of-tester";

pub(super) fn is_user(user: &str, password: &str) -> bool {
    user == USER && password == PASSWORD
}

fn refuse(challenge: &str) -> Reply {
    Reply::status(401)
        .header("WWW-Authenticate", challenge)
        .error("UNAUTHORIZED", "authentication required")
}

fn scope(wanted: &[Wanted]) -> String {
    let Some(first) = wanted.first() else {
        return String::new();
    };
    let mut actions: Vec<&str> = wanted
        .iter()
        .filter(|wanted| wanted.repository == first.repository)
        .map(|wanted| wanted.action)
        .collect();
    actions.sort_unstable();
    actions.dedup();
    format!(",scope=\"repository:{}:{}\"", first.repository, actions.join(","))
}

fn granted(scope: &str) -> Vec<Wanted> {
    let Some((name, actions)) = scope
        .strip_prefix("repository:")
        .and_then(|rest| rest.rsplit_once(':'))
    else {
        return Vec::new();
    };
    granted_actions(actions.split(','))
        .map(|action| Wanted {
            repository: name.to_owned(),
            action,
        })
        .collect()
}

/// Of actions, those that there are.
fn granted_actions<'a>(actions: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'static str> {
    let known = ["pull", "push", "delete"];
    actions.filter_map(move |action| known.into_iter().find(|&known| known == action))
}

/// Every value of a parameter, decoded.
pub(super) fn parameter<'a>(parameters: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    parameters
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| percent_decode(value))
}
