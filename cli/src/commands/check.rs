//! `transload check`.

use std::sync::Arc;

use transload_registry_client::{Client, RetryPolicy, Timeouts, Verdict};

use super::host::{Host, rules};
use super::login::PATIENCE;
use crate::app::{FAILED, INTERRUPTED, Session, warn_of_exposure};
use crate::args::{CheckArgs, Cli, Output};
use crate::jobs;
use crate::task::{self, Problem, TaskErrors};
use crate::ui::{self, Examined};

/// Finds out what hosts answer.
pub(crate) fn check(cli: &Cli, args: &CheckArgs) -> Result<u8, TaskErrors> {
    let hosts: Vec<Host> = args
        .hosts
        .iter()
        .map(|text| Host::parse_with_tag("HOST", text))
        .collect::<Result<_, _>>()?;
    let mut registries: Vec<_> = hosts.iter().map(|host| host.registry.clone()).collect();
    registries.dedup();
    if let Some(problem) = args
        .how
        .authfile
        .as_ref()
        .and_then(|file| task::check_file("--authfile", file))
    {
        return Err(problem.into());
    }
    let rules = rules(&registries, &args.how)?;
    warn_of_exposure(cli, args.how.auths.iter());
    let session = Session::begin(cli, None);
    let mut timeouts = Timeouts::default();
    timeouts.connect = PATIENCE;
    timeouts.idle = PATIENCE;
    timeouts.document = PATIENCE;
    let client = Client::builder()
        .hosts(rules)
        .credentials(Arc::new(jobs::logins(args.how.authfile.as_deref())))
        // What fails now and then is wrong: a repeated request would hide it.
        .retry(RetryPolicy::attempts(1))
        .timeouts(timeouts)
        .cancel(Arc::clone(&session.cancel))
        .build()
        .map_err(|error| Problem::of_file("check", error.kind().to_string()))?;
    let mut examined = Vec::new();
    for host in &hosts {
        let repository = host.repository();
        let facts = client.examine(&host.registry, repository.as_ref(), !args.no_push);
        if session.is_stopped() {
            return Ok(INTERRUPTED);
        }
        let one = Examined {
            host: host.to_string(),
            has_repository: repository.is_some(),
            facts,
        };
        if args.output == Output::Text {
            let gap = if examined.is_empty() { "" } else { "\n" };
            if ui::result(ui::fitted(format!("{gap}{}", ui::examined_text(&one))), 0) != 0 {
                return Ok(FAILED);
            }
        }
        examined.push(one);
    }
    let is_bad = examined
        .iter()
        .flat_map(|one| &one.facts)
        .any(|fact| fact.verdict == Verdict::Bad);
    let status = if is_bad { FAILED } else { 0 };
    Ok(match args.output {
        Output::Text => status,
        Output::Json => ui::result(ui::json(&ui::examined_json(&examined)), status),
    })
}
