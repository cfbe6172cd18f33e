//! Files of public keys, and the policy that arguments ask for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_signature::PublicKeys;
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
        let problem = Problem::of_file(&name, error.to_string());
        error.hint().into_iter().fold(problem, Problem::with_hint).into()
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
