//! Files of keys: those that images are checked with, and the policy that arguments ask for; who may sign bundles, and who signs.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_signature::PublicKeys;
use transload_signature::ssh::{AllowedSigners, MAX_ALLOWED_SIGNERS, MAX_SSH_KEY, SshError, SshSigner};
use transload_transfer::{TrustPolicy, TrustProgram, TrustRule};

use crate::args::TrustArgs;
use crate::task::{self, Problem, TaskErrors};

/// Reads the public keys of PEM files; `-` is the standard input.
///
/// # Errors
/// What is wrong with each file.
pub(crate) fn read_keys(files: &[PathBuf]) -> Result<PublicKeys, Vec<Problem>> {
    let mut keys = PublicKeys::default();
    let mut problems = Vec::new();
    for file in files {
        match read_file(file) {
            Ok(read) => keys.extend(read),
            Err(errors) => problems.extend(errors.problems().iter().cloned()),
        }
    }
    if problems.is_empty() {
        Ok(keys)
    } else {
        Err(problems)
    }
}

fn read_file(file: &Path) -> Result<PublicKeys, TaskErrors> {
    let (name, text) = task::read_file(file)?;
    PublicKeys::from_pem(text.as_bytes()).map_err(|error| {
        Problem::of_file(&name, error.to_string())
            .maybe_hint(error.hint())
            .into()
    })
}

/// Returns the policy that arguments ask for, if they ask for one.
///
/// # Errors
/// What is wrong with the files of keys.
pub(crate) fn policy(args: &TrustArgs) -> Result<Option<Arc<TrustPolicy>>, Vec<Problem>> {
    if !args.is_given() {
        return Ok(None);
    }
    let keys = match args.verify_key.as_slice() {
        [] => None,
        files => Some(Arc::new(read_keys(files)?)),
    };
    let program = args.verify_with.as_ref();
    let rule = TrustRule {
        pattern: None,
        keys,
        program: program.map(|program| TrustProgram::new(program, Vec::new())),
    };
    Ok(Some(Arc::new(TrustPolicy { rules: vec![rule] })))
}

/// Reads who may sign bundles and receipts.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read_signers(file: &Path) -> Result<Arc<AllowedSigners>, TaskErrors> {
    let text = read_beginning(file, MAX_ALLOWED_SIGNERS).map_err(|error| unreadable(file, &error))?;
    Ok(Arc::new(
        AllowedSigners::parse(&text).map_err(|error| of_ssh(file, &error))?,
    ))
}

/// Reads the key of `--sign`, which an agent may have.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read_signer(file: &Path) -> Result<Arc<SshSigner>, TaskErrors> {
    let text = read_beginning(file, MAX_SSH_KEY).map_err(|error| unreadable(file, &error))?;
    let agent = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
    let signer = SshSigner::read(&text, agent.as_deref().map(Path::new));
    Ok(Arc::new(signer.map_err(|error| of_ssh(file, &error))?))
}

/// Whether a file has a private key, with or without a passphrase.
pub(crate) fn is_private(file: &Path) -> bool {
    read_beginning(file, MAX_SSH_KEY).is_ok_and(|text| text.starts_with(b"-----BEGIN "))
}

/// Reads a file that has at most so many bytes, and of a larger one a byte more.
pub(crate) fn read_beginning(file: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file)?.take(most as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn unreadable(file: &Path, error: &io::Error) -> Problem {
    task::unreadable(file, &file.display().to_string(), error)
}

pub(crate) fn of_ssh(file: &Path, error: &SshError) -> Problem {
    Problem::of_file(&file.display().to_string(), error.to_string()).maybe_hint(error.hint())
}
