//! Examines the registry's API.

use transload_reference::{Descriptor, Identifier, Manifest, MediaKind, Repository, Tag};

use super::{Examination, Fact, Topic};
use crate::auth::{Demand, Scheme};
use crate::blob_reader::BlobReader;
use crate::config::Credential;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::operation::Operation;
use crate::pages::Page;
use crate::payload::Payload;
use crate::reason::{Reason, project_of};
use crate::request::Call;
use crate::scope::Scopes;
use crate::url::Url;

/// The largest list of tags to read, in bytes.
const MAX_TAGS: u64 = 4 * 1024 * 1024;

/// A digest that no manifest has.
const NOBODY: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The service name of Harbor's token server.
const HARBOR: &str = "harbor-registry";

impl Examination<'_> {
    pub(super) fn check_api(&mut self, root: &Url, push: bool) {
        let Some(demand) = self.check_root(root) else {
            return;
        };
        let may_go_on = self.check_credentials(demand.as_ref());
        if may_go_on && push && demand.is_some() {
            self.check_projects();
        }
        let Some(repository) = self.repository.filter(|_| may_go_on) else {
            return;
        };
        let tags = self.check_repository(repository, push);
        if push {
            self.check_push(repository);
        }
        if let Some(tags) = tags {
            self.check_ranges(repository, &tags);
            self.check_referrers(repository);
        }
    }

    /// Asks anonymously. Returns `None` if it is no registry, else the authentication that it asks for, if any.
    fn check_root(&mut self, root: &Url) -> Option<Option<Demand>> {
        let place = self.place(Operation::Ping);
        let exchange = Exchange {
            method: "GET",
            url: root,
            headers: &[],
            authorization: None,
            identity: self.core.own_identity(self.rule()),
            place: &place,
            named_for: None,
            checked_bytes: 0,
        };
        let answer = match self.core.exchange(exchange, &mut Payload::None) {
            Ok(answer) => answer,
            Err(error) => {
                self.note(Fact::of_error(Topic::Api, &error.at(root)));
                return None;
            }
        };
        let status = answer.status.to_string();
        match answer.status {
            200 => {
                answer.drain();
                self.note(
                    Fact::good(Topic::Api, format!("{root} answers as a registry")).value("status", status),
                );
                self.note(
                    Fact::neutral(Topic::Login, "the registry asks for no login").value("scheme", "none"),
                );
                Some(None)
            }
            401 => {
                let demand = Demand::of(&answer);
                answer.drain();
                let text = format!("{root} answers as a registry that asks for a login");
                self.note(Fact::good(Topic::Api, text).value("status", status));
                match demand {
                    Ok(Some(demand)) => {
                        self.note(scheme(&demand.scheme));
                        Some(Some(demand))
                    }
                    Ok(None) => {
                        let text = "it refuses and doesn't say how to log in (no WWW-Authenticate)";
                        let hint = format!(
                            "check whether a proxy in front of {} removes headers from answers",
                            self.registry
                        );
                        self.note(Fact::bad(Topic::Login, text).hint(hint));
                        None
                    }
                    Err(refused) => {
                        self.note(Fact::bad(Topic::Login, refused.message));
                        None
                    }
                }
            }
            _ => {
                let error = answer.into_error(&place).at(root);
                let mut fact = Fact::of_error(Topic::Api, &error);
                if let Some(refusal) = error.refusal() {
                    fact.text = format!("{root} doesn't answer as a registry: {refusal}");
                }
                self.note(fact.value("status", status));
                None
            }
        }
    }

    /// Examines the credentials, and whether the registry accepts them. Returns whether to go on.
    fn check_credentials(&mut self, demand: Option<&Demand>) -> bool {
        let found = match self.core.find_credential(&self.place(Operation::FindCredentials)) {
            Ok(found) => found,
            Err(error) => {
                self.note(Fact::of_error(Topic::Credentials, &error));
                return false;
            }
        };
        let Some((credential, origin)) = found else {
            if demand.is_none() {
                return true;
            }
            return self.look_without_credentials();
        };
        let origin = origin.to_string();
        let who = match &credential {
            Credential::Basic { username, .. } => username.as_str(),
            Credential::IdentityToken(_) => "an identity token",
            Credential::RegistryToken(_) => "a registry's token",
        };
        let told = |fact: Fact| fact.value("user", who).value("from", origin.as_str());
        if demand.is_none() {
            let text = format!("{who}, from {origin}: not asked for");
            self.note(told(Fact::neutral(Topic::Credentials, text)));
            return true;
        }
        match self.ask_root() {
            Ok(()) => {
                let text = format!("{who}, from {origin}: accepted");
                self.note(told(Fact::good(Topic::Credentials, text)));
                true
            }
            Err(error) => {
                let mut fact = Fact::of_error(Topic::Credentials, &error);
                fact.text = format!("{who}, from {origin}: {}", fact.text);
                self.note(told(fact));
                false
            }
        }
    }

    /// Notes that there are no credentials. Some registries let everybody read.
    fn look_without_credentials(&mut self) -> bool {
        let text = "none were found, in --auths, in the files of docker and podman, or by their helpers";
        match self.ask_root() {
            Ok(()) => {
                self.note(Fact::neutral(
                    Topic::Credentials,
                    format!("{text}; the registry needs none"),
                ));
                true
            }
            Err(error) if error.is_denied() && self.repository.is_some() => {
                self.note(Fact::neutral(Topic::Credentials, text));
                true
            }
            Err(error) => {
                let mut fact = Fact::of_error(Topic::Credentials, &error);
                if error.is_denied() {
                    fact.text = format!("{text}, and the registry needs some");
                }
                self.note(fact);
                false
            }
        }
    }

    /// Asks for the API's root with the credentials.
    fn ask_root(&self) -> Result<(), Error> {
        let asked = self.core.ask_root(
            Operation::LogIn,
            self.registry,
            self.repository,
            Scopes::default(),
        );
        asked.map(drop)
    }

    /// Examines whether the repository may be read. Returns its tags.
    fn check_repository(&mut self, repository: &Repository, push: bool) -> Option<Vec<String>> {
        match self.ask_tags(repository) {
            Ok(tags) => {
                let text = match tags.len() {
                    0 => format!("{} can be read, and has no tags", repository.path()),
                    1 => format!("{} can be read, and its tags listed: 1 so far", repository.path()),
                    number => format!(
                        "{} can be read, and its tags listed: {number} at once",
                        repository.path()
                    ),
                };
                self.note(Fact::good(Topic::Pull, text).value("tags", tags.len().to_string()));
                Some(tags)
            }
            // The first push creates it.
            Err(error) if push && error.is_not_found() && !lacks_project(&error) => {
                let text = format!("there is no repository {} (yet)", repository.path());
                self.note(Fact::neutral(Topic::Pull, text));
                None
            }
            Err(error) => {
                let fact = self.of_repository(Topic::Pull, &error, repository);
                self.note(fact);
                None
            }
        }
    }

    fn ask_tags(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        let mut call = Call::new(self.core, Operation::ListTags, repository, "GET", "/tags/list")?
            .header("accept", "application/json");
        let answer = self.core.run(&mut call, None)?;
        Ok(Page::read(&call, answer, MAX_TAGS)?.names)
    }

    /// Examines whether the repository may be written, by an upload that it cancels.
    fn check_push(&mut self, repository: &Repository) {
        let fact = match self.begin_upload(repository) {
            Ok(()) => {
                let text = format!(
                    "{} can be pushed to (an upload was started and cancelled)",
                    repository.path()
                );
                Fact::good(Topic::Push, text)
            }
            Err(error) => self.of_repository(Topic::Push, &error, repository),
        };
        self.note(fact);
    }

    fn begin_upload(&self, repository: &Repository) -> Result<(), Error> {
        let scopes = Scopes::push(repository);
        let mut call = Call::new(
            self.core,
            Operation::BeginUpload,
            repository,
            "POST",
            "/blobs/uploads/",
        )?
        .scopes(scopes);
        let answer = self.core.run(&mut call, None)?;
        if answer.status != 202 {
            return Err(answer.into_error(&call.place));
        }
        let session = self.core.session(&call, &answer)?;
        answer.drain();
        self.core.cancel_session(repository, &session.location);
        Ok(())
    }

    /// Returns an error about a repository as a fact. A missing project is named.
    fn of_repository(&self, topic: Topic, error: &Error, repository: &Repository) -> Fact {
        if !lacks_project(error) {
            return Fact::of_error(topic, error);
        }
        let project = project_of(repository).unwrap_or(repository.path());
        let text = format!(
            "there is no project {project} at {}: {}",
            self.registry,
            error.kind()
        );
        let hint = format!(
            "create the project {project} in Harbor (Projects, New Project), and let the user be a member that may push; or have transload \
             create it (--create-projects)"
        );
        Fact::bad(topic, text)
            .hint(hint)
            .value("missing_project", project)
    }

    /// Examines ranges, by the first byte of an image's config.
    fn check_ranges(&mut self, repository: &Repository, tags: &[String]) {
        let Some(blob) = self.small_blob(repository, tags) else {
            return;
        };
        let fact = match BlobReader::open_part(self.core, repository, &blob, 0..1) {
            Ok(Some(_)) => Fact::good(
                Topic::Ranges,
                "the registry serves ranges of blobs: interrupted downloads resume",
            ),
            Ok(None) => Fact::neutral(
                Topic::Ranges,
                "the registry serves whole blobs only: interrupted downloads start again",
            ),
            Err(error) => Fact::of_error(Topic::Ranges, &error),
        };
        self.note(fact);
    }

    /// Returns the config of an image of the repository, with at least two bytes.
    fn small_blob(&self, repository: &Repository, tags: &[String]) -> Option<Descriptor> {
        let tag: Tag = tags.iter().find_map(|tag| tag.parse().ok())?;
        let mut manifest = self.core.manifest(repository, &Identifier::Tag(tag)).ok()?;
        if manifest.media_type().kind() == MediaKind::Index {
            let child = manifest.view().children().first()?.digest.clone();
            manifest = self.core.manifest(repository, &Identifier::Digest(child)).ok()?;
        }
        match manifest.view() {
            Manifest::Image(image) => Some(image.config.clone())
                .filter(|config| config.size > 1 && matches!(config.inline_data(), Ok(None))),
            _ => None,
        }
    }

    fn check_referrers(&mut self, repository: &Repository) {
        let path = format!("/referrers/{NOBODY}");
        let asked = Call::new(
            self.core,
            Operation::ListReferrers(None),
            repository,
            "GET",
            &path,
        )
        .and_then(|call| {
            let mut call = call.header("accept", "application/vnd.oci.image.index.v1+json");
            self.core.run(&mut call, None)
        });
        let fact = match asked {
            Ok(answer) if answer.status == 200 => {
                answer.drain();
                Fact::good(
                    Topic::Referrers,
                    "signatures and the like are listed (referrers API)",
                )
            }
            Ok(answer) => {
                let text = format!(
                    "no referrers API ({}): signatures and the like are found by their tags",
                    answer.status
                );
                answer.drain();
                Fact::neutral(Topic::Referrers, text)
            }
            Err(error) => Fact::of_error(Topic::Referrers, &error),
        };
        self.note(fact);
    }
}

/// Returns the authentication scheme as a fact.
fn scheme(scheme: &Scheme) -> Fact {
    match scheme {
        Scheme::Basic => {
            Fact::neutral(Topic::Login, "by user name and password (Basic)").value("scheme", "basic")
        }
        Scheme::Bearer(server) => {
            let service = server.service.as_deref().unwrap_or_default();
            let mut text = format!("by a token of {}", server.realm);
            if !service.is_empty() {
                text.push_str(&format!(" for the service {service}"));
            }
            let is_harbor = service == HARBOR;
            if is_harbor {
                text.push_str(" (Harbor)");
            }
            let fact = Fact::neutral(Topic::Login, text)
                .value("scheme", "bearer")
                .value("token_server", server.realm.to_string())
                .value("service", service);
            if is_harbor {
                fact.value("product", "Harbor")
            } else {
                fact
            }
        }
    }
}

/// Whether a project is missing.
fn lacks_project(error: &Error) -> bool {
    error.reason() == Some(Reason::MissingProject)
}
