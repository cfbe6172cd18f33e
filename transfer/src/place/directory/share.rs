//! From directory to directory on one filesystem: links where they are asked for, else copies that share their source's blocks.

use std::path::Path;

use transload_layout_store::{BlobWriter, Store};
use transload_reference::Descriptor;

use super::at_destination;
use crate::fault::Fault;
use crate::place::sink::{StreamFailure, wrong_content};
use crate::place::{Bring, Source};

/// Links a blob into the destination. Returns whether it did: else it is there, or is to be copied.
pub(crate) fn link(request: &Bring<'_>, to: &Store) -> Result<bool, Fault> {
    let Some(from) = request.source.offers().link_from else {
        return Ok(false);
    };
    if to.has_blob(request.blob).map_err(at_destination)? || !from.could_link_into(to.root(), request.blob) {
        return Ok(false);
    }
    (request.started)(0);
    to.link_blob(from, request.blob, watch(request))
        .map_err(at_destination)
}

/// Lets a blob share the blocks of its source's file. Returns the writer where that can't be: then it is to be copied.
pub(crate) fn reflink(
    request: &Bring<'_>,
    mut writer: Box<BlobWriter>,
) -> Result<Option<Box<BlobWriter>>, Fault> {
    let Some(from) = request.source.offers().link_from else {
        return Ok(Some(writer));
    };
    let Some(file) = from.open_blob(&request.blob.digest).ok().flatten() else {
        return Ok(Some(writer));
    };
    if writer.position() > 0 {
        return Ok(Some(writer));
    }
    (request.started)(0);
    let shared = match writer.reflink(&file, watch(request)) {
        Ok(false) => return Ok(Some(writer)),
        Ok(true) => writer.commit().map_err(|refused| refused.error),
        Err(error) => {
            let _ = writer.restart();
            Err(error)
        }
    };
    match shared {
        Ok(()) => Ok(None),
        Err(error) if error.is_wrong_content() => match wrong_content(request, false, error) {
            StreamFailure::WrongBytes(fault) | StreamFailure::Other(fault) => Err(fault),
        },
        Err(error) => Err(at_destination(error)),
    }
}

/// Tells how many bytes were hashed, and whether to go on.
fn watch(request: &Bring<'_>) -> impl FnMut(u64) -> bool {
    let mut position = 0;
    move |count| {
        position += count;
        (request.progress)(position);
        request.check_cancel().is_ok()
    }
}

/// Whether [`link`] or [`reflink`] would take no room in a folder, which needn't be there yet.
pub(crate) fn takes_no_room(source: &dyn Source, folder: &Path, blob: &Descriptor, link: bool) -> bool {
    let from = source.offers().link_from;
    from.is_some_and(|from| {
        link && from.could_link_into(folder, blob) || from.could_reflink_into(folder, blob)
    })
}
