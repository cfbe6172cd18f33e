//! What a host answers, step by step: for whoever has to find out why it doesn't work.

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

/// How many characters of a fact are shown: much of it is a stranger's.
const LONGEST_TEXT: usize = 1000;

/// One thing that was found out about a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fact {
    /// What it is about.
    pub topic: Topic,
    /// Whether it is as it should be.
    pub verdict: Verdict,
    /// It, in words, on one line.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Its parts by their names, for programs.
    pub values: Vec<(&'static str, String)>,
}

/// What a [`Fact`] is about, in the order in which they are found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Topic {
    /// Which proxy is used.
    Proxy,
    /// Whether the host's name has an address.
    Name,
    /// Whether somebody listens there.
    Connection,
    /// The certificate, or that there is none.
    Tls,
    /// Whether it is a registry.
    Api,
    /// How it wants to be told who one is.
    Login,
    /// Which credentials there are, and whether they are taken.
    Credentials,
    /// Whether the user may create projects, at a Harbor.
    Projects,
    /// Whether the repository may be read.
    Pull,
    /// Whether the repository may be written to.
    Push,
    /// Whether parts of blobs are served.
    Ranges,
    /// Whether it lists what refers to a manifest.
    Referrers,
}

impl Topic {
    /// Its name, such as `tls`.
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

/// Whether a [`Fact`] is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Good,
    /// It isn't.
    Bad,
    /// It may be so or otherwise.
    Neutral,
}

impl Verdict {
    /// Its name, such as `good`.
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

    /// What an error tells, with its hint.
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

/// A host that is looked at, and what was found out so far.
struct Examination<'a> {
    core: &'a Arc<Core>,
    registry: &'a Registry,
    repository: Option<&'a Repository>,
    facts: Vec<Fact>,
}

/// What is behind [`Client::examine`](crate::Client::examine).
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
        examination.look_at_api(&url, push);
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
