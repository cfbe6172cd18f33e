//! How a client reaches a repository and which user it is there, for previews. No secret is included.

use std::path::PathBuf;

use transload_reference::{Registry, Repository};

use crate::client::Client;
use crate::core::Core;
use crate::credentials::CredentialOrigin;
use crate::error::Error;
use crate::operation::{Operation, Place};
use crate::request::Call;
use crate::scope::Scopes;
use crate::url::Scheme;

/// How a client reaches a repository, and as which user. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Access {
    /// Whether the client speaks plain HTTP. A registry on this machine is probed if no rule says.
    pub plain_http: bool,
    /// Whether certificates go unverified.
    pub insecure: bool,
    /// The file with authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate.
    pub cert_file: Option<PathBuf>,
    /// The proxy's address, and the variable that names it: `http://proxy:3128 (from HTTPS_PROXY)`.
    pub proxy: Option<String>,
    /// The origin of the credentials; `None` without credentials.
    pub origin: Option<CredentialOrigin>,
    /// The user name, if the credentials have one.
    pub username: Option<String>,
}

/// A registry's answer to a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginCheck {
    /// It accepts the credentials.
    Accepted,
    /// It serves anonymous requests: it asks for no credentials, or there are none and it needs none.
    Anonymous,
}

impl Client {
    /// Returns how a repository is reached. Sends nothing, except that a registry on this machine may be probed for TLS.
    ///
    /// # Errors
    /// If a credential file or helper fails.
    pub fn access(&self, repository: &Repository) -> Result<Access, Error> {
        self.core().access(repository)
    }

    /// Logs in to a repository's registry with the rights that a pull or a push needs. Changes nothing there, and doesn't tell whether the
    /// repository exists or may be written.
    ///
    /// # Errors
    /// If the registry refuses the credentials, wants some and there are none, or doesn't answer.
    pub fn check_login(&self, repository: &Repository, to_push: bool) -> Result<LoginCheck, Error> {
        self.core()
            .check_login(repository, to_push)
            .map_err(Error::of_registry)
    }
}

impl Core {
    fn access(&self, repository: &Repository) -> Result<Access, Error> {
        let registry = repository.registry();
        let place = Place::at(Operation::FindCredentials, registry, Some(repository));
        let rule = self.rule(registry, Some(repository));
        let settings = self.rules.get(rule);
        let url = self.url(registry, Some(repository), "/v2/")?;
        let found = self.find_credential(&place)?;
        let username = found
            .as_ref()
            .and_then(|(credential, _)| credential.username())
            .map(str::to_owned);
        Ok(Access {
            plain_http: url.scheme() == Scheme::Http,
            insecure: self.own_identity(rule).insecure,
            ca_file: settings.and_then(|settings| settings.ca_file.clone()),
            cert_file: settings.and_then(|settings| settings.cert_file.clone()),
            proxy: self.proxies.shown(&url),
            origin: found.map(|(_, origin)| origin),
            username,
        })
    }

    fn check_login(&self, repository: &Repository, to_push: bool) -> Result<LoginCheck, Error> {
        // The transfer needs the same token.
        let scopes = match to_push {
            true => Scopes::push(repository),
            false => Scopes::pull(repository),
        };
        self.ask_root(Operation::LogIn, repository.registry(), Some(repository), scopes)
    }

    /// Asks for the API's root, with credentials if the registry wants some.
    pub fn ask_root(
        &self,
        operation: Operation,
        registry: &Registry,
        repository: Option<&Repository>,
        scopes: Scopes,
    ) -> Result<LoginCheck, Error> {
        let reach = self.reach(registry, repository)?;
        let mut call = Call::at(self, operation, reach, repository, "GET", "/v2/")?.scopes(scopes);
        let answer = self.run(&mut call, None)?;
        if !answer.is_success() {
            return Err(answer.into_error(&call.place));
        }
        let check = match answer.was_authorized {
            true => LoginCheck::Accepted,
            false => LoginCheck::Anonymous,
        };
        answer.drain();
        Ok(check)
    }

    pub fn ping(&self, registry: &Registry) -> Result<(), Error> {
        self.ask_root(Operation::Ping, registry, None, Scopes::default())
            .map(drop)
    }
}
