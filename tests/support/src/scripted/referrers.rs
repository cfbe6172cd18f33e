//! The referrers API ([distribution specification, "Listing Referrers"]).
//!
//! [distribution specification, "Listing Referrers"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers

use serde_json::{Value, json};
use transload_reference::{Digest, MediaType};

use super::api::Call;
use super::fault::Reply;
use super::store::Store;
use super::{Referrers, State};
use crate::image::Document;

/// The `subject` of a manifest.
pub(super) fn subject(document: &Document) -> Option<Digest> {
    let manifest: Value = serde_json::from_slice(&document.bytes).ok()?;
    manifest["subject"]["digest"].as_str()?.parse().ok()
}

/// Obeys a request of `/v2/<repository>/referrers/<digest>`.
pub(super) fn answer(state: &State, store: &Store, repository: &str, of: &str, call: &Call<'_>) -> Reply {
    if state.options.referrers == Referrers::Off || call.method != "GET" {
        return Reply::status(404).error("UNSUPPORTED", "no such route");
    }
    let Ok(of) = of.parse::<Digest>() else {
        return Reply::status(400).error("DIGEST_INVALID", "not a digest");
    };
    let wanted = call.parameter("artifactType");
    let wanted = wanted.filter(|_| state.options.referrers == Referrers::Filtered);
    let referrers: Vec<Value> = store
        .documents(repository)
        .into_iter()
        .filter(|document| subject(document).as_ref() == Some(&of))
        .map(descriptor)
        .filter(|referrer| wanted.is_none() || referrer["artifactType"].as_str() == wanted.as_deref())
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": referrers});
    let reply = Reply::status(200)
        .header("Content-Type", MediaType::OCI_INDEX.as_str())
        .body(index.to_string());
    match wanted {
        Some(_) => reply.header("OCI-Filters-Applied", "artifactType"),
        None => reply,
    }
}

/// A manifest's annotations and its type, which may be that of its config.
fn descriptor(document: &Document) -> Value {
    let manifest: Value = serde_json::from_slice(&document.bytes).unwrap_or_default();
    let mut descriptor = json!({
        "mediaType": document.media_type,
        "digest": document.digest,
        "size": document.bytes.len(),
    });
    for (name, value) in [
        (
            "artifactType",
            [&manifest["artifactType"], &manifest["config"]["mediaType"]],
        ),
        ("annotations", [&manifest["annotations"], &Value::Null]),
    ] {
        if let Some(value) = value.into_iter().find(|value| !value.is_null()) {
            descriptor[name] = value.clone();
        }
    }
    descriptor
}
