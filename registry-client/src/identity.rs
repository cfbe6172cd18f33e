//! Checks credentials with a token server before their first use.
//!
//! Harbor answers a wrong password with an anonymous token, which reads public projects, and refuses only a request without a scope. It then
//! locks the user name for 1.5 seconds. So credentials that seem to be refused are tried once more after a wait, without a scope, as
//! `docker login` does.

use transload_reference::printable;

use crate::config::Credential;
use crate::core::{Core, lock};
use crate::credentials::CredentialOrigin;
use crate::error::{Error, ErrorKind};
use crate::notice::NoticeKind;
use crate::operation::Place;
use crate::scope::Scopes;
use crate::token::{Token, Wanted};

/// How much of a user's name is shown, in characters.
const LONGEST_NAME: usize = 100;

impl Core {
    /// Fetches a token for the credentials' user.
    ///
    /// # Errors
    /// The same error for all requests if the credentials are refused.
    pub fn new_token(&self, wanted: &Wanted<'_>, scopes: &Scopes) -> Result<Token, Error> {
        let Some(credential) = wanted.credential else {
            return self.fetch_token(wanted, scopes);
        };
        // Other requests wait while this is held.
        let trial = wanted.login.admit(credential)?;
        match trial {
            Some(_) => self.introduce(wanted, credential, scopes),
            None => self.fetch_for_known(wanted, credential, scopes),
        }
    }

    /// Fetches a token with credentials that were never sent before.
    fn introduce(
        &self,
        wanted: &Wanted<'_>,
        credential: &Credential,
        scopes: &Scopes,
    ) -> Result<Token, Error> {
        let first = self.fetch_token(wanted, scopes);
        let seems_refused = match &first {
            Ok(token) => token.claims.subject.as_deref() == Some(""),
            Err(error) => error.refuses_credentials(),
        };
        match &first {
            // A request without a scope is the check itself.
            Ok(token) if token.is_named() || scopes.is_empty() => {
                wanted.login.accept(credential, token.is_named());
                return first;
            }
            Ok(_) if !seems_refused && !matches!(credential, Credential::Basic { .. }) => {
                wanted.login.accept(credential, false);
                return first;
            }
            Err(error) if !seems_refused => {
                if error.is_denied() {
                    wanted.login.accept(credential, false);
                }
                return first;
            }
            _ => {}
        }
        if seems_refused {
            self.wait_for_lockout(wanted.place, first.as_ref().err())?;
        }
        match self.fetch_token(wanted, &Scopes::default()) {
            Ok(login) => {
                wanted.login.accept(credential, login.is_named());
                match seems_refused && (login.is_named() || first.is_err()) {
                    true => self.fetch_token(wanted, scopes).map_err(Error::of_known_user),
                    false => first,
                }
            }
            Err(error) if error.refuses_credentials() => Err(self.refuse(wanted, credential, error)),
            Err(error) => match first {
                Err(first) => Err(self.refuse(wanted, credential, first)),
                Ok(_) if seems_refused && error.is_retryable() => Err(error),
                // The server gives no tokens without a scope.
                Ok(token) => {
                    wanted.login.accept(credential, false);
                    Ok(token)
                }
            },
        }
    }

    /// Fetches a token with accepted credentials. Another user's mistake may have locked the name.
    fn fetch_for_known(
        &self,
        wanted: &Wanted<'_>,
        credential: &Credential,
        scopes: &Scopes,
    ) -> Result<Token, Error> {
        let fetched = self.fetch_token(wanted, scopes).map_err(Error::of_known_user)?;
        if fetched.is_named() || !wanted.login.is_named(credential) {
            return Ok(fetched);
        }
        self.wait_for_lockout(wanted.place, None)?;
        self.fetch_token(wanted, scopes).map_err(Error::of_known_user)
    }

    /// Waits until the lock of a user name has expired.
    pub fn wait_for_lockout(&self, place: &Place, refusal: Option<&Error>) -> Result<(), Error> {
        let wait = self.retry.login_wait();
        match refusal {
            Some(error) => self.notify(NoticeKind::Retry, place, 1, wait, error.kind()),
            None => {
                let cause = "the token server gave an anonymous token, as it does if the password is wrong or the user is locked out";
                self.notify(NoticeKind::Retry, place, 1, wait, cause);
            }
        }
        match self.cancel.sleep(wait, || false) {
            true => Ok(()),
            false => Err(Error::new(place, ErrorKind::Cancelled)),
        }
    }

    fn refuse(&self, wanted: &Wanted<'_>, credential: &Credential, error: Error) -> Error {
        let blame = self.describe_refused(wanted.place, credential);
        wanted.login.refuse(credential, error, blame)
    }

    /// Describes refused credentials: their kind and origin.
    pub fn describe_refused(&self, place: &Place, credential: &Credential) -> String {
        let what = match credential {
            Credential::Basic { username, .. } => format!("{}'s password", printable(username, LONGEST_NAME)),
            _ => "the token".to_owned(),
        };
        let Some(registry) = &place.registry else {
            return format!("{what} is refused");
        };
        let rule = self.rules.get(self.rule(registry, place.repository.as_ref()));
        let origin = match rule.filter(|rule| rule.credential.is_some()) {
            Some(rule) => Some(rule.origin()),
            None => {
                let known = lock(&self.known_credentials);
                let known = place
                    .repository
                    .as_ref()
                    .and_then(|repository| known.get(repository));
                let known = known
                    .and_then(Option::as_ref)
                    .filter(|(known, _)| known == credential);
                known.map(|(_, origin)| origin.clone())
            }
        };
        match origin {
            None | Some(CredentialOrigin::Other) => format!("{registry} refused {what}"),
            Some(origin) => format!("{registry} refused {what} ({origin})"),
        }
    }
}

impl Token {
    /// Whether it names a user.
    fn is_named(&self) -> bool {
        self.claims
            .subject
            .as_ref()
            .is_some_and(|subject| !subject.is_empty())
    }
}
