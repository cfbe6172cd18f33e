//! `transload inventory`.

use transload_transfer::bundle;

use crate::app::{FAILED, INTERRUPTED, Session, of_fault, warn_of_exposure};
use crate::args::{Cli, InventoryArgs};
use crate::bundling;
use crate::jobs;
use crate::task::TaskErrors;
use crate::ui;

/// How many requests or files are under way at once.
const READERS: u16 = 16;

/// Writes down what a place has.
pub(crate) fn inventory(cli: &Cli, args: &InventoryArgs) -> Result<u8, TaskErrors> {
    let (job, location) = jobs::inventory(args)?;
    warn_of_exposure(cli, args.registries.auths.iter());
    let session = Session::begin(cli, None);
    let options = session.options(
        READERS,
        args.retries,
        jobs::logins(args.registries.authfile.as_deref()),
    );
    let holdings = match bundle::holdings(&location, &job, &options, &session.observer()) {
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
