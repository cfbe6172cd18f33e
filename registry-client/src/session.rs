//! Upload sessions, and mounts, which open one if they are refused.

use transload_reference::{Digest, Repository};

use crate::answer::Answer;
use crate::core::{Core, lock};
use crate::error::Error;
use crate::operation::Operation;
use crate::origin::{Reach, RefusedTarget, may_be_session};
use crate::payload::Payload;
use crate::request::Call;
use crate::scope::Scopes;
use crate::url::{Scheme, Url};

/// An open upload session.
#[derive(Clone)]
pub(crate) struct Session {
    pub location: Url,
    /// The number of bytes that the registry has.
    pub offset: u64,
    /// The registry's smallest chunk, except for the last.
    pub least_chunk: u64,
    /// The ranges in the registry's answers don't match the bytes that it has.
    pub is_doubtful: bool,
}

impl Session {
    /// Returns a session without a byte.
    pub fn empty(location: Url) -> Session {
        Session {
            location,
            offset: 0,
            least_chunk: 0,
            is_doubtful: false,
        }
    }
}

impl Core {
    /// Whether two repositories share a registry and a rule, and so may share a token.
    pub fn can_mount(&self, from: &Repository, to: &Repository) -> bool {
        from.registry() == to.registry() && self.rules.of(from) == self.rules.of(to)
    }

    pub fn mount_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, Error> {
        if !self.can_mount(from, repository) {
            return Ok(false);
        }
        let operation = Operation::MountBlob(digest.clone());
        let scopes = Scopes::push(repository).and(from, &["pull"]);
        let mut call = Call::new(self, operation, repository, "POST", "/blobs/uploads/")?.scopes(scopes);
        call.url = call
            .url
            .with_query("mount", digest.as_str())
            .with_query("from", from.path());
        let answer = match self.run(&mut call, None) {
            Ok(answer) => answer,
            // A user who may not read the other repository can still upload.
            Err(error) if error.is_denied() => return Ok(false),
            Err(error) => return Err(error),
        };
        match answer.status {
            201 => {
                answer.drain();
                self.close_session(repository, digest);
                Ok(true)
            }
            202 => {
                // The upload that follows uses the session that was opened instead.
                if let Ok(session) = self.session(&call, &answer) {
                    lock(&self.sessions).insert((repository.clone(), digest.clone()), session);
                }
                answer.drain();
                Ok(false)
            }
            _ => {
                answer.drain();
                Ok(false)
            }
        }
    }

    /// Cancels the session that is open for a blob.
    pub fn close_session(&self, repository: &Repository, digest: &Digest) {
        let open = lock(&self.sessions).remove(&(repository.clone(), digest.clone()));
        if let Some(session) = open {
            self.cancel_session(repository, &session.location);
        }
    }

    /// Cancels a session, if its URL can be nothing else. Failures are ignored: registries forget sessions in time.
    pub fn cancel_session(&self, repository: &Repository, session: &Url) {
        if let Ok(mut call) = Call::at_session(self, Operation::CancelUpload, repository, "DELETE", session)
            && let Ok(answer) = self.once(&mut call, &mut Payload::None)
        {
            answer.drain();
        }
    }

    /// Returns the session that an answer opened.
    pub fn session(&self, call: &Call, answer: &Answer) -> Result<Session, Error> {
        let location = answer.header("location").ok_or_else(|| {
            call.protocol("the registry opened an upload and didn't say where (no Location)")
        })?;
        Ok(Session {
            location: self
                .session_url(&call.reach, &answer.url, location)
                .map_err(|refused| call.refused(refused))?,
            offset: 0,
            least_chunk: answer
                .header("oci-chunk-min-length")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            is_doubtful: false,
        })
    }

    /// Returns the URL of a session by its `Location` in an answer from `base`, if a blob may be sent there.
    pub fn session_url(&self, reach: &Reach, base: &Url, location: &str) -> Result<Url, RefusedTarget> {
        let found = located(base, location)?;
        self.may_lead(reach, base, &found)?;
        if reach.is_own(&found) && !may_be_session(&found) {
            return Err(format!("the upload's Location is none of an upload ({found}): refused").into());
        }
        Ok(found)
    }
}

impl Call {
    /// Returns a request to an upload session's URL.
    ///
    /// # Errors
    /// If no such request may go there.
    pub fn at_session(
        core: &Core,
        operation: Operation,
        repository: &Repository,
        method: &'static str,
        session: &Url,
    ) -> Result<Call, Error> {
        let mut call = Call::new(core, operation, repository, method, "/blobs/uploads/")?;
        if !call.reach.takes(method, session, repository) {
            return Err(call.protocol(format!("no {method} goes to {session}: refused")));
        }
        call.url = session.clone();
        call.may_leave = false;
        Ok(call.scopes(Scopes::push(repository)))
    }
}

/// Resolves an upload's `Location`.
pub(crate) fn located(base: &Url, location: &str) -> Result<Url, String> {
    let found = base
        .join(location)
        .map_err(|error| format!("the upload's Location can't be used: {error}"))?;
    // Registries behind a proxy that terminates TLS often give the wrong scheme.
    let is_same_host = found.host().host() == base.host().host();
    let is_same_port =
        found.host().port().is_none_or(|port| port == 80) || found.host().port() == base.host().port();
    let is_downgraded = base.scheme() == Scheme::Https && found.scheme() == Scheme::Http;
    Ok(match is_downgraded && is_same_host && is_same_port {
        true => found.at(Scheme::Https, base.host().clone()),
        false => found,
    })
}

/// Parses the number of bytes that a session has: `0-99` or `bytes=0-99`. `0-0` means none, although one byte looks the same.
pub(crate) fn stored_bytes(range: &str) -> Option<u64> {
    let range = range.trim();
    let range = range
        .strip_prefix("bytes")
        .map_or(range, |rest| rest.trim_start_matches(['=', ' ']));
    let (first, last) = range.split_once('-')?;
    let last: u64 = last.trim().parse().ok()?;
    match (first.trim(), last) {
        ("0", 0) => Some(0),
        ("0", last) => last.checked_add(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_range_tells_how_many_bytes_it_has() {
        let table = [
            ("0-99", Some(100)),
            ("bytes=0-99", Some(100)),
            ("bytes 0-99", Some(100)),
            ("0-0", Some(0)),
            ("5-99", None),
            ("0--1", None),
            ("0-18446744073709551615", None),
            ("", None),
        ];
        for (range, expected) in table {
            assert_eq!(stored_bytes(range), expected, "{range}");
        }
    }
}
