//! Sends one request and receives its answer.

use std::time::{Duration, Instant};

use ureq::http::{HeaderValue, Request, header};
use ureq::{AsSendBody, SendBody};

use crate::answer::{Answer, Body};
use crate::core::{Core, OUTPUT_BUFFER};
use crate::error::{Error, ErrorKind};
use crate::failure;
use crate::operation::Place;
use crate::origin::Purpose;
use crate::payload::Payload;
use crate::refusal::is_passing;
use crate::request::MAX_TOKEN;
use crate::secret::Secret;
use crate::throttle::Throttle;
use crate::tls::Identity;
use crate::transport::{EarlyAnswer, Lease};
use crate::url::Url;

/// A single request, without redirects or retries.
pub(crate) struct Exchange<'a> {
    pub method: &'static str,
    pub url: &'a Url,
    pub headers: &'a [(&'static str, String)],
    pub authorization: Option<&'a Secret>,
    pub identity: Identity,
    pub place: &'a Place,
    /// The purpose of the URL, if it isn't the registry's own.
    pub named_for: Option<Purpose>,
    pub checked_bytes: u64,
}

impl Core {
    /// Sends one request and returns its answer.
    pub fn exchange(&self, exchange: Exchange<'_>, payload: &mut Payload<'_, '_>) -> Result<Answer, Error> {
        let Exchange {
            method,
            url,
            headers,
            authorization,
            identity,
            place,
            named_for,
            checked_bytes,
        } = exchange;
        if self.cancel.is_set() {
            return Err(Error::new(place, ErrorKind::Cancelled).at(url));
        }
        let host = self.throttle(url.host());
        let is_write = is_write(method);
        if let Some(given_up) = host.given_up(is_write) {
            return Err(given_up);
        }
        let connection = self.connection(url, identity);
        let unsendable =
            || Error::new(place, ErrorKind::Protocol("the request can't be sent".to_owned())).at(url);
        let mut request = Request::builder().method(method).uri(url.expose());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = authorization {
            let size = authorization.expose().len();
            if size > OUTPUT_BUFFER - 1024 {
                let message = format!(
                    "the credentials have {} KiB; a request carries at most {} KiB",
                    size.div_ceil(1024),
                    MAX_TOKEN / 1024
                );
                return Err(Error::new(place, ErrorKind::Config(message)).at(url));
            }
            let mut value = HeaderValue::from_str(authorization.expose()).map_err(|_| {
                let message = "the credentials hold characters that no header can carry".to_owned();
                Error::new(place, ErrorKind::Config(message))
            })?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Payload::Stream(reader) = payload {
            request = request.header(header::CONTENT_LENGTH, reader.left());
        }
        let wait = self.timeouts.answer(checked_bytes);
        let head = self.timeouts.document;
        let result = match payload {
            Payload::None if matches!(method, "GET" | "HEAD" | "DELETE") => {
                let request = request.body(()).map_err(|_| unsendable())?;
                connection.run(request)
            }
            Payload::None => {
                let request = request.body(&[] as &[u8]).map_err(|_| unsendable())?;
                connection.run(request)
            }
            Payload::Bytes(bytes) => {
                let request = request.body(*bytes).map_err(|_| unsendable())?;
                let request = with_wait(connection.agent(), request, wait, head);
                connection.run(request)
            }
            Payload::Stream(reader) => {
                let body = SendBody::from_reader(&mut **reader);
                let request = request.body(body).map_err(|_| unsendable())?;
                let request = with_wait(connection.agent(), request, wait, head);
                connection.run(request)
            }
        };
        if let Payload::Stream(reader) = payload
            && let Some(failure) = reader.take_failure()
        {
            return Err(Error::new(place, ErrorKind::Source(failure)));
        }
        let mut answer = match result {
            Ok(response) => self.answer(response, connection, url, method),
            Err(ureq::Error::Other(other)) if other.is::<EarlyAnswer>() => {
                let early = other.downcast::<EarlyAnswer>().map_err(|_| unsendable())?;
                Answer {
                    headers: early.headers,
                    is_write,
                    proxy: self.proxies.shown(url),
                    ..Answer::new(early.status, Body::whole(early.body), url.clone())
                }
            }
            Err(error) => {
                let error = self.blame(failure::from_ureq(error, place), url, &host);
                let error = error.at(url).named_for(named_for).writing(is_write);
                if error.is_of_host() {
                    host.fails(Instant::now(), is_write);
                }
                log::debug!("{method} {url}: {}", error.kind());
                return Err(error);
            }
        };
        log::debug!("{method} {url}: {}", answer.status);
        host.record_answer(Instant::now(), is_write, !is_passing(answer.status));
        // An anonymous token is no authorization.
        answer.was_authorized = authorization.is_some() && place.has_credential;
        Ok(answer)
    }

    /// Returns a response as an answer, which holds the connection until its body is read.
    pub fn answer(
        &self,
        response: ureq::http::Response<ureq::Body>,
        connection: Lease,
        url: &Url,
        method: &str,
    ) -> Answer {
        let (parts, body) = response.into_parts();
        let timeout = self.timeouts.document;
        let status = parts.status.as_u16();
        let body = match method == "HEAD" || matches!(status, 204 | 304) {
            true => Body::whole(Vec::new()),
            false => Body::stream(body, connection, timeout),
        };
        Answer {
            headers: parts.headers,
            is_write: is_write(method),
            timeout,
            proxy: self.proxies.shown(url),
            ..Answer::new(status, body, url.clone())
        }
    }

    /// Returns a connection's error with the proxy, and whether the host has ever answered.
    fn blame(&self, error: Error, url: &Url, host: &Throttle) -> Error {
        let error = match self.proxies.shown(url) {
            Some(proxy) => error.through(&proxy),
            None => error,
        };
        if host.has_answered() {
            error
        } else {
            error.of_unknown_host()
        }
    }
}

fn is_write(method: &str) -> bool {
    matches!(method, "POST" | "PUT" | "PATCH")
}

fn with_wait<B: AsSendBody>(
    agent: &ureq::Agent,
    request: Request<B>,
    wait: Duration,
    head: Duration,
) -> Request<B> {
    agent
        .configure_request(request)
        .timeout_per_read(Some(wait))
        .timeout_recv_response(Some(wait.saturating_add(head)))
        .build()
}
