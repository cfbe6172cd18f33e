//! Standard input and output.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use transload_archive::Plan;
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository};

use super::sink::{plan, warnings};
use crate::event::{How, Observer};
use crate::fault::{Fault, Side};
use crate::lock::lock;
use crate::place::{
    Bring, Kind, LocalPlace, Opener, PlannedImage, Published, Refusal, Scheme, Sink, SinkOptions, Source,
    ToBe,
};

/// How it is written.
pub(crate) const PIPE: &str = "-";

/// An archive that comes from standard input or goes to standard output.
pub(crate) const STREAM: &dyn Kind = &Stream;

#[derive(Debug)]
struct Stream;

impl Kind for Stream {
    fn scheme(&self) -> &Scheme {
        &Scheme {
            prefix: PIPE,
            name: "standard input or output",
            form: "-",
            example: PIPE,
            about: "an archive from standard input or to standard output",
            takes_name: false,
        }
    }

    fn source(&self, place: &LocalPlace, opener: &Opener) -> Result<Arc<dyn Source>, Fault> {
        super::source(place, opener, None)
    }

    fn sink(&self, _: &LocalPlace, _: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        Ok(Arc::new(StreamSink::default()))
    }

    fn look(&self, _: &LocalPlace, _: &SinkOptions) -> Result<Arc<dyn Sink>, Fault> {
        Ok(Arc::new(ToBe::stream()))
    }

    fn check_source(&self, _: &LocalPlace, opener: &Opener) -> Result<(), Refusal> {
        if io::stdin().is_terminal() {
            let hint = "give it one, as in: docker save IMAGE | transload copy --src - --dest DIR";
            return Err(Refusal::wrong(
                "no archive comes from the terminal",
                Some(hint.to_owned()),
            ));
        }
        opener
            .archive(Path::new(PIPE))
            .map(|_| ())
            .map_err(super::refusal)
    }

    fn check_sink(&self, _: &LocalPlace, _: &Opener) -> Result<(), Refusal> {
        if io::stdout().is_terminal() {
            let hint = "redirect it, as in: transload copy … --dest - | docker load";
            return Err(Refusal::wrong(
                "an archive would fill the terminal",
                Some(hint.to_owned()),
            ));
        }
        Ok(())
    }
}

/// An archive that goes to standard output, once all of it is known: its blobs in the archive's order, each straight from its source.
#[derive(Default)]
struct StreamSink {
    plan: Mutex<Option<Plan>>,
    blobs: Mutex<Origins>,
}

/// Where each blob comes from.
type Origins = HashMap<Digest, (Arc<dyn Source>, Repository)>;

impl Sink for StreamSink {
    fn describe(&self) -> String {
        "standard output".to_owned()
    }

    fn is_one_file(&self) -> bool {
        true
    }

    fn lay_out(&self, images: &[PlannedImage<'_>], _: &dyn Observer) -> Result<Vec<String>, Fault> {
        let plan = plan(images)?;
        let warnings = warnings(&plan);
        *lock(&self.plan) = Some(plan);
        Ok(warnings)
    }

    fn finish(&self) -> Result<bool, Fault> {
        let plan = lock(&self.plan).take();
        let (Some(plan), blobs) = (plan, lock(&self.blobs)) else {
            return Ok(false);
        };
        let written = plan.write_to(io::stdout().lock(), |blob| {
            let (source, repository) = blobs.get(&blob.digest).ok_or(io::ErrorKind::NotFound)?;
            let bytes = source.open_blob(repository, blob, 0).map_err(io::Error::other)?;
            Ok(bytes as Box<dyn Read>)
        });
        written.map_err(|error| Fault::archive(Side::Destination, error))?;
        Ok(true)
    }

    fn published(&self, _: &Reference) -> Result<Option<Digest>, Fault> {
        Ok(None)
    }

    fn has_blob(&self, _: &Repository, _: &Descriptor) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Notes where the blob comes from: it is written in its turn.
    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault> {
        let from = (Arc::clone(request.source), request.source_repository.clone());
        lock(&self.blobs).insert(request.blob.digest.clone(), from);
        Ok(How::Moved)
    }

    fn put_manifest(&self, _: &Repository, _: &RawManifest) -> Result<(), Fault> {
        Ok(())
    }

    fn publish(&self, _: &Reference, _: &RawManifest) -> Result<Published, Fault> {
        Ok(Published::Whole)
    }
}
