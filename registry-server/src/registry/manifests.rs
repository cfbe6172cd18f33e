//! Manifests.

use transload_reference::RawManifest;

use super::Registry;
use super::blobs::is_known;
use crate::http::{Payload, Request, Response};
use crate::names::Asked;
use crate::problem::{Code, Problem};
use crate::route::Wanted;

impl Registry {
    /// Answers with a manifest as it is stored, whatever the client says that it accepts: a converted one would have another digest, and a
    /// client that can't read it says so best itself.
    pub(super) fn manifest(
        &self,
        asked: &Asked<'_>,
        wanted: &Wanted,
        request: &Request<'_>,
    ) -> Result<Response, Problem> {
        let repository = self.find(asked)?;
        for content in &self.contents {
            let digest = match wanted {
                Wanted::Digest(digest) => Some(digest.clone()),
                Wanted::Tag(tag) => content.resolve(&repository, tag)?,
            };
            let Some(digest) = digest else { continue };
            if let Some(manifest) = content.manifest(&repository, &digest)? {
                return Ok(answer(&manifest, request));
            }
        }
        let wanted = match wanted {
            Wanted::Tag(tag) => format!("{repository}:{tag}"),
            Wanted::Digest(digest) => format!("{repository}@{digest}"),
        };
        Err(Problem::new(
            Code::ManifestUnknown,
            format!("{wanted}: there is no such manifest here"),
        ))
    }
}

fn answer(manifest: &RawManifest, request: &Request<'_>) -> Response {
    let digest = manifest.digest();
    let headers = vec![
        ("Docker-Content-Digest", digest.to_string()),
        ("ETag", format!("\"{digest}\"")),
    ];
    if is_known(digest, request) {
        return Response {
            status: 304,
            headers,
            body: Payload::Empty,
        };
    }
    let mut headers = headers;
    headers.push(("Content-Type", manifest.media_type().to_string()));
    Response {
        status: 200,
        headers,
        body: Payload::Bytes(manifest.bytes().to_vec()),
    }
}
