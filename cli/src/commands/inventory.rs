//! `transload inventory`.

use std::sync::Arc;

use transload_transfer::{Observer, Options, bundle};

use crate::app::{FAILED, INTERRUPTED, Session, of_fault, warn_of_exposure};
use crate::args::{Cli, InventoryArgs};
use crate::bundling;
use crate::jobs;
use crate::task::TaskErrors;
use crate::ui::{self, ProgressMode};

/// How many requests or files are under way at once.
const READERS: usize = 16;

/// Writes down what a place has.
pub(crate) fn inventory(cli: &Cli, args: &InventoryArgs) -> Result<u8, TaskErrors> {
    let (job, location) = jobs::inventory(args)?;
    warn_of_exposure(cli, args.registries.auths.iter());
    let session = Session::begin(cli, ProgressMode::None);
    let options = Options {
        jobs: READERS,
        request_retries: args.retries,
        cancel: Arc::clone(&session.cancel),
        ..Options::default()
    };
    let observer: Arc<dyn Observer> = Arc::clone(&session.progress) as Arc<dyn Observer>;
    let holdings = match bundle::holdings(&location, &job, &options, &observer) {
        Ok(holdings) => holdings,
        Err(fault) if fault.is_interrupted() => return Ok(INTERRUPTED),
        Err(fault) => {
            ui::err(ui::errors(&[of_fault("PLACE", &fault)], 0));
            return Ok(FAILED);
        }
    };
    match bundling::write(&args.file, &holdings, "-o") {
        true => Ok(0),
        false => Ok(FAILED),
    }
}
