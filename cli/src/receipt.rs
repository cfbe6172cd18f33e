//! Receipts: reports of what arrived from bundles, which may be signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use transload_signature::ssh::{AllowedSigners, MAX_SSH_SIGNATURE, SignedBy, SshSigner};
use transload_transfer::job::{Endpoint, Job};
use transload_transfer::place::LocalPlace;

use crate::args::HowArgs;
use crate::report::{self, Report, ReportFile, Unwritable};
use crate::task::{self, Problem, TaskErrors};
use crate::trust::{of_ssh, read_beginning};
use crate::ui;

/// What signatures of receipts are for: the namespace of `ssh-keygen -Y`.
const NAMESPACE: &str = "transload-receipt";

/// Checks that a run reads or writes what `--receipt` and `--sign` are about: a receipt is of what a bundle had, and a bundle or a receipt
/// is signed.
///
/// # Errors
/// Where it doesn't.
pub(crate) fn check_use(how: &HowArgs, jobs: &[Job]) -> Result<(), TaskErrors> {
    let is_bundle = |place: Option<&LocalPlace>| place.is_some_and(LocalPlace::is_bundle);
    let reads = |job: &Job| job.is_late || is_bundle(job.source.as_ref().and_then(Endpoint::local));
    if how.receipt.is_some() && !jobs.iter().any(reads) {
        let problem = Problem::of_file("--receipt", "no image comes from a bundle");
        return Err(problem
            .with_hint("--report writes what became of images from other places")
            .into());
    }
    let writes = |job: &Job| job.is_late || is_bundle(job.destination.local());
    if how.sign.is_some() && how.receipt.is_none() && !jobs.iter().any(writes) {
        let problem = Problem::of_file("--sign", "neither a bundle nor a receipt is written");
        return Err(problem
            .with_hint("--dest bundle:DIR writes a bundle, --receipt FILE a receipt")
            .into());
    }
    Ok(())
}

/// Where a receipt is written to, and who signs it.
pub(crate) struct ReceiptFile {
    file: ReportFile,
    signature: Option<(Arc<SshSigner>, ReportFile)>,
}

impl ReceiptFile {
    /// A place that can be written to. Nothing is there yet, and what was there stays until it is replaced.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn prepare(path: &Path, signer: Option<Arc<SshSigner>>) -> Result<ReceiptFile, Problem> {
        let unwritable = |error: Unwritable| error.of_argument("--receipt");
        let file = ReportFile::prepare(path).map_err(unwritable)?;
        if file.is_stdout() {
            let problem = Problem::of_file("--receipt", "a receipt must be a file");
            return Err(problem.with_hint("such as receipt.json"));
        }
        let signature = signer.map(|signer| {
            let beside = ReportFile::prepare(&signature_of(path));
            beside.map(|beside| (signer, beside)).map_err(unwritable)
        });
        Ok(ReceiptFile {
            file,
            signature: signature.transpose()?,
        })
    }

    /// Writes the receipt, and its signature.
    ///
    /// # Errors
    /// Where it can't be written or signed.
    pub fn write(&self, report: &Report) -> Result<(), String> {
        let text = ui::json(report);
        self.file.write_text(&text).map_err(|error| error.to_string())?;
        let Some((signer, file)) = &self.signature else {
            return Ok(());
        };
        let signature = signer
            .sign(NAMESPACE, text.as_bytes())
            .map_err(|error| error.to_string())?;
        file.write_text(&signature).map_err(|error| error.to_string())
    }
}

/// Reads a receipt. Where there are signers, one of them has to have signed these bytes.
///
/// # Errors
/// A file that is no receipt, and where its signature doesn't count.
pub(crate) fn read(
    file: &Path,
    signers: Option<&AllowedSigners>,
) -> Result<(Report, Option<SignedBy>), TaskErrors> {
    let (name, text) = task::read_file(file)?;
    let by = signers.map(|signers| {
        let beside = signature_of(file);
        let signature = read_beginning(&beside, MAX_SSH_SIGNATURE).map_err(|error| {
            let problem = Problem::of_file(
                &name,
                format!("it isn't signed: reading {}: {error}", beside.display()),
            );
            problem.with_hint("an import signs its receipt with --sign KEY")
        })?;
        let checked = signers.check(NAMESPACE, text.as_bytes(), &signature, SystemTime::now());
        checked.map_err(|error| of_ssh(&beside, &error))
    });
    let by = by.transpose()?;
    Ok((report::parse(&name, &text)?, by))
}

/// The file with a receipt's signature.
fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}
