//! Uploads of blobs ([distribution specification, "Pushing Blobs"]).
//!
//! [distribution specification, "Pushing Blobs"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs

use std::io::Read;
use std::ops::Range;

use transload_reference::Digest;

use super::sessions::Taken;
use super::writing::Writing;
use crate::http::{Payload, Request, Response};
use crate::problem::{Code, Problem};
use crate::query::{Query, encode};
use crate::range::part;
use crate::route::parse_digest;

/// How many bytes of a body are taken at a time.
const CHUNK: usize = 256 * 1024;

impl Writing {
    /// POST: a mount if the blob is there, one whole blob if its digest is given, else a new session.
    pub fn begin(&self, name: &str, request: &mut Request<'_>, query: &Query) -> Result<Response, Problem> {
        if let Some(mounted) = query.get("mount") {
            // All repositories share their blobs, so that it doesn't matter where it is mounted from.
            let digest = parse_digest(mounted)?;
            let found = self.directory.write(|store| store.open_blob(&digest))?;
            if found.is_some() {
                self.wake_sweeper();
                return Ok(created(name, &digest));
            }
        }
        let digest = query.get("digest").map(parse_digest).transpose()?;
        let mut session = self.sessions.begin()?;
        self.wake_sweeper();
        let Some(digest) = digest else {
            return Ok(accepted(name, &session));
        };
        match take_body(&mut session, request) {
            Ok(()) => session.commit(&digest)?,
            // Nobody was told of it.
            Err(problem) => return session.cancel().and(Err(problem)),
        };
        Ok(created(name, &digest))
    }

    /// GET: how much is there.
    pub fn status(&self, name: &str, upload: &str) -> Result<Response, Problem> {
        let position = self.sessions.position(upload)?;
        Ok(Response {
            status: 204,
            headers: headers(name, upload, position),
            body: Payload::Empty,
        })
    }

    /// PATCH: the next bytes.
    pub fn append(&self, name: &str, upload: &str, request: &mut Request<'_>) -> Result<Response, Problem> {
        let mut session = self.sessions.take(upload)?;
        append(name, &mut session, request)?;
        Ok(accepted(name, &session))
    }

    /// PUT: the last bytes, if there are more, and the digest.
    pub fn finish(
        &self,
        name: &str,
        upload: &str,
        request: &mut Request<'_>,
        query: &Query,
    ) -> Result<Response, Problem> {
        let digest = query.get("digest").unwrap_or_default();
        let digest = parse_digest(digest)?;
        let mut session = self.sessions.take(upload)?;
        append(name, &mut session, request)?;
        session.commit(&digest)?;
        self.wake_sweeper();
        Ok(created(name, &digest))
    }

    /// DELETE: the end of a session.
    pub fn cancel(&self, upload: &str) -> Result<Response, Problem> {
        self.sessions.take(upload)?.cancel()?;
        Ok(Response {
            status: 204,
            headers: Vec::new(),
            body: Payload::Empty,
        })
    }
}

/// Takes a request's body, if it is the session's next part. What came of a body that breaks off is kept.
fn append(name: &str, session: &mut Taken<'_>, request: &mut Request<'_>) -> Result<(), Problem> {
    let begin = session.position();
    let announced = announced(request)?;
    if let Some(range) = &announced
        && range.start != begin
    {
        let mut problem = Problem::new(
            Code::BlobUploadInvalid,
            format!(
                "the part begins at byte {}, but the next byte is {begin}",
                range.start
            ),
        )
        .with_status(416);
        for (header, value) in headers(name, session.id().as_str(), begin) {
            problem = problem.with_header(header, value);
        }
        return Err(problem);
    }
    take_body(session, request)?;
    let got = session.position() - begin;
    match announced {
        Some(range) if range.end - range.start != got => Err(Problem::new(
            Code::SizeInvalid,
            format!(
                "{got} bytes came where Content-Range says {}",
                range.end - range.start
            ),
        )
        .with_status(400)),
        _ => Ok(()),
    }
}

/// The range that a request says its body is.
fn announced(request: &Request<'_>) -> Result<Option<Range<u64>>, Problem> {
    let Some(header) = request.header("content-range") else {
        return Ok(None);
    };
    let range = part(header).ok_or_else(|| {
        Problem::new(
            Code::BlobUploadInvalid,
            "Content-Range isn't of the form FIRST-LAST",
        )
    })?;
    let length = range.end - range.start;
    match request.body.length() {
        Some(told) if told != length => Err(Problem::new(
            Code::SizeInvalid,
            format!("Content-Length says {told} bytes and Content-Range {length}"),
        )
        .with_status(400)),
        _ => Ok(Some(range)),
    }
}

fn take_body(session: &mut Taken<'_>, request: &mut Request<'_>) -> Result<(), Problem> {
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        // A client may send a few bytes at a time.
        let mut next = (&mut request.body).take(CHUNK as u64);
        let broken = next.read_to_end(&mut chunk).err();
        if !chunk.is_empty() {
            session.write(&chunk)?;
        }
        if let Some(error) = broken {
            let message = format!("the body broke off: {error}");
            return Err(Problem::new(Code::BlobUploadInvalid, message));
        }
        if chunk.is_empty() {
            return Ok(());
        }
    }
}

fn accepted(name: &str, session: &Taken<'_>) -> Response {
    Response {
        status: 202,
        headers: headers(name, session.id().as_str(), session.position()),
        body: Payload::Empty,
    }
}

fn created(name: &str, digest: &Digest) -> Response {
    Response {
        status: 201,
        headers: vec![
            ("Location", format!("/v2/{}/blobs/{digest}", encode(name))),
            ("Docker-Content-Digest", digest.to_string()),
        ],
        body: Payload::Empty,
    }
}

/// Where a session is. `Range` names its last byte, and an empty session has the range of one byte: that is the protocol's way.
fn headers(name: &str, upload: &str, position: u64) -> Vec<(&'static str, String)> {
    vec![
        (
            "Location",
            format!("/v2/{}/blobs/uploads/{}", encode(name), encode(upload)),
        ),
        ("Range", format!("0-{}", position.saturating_sub(1))),
        ("Docker-Upload-UUID", upload.to_owned()),
    ]
}
