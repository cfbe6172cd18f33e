//! Files of secrets that others may read.

use std::path::Path;

use transload_registry_client::exposure;

use super::{files, secret, yaml};

/// What to say of a task file, a file of variables or one of credentials that holds secrets and that other users may read or change.
/// What can't be read twice, such as a pipe, isn't looked at.
pub(crate) fn warning(path: &Path) -> Option<String> {
    // The system is asked first: most files are their owner's alone, or hold no secret.
    let warning = exposure(path)?;
    let (_, text) = files::read(path).ok()?;
    let parsed = yaml::parse(&text).ok()?;
    let mut secrets = Vec::new();
    for document in &parsed.documents {
        secret::collect(document, &mut secrets);
    }
    (!secrets.is_empty()).then_some(warning)
}
