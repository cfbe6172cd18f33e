//! Runs credential helpers: `docker-credential-<name>` with `get`, `store` and `erase`, as Docker documents them.

use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use serde::Deserialize;

use super::CredentialError;
use crate::config::{Credential, IDENTITY_TOKEN_USER};

/// The largest answer to read, in bytes.
const MAX_ANSWER: u64 = 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks a helper, by name or path, for a server's credentials.
pub(super) fn get(helper: &str, server: &str) -> Result<Option<Credential>, CredentialError> {
    let answer = match run(helper, "get", server, server)? {
        Ok(answer) => answer,
        Err(said) if is_nothing_known(&said) => return Ok(None),
        Err(said) => return Err(failure(helper, server, &said)),
    };
    let answer: Answer = serde_json::from_slice(&answer)
        .map_err(|_| failure(helper, server, "its answer isn't the expected JSON"))?;
    Ok((!answer.secret.is_empty()).then(|| Credential::new(answer.username, answer.secret)))
}

/// Stores a server's credentials with a helper.
pub(super) fn store(helper: &str, server: &str, credential: &Credential) -> Result<(), CredentialError> {
    let (username, secret) = match credential {
        Credential::Basic { username, password } => (username.as_str(), password),
        Credential::IdentityToken(token) => (IDENTITY_TOKEN_USER, token),
        Credential::RegistryToken(_) => {
            return Err(failure(helper, server, "it can't keep a registry's token"));
        }
    };
    let document = serde_json::json!({"ServerURL": server, "Username": username, "Secret": secret.expose()});
    let outcome = run(helper, "store", server, &document.to_string())?;
    outcome
        .map(drop)
        .map_err(|said| failure(helper, server, &said.replace(secret.expose(), "…")))
}

/// Erases a server's credentials with a helper. It is no failure if it has none.
pub(super) fn erase(helper: &str, server: &str) -> Result<(), CredentialError> {
    match run(helper, "erase", server, server)? {
        Err(said) if !is_nothing_known(&said) => Err(failure(helper, server, &said)),
        _ => Ok(()),
    }
}

/// Returns the program of a helper, by name or path.
pub(super) fn program(helper: &str) -> String {
    if helper.contains('/') {
        helper.to_owned()
    } else {
        format!("docker-credential-{helper}")
    }
}

/// Whether a helper says that it has no credentials: on either stream, with status 1.
fn is_nothing_known(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["not found", "no credentials", "not logged in"]
        .iter()
        .any(|words| said.contains(words))
}

fn failure(helper: &str, server: &str, what: &str) -> CredentialError {
    let what: String = what.chars().take(300).collect();
    CredentialError::new(format!(
        "credential helper {}, asked for {server}: {what}",
        program(helper)
    ))
}

/// Runs a helper. Returns its answer, or its message if it fails.
fn run(
    helper: &str,
    action: &str,
    server: &str,
    input: &str,
) -> Result<Result<Vec<u8>, String>, CredentialError> {
    let fail = |error: std::io::Error| failure(helper, server, &error.to_string());
    let mut child = Command::new(program(helper))
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => failure(
                helper,
                server,
                "there is no such program on PATH: install it, or give the credentials in auths",
            ),
            _ => fail(error),
        })?;
    if let Some(mut stream) = child.stdin.take() {
        // A helper may answer without reading.
        let _ = writeln!(stream, "{input}");
    }
    let listener = child.stderr.take().map(|stream| {
        let listen = move || {
            let mut text = Vec::new();
            let _ = stream.take(MAX_ANSWER).read_to_end(&mut text);
            text
        };
        // Without a thread, its message is lost.
        thread::Builder::new().spawn(listen)
    });
    let mut answer = Vec::new();
    if let Some(stream) = child.stdout.take() {
        stream.take(MAX_ANSWER).read_to_end(&mut answer).map_err(fail)?;
    }
    let status = child.wait().map_err(fail)?;
    let complaint = listener
        .and_then(|thread| thread.ok()?.join().ok())
        .unwrap_or_default();
    if status.success() {
        return Ok(Ok(answer));
    }
    let said = format!(
        "{} {}",
        String::from_utf8_lossy(&answer),
        String::from_utf8_lossy(&complaint)
    );
    Ok(Err(said.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_that_is_not_installed_is_named() {
        let error = get("transload-has-no-such-helper", "a.b")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("docker-credential-transload-has-no-such-helper") && error.contains("a.b"),
            "{error}"
        );
    }
}
