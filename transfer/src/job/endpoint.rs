//! `src` and `dest`: where images come from and where they go.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use transload_reference::{Reference, Registry, Repository};

use super::{EndpointError, ImageName, Target, transport};
use crate::place::{self, Kind, LocalPlace, Place, has_archive_name};

/// What stands before a directory.
pub const LOCAL: &str = "local://";
/// What may stand before a registry.
pub const OCI: &str = "oci://";

/// Why a task can't have links.
pub const NO_LINK: &str = "links work only between directories";
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

    /// Where exactly this image is or goes.
    ///
    /// # Errors
    /// As [`Endpoint::locate`] and [`Location::target`].
    pub fn target(&self, image: &ImageName) -> Result<Target, EndpointError> {
        self.locate(image)?.target(image)
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
