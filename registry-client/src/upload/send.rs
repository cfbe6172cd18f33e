//! Sends a blob's bytes to its upload session, whole or in chunks.

use std::io;

use super::{Opener, PROGRESS, Upload};
use crate::answer::Answer;
use crate::error::{Error, ErrorKind};
use crate::payload::{ExactReader, Payload};
use crate::request::Call;
use crate::session::{Session, stored_bytes};

/// The result of a step of an upload.
pub(super) enum Step {
    Done,
    /// The registry has the bytes up to the session's offset, and needs more.
    More,
    TooLarge(Error),
    /// The registry has lost the session or its state.
    Lost(Error),
    /// The registry refuses the bytes: they aren't the blob's.
    Damaged(Error),
    /// The authorization expired.
    Unauthorized(Error),
    Failed(Error),
}

impl Upload<'_> {
    /// Sends the bytes from the session's offset on, whole or in chunks.
    pub(super) fn send(&mut self, session: &mut Session, open: &mut Opener<'_, '_>) -> Step {
        let rest = self.blob.size - session.offset;
        let Some(chunk) = self.chunk.filter(|_| rest > 0) else {
            return self.send_rest(session, open, rest);
        };
        let mut bytes = match open(session.offset) {
            Ok(bytes) => bytes,
            Err(error) => return self.source_failed(error),
        };
        let chunk = chunk.max(session.least_chunk).max(1);
        while session.offset < self.blob.size {
            let length = chunk.min(self.blob.size - session.offset);
            let end = session.offset + length;
            let mut reader = ExactReader::new(bytes, length);
            match self.send_chunk(session, &mut reader, length) {
                Step::More if session.offset == end => self.keep(session),
                other => return other,
            }
            bytes = reader.into_rest();
        }
        self.send_rest(session, open, 0)
    }

    fn source_failed(&self, error: io::Error) -> Step {
        match self.call("PUT", "/blobs/uploads/") {
            Ok(call) => Step::Failed(Error::new(&call.place, ErrorKind::Source(error))),
            Err(error) => Step::Failed(error),
        }
    }

    fn send_rest(&self, session: &mut Session, open: &mut Opener<'_, '_>, rest: u64) -> Step {
        let url = session.location.with_query("digest", self.blob.digest.as_str());
        let mut call = match self.call_at("PUT", &url) {
            Ok(call) => call.header("content-type", "application/octet-stream"),
            Err(error) => return Step::Failed(error),
        };
        call.checked_bytes = self.blob.size;
        if session.offset > 0 && rest > 0 {
            call = call.header(
                "content-range",
                format!("{}-{}", session.offset, self.blob.size - 1),
            );
        }
        let result = if rest == 0 && session.offset > 0 {
            self.core.once(&mut call, &mut Payload::Bytes(&[]))
        } else {
            match open(session.offset) {
                Ok(bytes) => {
                    let mut reader = ExactReader::new(bytes, rest);
                    self.core.once(&mut call, &mut Payload::Stream(&mut reader))
                }
                Err(error) => return self.source_failed(error),
            }
        };
        match result {
            Ok(answer) if matches!(answer.status, 200 | 201 | 204) && !answer.is_page() => {
                answer.drain();
                session.offset = self.blob.size;
                Step::Done
            }
            // Some registries check the blob after this answer.
            Ok(answer) if answer.status == 202 && rest > 0 => {
                session.location = self.moved(&answer, session);
                session.offset = self.blob.size;
                answer.drain();
                Step::More
            }
            other => self.judge(&call, other),
        }
    }

    fn send_chunk(&self, session: &mut Session, bytes: &mut ExactReader<'_>, length: u64) -> Step {
        let (start, end) = (session.offset, session.offset + length);
        let mut call = match self.call_at("PATCH", &session.location) {
            Ok(call) => call
                .header("content-type", "application/octet-stream")
                .header("content-range", format!("{start}-{}", end - 1)),
            Err(error) => return Step::Failed(error),
        };
        if self.is_narrow {
            call = call.header("connection", "close");
        }
        match self.core.once(&mut call, &mut Payload::Stream(bytes)) {
            Ok(answer) if matches!(answer.status, 200 | 201 | 202 | 204) && !answer.is_page() => {
                session.location = self.moved(&answer, session);
                let stored = answer.header("range").and_then(stored_bytes).unwrap_or(end);
                answer.drain();
                session.offset = end;
                if stored == end {
                    return Step::More;
                }
                // The status says that the chunk is stored. ECR always answers with the first chunk's range, and others count one chunk: the final
                // PUT tells whether all is there.
                session.is_doubtful = true;
                if !self.trusts_ranges {
                    return Step::More;
                }
                if (start + PROGRESS..end).contains(&stored) {
                    session.offset = stored;
                    return Step::More;
                }
                let message =
                    format!("the registry says that it stored {stored} bytes of {end} that were sent");
                Step::Lost(call.protocol(message))
            }
            other => self.judge(&call, other),
        }
    }

    fn judge(&self, call: &Call, result: Result<Answer, Error>) -> Step {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return Step::Failed(error),
        };
        let status = answer.status;
        let error = answer.into_error(&call.place);
        let code = error.code().unwrap_or_default();
        match status {
            401 => Step::Unauthorized(error),
            413 => Step::TooLarge(error),
            404 | 416 => Step::Lost(error),
            // The bytes don't match the digest.
            400 if code == "DIGEST_INVALID" => Step::Damaged(error),
            _ if matches!(
                code,
                "BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID" | "RANGE_INVALID"
            ) =>
            {
                Step::Lost(error)
            }
            _ => Step::Failed(error),
        }
    }
}
