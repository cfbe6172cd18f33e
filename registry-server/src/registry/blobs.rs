//! Blobs.

use std::io::Read as _;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use transload_reference::Digest;

use super::Registry;
use crate::content::Blob;
use crate::http::{Payload, Request, Response};
use crate::names::Asked;
use crate::problem::{Code, Problem};
use crate::range::{Wanted, wanted};

/// Blobs up to this many bytes are read and hashed before they are sent: configs and small layers. Larger ones are sent as they lie
/// there. They were hashed before they got their names, and every client hashes what it gets.
const HASHED: u64 = 256 * 1024;

impl Registry {
    /// Answers with a blob, or a part of it. Blobs have no repository in any of the contents, so that the name is only checked.
    pub(super) fn blob(
        &self,
        asked: &Asked<'_>,
        digest: &Digest,
        request: &Request<'_>,
    ) -> Result<Response, Problem> {
        asked.meanings()?;
        for content in &self.contents {
            if let Some(blob) = content.blob(digest)? {
                return answer(digest, &blob, request);
            }
        }
        Err(Problem::new(
            Code::BlobUnknown,
            format!("{digest}: there is no such blob here"),
        ))
    }
}

fn answer(digest: &Digest, blob: &Blob, request: &Request<'_>) -> Result<Response, Problem> {
    let size = blob.size();
    let mut headers = vec![
        ("Docker-Content-Digest", digest.to_string()),
        ("ETag", etag(digest)),
        ("Accept-Ranges", "bytes".to_owned()),
        ("Cache-Control", "max-age=31536000".to_owned()),
    ];
    if is_known(digest, request) {
        return Ok(Response {
            status: 304,
            headers,
            body: Payload::Empty,
        });
    }
    let is_same = |validator: &str| validator.trim() == etag(digest);
    let header = request
        .header("range")
        .filter(|_| request.header("if-range").is_none_or(is_same));
    let (status, range) = match wanted(header, size) {
        Wanted::Whole => (200, 0..size),
        Wanted::Part(range) => (206, range),
        Wanted::Unsatisfiable => {
            let problem = Problem::new(Code::Unknown, "the blob has no such bytes").with_status(416);
            return Err(problem.with_header("Content-Range", format!("bytes */{size}")));
        }
    };
    if status == 206 {
        let (first, last) = (range.start, range.end - 1);
        headers.push(("Content-Range", format!("bytes {first}-{last}/{size}")));
    }
    headers.push(("Content-Type", "application/octet-stream".to_owned()));
    Ok(Response {
        status,
        headers,
        body: payload(digest, blob, range)?,
    })
}

fn payload(digest: &Digest, blob: &Blob, range: Range<u64>) -> Result<Payload, Problem> {
    let length = range.end - range.start;
    let unread = |error: std::io::Error| damaged(digest, &error.to_string());
    let bytes = match blob {
        Blob::File { file, offset, size } if *size > HASHED => {
            return Ok(Payload::File {
                file: file.clone(),
                offset: offset + range.start,
                length,
            });
        }
        Blob::Parts(parts) if parts.left() > HASHED => {
            let mut parts = parts.clone();
            parts.skip(range.start);
            let reader = Box::new(parts.take(length));
            return Ok(Payload::Reader { reader, length });
        }
        Blob::File { file, offset, size } => {
            let mut bytes = vec![0; usize::try_from(*size).unwrap_or_default()];
            file.read_exact_at(&mut bytes, *offset).map_err(unread)?;
            bytes
        }
        Blob::Parts(parts) => {
            let mut bytes = Vec::new();
            parts.clone().read_to_end(&mut bytes).map_err(unread)?;
            bytes
        }
        Blob::Memory(bytes) => bytes.to_vec(),
    };
    if Digest::with(digest.algorithm(), &bytes) != *digest {
        return Err(damaged(digest, "it doesn't match the digest in its name"));
    }
    let part = |at: u64| usize::try_from(at).unwrap_or(bytes.len());
    Ok(Payload::Bytes(bytes[part(range.start)..part(range.end)].to_vec()))
}

fn damaged(digest: &Digest, reason: &str) -> Problem {
    log::error!("the blob {digest} is damaged: {reason}");
    let message = format!("{digest} is damaged on the server: {reason}; transload verify tells what else is");
    Problem::new(Code::Unknown, message)
}

fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Whether the client has it already ([RFC 9110, section 13.1.2]).
///
/// [RFC 9110, section 13.1.2]: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
pub(super) fn is_known(digest: &Digest, request: &Request<'_>) -> bool {
    let known = request
        .headers("if-none-match")
        .flat_map(|value| value.split(','));
    known
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == etag(digest))
}
