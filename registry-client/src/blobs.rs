//! Looking up blobs ([distribution specification, "Checking if content exists in the registry"]).
//!
//! [distribution specification, "Checking if content exists in the registry"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#checking-if-content-exists-in-the-registry

use transload_reference::{Digest, Repository};

use crate::core::Core;
use crate::error::Error;
use crate::operation::Operation;
use crate::request::Call;
use crate::scope::Scopes;

/// Parses `bytes 5-9/10` into first byte, last byte and, unless it is `*`, the total (RFC 9110, section 14.4).
pub(crate) fn parse_content_range(value: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, rest) = value.trim().split_once(' ')?;
    let (range, total) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (unit.eq_ignore_ascii_case("bytes") && first <= last).then_some((first, last, total))
}

impl Core {
    pub fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<u64>, Error> {
        let path = format!("/blobs/{digest}");
        let operation = Operation::LookUpBlob(digest.clone());
        // Asks with the rights of a push, so that one token serves both.
        let scopes = Scopes::push(repository);
        let mut call = Call::new(self, operation, repository, "HEAD", &path)?.scopes(scopes);
        let registry_url = call.url.clone();
        let answer = self.run(&mut call, None)?;
        match answer.status {
            200 => {
                self.close_session(repository, digest);
                match answer.content_length() {
                    Some(size) => Ok(Some(size)),
                    None => self.size_by_get(call),
                }
            }
            404 => Ok(None),
            // A URL signed for GET refuses HEAD.
            403 if !answer.url.same_origin(&registry_url) => self.size_by_get(call),
            405 | 501 => self.size_by_get(call),
            // A user who may not look may still write; the push tells.
            403 => Ok(None),
            _ => Err(answer.into_error(&call.place)),
        }
    }

    fn size_by_get(&self, mut call: Call) -> Result<Option<u64>, Error> {
        call.method = "GET";
        call.headers.push(("range", "bytes=0-0".to_owned()));
        let answer = self.run(&mut call, None)?;
        let size = match answer.status {
            206 => answer
                .header("content-range")
                .and_then(parse_content_range)
                .and_then(|(_, _, total)| total),
            // An empty blob has no first byte.
            416 => Some(0),
            200 => answer.content_length(),
            403 | 404 => return Ok(None),
            _ => return Err(answer.into_error(&call.place)),
        };
        size.map(Some)
            .ok_or_else(|| call.protocol("the registry doesn't tell the blob's size"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        let table = [
            ("bytes 5-9/10", Some((5, 9, Some(10)))),
            ("Bytes 0-0/*", Some((0, 0, None))),
            ("bytes 9-5/10", None),
            ("bytes */10", None),
            ("items 0-1/2", None),
            ("bytes 0-1", None),
            ("bytes -1-1/2", None),
            ("", None),
        ];
        for (value, expected) in table {
            assert_eq!(parse_content_range(value), expected, "{value}");
        }
    }
}
