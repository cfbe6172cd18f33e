//! `src` and `dest`: where images come from and where they go.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use transload_reference::{ParseError, Reference, Registry, Repository};

use super::{ImageName, transport};
use crate::place::{self, Kind, LocalPlace, Place, has_archive_name};

/// What stands before a directory.
pub const LOCAL: &str = "local://";
/// What may stand before a registry.
pub const OCI: &str = "oci://";

/// Why a task can't have links.
pub const NO_LINK: &str = "links are made from a directory to a directory alone";
/// What to do about it.
pub const LINK_HINT: &str = "leave it out, or give a directory as the source and the destination";

/// A `src` or `dest`, before any image is looked at.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// The same place for every image.
    Fixed(Location),
    /// A place of its own for each image, as a template gives it.
    Template(Arc<dyn PlaceTemplate>),
}

/// A place that depends on the image, such as a task file's template. It is displayed as it was written.
pub trait PlaceTemplate: fmt::Debug + fmt::Display + Send + Sync {
    /// Returns the place for this image.
    ///
    /// # Errors
    /// Where the template names what isn't there or gives what is no place.
    fn locate(&self, image: &ImageName) -> Result<Location, EndpointError>;

    /// Returns the registry that all images' places are in, where the text names one before any template begins.
    fn named_registry(&self) -> Option<Registry>;
}

/// A place that images are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A place on a disk, where images keep their own names.
    Local(LocalPlace),
    /// A registry, or a namespace in it: an image's repository and tag follow.
    Registry {
        /// The registry.
        registry: Registry,
        /// The namespace, without slashes at its ends.
        prefix: Option<String>,
    },
    /// Exactly this image.
    Image(Target),
}

/// Where one image is: in a place, under a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    place: Place,
    reference: Reference,
}

impl Target {
    /// Returns an image of a place on a disk.
    pub fn local(place: LocalPlace, reference: Reference) -> Target {
        Target {
            place: Place::Local(place),
            reference,
        }
    }

    /// Returns an image of the registry that its name begins with.
    pub fn in_registry(reference: Reference) -> Target {
        Target {
            place: Place::Registry(reference.registry().clone()),
            reference,
        }
    }

    /// The place that it is in.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The image's name there.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The registry that it is in, if it is in one.
    pub fn registry(&self) -> Option<&Registry> {
        self.place.registry()
    }

    /// The path of the place that it is in, if that is on a disk.
    pub fn path(&self) -> Option<&Path> {
        self.place.path()
    }

    /// What tells two destinations apart: with a tag, the tag.
    pub(crate) fn published_as(&self) -> Target {
        let reference = match self.reference.tag() {
            Some(tag) => Reference::new(self.reference.repository().clone(), Some(tag.clone()), None),
            None => self.reference.clone(),
        };
        Target {
            place: self.place.clone(),
            reference,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => write!(f, "{} in {}", self.reference, path.display()),
            None => self.reference.fmt(f),
        }
    }
}

/// Why a `src` or `dest` is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Empty.
    #[error("it is empty")]
    Empty,
    /// A template that gave a template.
    #[error("it is a template again")]
    Braces,
    /// A bad template.
    #[error("the template: {message}")]
    Template {
        /// What is wrong with it.
        message: String,
        /// What to do about it, where that can be told.
        hint: Option<String>,
        /// The template's own error.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// A template that gave something that is no place.
    #[error("for {image} the template gives \"{rendered}\", and that is no place: {cause}")]
    Rendered {
        /// The image.
        image: String,
        /// What it rendered to.
        rendered: String,
        /// Why that is no place.
        #[source]
        cause: Box<EndpointError>,
    },
    /// A scheme such as `local://` without a path.
    #[error("{scheme} needs {name} behind it")]
    NoPath {
        /// The scheme.
        scheme: &'static str,
        /// What it stands for, such as `a directory`.
        name: &'static str,
        /// An example of one.
        example: &'static str,
    },
    /// A path that only a shell understands.
    #[error("\"{path}\": ~ stands for the home directory in a shell alone")]
    Home {
        /// The path.
        path: String,
    },
    /// A URL of another kind.
    #[error("{scheme}:// isn't a kind of place")]
    Scheme {
        /// The scheme.
        scheme: String,
        /// What follows it, without a user's name and password.
        rest: String,
    },
    /// A place in a form that other tools know.
    #[error("\"{text}\": there are no `{prefix}` places here")]
    Transport {
        /// The text.
        text: String,
        /// The form's name, with its colon.
        prefix: String,
        /// What to write for what is meant, if that is a directory.
        directory: Option<String>,
    },
    /// A name that doesn't say whether it is a registry or a directory.
    #[error("\"{text}\" may be a registry, an image or a directory")]
    Unclear {
        /// The text.
        text: String,
    },
    /// A bad name.
    #[error("{0}")]
    Name(#[from] ParseError),
    /// A text that is a path where only registries are.
    #[error("\"{text}\" looks like a directory")]
    Path {
        /// The text.
        text: String,
    },
}

impl EndpointError {
    /// What to do about it, where that can be told.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            EndpointError::Empty => {
                format!("give {LOCAL}/a/directory, a registry, or a registry and a repository")
            }
            EndpointError::Braces => {
                "name the variable by itself, as in {{ .name }}: then its own templates are rendered, too"
                    .to_owned()
            }
            EndpointError::Template { hint, .. } => return hint.clone(),
            EndpointError::Rendered { cause, .. } => return cause.hint(),
            EndpointError::NoPath { example, .. } => format!("write the path behind it, as in {example}"),
            EndpointError::Home { path } => {
                let rest = path.trim_start_matches('~');
                format!("write it out, such as {LOCAL}/root{rest}; a folder of that name is ./{path}")
            }
            EndpointError::Scheme { scheme, rest } => match scheme.as_str() {
                "http" => {
                    format!("write {rest} alone, and set plain_http: true for it in auths (or --plain-http)")
                }
                "https" | "docker" => format!("write {rest} alone"),
                "file" | "dir" => format!("write {LOCAL}{rest}"),
                "oci-layout" => format!("write oci:{rest}"),
                _ => format!(
                    "places on disks are written {}, a registry without anything before it",
                    forms().join(", ")
                ),
            },
            EndpointError::Transport {
                text,
                directory: Some(directory),
                ..
            } => format!("write {directory}; a folder of that name is ./{text}"),
            EndpointError::Transport { text, .. } => format!(
                "places on disks are written {}; a folder of that name is ./{text}; what else another tool keeps goes through one of them, \
                 such as with skopeo copy",
                forms().join(", ")
            ),
            EndpointError::Unclear { text } => {
                let host = text.split('/').next().unwrap_or(text);
                let port = text.replacen(host, &format!("{host}:443"), 1);
                format!(
                    "write {port} for a registry {host}, docker.io/{text} for Docker Hub, {LOCAL}/… for a directory (on the command \
                     line also ./{text})"
                )
            }
            EndpointError::Path { text } if text.starts_with('/') => format!("write {LOCAL}{text}"),
            EndpointError::Path { .. } => format!("write {LOCAL}/the/absolute/path"),
            EndpointError::Name(error) => return error.hint(),
        })
    }
}

impl Endpoint {
    /// The place for this image.
    ///
    /// # Errors
    /// Where a template names what isn't there or gives what is no place.
    pub fn locate(&self, image: &ImageName) -> Result<Location, EndpointError> {
        match self {
            Endpoint::Fixed(location) => Ok(location.clone()),
            Endpoint::Template(template) => template.locate(image),
        }
    }

    /// The one registry that the text names, if it names one before any template begins.
    pub fn named_registry(&self) -> Option<Registry> {
        match self {
            Endpoint::Fixed(location) => location.place().registry().cloned(),
            Endpoint::Template(template) => template.named_registry(),
        }
    }

    /// Whether blobs on their way from `source` to `destination` may be linked: both are directories, or may be.
    pub fn may_be_linked(source: Option<&Endpoint>, destination: &Endpoint) -> bool {
        let may_link = |end: &Endpoint| match end {
            Endpoint::Fixed(location) => location.local().is_some_and(|local| local.kind().links()),
            Endpoint::Template(_) => true,
        };
        source.is_some_and(may_link) && may_link(destination)
    }

    /// The place on a disk, if it is one and the same for every image.
    pub fn local(&self) -> Option<&LocalPlace> {
        match self {
            Endpoint::Fixed(location) => location.local(),
            Endpoint::Template(_) => None,
        }
    }

    /// The image, if it is one and the same for every image that is named.
    pub fn image(&self) -> Option<&Target> {
        match self {
            Endpoint::Fixed(Location::Image(target)) => Some(target),
            _ => None,
        }
    }

    /// Whether it says by itself which images there are.
    pub fn lists_images(&self) -> bool {
        self.local().is_some() || self.image().is_some()
    }
}

impl From<Location> for Endpoint {
    fn from(location: Location) -> Self {
        Endpoint::Fixed(location)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Fixed(location) => location.fmt(f),
            Endpoint::Template(template) => template.fmt(f),
        }
    }
}

impl Location {
    /// Reads a place as task files write it.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn parse(text: &str) -> Result<Location, EndpointError> {
        let text = text.trim();
        if text.contains("{{") {
            return Err(EndpointError::Braces);
        }
        if let Some((kind, rest)) = place::of_scheme(text) {
            return Location::on_disk(kind, rest);
        }
        refuse_transport(text)?;
        let name = text.strip_prefix(OCI).unwrap_or(text);
        if name.is_empty() {
            return Err(EndpointError::Empty);
        }
        if let Some((scheme, rest)) = name.split_once("://") {
            let host = rest.split('/').next().unwrap_or(rest);
            let user = host.rfind('@').map_or(0, |at| at + 1);
            return Err(EndpointError::Scheme {
                scheme: scheme.to_ascii_lowercase(),
                rest: rest[user..].to_owned(),
            });
        }
        if is_path(name) {
            return Err(EndpointError::Path {
                text: text.to_owned(),
            });
        }
        Location::in_registry(name)
    }

    /// Reads a place as the command line writes it: as task files do, or a plain path (it begins with `/`, `.` or `~`, is a folder that
    /// exists, or has an archive's name, which is told where it is opened).
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn parse_argument(text: &str) -> Result<Location, EndpointError> {
        let path = Path::new(text);
        let is_plain_path = is_path(text) || path.is_dir() || is_archive(path);
        if has_scheme(text) || !is_plain_path {
            return Location::parse(text);
        }
        refuse_transport(text)?;
        Location::on_disk(place::LOCAL, text)
    }

    /// Reads a directory as the command line writes it where nothing else can stand: a path, with or without `local://`.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn parse_directory(text: &str) -> Result<Location, EndpointError> {
        if has_scheme(text) {
            return Location::parse(text);
        }
        refuse_transport(text)?;
        Location::on_disk(place::LOCAL, text)
    }

    /// Returns a directory.
    pub fn directory(path: &Path) -> Location {
        Location::Local(LocalPlace::directory(path))
    }

    fn on_disk(kind: &'static dyn Kind, path: &str) -> Result<Location, EndpointError> {
        let scheme = kind.scheme();
        let (path, name) = match path.split_once(':').filter(|_| scheme.takes_name) {
            Some((path, name)) => (path, Some(name)),
            None => (path, None),
        };
        if path.is_empty() && scheme.prefix != place::PIPE {
            return Err(EndpointError::NoPath {
                scheme: scheme.prefix,
                name: scheme.name,
                example: scheme.example,
            });
        }
        if path == "~" || path.starts_with("~/") {
            return Err(EndpointError::Home {
                path: path.to_owned(),
            });
        }
        let path = if path.is_empty() { place::PIPE } else { path };
        let local = LocalPlace::new(kind, Path::new(path));
        let Some(name) = name else {
            return Ok(Location::Local(local));
        };
        let reference = name_in(&local, name)?;
        let place = Place::Local(local.with_name(reference.clone()));
        Ok(Location::Image(Target { place, reference }))
    }

    /// The place that it is, or that it is in.
    pub fn place(&self) -> Place {
        match self {
            Location::Local(local) => Place::Local(local.clone()),
            Location::Registry { registry, .. } => Place::Registry(registry.clone()),
            Location::Image(target) => target.place().clone(),
        }
    }

    /// The place on a disk that it is.
    pub fn local(&self) -> Option<&LocalPlace> {
        match self {
            Location::Local(local) => Some(local),
            _ => None,
        }
    }

    fn in_registry(name: &str) -> Result<Location, EndpointError> {
        let name = name.trim_end_matches('/');
        let Some((host, path)) = name.split_once('/') else {
            let is_clear = name.contains(['.', ':']) || name == "localhost";
            return match name.parse() {
                Ok(_) if !is_clear => Err(EndpointError::Unclear {
                    text: name.to_owned(),
                }),
                Ok(registry) => Ok(Location::Registry {
                    registry,
                    prefix: None,
                }),
                Err(error) => Err(error.into()),
            };
        };
        if !(host.contains(['.', ':']) || host == "localhost" || host.bytes().any(|b| b.is_ascii_uppercase()))
        {
            return Err(EndpointError::Unclear {
                text: name.to_owned(),
            });
        }
        let last = path.rsplit('/').next().unwrap_or(path);
        if last.contains([':', '@']) {
            // What `repository:{{ .reference }}` gives for an image that is known by its digest alone.
            let name = match last.contains('@') {
                true => name.to_owned(),
                false => name
                    .replacen(":sha256:", "@sha256:", 1)
                    .replacen(":sha512:", "@sha512:", 1),
            };
            return Ok(Location::Image(Target::in_registry(
                name.parse::<Reference>()?.or_latest(),
            )));
        }
        let registry: Registry = host.parse()?;
        // Any path of repositories is one; the check is the repository's own.
        Repository::new(registry.clone(), path)?;
        Ok(Location::Registry {
            registry,
            prefix: Some(path.to_owned()),
        })
    }

    /// Where this image is or goes, if this is where it is or goes.
    ///
    /// # Errors
    /// Where the name that follows isn't valid, for example too long.
    pub fn target(&self, image: &ImageName) -> Result<Target, EndpointError> {
        let reference = image.reference();
        match self {
            Location::Local(local) => Ok(Target::local(local.clone(), reference.clone())),
            Location::Image(exact) => Ok(exact.clone()),
            Location::Registry { registry, prefix } => {
                let path = reference.repository().path();
                let path = match prefix {
                    Some(prefix) => format!("{prefix}/{path}"),
                    None => path.to_owned(),
                };
                let repository = Repository::new(registry.clone(), &path)?;
                Ok(Target::in_registry(reference.in_repository(repository)))
            }
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(local) => local.fmt(f),
            Location::Registry {
                registry,
                prefix: None,
            } => registry.fmt(f),
            Location::Registry {
                registry,
                prefix: Some(prefix),
            } => write!(f, "{registry}/{prefix}"),
            Location::Image(target) => target.fmt(f),
        }
    }
}

/// How places on disks are written.
fn forms() -> Vec<&'static str> {
    place::schemes().map(|scheme| scheme.form).collect()
}

fn has_scheme(text: &str) -> bool {
    text.contains("://") || place::of_scheme(text).is_some()
}

/// Whether an argument that may be a registry's name is an archive's.
fn is_archive(path: &Path) -> bool {
    path.is_file() || has_archive_name(path) && path.components().count() == 1
}

/// The image that a name behind a place's path stands for: a full name, or a tag alone, whose repository is called after the path.
fn name_in(place: &LocalPlace, name: &str) -> Result<Reference, EndpointError> {
    if name.contains([':', '/', '@']) {
        return Ok(name.parse::<Reference>()?.or_latest());
    }
    let repository = place.local_repository().map_err(|_| EndpointError::Empty)?;
    Ok(Reference::new(repository, Some(name.parse()?), None))
}

fn refuse_transport(text: &str) -> Result<(), EndpointError> {
    let Some(transport) = transport::of_place(text) else {
        return Ok(());
    };
    Err(EndpointError::Transport {
        text: text.to_owned(),
        prefix: format!("{}:", transport.scheme),
        directory: (transport.is_directory() && !transport.rest.is_empty())
            .then(|| format!("{LOCAL}{}", transport.rest)),
    })
}

fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.', '~'])
}
