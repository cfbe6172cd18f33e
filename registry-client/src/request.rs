//! Sends requests: authorization, redirects, retries.

use std::time::{Duration, Instant};

use transload_reference::Repository;

use crate::answer::Answer;
use crate::auth::{Demand, Next, Scheme as AuthScheme};
use crate::config::Credential;
use crate::core::{Core, OUTPUT_BUFFER, lock};
use crate::error::{Error, ErrorKind};
use crate::exchange::Exchange;
use crate::notice::NoticeKind;
use crate::operation::{Operation, Place};
use crate::origin::{Purpose, Reach, RefusedTarget};
use crate::payload::Payload;
use crate::refusal::is_passing;
use crate::scope::Scopes;
use crate::secret::Secret;
use crate::throttle::{Permit, PermitWait};
use crate::tls::Identity;
use crate::tries::Tries;
use crate::url::{Scheme, Url};

/// The longest chain of redirects to follow.
pub(crate) const MAX_REDIRECTS: u32 = 10;

/// The largest token or password that a request can carry, in bytes: ureq writes a header as a whole.
pub(crate) const MAX_TOKEN: usize = OUTPUT_BUFFER - 4 * 1024;

/// How long an upload waits for a permit while its source's connection is open.
const MAX_WAIT_WITH_SOURCE: Duration = Duration::from_secs(20);

/// How often a request is repeated with another token.
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
    /// The number of bytes that the registry checks before it answers.
    pub checked_bytes: u64,
    /// Whether it belongs to a transfer that has had its permit.
    pub is_counted: bool,
    /// Whether the registry may redirect it to another origin.
    pub may_leave: bool,
    /// Whether it is repeated with a new token if the present one is refused.
    pub renews: bool,
}

impl Call {
    /// Returns a request for a path of a repository, with the right to pull.
    pub fn new(
        core: &Core,
        operation: Operation,
        repository: &Repository,
        method: &'static str,
        path: &str,
    ) -> Result<Call, Error> {
        let reach = core.reach(repository.registry(), Some(repository))?;
        let call = Call::at(core, operation, reach, Some(repository), method, "")?;
        Ok(Call {
            url: call.reach.url(&format!("/v2/{}{path}", repository.path()))?,
            scopes: Scopes::pull(repository),
            ..call
        })
    }

    /// Returns a request for a path of the registry.
    pub fn at(
        core: &Core,
        operation: Operation,
        reach: Reach,
        repository: Option<&Repository>,
        method: &'static str,
        path: &str,
    ) -> Result<Call, Error> {
        let rule = core.rules.get(reach.rule);
        Ok(Call {
            place: Place {
                has_credential: rule.is_some_and(|rule| rule.credential.is_some()),
                ..Place::at(operation, &reach.registry, repository)
            },
            method,
            url: reach.url(path)?,
            reach,
            headers: Vec::new(),
            scopes: Scopes::default(),
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

    /// Returns the exchange for the request's own URL, or for one that it was redirected to.
    pub fn exchange<'a>(
        &'a self,
        url: &'a Url,
        authorization: Option<&'a Secret>,
        identity: Identity,
    ) -> Exchange<'a> {
        Exchange {
            method: self.method,
            url,
            headers: &self.headers,
            authorization,
            identity,
            place: &self.place,
            named_for: None,
            checked_bytes: self.checked_bytes,
        }
    }

    pub fn fail(&self, kind: ErrorKind) -> Error {
        Error::new(&self.place, kind).at(&self.url)
    }

    pub fn refused(&self, target: RefusedTarget) -> Error {
        self.protocol(target.message).because(target.cause)
    }

    pub fn protocol(&self, message: impl Into<String>) -> Error {
        self.fail(ErrorKind::Protocol(message.into()))
    }
}

/// How a request is authenticated.
#[derive(Clone, Copy)]
pub(crate) enum LogIn<'a> {
    /// By the scheme that the registry asks for.
    AsAsked,
    /// By Basic, with these credentials or none.
    Basic(Option<&'a Credential>),
}

impl Core {
    /// Sends a request until its answer isn't a passing failure, or the tries are used up.
    pub fn run(&self, call: &mut Call, body: Option<&[u8]>) -> Result<Answer, Error> {
        self.run_as(call, body, LogIn::AsAsked)
    }

    /// Does the same as [`Core::run`], with a chosen authentication.
    pub fn run_as(&self, call: &mut Call, body: Option<&[u8]>, log_in: LogIn<'_>) -> Result<Answer, Error> {
        let mut tries = Tries::default();
        loop {
            let mut payload = body.map_or(Payload::None, Payload::Bytes);
            let error = match self.once_as(call, &mut payload, log_in) {
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

    /// Sends a request, and repeats it only for authorization. A stream is sent once: its 401 is returned.
    pub fn once(&self, call: &mut Call, payload: &mut Payload<'_, '_>) -> Result<Answer, Error> {
        self.once_as(call, payload, LogIn::AsAsked)
    }

    fn once_as(
        &self,
        call: &mut Call,
        payload: &mut Payload<'_, '_>,
        log_in: LogIn<'_>,
    ) -> Result<Answer, Error> {
        let wait = match payload {
            _ if call.is_counted => PermitWait::Skip,
            // Its bytes may come from another host and hold a permit there.
            Payload::Stream(_) => PermitWait::AtMost(MAX_WAIT_WITH_SOURCE),
            _ => PermitWait::Unlimited,
        };
        let throttle = self.throttle(&call.reach.registry);
        let Some(permit) = throttle.acquire(&self.cancel, wait) else {
            return Err(call.fail(ErrorKind::Cancelled));
        };
        let began = permit.began();
        let answer = match log_in {
            LogIn::AsAsked => self.send_following_redirects(call, payload, permit),
            LogIn::Basic(credential) => self.exchange_with_basic(call, credential, payload, permit),
        };
        answer.map_err(|error| error.of_request(began))
    }

    /// Sends a request that has its permit, and follows redirects.
    fn send_following_redirects(
        &self,
        call: &mut Call,
        payload: &mut Payload<'_, '_>,
        permit: Permit,
    ) -> Result<Answer, Error> {
        let since = Instant::now();
        let throttle = self.throttle(&call.reach.registry);
        let login = self.login(&call.reach);
        let mut url = call.url.clone();
        // Another origin gets nothing that is the registry's alone.
        let mut named_for = (!call.reach.is_own(&url)).then_some(Purpose::Upload);
        if named_for.is_some() && !matches!(call.method, "PUT" | "PATCH") {
            return Err(call.protocol(format!("no {} goes to {}: refused", call.method, url.host())));
        }
        let mut redirects = 0;
        let mut renewals = 0;
        loop {
            let at_home = named_for.is_none();
            // Workers wait for the first answer, which tells the scheme. A registry of plain HTTP without credentials rarely asks for one:
            // nobody waits there, which saves two round trips.
            let may_ask = url.scheme() == Scheme::Https || call.place.has_credential;
            let guard = may_ask.then(|| login.first_contact()).flatten();
            let proof = match at_home {
                true => self.authorize(&login, call, since)?,
                false => None,
            };
            let identity = match at_home {
                true => self.own_identity(call.reach.rule),
                false => self.foreign_identity(&call.reach, &url),
            };
            let exchange = Exchange {
                named_for,
                ..call.exchange(&url, proof.as_ref().map(|proof| &proof.header), identity)
            };
            let result = self.exchange(exchange, payload);
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
                throttle.record_success();
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
                && self.shorten_after(&login, call, &answer, header)?
            {
                answer.drain();
                continue;
            }
            if wants_more {
                let demand = Demand::of(&answer);
                let outcome = match trial {
                    None => Ok(answer),
                    // Those that wait for the trial go on once this is recorded.
                    Some((credential, _trial)) => {
                        let error = answer.into_error(&call.place);
                        let is_same_way =
                            !matches!(&demand, Ok(Some(demand)) if demand.scheme != AuthScheme::Basic);
                        let blame = self.describe_refused(&call.place, &credential);
                        Err(match is_same_way {
                            true => login.refuse(&credential, error, blame),
                            false => error,
                        })
                    }
                };
                let next = match renewals < MAX_RENEWALS {
                    _ if !call.renews => Next::End,
                    true => self.learn_from_refusal(&login, call, since, demand, header.as_ref())?,
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

    /// Returns a redirect's target, if it is allowed.
    pub fn redirect_target(
        &self,
        place: &Place,
        reach: &Reach,
        from: &Url,
        answer: Answer,
    ) -> Result<Url, Error> {
        let refuse = |refused: RefusedTarget| {
            Error::new(place, ErrorKind::Protocol(refused.message))
                .at(from)
                .because(refused.cause)
        };
        let location = answer.header("location").map(str::to_owned);
        let status = answer.status;
        answer.drain();
        let location = location.ok_or_else(|| {
            refuse(format!("the answer {status} doesn't say where to go (no Location)").into())
        })?;
        self.follow(reach, from, &location).map_err(refuse)
    }
}
