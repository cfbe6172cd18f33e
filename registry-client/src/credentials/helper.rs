//! Credential helpers: `docker-credential-<name> get`, as Docker's documentation describes them.

use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::CredentialError;
use crate::config::Credential;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks a helper, by its name or its whole path, for a server's credentials.
pub(super) fn get(helper: &str, server: &str) -> Result<Option<Credential>, CredentialError> {
    let program = if helper.contains('/') {
        helper.to_owned()
    } else {
        format!("docker-credential-{helper}")
    };
    let fail = |what: String| {
        CredentialError::new(format!("credential helper {program}, asked for {server}: {what}"))
    };
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            fail(match error.kind() {
                ErrorKind::NotFound => {
                    "there is no such program on PATH: install it, or give the credentials in auths"
                        .to_owned()
                }
                _ => error.to_string(),
            })
        })?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that answers without reading is no failure.
        let _ = writeln!(input, "{server}");
    }
    let complaint = child.stderr.take().map(|stream| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stream.take(MAX_ANSWER).read_to_end(&mut text);
            text
        })
    });
    let mut answer = Vec::new();
    if let Some(stream) = child.stdout.take() {
        let read = stream.take(MAX_ANSWER).read_to_end(&mut answer);
        read.map_err(|error| fail(error.to_string()))?;
    }
    let status = child.wait().map_err(|error| fail(error.to_string()))?;
    let complaint = complaint
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    if !status.success() {
        // Helpers tell "there are none" on either stream, with status 1.
        let said = format!(
            "{} {}",
            String::from_utf8_lossy(&answer),
            String::from_utf8_lossy(&complaint)
        );
        let said = said.trim();
        let lower = said.to_ascii_lowercase();
        if lower.contains("not found") || lower.contains("no credentials") || lower.contains("not logged in")
        {
            return Ok(None);
        }
        return Err(fail(said.chars().take(300).collect()));
    }
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|_| fail("its answer isn't the expected JSON".to_owned()))?;
    Ok((!answer.secret.is_empty()).then(|| Credential::new(answer.username, answer.secret)))
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
