//! The purpose of a request, and where it goes.

use std::fmt;

use transload_reference::{Digest, Identifier, Registry, Repository};

/// The purpose of a request. Its text continues "…: ", as in "reading the manifest 3.19".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    PrepareClient,
    FindCredentials,
    Connect,
    ProbeScheme,
    Ping,
    LogIn,
    /// A login with credentials that were refused, with what is said of them.
    LogInRefused(String),
    ReadManifest(Identifier),
    LookUpManifest(Identifier),
    WriteManifest(Identifier),
    ReadBlob(Digest),
    LookUpBlob(Digest),
    MountBlob(Digest),
    UploadBlob(Digest),
    BeginUpload,
    CancelUpload,
    /// Any part of a push: what is refused to one image is refused to others.
    Push,
    ListTags,
    ListRepositories,
    ListReferrers(Option<Digest>),
    DetectHarbor,
    AskWhoCreatesProjects,
    CreateProjects,
    FindProject(String),
    CreateProject(String),
    /// Anything at a host where nothing, or no upload, succeeds. The host is named where it isn't the registry.
    GivenUp {
        host: Option<Registry>,
        is_write: bool,
    },
}

impl Operation {
    /// Whether it writes images.
    pub fn is_push(&self) -> bool {
        use Operation::{BeginUpload, MountBlob, Push, UploadBlob, WriteManifest};
        matches!(
            self,
            BeginUpload | MountBlob(_) | Push | UploadBlob(_) | WriteManifest(_)
        )
    }

    /// Whether it is about a manifest.
    pub fn is_of_manifest(&self) -> bool {
        use Operation::{LookUpManifest, ReadManifest, WriteManifest};
        matches!(self, LookUpManifest(_) | ReadManifest(_) | WriteManifest(_))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::PrepareClient => f.write_str("preparing the client"),
            Operation::FindCredentials => f.write_str("looking for credentials"),
            Operation::Connect => f.write_str("connecting"),
            Operation::ProbeScheme => f.write_str("asking for the registry's scheme"),
            Operation::Ping => f.write_str("asking for the API"),
            Operation::LogIn => f.write_str("logging in"),
            Operation::LogInRefused(blame) => write!(f, "logging in: {blame}"),
            Operation::ReadManifest(identifier) => write!(f, "reading the manifest {identifier}"),
            Operation::LookUpManifest(identifier) => write!(f, "looking up the manifest {identifier}"),
            Operation::WriteManifest(identifier) => write!(f, "writing the manifest {identifier}"),
            Operation::ReadBlob(digest) => write!(f, "reading the blob {digest}"),
            Operation::LookUpBlob(digest) => write!(f, "looking up the blob {digest}"),
            Operation::MountBlob(digest) => write!(f, "mounting the blob {digest}"),
            Operation::UploadBlob(digest) => write!(f, "uploading the blob {digest}"),
            Operation::BeginUpload => f.write_str("uploading a blob"),
            Operation::CancelUpload => f.write_str("cancelling an upload"),
            Operation::Push => f.write_str("pushing"),
            Operation::ListTags => f.write_str("listing the tags"),
            Operation::ListRepositories => f.write_str("listing the repositories"),
            Operation::ListReferrers(Some(digest)) => write!(f, "listing the referrers of {digest}"),
            Operation::ListReferrers(None) => f.write_str("listing referrers"),
            Operation::DetectHarbor => f.write_str("asking whether it is a Harbor"),
            Operation::AskWhoCreatesProjects => f.write_str("asking who may create projects"),
            Operation::CreateProjects => f.write_str("creating projects"),
            Operation::FindProject(project) => write!(f, "looking for the project {project}"),
            Operation::CreateProject(project) => write!(f, "creating the project {project}"),
            Operation::GivenUp { host, is_write } => {
                let nothing = if *is_write { "no upload" } else { "nothing" };
                match host {
                    Some(host) => write!(f, "{host} was given up, since {nothing} succeeds there"),
                    None => write!(f, "given up, since {nothing} succeeds there"),
                }
            }
        }
    }
}

/// The purpose of a request, and the registry or repository that it is about.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub operation: Operation,
    pub registry: Option<Registry>,
    pub repository: Option<Repository>,
    /// Whether credentials for it were at hand.
    pub has_credential: bool,
}

impl Place {
    /// The place of an operation that is about no registry.
    pub fn nowhere(operation: Operation) -> Place {
        Place {
            operation,
            registry: None,
            repository: None,
            has_credential: false,
        }
    }

    /// The place of an operation at a registry, or at one repository of it.
    pub fn at(operation: Operation, registry: &Registry, repository: Option<&Repository>) -> Place {
        Place {
            registry: Some(registry.clone()),
            repository: repository.cloned(),
            ..Place::nowhere(operation)
        }
    }
}
