//! Recognizes why a registry refuses: by its status, its error code, and the texts of Harbor. No other module reads these texts.

use transload_reference::Repository;

use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::refusal::Refusal;

/// The reason of a refusal.
///
/// The texts are those of [Harbor](https://github.com/goharbor/harbor), the registry that keeps repositories in projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The project doesn't exist.
    MissingProject,
    /// The repository's name has no project.
    NoProjectInName,
    /// The user may not push to the project.
    NoRightToPush,
    /// The robot account lacks the permission to push to the project.
    RobotWithoutPush,
    /// The project is a proxy cache, which accepts no pushes.
    ProxyCacheProject,
    /// The project's storage quota is used up.
    QuotaExceeded,
    /// The whole registry is in read-only mode.
    ReadOnly,
    /// The tag exists and is immutable.
    ImmutableTag,
    /// The project forbids to pull the image, which is unsigned or vulnerable. A push may succeed.
    PullPolicy,
}

/// The extent of a refusal, beyond the image that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Every image of the project.
    Project,
    /// Every image of the registry.
    Registry,
}

impl Reason {
    /// Whether reads still succeed, so that images that are complete don't fail.
    pub fn allows_reading(self) -> bool {
        matches!(self, Reason::ReadOnly | Reason::QuotaExceeded)
    }
}

/// Returns a repository's project at a Harbor: the first part of its path. A path of one part has none.
///
/// ```
/// # use transload_registry_client::project_of;
/// assert_eq!(project_of(&"hub.local/team/web/app".parse()?), Some("team"));
/// assert_eq!(project_of(&"hub.local/app".parse()?), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn project_of(repository: &Repository) -> Option<&str> {
    repository.path().split_once('/').map(|(project, _)| project)
}

/// Returns why the registry refused, if its answer tells.
pub(crate) fn of(error: &Error) -> Option<Reason> {
    let ErrorKind::Status(refusal) = error.kind() else {
        return None;
    };
    let (status, is_push) = (refusal.status, error.is_push());
    let text = lowercase(refusal);
    let says = |part: &str| text.contains(part);
    if lacks_project(refusal) {
        return Some(Reason::MissingProject);
    }
    if status == 400 && says("invalid repository name: ") {
        let has_project = error
            .repository()
            .is_some_and(|repository| repository.path().contains('/'));
        return (!has_project).then_some(Reason::NoProjectInName);
    }
    if status == 403 && says("system is in read only mode") {
        return Some(Reason::ReadOnly);
    }
    if status == 403 && says("will exceed the configured upper limit") {
        return Some(Reason::QuotaExceeded);
    }
    if status == 403 && says("can not push artifact to a proxy project") {
        return Some(Reason::ProxyCacheProject);
    }
    if matches!(status, 401 | 403) && lacks_right(refusal) && says("action: push") {
        return Some(match refusal.by_robot {
            true => Reason::RobotWithoutPush,
            false => Reason::NoRightToPush,
        });
    }
    let is_of_manifest = matches!(error.inner().place.operation, Operation::WriteManifest(_));
    if is_of_manifest && (status == 412 || matches!(status, 400..500) && says("immutable")) {
        return Some(Reason::ImmutableTag);
    }
    (status == 412 && !is_push).then_some(Reason::PullPolicy)
}

/// Returns what else is refused for the same reason; `None` if it is one image alone.
pub(crate) fn extent(error: &Error) -> Option<Extent> {
    match error.reason()? {
        Reason::ReadOnly => Some(Extent::Registry),
        Reason::ImmutableTag | Reason::PullPolicy => None,
        // A project of other registries may be deeper in the name.
        Reason::MissingProject => {
            let project = project_of(error.repository()?)?;
            let named = format!("project {project} ");
            lowercase(error.refusal()?)
                .contains(&named)
                .then_some(Extent::Project)
        }
        _ => Some(Extent::Project),
    }
}

/// Whether the project doesn't exist, which Harbor tells with several statuses and codes.
pub(crate) fn lacks_project(refusal: &Refusal) -> bool {
    let text = lowercase(refusal);
    matches!(refusal.status, 401 | 403 | 404)
        && text.contains("project ")
        && ["not found", "not exist", "doesn't exist"]
            .iter()
            .any(|said| text.contains(said))
}

/// Whether the user lacks a right. Harbor also answers that with 401, after it has accepted the password.
pub(crate) fn lacks_right(refusal: &Refusal) -> bool {
    refusal.lacks_right || refusal.message.as_deref().is_some_and(names_right)
}

/// Whether a text names a missing right.
pub(crate) fn names_right(message: &str) -> bool {
    message.to_ascii_lowercase().contains("to access repository")
}

fn lowercase(refusal: &Refusal) -> String {
    refusal
        .message
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use transload_reference::{Digest, Identifier};

    use super::*;
    use crate::operation::Place;

    fn upload() -> Operation {
        Operation::UploadBlob(Digest::of(b""))
    }

    fn tag() -> Identifier {
        Identifier::Tag("v1".parse().unwrap())
    }

    fn refused(operation: Operation, repository: &str, status: u16, message: &str) -> Error {
        let place = Place {
            repository: Some(repository.parse().unwrap()),
            has_credential: true,
            ..Place::nowhere(operation)
        };
        let refusal = Refusal {
            status,
            message: Some(message.to_owned()),
            ..Refusal::default()
        };
        Error::new(&place, ErrorKind::Status(refusal))
    }

    #[test]
    fn a_reason_is_known_by_status_and_text() {
        let (push, put) = (&upload(), &Operation::WriteManifest(tag()));
        let look = &Operation::LookUpManifest(tag());
        let denied = "unauthorized to access repository: team/app, action: push";
        let table = [
            (look, 401, "project team not found", Some(Reason::MissingProject)),
            (push, 404, "project team not found", Some(Reason::MissingProject)),
            (push, 500, "project team not found", None),
            (push, 400, "bad request: invalid repository name: team/app", None),
            (push, 401, denied, Some(Reason::NoRightToPush)),
            (
                look,
                401,
                "unauthorized to access repository: team/app, action: pull",
                None,
            ),
            (push, 403, "requested access to the resource is denied", None),
            (
                push,
                403,
                "denied: can not push artifact to a proxy project: team",
                Some(Reason::ProxyCacheProject),
            ),
            (
                push,
                403,
                "adding 1.0 MiB of storage resource, which when updated to current usage of 9.9 MiB will exceed the configured upper \
                 limit of 10.0 MiB.",
                Some(Reason::QuotaExceeded),
            ),
            (
                push,
                403,
                "The system is in read only mode. Any modification is prohibited.",
                Some(Reason::ReadOnly),
            ),
            (
                put,
                412,
                "Failed to process request due to 'app:v1' configured as immutable.",
                Some(Reason::ImmutableTag),
            ),
            (put, 400, "the tag is immutable", Some(Reason::ImmutableTag)),
            (
                look,
                412,
                "The image is not signed by cosign.",
                Some(Reason::PullPolicy),
            ),
            (push, 412, "", None),
        ];
        for (operation, status, message, reason) in table {
            let error = refused(operation.clone(), "hub.local/team/app", status, message);
            assert_eq!(error.reason(), reason, "{error}");
        }
        let error = refused(
            push.clone(),
            "hub.local/app",
            400,
            "bad request: invalid repository name: app",
        );
        assert_eq!(error.reason(), Some(Reason::NoProjectInName));
    }

    #[test]
    fn a_refusal_is_about_the_project_that_it_names() {
        for (status, message, extent) in [
            (404, "project team not found", Some(Extent::Project)),
            (401, "project: Project team does not exist", Some(Extent::Project)),
            (404, "project team/app not found", None),
            (404, "the project is not found", None),
            (412, "The image is not signed by cosign.", None),
            (403, "The system is in read only mode.", Some(Extent::Registry)),
        ] {
            let error = refused(
                Operation::LookUpManifest(tag()),
                "hub.local/team/app",
                status,
                message,
            );
            assert_eq!(error.extent(), extent, "{message}");
        }
    }

    #[test]
    fn a_missing_project_is_recognized_by_registries_messages() {
        for (status, message, is_missing) in [
            (404, "project library2 not found", true),
            (401, "project: Project library2 does not exist", true),
            (403, "the project doesn't exist", true),
            (404, "project not found", true),
            (404, "manifest unknown", false),
            (500, "project x not found", false),
        ] {
            let refusal = Refusal {
                status,
                message: Some(message.to_owned()),
                ..Refusal::default()
            };
            assert_eq!(lacks_project(&refusal), is_missing, "{message}");
        }
    }
}
