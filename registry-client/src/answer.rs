//! A registry's answer: its head, its body, and the refusal that it may be.

use std::io::{self, Read};
use std::time::{Duration, Instant, SystemTime};

use transload_reference::printable;
use ureq::BodyReader;
use ureq::http::HeaderMap;

use crate::error::{Error, ErrorKind};
use crate::error_body;
use crate::failure;
use crate::network::Network;
use crate::operation::Place;
use crate::reason;
use crate::refusal::{Quota, Refusal};
use crate::retry::retry_after;
use crate::throttle::Permit;
use crate::transport::Lease;
use crate::url::Url;

/// The largest part of an error's body to read, in bytes.
const MAX_ERROR_BODY: u64 = 64 * 1024;

/// The longest time to read the body of an error, or one to discard: the status is all that counts.
const MAX_DISCARD_TIME: Duration = Duration::from_secs(5);

pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Whether the request was a POST, PUT or PATCH.
    pub is_write: bool,
    pub body: Body,
    /// The URL that gave it, after redirects.
    pub url: Url,
    pub was_authorized: bool,
    /// How long its body may take, if it is a document.
    pub timeout: Duration,
    /// Whether it came from another server, which the registry redirected to.
    pub is_elsewhere: bool,
    /// The proxy that it came through.
    pub proxy: Option<String>,
    /// The scope that was asked for, if a fresh token doesn't allow it.
    pub insufficient: Option<String>,
    /// Whether the request was sent as a robot account of Harbor.
    pub by_robot: bool,
    /// Held until the body is read: the request isn't over before.
    pub permit: Option<Permit>,
}

/// The bytes of an answer, which hold its connection until the last of them is read.
pub(crate) struct Body(Source);

enum Source {
    Stream {
        reader: BodyReader<'static>,
        connection: Lease,
        /// How long to wait for a byte while heads of chunks and the like arrive.
        timeout: Duration,
    },
    Bytes(io::Cursor<Vec<u8>>),
}

impl Body {
    pub fn stream(body: ureq::Body, connection: Lease, timeout: Duration) -> Body {
        Body(Source::Stream {
            reader: body.into_reader(),
            connection,
            timeout,
        })
    }

    pub fn whole(bytes: Vec<u8>) -> Body {
        Body(Source::Bytes(io::Cursor::new(bytes)))
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.0 {
            Source::Stream {
                reader,
                connection,
                timeout,
            } => connection.wait().bound(Some(*timeout), || reader.read(buffer))?,
            Source::Bytes(bytes) => return bytes.read(buffer),
        };
        if count == 0 && !buffer.is_empty() {
            *self = Body::whole(Vec::new());
        }
        Ok(count)
    }
}

impl Answer {
    pub fn new(status: u16, body: Body, url: Url) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            is_write: false,
            body,
            url,
            was_authorized: false,
            timeout: Duration::ZERO,
            is_elsewhere: false,
            proxy: None,
            insufficient: None,
            by_robot: false,
            permit: None,
        }
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it is a web page with status 200, as portals and proxies answer anything. Registries answer writes with 201, 202 or 204, or
    /// without a body.
    pub fn is_page(&self) -> bool {
        self.is_html() && self.status == 200 && self.content_length() != Some(0)
    }

    /// Whether its content type is HTML.
    pub fn is_html(&self) -> bool {
        let content_type = self.header("content-type").unwrap_or_default();
        content_type.to_ascii_lowercase().starts_with("text/html")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Returns the content encoding that the server names. Requests ask for none and bodies are never decoded: a digest or a parser tells
    /// whether the bytes are right. Some servers name an encoding for content that is compressed by itself.
    pub fn foreign_encoding(&self) -> Option<String> {
        let encoding = self.header("content-encoding")?;
        let is_foreign = !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity");
        is_foreign.then(|| printable(encoding, 40).into_owned())
    }

    /// Reads a short body to its end, so that the connection can be used again. A long one isn't worth it.
    pub fn drain(mut self) {
        let longest = self.timeout.min(MAX_DISCARD_TIME);
        read_within(&mut self.body, MAX_ERROR_BODY, longest);
    }

    /// Returns the whole body of a JSON document, which must not be longer than `limit` bytes.
    pub fn bytes(mut self, limit: u64, place: &Place) -> Result<Vec<u8>, Error> {
        if let Some(length) = self.content_length()
            && length > limit
        {
            return Err(too_large(limit, place).at(&self.url));
        }
        let (bytes, end) = read_within(&mut self.body, limit.saturating_add(1), self.timeout);
        match end {
            End::Reached => {}
            End::TooSlow => {
                let message = format!("the answer wasn't whole after {} s", self.timeout.as_secs());
                let network = Network::Stalled;
                return Err(Error::new(place, ErrorKind::Network { network, message }).at(&self.url));
            }
            End::Failed(error) => return Err(failure::from_io(error, place).at(&self.url)),
        }
        if bytes.len() as u64 > limit {
            return Err(too_large(limit, place).at(&self.url));
        }
        // A body that really is encoded is no JSON.
        if let Some(encoding) = self.foreign_encoding()
            && !bytes.trim_ascii_start().starts_with(b"{")
        {
            let message = format!("the answer is encoded as {encoding}, which transload didn't ask for");
            return Err(Error::new(place, ErrorKind::Protocol(message)).at(&self.url));
        }
        Ok(bytes)
    }

    /// Turns the answer into an error, with the code and message of its body.
    pub fn into_error(self, place: &Place) -> Error {
        let url = self.url.clone();
        let is_write = self.is_write;
        let began = self.permit.as_ref().map(Permit::began);
        let refusal = self.into_refusal();
        let error = Error::new(place, ErrorKind::Status(refusal))
            .at(&url)
            .writing(is_write);
        began.into_iter().fold(error, Error::of_request)
    }

    pub fn into_refusal(mut self) -> Refusal {
        // A part of the body is enough: the status decides.
        let longest = self.timeout.min(MAX_DISCARD_TIME);
        let (bytes, _) = read_within(&mut self.body, MAX_ERROR_BODY, longest);
        let storage_error = error_body::read_storage_error(&bytes);
        let is_html =
            storage_error.is_none() && (self.is_html() || bytes.trim_ascii_start().starts_with(b"<"));
        let (code, message) = storage_error.unwrap_or_else(|| error_body::read(&bytes, self.status));
        let quota = self.quota(message.as_deref());
        let lacks_right = self.insufficient.is_some();
        let message = match (message, self.insufficient) {
            (Some(message), Some(_)) if reason::names_right(&message) => Some(message),
            (message, Some(scope)) => {
                let note = format!("the token server gave a token that doesn't allow {scope}");
                Some(message.map_or(note.clone(), |message| format!("{message} ({note})")))
            }
            (message, None) => message,
        };
        Refusal {
            status: self.status,
            code,
            message,
            is_html,
            proxy: self.proxy.filter(|_| is_html),
            retry_after: self
                .headers
                .get("retry-after")
                .and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now())),
            quota,
            was_authorized: self.was_authorized,
            is_elsewhere: self.is_elsewhere,
            lacks_right,
            by_robot: self.by_robot,
        }
    }

    /// Returns the pull quota if it is used up. Docker Hub tells it in headers such as `ratelimit-remaining: 0;w=21600`.
    fn quota(&self, message: Option<&str>) -> Option<Quota> {
        if self.status != 429 {
            return None;
        }
        let read = |name: &str| {
            let value = self.header(name)?;
            let (count, rest) = value.split_once(';').unwrap_or((value, ""));
            let window = rest
                .trim()
                .strip_prefix("w=")
                .and_then(|seconds| seconds.parse().ok());
            Some((count.trim().parse::<u64>().ok()?, window.map(Duration::from_secs)))
        };
        let remaining = read("ratelimit-remaining");
        let is_spent = remaining.is_some_and(|(count, _)| count == 0);
        let is_told = message.is_some_and(|message| message.contains("pull rate limit"));
        if !is_spent && !is_told {
            return None;
        }
        let limit = read("ratelimit-limit");
        Some(Quota {
            limit: limit.map(|(count, _)| count),
            window: limit
                .and_then(|(_, window)| window)
                .or(remaining.and_then(|(_, window)| window)),
        })
    }
}

/// The end of a read.
enum End {
    /// The last byte was read, or the limit is reached.
    Reached,
    TooSlow,
    Failed(io::Error),
}

/// Reads at most `limit` bytes for about `longest`. Returns them, and how the read ended. The connection bounds each single read.
fn read_within(body: &mut Body, limit: u64, longest: Duration) -> (Vec<u8>, End) {
    const PIECE: usize = 16 * 1024;
    let deadline = Instant::now() + longest;
    let mut bytes = Vec::new();
    let mut piece = [0; PIECE];
    loop {
        let left = usize::try_from(limit - bytes.len() as u64)
            .unwrap_or(PIECE)
            .min(PIECE);
        if left == 0 {
            return (bytes, End::Reached);
        }
        match body.read(&mut piece[..left]) {
            Ok(0) => return (bytes, End::Reached),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (bytes, End::Failed(error)),
        }
        if Instant::now() >= deadline {
            return (bytes, End::TooSlow);
        }
    }
}

fn too_large(limit: u64, place: &Place) -> Error {
    let message = format!("the answer is larger than the {limit} bytes that are read of such a document");
    Error::new(place, ErrorKind::Protocol(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let body = Body::whole(body.as_bytes().to_vec());
        Answer {
            headers: map,
            timeout: Duration::from_secs(60),
            ..Answer::new(status, body, Url::parse("https://a/").unwrap())
        }
    }

    #[test]
    fn the_blobs_that_a_manifest_lacks_are_shown_by_their_details() {
        let error = |code: &str, detail: &str| {
            format!(r#"{{"code":"{code}","message":"blob unknown","detail":{detail}}}"#)
        };
        let lacks = |detail: &str| error("MANIFEST_BLOB_UNKNOWN", detail);
        let table = [
            (vec![lacks(r#""sha256:a""#)], "blob unknown (sha256:a)"),
            (
                vec![
                    lacks(r#"{"digest":"sha256:a"}"#),
                    lacks(r#"{"digest":"sha256:b"}"#),
                ],
                "blob unknown (digest: sha256:a, digest: sha256:b)",
            ),
            (
                vec![lacks(r#""sha256:a""#), error("MANIFEST_INVALID", r#""other""#)],
                "blob unknown (sha256:a)",
            ),
            (vec![lacks("null")], "blob unknown"),
        ];
        for status in [400, 404] {
            for (errors, message) in &table {
                let body = format!(r#"{{"errors":[{}]}}"#, errors.join(","));
                let refusal = answer(status, &[], &body).into_refusal();
                assert_eq!(refusal.message.as_deref(), Some(*message));
                assert!(refusal.is_blob_unknown());
            }
        }
        assert!(!answer(500, &[], &lacks("null")).into_refusal().is_blob_unknown());
    }

    #[test]
    fn a_storages_error_shows_its_code_and_no_secret() {
        let secrets = "<AWSAccessKeyId>KEY</AWSAccessKeyId><StringToSign>SECRET</StringToSign>\
             <AuthenticationErrorDetail>SECRET</AuthenticationErrorDetail>";
        let error = |inside: &str| {
            format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{inside}{secrets}</Error>")
        };
        let table = [
            (
                "<Code>RequestTimeTooSkewed</Code><Message>The difference is &gt; 15 minutes.</Message>",
                Some("RequestTimeTooSkewed"),
                Some("The difference is > 15 minutes."),
            ),
            (
                "<Code>AuthenticationFailed</Code><Message>Server failed to authenticate.\nRequestId:x</Message>",
                Some("AuthenticationFailed"),
                Some("Server failed to authenticate."),
            ),
            (
                "<Code>AccessDenied</Code><Message>no: https://s/x?X-Amz-Signature=SECRET</Message>",
                Some("AccessDenied"),
                None,
            ),
            ("<Code>AccessDenied</Code>", Some("AccessDenied"), None),
        ];
        for (inside, code, message) in table {
            let refusal = answer(403, &[("content-type", "application/xml")], &error(inside)).into_refusal();
            assert_eq!(
                (refusal.code.as_deref(), refusal.message.as_deref()),
                (code, message)
            );
            assert!(
                !refusal.is_html && !format!("{refusal:?}").contains("SECRET"),
                "{refusal:?}"
            );
        }
        for page in [
            "<html><body><Error><Message>x</Message></Error></body></html>",
            " <!doctype html>",
        ] {
            assert!(answer(403, &[], page).into_refusal().is_html);
        }
    }

    #[test]
    fn a_used_up_quota_is_distinguished_from_a_busy_registry() {
        let spent = answer(
            429,
            &[
                ("ratelimit-limit", "100;w=21600"),
                ("ratelimit-remaining", "0;w=21600"),
            ],
            "",
        )
        .into_refusal();
        let quota = spent.quota.clone().unwrap();
        assert_eq!(
            (quota.limit, quota.window),
            (Some(100), Some(Duration::from_secs(21600)))
        );
        assert!(!spent.is_retryable());
        let told =
            r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
        assert!(answer(429, &[], told).into_refusal().quota.is_some());
        let busy = answer(
            429,
            &[("ratelimit-remaining", "7;w=60"), ("retry-after", "3")],
            "",
        )
        .into_refusal();
        assert!(busy.is_retryable());
        assert_eq!(busy.retry_after, Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_refusal_of_a_signed_address_may_be_mended_by_another_address() {
        for (status, elsewhere) in [
            (400, true),
            (401, true),
            (403, true),
            (404, true),
            (410, true),
            (405, false),
        ] {
            let mut answer = answer(status, &[], "");
            answer.is_elsewhere = true;
            assert_eq!(answer.into_refusal().is_retryable(), elsewhere, "{status}");
        }
        assert!(!answer(403, &[], "").into_refusal().is_retryable());
    }

    #[test]
    fn a_document_over_its_limit_is_refused() {
        let place = Place::nowhere(Operation::Ping);
        assert_eq!(answer(200, &[], "12345").bytes(5, &place).unwrap(), b"12345");
        assert!(answer(200, &[], "123456").bytes(5, &place).is_err());
        assert!(
            answer(200, &[("content-length", "99999999")], "1")
                .bytes(5, &place)
                .is_err()
        );
    }
}
