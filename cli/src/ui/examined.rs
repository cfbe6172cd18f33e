//! What was found out about hosts, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use transload_registry_client::{Fact, Verdict};

use super::format::count;

/// A host that was looked at.
#[derive(Debug)]
pub struct Examined {
    /// The registry, or the repository in it.
    pub host: String,
    /// Whether it is a repository.
    pub has_repository: bool,
    /// What was found out.
    pub facts: Vec<Fact>,
}

/// How wide the names of topics are.
const TOPICS: usize = 11;

/// A line for each fact, with what to do below what is bad.
pub fn examined_text(examined: &Examined) -> String {
    let mut text = format!("{}\n", examined.host);
    for fact in &examined.facts {
        let mark = match fact.verdict {
            Verdict::Good => "ok ",
            Verdict::Bad => "BAD",
            Verdict::Neutral => "-  ",
        };
        let _ = writeln!(text, "  {mark}  {:<TOPICS$}  {}", fact.topic.as_str(), fact.text);
        if let Some(hint) = fact.hint.as_ref().filter(|_| fact.verdict == Verdict::Bad) {
            let _ = writeln!(text, "       {:<TOPICS$}  hint: {hint}", "");
        }
    }
    let bad = examined.facts.iter();
    let bad = bad.filter(|fact| fact.verdict == Verdict::Bad).count();
    let verdict = match (bad, examined.has_repository) {
        (0, true) => "all is well".to_owned(),
        (0, false) => {
            format!(
                "all is well so far; {}/REPOSITORY tells whether that may be pulled and pushed",
                examined.host
            )
        }
        (bad, _) => count(bad, "problem"),
    };
    let _ = writeln!(text, "check: {}: {verdict}", examined.host);
    text
}

/// The same for programs:
///
/// ```json
/// [{
///   "host": "hub.local/team/app",
///   "good": false,                        // whether nothing is bad
///   "facts": [{
///     "topic": "tls",                     // proxy, name, connection, tls, api, login, credentials, pull, push, ranges, referrers
///     "verdict": "bad",                   // good, bad, neutral
///     "text": "…", "hint": "…",           // no hint: null
///     "values": {"issuer": "CN=…", "not_after": "2027-01-31"}     // parts of the text, by topic
///   }]
/// }]
/// ```
pub fn examined_json(all: &[Examined]) -> Value {
    let fact = |fact: &Fact| {
        let values: Map<String, Value> = fact
            .values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        json!({
            "topic": fact.topic.as_str(),
            "verdict": fact.verdict.as_str(),
            "text": fact.text,
            "hint": fact.hint,
            "values": values,
        })
    };
    let one = |examined: &Examined| {
        json!({
            "host": examined.host,
            "good": examined.facts.iter().all(|fact| fact.verdict != Verdict::Bad),
            "facts": examined.facts.iter().map(fact).collect::<Vec<_>>(),
        })
    };
    Value::Array(all.iter().map(one).collect())
}
