//! Blobs that a source lacks, such as a bundle for a side that has them: where the destination has them, and what is said if it doesn't.

use std::sync::Arc;

use transload_reference::{Descriptor, Digest, Repository};

use crate::fault::{Fault, Side};
use crate::place::{Absent, Sink, Source};

/// How many missing blobs of an image are named.
const MOST_NAMED: usize = 3;

/// The repository of a registry that has a blob, as the source is told, and can lend it. `from` and `to` are the image's own at the source and
/// at the destination: what stands before the one may stand before the lender.
pub(crate) fn lender(
    destination: &dyn Sink,
    (from, to): (&Repository, &Repository),
    blob: &Descriptor,
    absent: &Absent,
) -> Option<Repository> {
    destination.scope(to)?;
    let told = absent.repository.as_ref()?;
    let prefix = to.path().strip_suffix(from.path());
    let below = prefix.map(|prefix| format!("{prefix}{told}"));
    let paths = below.iter().chain([told]);
    let mut lenders = paths.filter_map(|path| Repository::new(to.registry().clone(), path).ok());
    // One that can't be asked lends nothing.
    lenders.find(|lender| lender != to && destination.has_blob(lender, blob).unwrap_or(false))
}

/// Finds out whether the destination has the base of a blob that can be rebuilt, and tells the source how it is opened there.
pub(crate) fn find_base(
    source: &dyn Source,
    destination: &Arc<dyn Sink>,
    (from, to): (&Repository, &Repository),
    blob: &Descriptor,
    absent: &Absent,
) -> Result<bool, Fault> {
    // Of one file, nothing is read before all of it is there.
    let Some(base) = absent.base.clone().filter(|_| !destination.is_one_file()) else {
        return Ok(false);
    };
    let holder = match destination.has_blob(to, &base)? {
        true => Some(to.clone()),
        false => lender(destination.as_ref(), (from, to), &base, absent),
    };
    let Some(holder) = holder else {
        return Ok(false);
    };
    let destination = Arc::clone(destination);
    let open = move || destination.open_blob(&holder, &base);
    source.found_base(&blob.digest, Arc::new(open));
    Ok(true)
}

/// The fault of an image whose blobs, each with why it isn't at the source, are nowhere.
pub(crate) fn fault(source: &dyn Source, destination: &dyn Sink, gaps: &[(Digest, Absent)]) -> Fault {
    let named = gaps.iter().take(MOST_NAMED);
    let mut named: Vec<String> = named
        .map(|(digest, absent)| format!("{digest} ({})", absent.reason))
        .collect();
    if gaps.len() > MOST_NAMED {
        named.push(format!("{} more", gaps.len() - MOST_NAMED));
    }
    let message = format!(
        "{} of it {} neither in {} nor in {}: {}",
        count(gaps.len(), "blob"),
        if gaps.len() == 1 { "is" } else { "are" },
        source.describe(),
        destination.describe(),
        named.join(", ")
    );
    let is_rebuilt = gaps.iter().any(|(_, absent)| absent.base.is_some());
    let hint = match is_rebuilt && destination.is_one_file() {
        true => {
            "layers are rebuilt in directories and registries: copy into a directory with the old layers first, and from there"
        }
        false => {
            "name the folders with the missing volumes (--volumes), or list what is missing (--missing want.tli) and make a second bundle with --only want.tli"
        }
    };
    Fault::refused(Some(Side::Source), message).with_hint(hint)
}

/// A number of things.
pub(crate) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}
