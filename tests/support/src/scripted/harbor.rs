//! A Harbor's projects and their rules, which go before the distribution API.
//!
//! Statuses, codes and texts are those of [Harbor's middlewares](https://github.com/goharbor/harbor/tree/main/src/server/middleware).

use super::api::Call;
use super::fault::Reply;

/// A Harbor's projects. Every other project is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Harbor {
    /// Each project's name and kind.
    pub projects: &'static [(&'static str, Project)],
    /// Whether the whole registry is in read-only mode.
    pub read_only: bool,
}

/// The kind of a Harbor's project, as the user sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Project {
    /// The user may pull and push.
    Open,
    /// The user may pull, and not push.
    PullOnly,
    /// It is a proxy cache.
    ProxyCache,
    /// Its storage quota is used up.
    Full,
    /// Its tags are immutable.
    Immutable,
    /// Only signed images may be pulled, and none is.
    SignedOnly,
}

/// The subject of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A manifest, and whether the registry has it.
    Manifest { is_there: bool, is_tag: bool },
    /// An upload session, or the start of one.
    Upload,
    /// Anything else.
    Other,
}

impl Harbor {
    /// Refuses requests of any user.
    pub(super) fn refuse_all(&self, repository: &str, call: &Call<'_>) -> Option<Reply> {
        if !repository.contains('/') {
            let text = format!("bad request: invalid repository name: {repository}");
            return Some(Reply::status(400).error("BAD_REQUEST", &text));
        }
        let text = "The system is in read only mode. Any modification is prohibited.";
        (self.read_only && writes(call)).then(|| Reply::status(403).error("DENIED", text))
    }

    /// Refuses requests that this user may not send.
    pub(super) fn refuse(&self, repository: &str, subject: Subject, call: &Call<'_>) -> Option<Reply> {
        let (name, _) = repository.split_once('/')?;
        let project = self.projects.iter().find(|(known, _)| *known == name);
        let Some((_, project)) = project else {
            return Some(unauthorized("", &format!("project {name} not found")));
        };
        let is_upload = matches!(subject, Subject::Upload);
        let is_manifest = matches!(subject, Subject::Manifest { .. });
        match project {
            Project::PullOnly if writes(call) => Some(unauthorized(
                "Basic realm=\"harbor\"",
                &format!("unauthorized to access repository: {repository}, action: push"),
            )),
            Project::ProxyCache if writes(call) && (is_manifest || is_upload) => {
                let text = format!("denied: can not push artifact to a proxy project: {name}");
                Some(Reply::status(403).error("DENIED", &text))
            }
            // A blob's size is only known once its upload ends.
            Project::Full if call.method == "PUT" && (is_manifest || is_upload) => {
                let text = "adding 1.0 MiB of storage resource, which when updated to current usage of 9.9 MiB will exceed the \
                            configured upper limit of 10.0 MiB.";
                Some(Reply::status(403).error("DENIED", text))
            }
            Project::Immutable => match subject {
                Subject::Manifest {
                    is_there: true,
                    is_tag: true,
                } if call.method == "PUT" => {
                    let (_, rest) = repository.split_once('/')?;
                    let tag = call.path.rsplit('/').next().unwrap_or_default();
                    let text =
                        format!("Failed to process request due to '{rest}:{tag}' configured as immutable.");
                    Some(Reply::status(412).error("PRECONDITION", &text))
                }
                _ => None,
            },
            Project::SignedOnly => match subject {
                Subject::Manifest { is_there: true, .. } if !writes(call) => {
                    let text = "The image is not signed by cosign.";
                    Some(Reply::status(412).error("PROJECTPOLICYVIOLATION", text))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

fn writes(call: &Call<'_>) -> bool {
    !matches!(call.method, "GET" | "HEAD")
}

/// A refusal as Harbor writes it, which says its cause twice.
fn unauthorized(challenge: &str, text: &str) -> Reply {
    Reply::status(401)
        .header("WWW-Authenticate", challenge)
        .error("UNAUTHORIZED", &format!("{text}: {text}"))
}
