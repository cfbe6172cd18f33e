//! `transload login`.

use std::io::{IsTerminal, Read};
use std::time::Duration;

use transload_registry_client::{
    Client, Credential, CredentialOrigin, ErrorKind, HostRule, RetryPolicy, Timeouts,
};

use super::host::{Host, rules};
use super::prompt::{self, Answer};
use crate::app::{FAILED, INTERRUPTED, Session, warn_of_exposure};
use crate::args::{Cli, LoginArgs};
use crate::jobs;
use crate::task::{Problem, TaskErrors};
use crate::ui;

/// How long a registry is waited for: somebody sits there.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The longest password that is read from standard input, in bytes: tokens may be long.
const MAX_PASSWORD: u64 = 1024 * 1024;

/// Tries credentials, and stores them.
pub(crate) fn login(cli: &Cli, args: &LoginArgs) -> Result<u8, TaskErrors> {
    let host = Host::parse("REGISTRY", &args.registry)?;
    let rules = rules(std::slice::from_ref(&host.registry), &args.hosts)?;
    warn_of_exposure(cli, args.hosts.auths.iter());
    let told = rules.iter().find(|rule| rule.repo == host.registry.as_str());
    let told = told.and_then(|rule| rule.credential.clone());
    let credential = match told.filter(|_| args.hosts.creds.is_some()) {
        Some(told) => told,
        None => match credential(args, &host)? {
            Some(credential) => credential,
            None => return Ok(INTERRUPTED),
        },
    };
    let session = Session::begin(cli, None);
    let mut note = "not tested, as requested";
    if !args.no_check {
        note = match try_out(&host, rules, &credential, &session)? {
            Ok(true) => "accepted",
            Ok(false) => "not tried: the registry asks for no login",
            Err(error) if error.is_cancelled() => return Ok(INTERRUPTED),
            Err(error) => return Ok(refuse(&host, &error)),
        };
    }
    let kept = jobs::logins(args.hosts.authfile.as_deref()).keep(&host.registry, &host.path, &credential);
    match kept {
        Ok(origin) => {
            let user = credential.username().unwrap_or("an identity token");
            tell(&host, user, note, &origin);
            Ok(0)
        }
        Err(error) => {
            let problem = Problem::of_file("login", error.to_string());
            ui::err(ui::errors(&[problem], 0) + ui::NOTHING_STORED);
            Ok(FAILED)
        }
    }
}

fn tell(host: &Host, user: &str, note: &str, origin: &CredentialOrigin) {
    let how = match origin {
        CredentialOrigin::File { .. } => ", not encrypted; only its owner may read it",
        _ => "",
    };
    ui::out_line(format_args!(
        "logged in to {host} as {user}: {note}\nstored in {origin}{how}"
    ));
}

/// Asks for what the arguments don't give. None: the user stopped it.
fn credential(args: &LoginArgs, host: &Host) -> Result<Option<Credential>, TaskErrors> {
    let is_terminal = std::io::stdin().is_terminal();
    let username = match &args.username {
        Some(username) => username.clone(),
        None if args.password_stdin || !is_terminal => {
            let problem =
                Problem::of_file("--username", "it isn't given, and there is no terminal to ask on");
            return Err(problem
                .with_hint("give --username, and the password by --password-stdin")
                .into());
        }
        None => match prompt::ask(&format!("User name for {host}: "), true).map_err(unreadable)? {
            Answer::Text(text) => text,
            Answer::Stopped => return Ok(None),
        },
    };
    if username.is_empty() || (username.contains(':') || username.chars().any(char::is_control)) {
        let problem = Problem::of_file(
            "--username",
            "it is empty, or holds a colon or a control character",
        );
        return Err(problem.into());
    }
    let password = match &args.password {
        Some(password) => {
            ui::err_line(
                "warning: others on this machine can read --password in the process list: leave it out and be prompted, or use \
                 --password-stdin",
            );
            password.clone()
        }
        None if args.password_stdin => from_stdin()?,
        None if !is_terminal => {
            let problem = Problem::of_file(
                "--password-stdin",
                "there is no terminal to ask for the password on",
            );
            return Err(problem
                .with_hint("write it to standard input and give --password-stdin")
                .into());
        }
        None => match prompt::ask(&format!("Password of {username}: "), false).map_err(unreadable)? {
            Answer::Text(text) => text,
            Answer::Stopped => return Ok(None),
        },
    };
    if password.is_empty() {
        return Err(Problem::of_file("login", "the password is empty").into());
    }
    Ok(Some(Credential::new(username, password)))
}

fn from_stdin() -> Result<String, TaskErrors> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_PASSWORD)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    // The end of the line is the shell's, not the password's.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn unreadable(error: std::io::Error) -> TaskErrors {
    Problem::of_file("standard input", format!("it can't be read: {error}")).into()
}

type Tried = Result<bool, transload_registry_client::Error>;

/// Whether the registry takes the credentials: false where it asks for none.
fn try_out(
    host: &Host,
    mut rules: Vec<HostRule>,
    credential: &Credential,
    session: &Session,
) -> Result<Tried, TaskErrors> {
    // These are to be tried, and none that a file has for the registry.
    for rule in rules.iter_mut() {
        rule.credential = (rule.repo == host.registry.as_str()).then(|| credential.clone());
    }
    let mut timeouts = Timeouts::default();
    timeouts.connect = PATIENCE;
    timeouts.idle = PATIENCE;
    let client = Client::builder()
        .hosts(rules)
        .retry(RetryPolicy::attempts(2))
        .timeouts(timeouts)
        .cancel(std::sync::Arc::clone(&session.cancel))
        .build()
        .map_err(|error| Problem::of_file("login", error.kind().to_string()))?;
    Ok(client.log_in(&host.registry))
}

fn refuse(host: &Host, error: &transload_registry_client::Error) -> u8 {
    let problem = if error.is_denied() {
        let message = format!(
            "{} doesn't accept this user name and password: {}",
            host.registry,
            error.kind()
        );
        Problem::of_file("login", message).with_hint(
            "check both; a robot's name is often longer than it looks (robot$…), and some registries want a token in place of the password",
        )
    } else {
        Problem::of_file("login", error.to_string()).maybe_hint(error.hint())
    };
    ui::err(ui::errors(&[problem], 0) + ui::NOTHING_STORED);
    if matches!(error.kind(), ErrorKind::Network { .. }) {
        ui::err_line("--no-check stores credentials for a registry that can't be reached from here.");
    }
    FAILED
}
