//! What a path stands for that nothing else is said of: a directory, an archive or a bundle, by what is there.

use std::path::Path;
use std::sync::Arc;

use super::{
    Kind, LocalPlace, Opener, Refusal, Scheme, Sink, SinkOptions, Source, archive, bundle, directory,
};
use crate::fault::Fault;

/// A path that nothing else is said of.
pub(crate) const LOCAL: &dyn Kind = &Local;

#[derive(Debug)]
struct Local;

impl Kind for Local {
    fn scheme(&self) -> &Scheme {
        &Scheme {
            prefix: "local://",
            name: "a directory",
            form: "local://PATH",
            example: "local:///var/lib/images",
            about: "a directory, or an archive if the path is a file or ends in .tar; arguments don't need local://",
            takes_name: false,
        }
    }

    fn links(&self) -> bool {
        true
    }

    fn source(&self, place: &LocalPlace, opener: &Opener) -> Result<Arc<dyn Source>, Fault> {
        match place.path().is_file() {
            true => archive::source(place, opener, None),
            false if bundle::is_one(place) => bundle::source(place, opener),
            false => directory::source(place, opener, None),
        }
    }

    fn sink(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        match is_archive(place.path()) {
            true => archive::sink(place, options),
            false => directory::sink(place, options, None),
        }
    }

    fn look(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        match is_archive(place.path()) {
            true => archive::look(place, options),
            false => directory::look(place, options, None),
        }
    }

    fn check_source(&self, place: &LocalPlace, opener: &Opener) -> Result<(), Refusal> {
        let path = place.path();
        match path.is_file() || has_archive_name(path) && !path.exists() {
            true => archive::check_source(place, opener, None),
            false if bundle::is_one(place) => bundle::check_source(place),
            false => directory::check_source(place, opener, None),
        }
    }

    fn check_sink(&self, place: &LocalPlace, opener: &Opener) -> Result<(), Refusal> {
        match is_archive(place.path()) {
            true => archive::check_sink(place),
            false => directory::check_sink(place, opener, None),
        }
    }
}

/// Whether images are written to an archive at this path: a file is there, or nothing and the name is an archive's.
fn is_archive(path: &Path) -> bool {
    match path.metadata() {
        Ok(there) => !there.is_dir(),
        Err(_) => has_archive_name(path),
    }
}

/// Whether a path ends as the names of archives do.
pub(crate) fn has_archive_name(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let endings = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"];
    endings.iter().any(|ending| name.ends_with(ending))
}
