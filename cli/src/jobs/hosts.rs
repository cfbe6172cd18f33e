//! How the registries that a command names are reached.

use std::path::{Path, PathBuf};

use transload_reference::Registry;
use transload_registry_client::{Credential, DefaultCredentials, HostRule};
use transload_transfer::job::{Endpoint, Job};

use super::{Wrong, no_variables};
use crate::args::RegistryArgs;
use crate::task::{self, TaskErrors};
use crate::ui;

/// The rules of `--auths`, and one for `--creds`, `--plain-http` and `--ca-file`.
pub(super) fn hosts(job: &Job, own: Vec<Registry>, how: &RegistryArgs, wrong: &mut Wrong) -> Vec<HostRule> {
    if let Some(file) = &how.authfile {
        wrong.0.extend(task::check_file("--authfile", file));
    }
    match host_rules(&named_registries(job, own), how) {
        Ok(rules) => rules,
        Err(errors) => {
            wrong.0.extend(errors.problems().iter().cloned());
            Vec::new()
        }
    }
}

/// The rules of `--auths`, with what the other options say of the registries that the command names.
///
/// # Errors
/// Files that can't be read, and options for one registry where the command names none, or several.
pub fn host_rules(registries: &[Registry], how: &RegistryArgs) -> Result<Vec<HostRule>, TaskErrors> {
    let mut wrong = Wrong::default();
    let mut rules = Vec::new();
    if let Some(file) = &how.auths {
        match task::load_auths(file, &no_variables()) {
            Ok(loaded) => rules.extend(loaded),
            Err(errors) => wrong.0.extend(errors.problems().iter().cloned()),
        }
    }
    if let Some(file) = &how.ca_file {
        wrong.0.extend(task::check_file("--ca-file", &or_stdin(file)));
    }
    let credential = how
        .creds
        .as_deref()
        .and_then(|creds| credential(creds, &mut wrong));
    let said = [
        ("--creds", how.creds.is_some()),
        ("--plain-http", how.plain_http && !how.is_general),
        ("--ca-file", how.ca_file.is_some() && !how.is_general),
    ];
    let first = said.iter().find(|(_, is_said)| *is_said).map(|(name, _)| *name);
    if let (Some(argument), []) = (first, registries)
        && wrong.0.is_empty()
    {
        wrong.note_with_hint(
            argument,
            "it isn't clear which registry this is for: --src, --dest and the images name none, or several",
            "use --auths with an entry for each registry",
        );
    }
    if let (Some(_), [first, second, ..]) = (&credential, registries) {
        wrong.note_with_hint(
            "--creds",
            format!("the credentials are for one registry, and the command names {first} and {second}"),
            "use `transload login`, or --auths with an entry for each registry",
        );
    }
    if !wrong.0.is_empty() {
        return Err(wrong.0.into());
    }
    for registry in registries {
        let registry = registry.as_str();
        if !rules.iter().any(|rule: &HostRule| rule.repo == registry) {
            let mut rule = HostRule::new(registry);
            rule.insecure = how.is_insecure().then_some(true);
            rules.push(rule);
        }
        // Entries of --auths for the same registry keep what isn't said otherwise.
        let its = rules
            .iter_mut()
            .filter(|rule| rule.repo.split('/').next() == Some(registry));
        for rule in its {
            if how.plain_http {
                rule.plain_http = Some(true);
            }
            if let Some(file) = &how.ca_file {
                rule.ca_file = Some(or_stdin(file));
            }
            if let Some(credential) = credential.as_ref().filter(|_| rule.repo == registry) {
                rule.credential = Some(credential.clone());
                rule.credential_origin = Some("--creds".to_owned());
            }
        }
    }
    Ok(rules)
}

/// The credentials of `--creds`. What is wrong with them is told without them.
fn credential(creds: &str, wrong: &mut Wrong) -> Option<Credential> {
    match creds.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => {
            ui::err_line(
                "warning: others on this machine can read --creds in the process list: `transload login` and --auths are safer",
            );
            Some(Credential::new(user, password))
        }
        _ => {
            let hint = "write USER:PASSWORD; `transload login` asks for the password";
            wrong.note_with_hint("--creds", "it isn't USER:PASSWORD", hint);
            None
        }
    }
}

/// Where logins are: in the file of `--authfile`, or in the usual ones.
pub fn logins(authfile: Option<&Path>) -> DefaultCredentials {
    match authfile {
        Some(file) => DefaultCredentials::from_files(vec![file.to_owned()]),
        None => DefaultCredentials::new(),
    }
}

/// The path of a file that something else opens: `-` is the standard input there, too.
fn or_stdin(file: &Path) -> PathBuf {
    let is_stdin = file == Path::new("-");
    if is_stdin {
        "/dev/stdin".into()
    } else {
        file.to_owned()
    }
}

/// The registries that the ends name, else the one that all images are from: `own` has each one's.
fn named_registries(job: &Job, mut own: Vec<Registry>) -> Vec<Registry> {
    let ends = job.source.iter().chain(job.destinations());
    let named: Vec<Registry> = ends.filter_map(Endpoint::named_registry).collect();
    if !named.is_empty() || job.source.is_some() {
        return named;
    }
    own.dedup();
    if own.len() > 1 {
        own.clear();
    }
    own
}
