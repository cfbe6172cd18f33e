//! Sending: authorization, redirects, retries.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use transload_reference::Repository;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use ureq::{AsSendBody, SendBody};

use crate::answer::{Answer, Body};
use crate::auth::{Demand, Next, Scheme as AuthScheme};
use crate::core::{Core, OUTPUT_BUFFER, lock};
use crate::error::{Error, ErrorKind, Place};
use crate::failure;
use crate::notice::NoticeKind;
use crate::origin::{Purpose, Reach};
use crate::scope::Scopes;
use crate::secret::Secret;
use crate::throttle::{Patience, Permit, Throttle};
use crate::tls::Identity;
use crate::transport::{EarlyAnswer, bounded, last_sent, reaching};
use crate::tries::Tries;
use crate::url::{Scheme, Url};

/// How many redirects are followed, one after the other.
pub(crate) const MAX_REDIRECTS: u32 = 10;

/// The largest token or password that a request can carry, in bytes: ureq writes a header at once.
pub(crate) const MAX_TOKEN: usize = OUTPUT_BUFFER - 4 * 1024;

/// How long an upload waits for its turn while its source's connection is open.
const MAX_WAIT_WITH_SOURCE: Duration = Duration::from_secs(20);

/// How often a request is repeated with a new token.
const MAX_RENEWALS: u32 = 2;

/// A request to a registry.
#[derive(Clone)]
pub(crate) struct Call {
    pub place: Place,
    pub reach: Reach,
    pub method: &'static str,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub scopes: Scopes,
    /// How many bytes the registry checks before it answers, which takes its time.
    pub checked_bytes: u64,
    /// Whether it belongs to something that counts as one of the host's requests already.
    pub is_counted: bool,
    /// Whether another origin may answer it, where the registry redirects it there.
    pub may_leave: bool,
    /// Whether it is sent again with a new token where the one in store is refused.
    pub renews: bool,
}

/// What is sent along.
pub(crate) enum Payload<'a, 'r> {
    None,
    Bytes(&'a [u8]),
    /// So many bytes of a reader, which can't be sent twice.
    Stream(&'a mut ExactReader<'r>),
}

/// One request and its answer, without redirects or retries.
pub(crate) struct Exchange<'a> {
    pub method: &'static str,
    pub url: &'a Url,
    pub headers: &'a [(&'static str, &'a str)],
    pub authorization: Option<&'a Secret>,
    pub identity: Identity,
    pub place: &'a Place,
    /// What the registry named the URL for, where it isn't its own.
    pub named_for: Option<Purpose>,
    pub checked_bytes: u64,
}

/// A blob's bytes from some offset on.
pub(crate) type BlobBytes<'r> = Box<dyn Read + Send + 'r>;

/// Gives exactly as many bytes as were announced, or fails; remembers why, since the failure travels through the HTTP library.
pub(crate) struct ExactReader<'r> {
    bytes: BlobBytes<'r>,
    left: u64,
    failure: Option<io::Error>,
    /// Told of the bytes.
    throttle: Option<Arc<Throttle>>,
}

impl<'r> ExactReader<'r> {
    pub fn new(bytes: BlobBytes<'r>, length: u64) -> ExactReader<'r> {
        ExactReader {
            bytes,
            left: length,
            failure: None,
            throttle: None,
        }
    }

    /// What comes after the bytes that were sent.
    pub fn into_rest(self) -> BlobBytes<'r> {
        self.bytes
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        self.failure = Some(error);
        io::Error::other("the bytes to send can't be read")
    }
}

impl Read for ExactReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = loop {
            match self.bytes.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(error)),
                Ok(count) => break count,
            }
        };
        if count == 0 {
            let message = format!("the bytes end {} before the announced end", self.left);
            return Err(self.fail(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
        }
        self.left -= count as u64;
        self.throttle
            .iter()
            .for_each(|throttle| throttle.moved(count as u64));
        Ok(count)
    }
}

impl Call {
    pub fn new(
        core: &Core,
        operation: impl Into<String>,
        repository: &Repository,
        method: &'static str,
        path: &str,
    ) -> Result<Call, Error> {
        let registry = repository.registry();
        let reach = core.reach(registry, Some(repository))?;
        let place = Place {
            operation: operation.into(),
            registry: Some(registry.clone()),
            repository: Some(repository.clone()),
            has_credential: core
                .rules
                .get(reach.rule)
                .is_some_and(|rule| rule.credential.is_some()),
        };
        let url = reach.url(&format!("/v2/{}{path}", repository.path()))?;
        Ok(Call {
            place,
            reach,
            method,
            url,
            headers: Vec::new(),
            scopes: Scopes::pull(repository),
            checked_bytes: 0,
            is_counted: false,
            may_leave: matches!(method, "GET" | "HEAD"),
            renews: true,
        })
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.headers.push((name, value.into()));
        self
    }

    pub fn scopes(mut self, scopes: Scopes) -> Call {
        self.scopes = scopes;
        self
    }

    pub fn fail(&self, kind: ErrorKind) -> Error {
        Error::new(&self.place, kind).at(&self.url)
    }

    pub fn protocol(&self, message: impl Into<String>) -> Error {
        self.fail(ErrorKind::Protocol(message.into()))
    }
}

impl Core {
    /// Sends a request that may be sent again, until it has an answer that isn't a passing failure or the tries are used up.
    pub fn run(&self, call: &mut Call, body: Option<&[u8]>) -> Result<Answer, Error> {
        let mut tries = Tries::default();
        loop {
            let mut payload = body.map_or(Payload::None, Payload::Bytes);
            let error = match self.once(call, &mut payload) {
                Ok(answer) if is_passing(answer.status) => answer.into_error(&call.place),
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !error.is_retryable() {
                return Err(tries.end(error));
            }
            self.again(&mut tries, error, NoticeKind::Retry)?;
        }
    }

    /// Sends a request, and again where only authorization was wanting. A stream is sent once: a 401 to it is returned.
    pub fn once(&self, call: &mut Call, payload: &mut Payload<'_, '_>) -> Result<Answer, Error> {
        let throttle = self.throttle(&call.reach.registry);
        let patience = match payload {
            _ if call.is_counted => Patience::None,
            // Its bytes may come from another host, where they hold a place.
            Payload::Stream(_) => Patience::Bounded(MAX_WAIT_WITH_SOURCE),
            _ => Patience::Endless,
        };
        let Some(permit) = throttle.acquire(&self.cancel, patience) else {
            return Err(call.fail(ErrorKind::Cancelled));
        };
        if let Payload::Stream(reader) = payload {
            reader.throttle = Some(Arc::clone(&throttle));
        }
        let began = permit.began();
        self.converse(call, payload, permit)
            .map_err(|error| error.of_request(began))
    }

    /// Sends a request that has its permit, and follows redirects.
    fn converse(
        &self,
        call: &mut Call,
        payload: &mut Payload<'_, '_>,
        permit: Permit,
    ) -> Result<Answer, Error> {
        let since = Instant::now();
        let throttle = self.throttle(&call.reach.registry);
        let login = self.login(&call.reach);
        let mut url = call.url.clone();
        // Once an answer has led elsewhere, nothing that is the registry's alone goes along any more.
        let mut named_for = (!call.reach.is_own(&url)).then_some(Purpose::Upload);
        if named_for.is_some() && !matches!(call.method, "PUT" | "PATCH") {
            return Err(call.protocol(format!("no {} goes to {}: refused", call.method, url.host())));
        }
        let mut redirects = 0;
        let mut renewals = 0;
        loop {
            let at_home = named_for.is_none();
            // Who waits for the first answer learns from it what to prove. A registry of plain HTTP that no credentials are given for rarely
            // wants anything proved, and two round trips are saved where nobody waits.
            let may_ask = url.scheme() == Scheme::Https || call.place.has_credential;
            let guard = may_ask.then(|| login.first_contact()).flatten();
            let proof = match at_home {
                true => self.authorize(&login, call, since)?,
                false => None,
            };
            let headers: Vec<_> = call
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let exchange = Exchange {
                method: call.method,
                url: &url,
                headers: &headers,
                authorization: proof.as_ref().map(|proof| &proof.header),
                identity: match at_home {
                    true => self.own_identity(call.reach.rule),
                    false => self.foreign_identity(&call.reach, &url),
                },
                place: &call.place,
                named_for,
                checked_bytes: call.checked_bytes,
            };
            let began = Instant::now();
            let result = reaching(at_home.then_some(&throttle), || self.exchange(exchange, payload));
            // To connect takes round trips of its own, which say nothing of how busy the registry is.
            let sent = last_sent().map_or(began, |sent| sent.max(began));
            let latency = sent.elapsed();
            if let (Some(_), Ok(answer)) = (&guard, &result)
                && at_home
                && answer.status == 401
                && let Some(scheme) = AuthScheme::of(answer)
            {
                *lock(&login.scheme) = Some(scheme);
            }
            login.end_first_contact();
            drop(guard);
            let mut answer = result?;
            answer.is_elsewhere = !at_home;
            if proof.is_some() && call.place.has_credential && matches!(answer.status, 401 | 403) {
                let credential = self.credential(&call.place).ok().flatten();
                answer.by_robot = credential.is_some_and(|credential| credential.is_robot());
            }
            if answer.status < 400 || answer.status == 404 {
                // Only what a registry answers off-hand tells how busy everything is.
                let is_offhand = matches!(call.method, "GET" | "HEAD");
                throttle.speed_up(is_offhand.then_some(latency));
            }
            let wants_more = at_home
                && (answer.status == 401
                    || answer.status == 403
                        && matches!(Demand::of(&answer), Ok(Some(demand)) if demand.is_insufficient_scope));
            let (header, trial) = match proof {
                Some(proof) => (Some(proof.header), proof.trial),
                None => (None, None),
            };
            if at_home
                && !matches!(payload, Payload::Stream(_))
                && let Some(header) = &header
                && self.heed_length(&login, call, &answer, header)?
            {
                answer.drain();
                continue;
            }
            if wants_more {
                let demand = Demand::of(&answer);
                let outcome = match trial {
                    None => Ok(answer),
                    // Who waits for the trial goes on once this is noted.
                    Some((credential, _trial)) => {
                        let error = answer.into_error(&call.place);
                        let is_same_way =
                            !matches!(&demand, Ok(Some(demand)) if demand.scheme != AuthScheme::Basic);
                        let blame = self.blame_credential(&call.place, &credential);
                        Err(match is_same_way {
                            true => login.refuse(&credential, error, blame),
                            false => error,
                        })
                    }
                };
                let next = match renewals < MAX_RENEWALS {
                    _ if !call.renews => Next::End,
                    true => self.heed(&login, call, since, demand, header.as_ref())?,
                    false => Next::Lacking,
                };
                if next == Next::Again && !matches!(payload, Payload::Stream(_)) {
                    renewals += 1;
                    outcome.into_iter().for_each(Answer::drain);
                    continue;
                }
                let mut answer = outcome?;
                if next == Next::Lacking {
                    answer.insufficient = Some(call.scopes.to_string());
                }
                answer.permit = Some(permit);
                return Ok(answer);
            }
            if let Some((credential, _)) = &trial
                && !is_passing(answer.status)
            {
                login.accept(credential, false);
            }
            drop(trial);
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) || matches!(payload, Payload::Stream(_))
            {
                answer.permit = Some(permit);
                return Ok(answer);
            }
            redirects += 1;
            if redirects > MAX_REDIRECTS {
                return Err(call.protocol(format!("more than {MAX_REDIRECTS} redirects")));
            }
            url = self.redirect_target(&call.place, &call.reach, &url, answer)?;
            if call.method == "DELETE" || !call.may_leave && !call.reach.is_own(&url) {
                let message = format!("the registry redirects a {} to {url}: refused", call.method);
                return Err(call.protocol(message));
            }
            if !call.reach.is_own(&url) {
                named_for = Some(Purpose::Content);
            }
        }
    }

    /// Where a redirect leads, if one may go there.
    pub fn redirect_target(
        &self,
        place: &Place,
        reach: &Reach,
        from: &Url,
        answer: Answer,
    ) -> Result<Url, Error> {
        let refuse = |message: String| Error::new(place, ErrorKind::Protocol(message)).at(from);
        let location = answer.header("location").map(str::to_owned);
        let status = answer.status;
        answer.drain();
        let location = location.ok_or_else(|| {
            refuse(format!(
                "the answer {status} doesn't say where to go (no Location)"
            ))
        })?;
        self.follow(reach, from, &location).map_err(refuse)
    }

    /// One request and its answer.
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
        let is_write = matches!(method, "POST" | "PUT" | "PATCH");
        if let Some(given_up) = host.given_up(is_write) {
            return Err(given_up);
        }
        let agent = self.agent(url, identity)?;
        let unsendable =
            || Error::new(place, ErrorKind::Protocol("the request can't be sent".to_owned())).at(url);
        let mut request = Request::builder().method(method).uri(url.expose());
        for (name, value) in headers {
            request = request.header(*name, *value);
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
            request = request.header(header::CONTENT_LENGTH, reader.left);
        }
        let wait = self.timeouts.answer(checked_bytes);
        let head = self.timeouts.document;
        let result = match payload {
            Payload::None if matches!(method, "GET" | "HEAD" | "DELETE") => {
                let request = request.body(()).map_err(|_| unsendable())?;
                bounded(None, || agent.run(request))
            }
            Payload::None => {
                let request = request.body(&[] as &[u8]).map_err(|_| unsendable())?;
                bounded(None, || agent.run(request))
            }
            Payload::Bytes(bytes) => {
                let request = request.body(*bytes).map_err(|_| unsendable())?;
                let request = with_wait(&agent, request, wait, head);
                bounded(None, || agent.run(request))
            }
            Payload::Stream(reader) => {
                let body = SendBody::from_reader(&mut **reader);
                let request = request.body(body).map_err(|_| unsendable())?;
                let request = with_wait(&agent, request, wait, head);
                bounded(None, || agent.run(request))
            }
        };
        if let Payload::Stream(reader) = payload
            && let Some(failure) = reader.failure.take()
        {
            return Err(Error::new(place, ErrorKind::Source(failure)));
        }
        // A token that everybody gets says nothing of a user.
        let was_authorized = authorization.is_some() && place.has_credential;
        match result {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                log::debug!("{method} {url}: {}", parts.status);
                host.hears(Instant::now(), is_write, !is_passing(parts.status.as_u16()));
                Ok(Answer {
                    status: parts.status.as_u16(),
                    headers: parts.headers,
                    is_write,
                    body: Body::Stream {
                        reader: body.into_reader(),
                        patience: self.timeouts.document,
                    },
                    url: url.clone(),
                    was_authorized,
                    patience: self.timeouts.document,
                    is_elsewhere: false,
                    proxy: self.proxies.shown(url),
                    insufficient: None,
                    by_robot: false,
                    permit: None,
                })
            }
            Err(ureq::Error::Other(other)) if other.is::<EarlyAnswer>() => {
                let early = other
                    .downcast::<EarlyAnswer>()
                    .ok()
                    .and_then(|early| early.parts());
                let parts = early.ok_or_else(|| {
                    failure::from_ureq(ureq::Error::Io(io::ErrorKind::ConnectionReset.into()), place).at(url)
                })?;
                host.hears(Instant::now(), is_write, !is_passing(parts.status));
                let mut headers = HeaderMap::new();
                for (name, value) in parts.headers {
                    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>())
                    {
                        headers.append(name, value);
                    }
                }
                Ok(Answer {
                    status: parts.status,
                    headers,
                    is_write,
                    body: Body::Bytes(io::Cursor::new(parts.body)),
                    url: url.clone(),
                    was_authorized,
                    patience: self.timeouts.document,
                    is_elsewhere: false,
                    proxy: self.proxies.shown(url),
                    insufficient: None,
                    by_robot: false,
                    permit: None,
                })
            }
            Err(error) => {
                let error = self.blame(failure::from_ureq(error, place), url, &host);
                let error = error.at(url).named_for(named_for).writing(is_write);
                if error.is_of_host() {
                    host.fails(Instant::now(), is_write);
                }
                log::debug!("{method} {url}: {}", error.kind());
                Err(error)
            }
        }
    }
}

impl Core {
    /// An error of a connection, with what is known of who is to blame.
    fn blame(&self, error: Error, url: &Url, host: &Throttle) -> Error {
        let error = match self.proxies.shown(url) {
            Some(proxy) => error.through(&proxy),
            None => error,
        };
        if host.has_answered() {
            error
        } else {
            error.of_stranger()
        }
    }
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

pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_ends_early_is_blamed_itself() {
        let mut reader = ExactReader::new(Box::new(&b"12345"[..]), 3);
        let mut sink = Vec::new();
        reader.read_to_end(&mut sink).unwrap();
        assert_eq!((sink.as_slice(), reader.left), (b"123".as_slice(), 0));
        let mut reader = ExactReader::new(Box::new(&b"12"[..]), 3);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        assert_eq!(reader.failure.unwrap().kind(), io::ErrorKind::UnexpectedEof);
    }
}
