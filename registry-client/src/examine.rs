//! Examines a registry step by step, to find out why it doesn't work.

mod api;
mod certificate;
mod connection;
mod handshake;
mod projects;

use std::sync::Arc;

use transload_reference::{Registry, Repository, printable};

use crate::core::Core;
use crate::error::Error;
use crate::operation::{Operation, Place};
use crate::url::Url;

/// The longest text of a fact, in characters: much of it comes from the server.
const LONGEST_TEXT: usize = 1000;

/// A finding about a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fact {
    /// The subject.
    pub topic: Topic,
    /// The verdict.
    pub verdict: Verdict,
    /// The finding, on one line.
    pub text: String,
    /// What to do about it, if something can be done.
    pub hint: Option<String>,
    /// Its values by name, for programs.
    pub values: Vec<(&'static str, String)>,
}

/// The subject of a [`Fact`], in the order of examination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Topic {
    /// The proxy.
    Proxy,
    /// The addresses of the host's name.
    Name,
    /// The connection.
    Connection,
    /// TLS and the certificate.
    Tls,
    /// The API.
    Api,
    /// The authentication scheme.
    Login,
    /// The credentials, and whether they are accepted.
    Credentials,
    /// Whether the user may create projects at a Harbor.
    Projects,
    /// Whether the repository may be read.
    Pull,
    /// Whether the repository may be written.
    Push,
    /// Whether ranges of blobs are served.
    Ranges,
    /// Whether the referrers API is there.
    Referrers,
}

impl Topic {
    /// Returns its name, such as `tls`.
    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Proxy => "proxy",
            Topic::Name => "name",
            Topic::Connection => "connection",
            Topic::Tls => "tls",
            Topic::Api => "api",
            Topic::Login => "login",
            Topic::Credentials => "credentials",
            Topic::Projects => "projects",
            Topic::Pull => "pull",
            Topic::Push => "push",
            Topic::Ranges => "ranges",
            Topic::Referrers => "referrers",
        }
    }
}

/// The verdict on a [`Fact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Wrong.
    Bad,
    /// Neither good nor bad.
    Neutral,
}

impl Verdict {
    /// Returns its name, such as `good`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Bad => "bad",
            Verdict::Neutral => "neutral",
        }
    }
}

impl Fact {
    fn new(topic: Topic, verdict: Verdict, text: impl AsRef<str>) -> Fact {
        Fact {
            topic,
            verdict,
            text: printable(text.as_ref(), LONGEST_TEXT).into_owned(),
            hint: None,
            values: Vec::new(),
        }
    }

    fn good(topic: Topic, text: impl AsRef<str>) -> Fact {
        Fact::new(topic, Verdict::Good, text)
    }

    fn neutral(topic: Topic, text: impl AsRef<str>) -> Fact {
        Fact::new(topic, Verdict::Neutral, text)
    }

    fn bad(topic: Topic, text: impl AsRef<str>) -> Fact {
        Fact::new(topic, Verdict::Bad, text)
    }

    /// Returns an error as a fact, with its hint.
    fn of_error(topic: Topic, error: &Error) -> Fact {
        let mut fact = Fact::bad(topic, error.kind().to_string());
        fact.hint = error.hint();
        fact
    }

    fn hint(mut self, hint: impl Into<String>) -> Fact {
        self.hint = Some(hint.into());
        self
    }

    fn value(mut self, name: &'static str, value: impl Into<String>) -> Fact {
        self.values
            .push((name, printable(&value.into(), LONGEST_TEXT).into_owned()));
        self
    }
}

/// An examination in progress.
struct Examination<'a> {
    core: &'a Arc<Core>,
    registry: &'a Registry,
    repository: Option<&'a Repository>,
    facts: Vec<Fact>,
}

/// Does the work of [`Client::examine`](crate::Client::examine).
pub(crate) fn examine(
    core: &Arc<Core>,
    registry: &Registry,
    repository: Option<&Repository>,
    push: bool,
) -> Vec<Fact> {
    let mut examination = Examination {
        core,
        registry,
        repository,
        facts: Vec::new(),
    };
    if let Some(url) = examination.reach() {
        examination.check_api(&url, push);
    }
    examination.facts
}

impl Examination<'_> {
    fn note(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    fn rule(&self) -> Option<usize> {
        self.core.rule(self.registry, self.repository)
    }

    fn place(&self, operation: Operation) -> Place {
        Place::at(operation, self.registry, self.repository)
    }

    fn root(&self) -> Result<Url, Error> {
        self.core.url(self.registry, self.repository, "/v2/")
    }
}
