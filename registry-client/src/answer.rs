//! A registry's answer: head and body, and what a failure says.

use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::BodyReader;
use ureq::http::HeaderMap;

use crate::error::{Error, ErrorKind, Place, Quota, Refusal};
use crate::failure;
use crate::retry::retry_after;
use crate::throttle::Permit;
use crate::url::Url;

/// How much of an error's body is read, in bytes.
const MAX_ERROR_BODY: u64 = 64 * 1024;

/// How much of a registry's message is shown, in characters.
const MAX_MESSAGE: usize = 300;

pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Body,
    /// Where it came from, after redirects.
    pub url: Url,
    pub was_authorized: bool,
    /// Whether it came from another server than the registry, which had sent us there.
    pub is_elsewhere: bool,
    /// What was asked for with a fresh token that turned out not to suffice.
    pub insufficient: Option<String>,
    /// The request isn't over before its answer was read.
    pub permit: Option<Permit>,
}

pub(crate) enum Body {
    Stream(BodyReader<'static>),
    Bytes(io::Cursor<Vec<u8>>),
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Body::Stream(stream) => stream.read(buffer),
            Body::Bytes(bytes) => bytes.read(buffer),
        }
    }
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Reads a short body to its end, so that the connection can be used again. A long one isn't worth it.
    pub fn drain(mut self) {
        let _ = io::copy(&mut (&mut self.body).take(MAX_ERROR_BODY), &mut io::sink());
    }

    /// The whole body, which must not be longer than `limit` bytes.
    pub fn bytes(mut self, limit: u64, place: &Place) -> Result<Vec<u8>, Error> {
        if let Some(length) = self.content_length()
            && length > limit
        {
            return Err(too_large(limit, place).at(&self.url));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.body)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes);
        read.map_err(|error| failure::from_io(error, place).at(&self.url))?;
        if bytes.len() as u64 > limit {
            return Err(too_large(limit, place).at(&self.url));
        }
        Ok(bytes)
    }

    /// The answer as an error, with what its body says.
    pub fn into_error(self, place: &Place) -> Error {
        let url = self.url.clone();
        let refusal = self.into_refusal();
        Error::new(place, ErrorKind::Status(refusal)).at(&url)
    }

    pub fn into_refusal(mut self) -> Refusal {
        let mut bytes = Vec::new();
        // What came of it is enough: the status decides.
        let _ = (&mut self.body).take(MAX_ERROR_BODY).read_to_end(&mut bytes);
        let content_type = self
            .header("content-type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let (code, message) = read_error(&bytes);
        let is_html = content_type.starts_with("text/html") || bytes.trim_ascii_start().starts_with(b"<");
        let quota = self.quota(message.as_deref());
        let lacks_right = self.insufficient.is_some();
        let message = match (message, self.insufficient) {
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
            retry_after: self
                .headers
                .get("retry-after")
                .and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now())),
            quota,
            was_authorized: self.was_authorized,
            is_elsewhere: self.is_elsewhere,
            lacks_right,
        }
    }

    /// Docker Hub tells its quota in headers such as `ratelimit-remaining: 0;w=21600`.
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

fn too_large(limit: u64, place: &Place) -> Error {
    let message = format!("the answer is larger than the {limit} bytes that are read of such a document");
    Error::new(place, ErrorKind::Protocol(message))
}

/// Code and message: the specification's form, and those of token servers and Harbor.
fn read_error(bytes: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else {
        return (None, None);
    };
    let text = |value: Option<&Value>| {
        value
            .and_then(Value::as_str)
            .map(shown)
            .filter(|text| !text.is_empty())
    };
    let first = document
        .get("errors")
        .and_then(|errors| errors.get(0))
        .unwrap_or(&document);
    let code = text(first.get("code")).or_else(|| text(first.get("error")));
    let message = text(first.get("message"))
        .or_else(|| text(first.get("error_description")))
        .or_else(|| text(first.get("details")))
        .or_else(|| text(first.get("detail")));
    (code, message)
}

/// One line, without control characters, of a bounded length.
fn shown(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_MESSAGE)
        .collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Answer {
            status,
            headers: map,
            body: Body::Bytes(io::Cursor::new(body.as_bytes().to_vec())),
            url: Url::parse("https://a/").unwrap(),
            was_authorized: false,
            is_elsewhere: false,
            insufficient: None,
            permit: None,
        }
    }

    #[test]
    fn codes_and_messages_are_found_in_every_form() {
        let some = |text: &str| Some(text.to_owned());
        let table = [
            (
                r#"{"errors":[{"code":"DENIED","message":"no\nway"}]}"#,
                (some("DENIED"), some("no way")),
            ),
            (r#"{"errors":[]}"#, (None, None)),
            (
                r#"{"error":"invalid_grant","error_description":"gone"}"#,
                (some("invalid_grant"), some("gone")),
            ),
            (
                r#"{"details":"incorrect username or password"}"#,
                (None, some("incorrect username or password")),
            ),
            (r#"{"errors":[{"code":5,"message":null}]}"#, (None, None)),
            ("<html>", (None, None)),
            ("", (None, None)),
        ];
        for (body, expected) in table {
            let refusal = answer(403, &[], body).into_refusal();
            assert_eq!((refusal.code, refusal.message), expected, "{body}");
        }
        assert!(answer(502, &[], " <!doctype html>").into_refusal().is_html);
    }

    #[test]
    fn a_spent_quota_is_told_apart_from_a_busy_registry() {
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
        let place = Place {
            operation: "x".into(),
            registry: None,
            repository: None,
            has_credential: false,
        };
        assert_eq!(answer(200, &[], "12345").bytes(5, &place).unwrap(), b"12345");
        assert!(answer(200, &[], "123456").bytes(5, &place).is_err());
        assert!(
            answer(200, &[("content-length", "99999999")], "1")
                .bytes(5, &place)
                .is_err()
        );
    }
}
