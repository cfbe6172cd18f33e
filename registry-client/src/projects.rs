//! Harbor's projects, by Harbor's API v2.0 (`api/v2.0/swagger.yaml` in goharbor/harbor): `/systeminfo` and `/projects`.
//!
//! The API wants a user name and a password with each request, not a registry's token.

use std::fmt;
use std::time::Instant;

use serde::Deserialize;
use serde_json::json;
use transload_reference::{Registry, Repository};

use crate::answer::Answer;
use crate::auth::Scheme;
use crate::client::Client;
use crate::config::Credential;
use crate::core::Core;
use crate::error::{Error, ErrorKind};
use crate::operation::{Operation, Place};
use crate::payload::Payload;
use crate::reason::project_of;
use crate::request::{Call, LogIn};
use crate::throttle::Permit;

/// The largest answer of Harbor's API to read, in bytes.
const MAX_ANSWER: u64 = 1024 * 1024;

/// Who may pull from a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Visibility {
    /// Its members.
    #[default]
    Private,
    /// Everybody.
    Public,
}

impl Visibility {
    /// Returns its name: `private` or `public`.
    pub fn as_str(self) -> &'static str {
        match self {
            Visibility::Private => "private",
            Visibility::Public => "public",
        }
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The part of Harbor's `/systeminfo` that transload reads. Only users who are logged in get the second field.
#[derive(Deserialize)]
pub(crate) struct SystemInfo {
    #[serde(rename = "auth_mode")]
    _auth_mode: String,
    pub project_creation_restriction: Option<String>,
}

impl Client {
    /// Returns whether a registry is a Harbor: whether it answers Harbor's API v2.0. Sends no credentials.
    ///
    /// # Errors
    /// If it can't be reached, or fails.
    pub fn is_harbor(&self, repository: &Repository) -> Result<bool, Error> {
        let found = self.core().harbor(repository.registry(), Some(repository));
        found.map(|info| info.is_some()).map_err(Error::of_registry)
    }

    /// Returns whether a repository's project exists at a Harbor, even if the user may not see it. The project is the first part of the path.
    ///
    /// # Errors
    /// If there are no credentials, or Harbor refuses them.
    pub fn has_project(&self, repository: &Repository) -> Result<bool, Error> {
        self.core().has_project(repository).map_err(Error::of_registry)
    }

    /// Creates a repository's project at a Harbor. Returns false if it exists, as when another run was quicker.
    ///
    /// # Errors
    /// If there are no credentials, the user may not create projects, or the name is invalid.
    pub fn create_project(&self, repository: &Repository, visibility: Visibility) -> Result<bool, Error> {
        let created = self.core().create_project(repository, visibility);
        created.map_err(Error::of_registry)
    }
}

impl Core {
    /// Returns a Harbor's public description; `None` if the registry isn't a Harbor.
    pub(crate) fn harbor(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Option<SystemInfo>, Error> {
        let call = self.harbor_call(Operation::DetectHarbor, registry, repository)?;
        self.system_info(call.to("GET", "/api/v2.0/systeminfo")?, None)
    }

    /// Returns a Harbor's description for this user; `None` if it isn't a Harbor.
    pub(crate) fn system_info(
        &self,
        call: Call,
        credential: Option<&Credential>,
    ) -> Result<Option<SystemInfo>, Error> {
        let answer = self.ask_harbor(&call, credential, None)?;
        match answer.status {
            200 => {
                // Another product may answer with a web page, or other JSON.
                let bytes = answer.bytes(MAX_ANSWER, &call.place)?;
                Ok(serde_json::from_slice(&bytes).ok())
            }
            400..=499 => {
                answer.drain();
                Ok(None)
            }
            _ => Err(answer.into_error(&call.place)),
        }
    }

    fn has_project(&self, repository: &Repository) -> Result<bool, Error> {
        let project = project_of(repository).unwrap_or(repository.path());
        let operation = Operation::FindProject(project.to_owned());
        let (call, credential) =
            self.harbor_call_of_user(operation, repository.registry(), Some(repository))?;
        let mut call = call.to("HEAD", "/api/v2.0/projects")?;
        call.url = call.url.with_query("project_name", project);
        let answer = self.ask_harbor(&call, Some(&credential), None)?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(answer.into_error(&call.place)),
        }
    }

    fn create_project(&self, repository: &Repository, visibility: Visibility) -> Result<bool, Error> {
        let project = project_of(repository).unwrap_or(repository.path());
        let operation = Operation::CreateProject(project.to_owned());
        let (call, credential) =
            self.harbor_call_of_user(operation, repository.registry(), Some(repository))?;
        let call = call
            .to("POST", "/api/v2.0/projects")?
            .header("content-type", "application/json");
        let is_public = (visibility == Visibility::Public).to_string();
        let body = json!({"project_name": project, "metadata": {"public": is_public}}).to_string();
        let answer = self.ask_harbor(&call, Some(&credential), Some(body.as_bytes()))?;
        match answer.status {
            201 => Ok(true),
            409 => Ok(false),
            _ => Err(answer.into_error(&call.place)),
        }
    }

    /// Returns a request to Harbor's API, and the user's credentials.
    pub(crate) fn harbor_call_of_user(
        &self,
        operation: Operation,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<(Call, Credential), Error> {
        let mut call = self.harbor_call(operation, registry, repository)?;
        let credential = self.credential(&call.place)?;
        call.place.has_credential = credential.is_some();
        // The same error for every project: the user is missing.
        let refuse = |message: String| {
            let place = Place {
                operation: Operation::CreateProjects,
                ..call.place.clone()
            };
            Error::new(&place, ErrorKind::Config(message))
        };
        match credential {
            Some(credential @ Credential::Basic { .. }) => Ok((call, credential)),
            Some(_) => Err(refuse(format!(
                "the credentials for {registry} are a token, and Harbor's API takes a user name and a password"
            ))),
            None => Err(refuse(format!(
                "there are no credentials for {registry}, and Harbor creates projects for users who are logged in"
            ))),
        }
    }

    fn harbor_call(
        &self,
        operation: Operation,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Call, Error> {
        let reach = self.reach(registry, repository)?;
        let mut call = Call::at(self, operation, reach, repository, "GET", "/api/v2.0/")?;
        call.place.has_credential = false;
        Ok(call)
    }

    /// Sends a request to Harbor's API, with credentials or anonymously.
    pub(crate) fn ask_harbor(
        &self,
        call: &Call,
        credential: Option<&Credential>,
        body: Option<&[u8]>,
    ) -> Result<Answer, Error> {
        self.run_as(&mut call.clone(), body, LogIn::Basic(credential))
    }

    /// Sends a request that has its permit, with Basic authentication whatever scheme the registry asks for. Follows no redirect.
    pub(crate) fn exchange_with_basic(
        &self,
        call: &Call,
        credential: Option<&Credential>,
        payload: &mut Payload<'_, '_>,
        permit: Permit,
    ) -> Result<Answer, Error> {
        let login = self.login(&call.reach);
        let proof = match credential {
            Some(_) => self.authorize_with(&login, call, Instant::now(), &Scheme::Basic, credential)?,
            None => None,
        };
        let identity = self.own_identity(call.reach.rule);
        let (header, trial) = proof.map_or((None, None), |proof| (Some(proof.header), proof.trial));
        let mut send = || self.exchange(call.exchange(&call.url, header.as_ref(), identity), payload);
        let mut answer = send()?;
        if trial.is_some() && answer.status == 401 {
            // Another user's mistake may have locked the name.
            self.wait_for_lockout(&call.place, Some(&answer.into_error(&call.place)))?;
            answer = send()?;
        }
        if let Some((credential, _trial)) = trial {
            match answer.status {
                401 => {
                    let blame = self.describe_refused(&call.place, &credential);
                    return Err(login.refuse(&credential, answer.into_error(&call.place), blame));
                }
                // Harbor answers about projects only after it has accepted the user.
                200 | 201 | 403 | 404 | 409 => login.accept(&credential, false),
                _ => {}
            }
        }
        answer.permit = Some(permit);
        Ok(answer)
    }
}

impl Call {
    /// Returns the same request for another method and path.
    pub(crate) fn to(self, method: &'static str, path: &str) -> Result<Call, Error> {
        Ok(Call {
            url: self.reach.url(path)?,
            method,
            ..self
        })
    }
}

/// Returns the hint for a missing project.
pub(crate) fn hint(project: &str, host: impl fmt::Display) -> String {
    format!(
        "{host} has no project {project}: create it there first (Harbor: Projects, New Project), have transload create it \
         (--create-projects, or create_projects: true in a task), or choose another dest"
    )
}

/// Returns the hint for a project that Harbor doesn't create.
pub(crate) fn hint_of_refusal(error: &Error) -> Option<String> {
    let host = error.registry()?;
    let project = match &error.inner().place.operation {
        Operation::CreateProjects => {
            return Some(format!(
                "give a user's name and password in auths (repo: {host}), or log in: `transload login {host}`"
            ));
        }
        Operation::CreateProject(project) | Operation::FindProject(project) => project,
        _ => return None,
    };
    match error.status()? {
        403 => Some(format!(
            "the user may log in to {host}, but not create projects: ask an administrator to create {project}, or to let everyone \
             create projects (Harbor: Configuration, System Settings, Project Creation); of the robot accounts, only a system robot \
             with the permission to create projects may"
        )),
        400 => Some(format!(
            "choose a dest whose first part is a name that {host} takes for a project: lower-case letters, digits, and single . _ - between them"
        )),
        _ => None,
    }
}
