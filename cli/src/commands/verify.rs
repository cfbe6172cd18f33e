//! `transload verify`.

use std::time::Instant;

use transload_layout_store::Store;
use transload_policy::ImagePattern;
use transload_transfer::job::{ImageName, Job};
use transload_transfer::maintenance::{
    Checkup, Look, Mender, Report, TrustedImage, check, check_trust, repair,
};
use transload_transfer::place::LocalPlace;
use transload_transfer::{self as transfer, Fault, Options, Source, TrustPolicy};

use super::verify_bundle::verify_bundle;
use super::verify_receipt::verify_receipt;
use crate::app::{FAILED, INTERRUPTED, Session, at_dir, of_fault, warn_of_exposure};
use crate::args::{Cli, Output, VerifyArgs};
use crate::jobs;
use crate::open_files;
use crate::task::{Problem, TaskErrors};
use crate::trust;
use crate::ui::{self, Checked};

/// Checks a directory, and mends it if that is asked for.
pub(crate) fn verify(cli: &Cli, args: &VerifyArgs) -> Result<u8, TaskErrors> {
    let began = Instant::now();
    let pattern = jobs::pattern(args.pattern.as_deref())?;
    warn_of_exposure(cli, args.registries.auths.iter());
    let session = Session::begin(cli, Some(&args.progress));
    if let Some(receipt) = &args.receipt {
        return verify_receipt(args, receipt, &session);
    }
    let place = jobs::place(args.place.as_deref().unwrap_or_default(), &args.volumes)?;
    if place.is_bundle() {
        return verify_bundle(args, &place, pattern.as_ref(), &session);
    }
    if let Some(against) = &args.against.against {
        let message = format!("{place} isn't a bundle, and --against compares bundles");
        let hint = format!("`transload diff {place} {against}` compares other places");
        return Err(Problem::of_file("--against", message).with_hint(hint).into());
    }
    let source = match place.open(&session.cancel) {
        Err(fault) if fault.is_interrupted() => return Ok(INTERRUPTED),
        opened => opened.map_err(|fault| of_fault("PLACE", &fault))?,
    };
    let policy = trust::policy(&args.trust)?;
    let looked = look(&session, args, &place, source.as_ref(), pattern.as_ref());
    let trusted = match (&looked, &policy) {
        (Ok(Ok(_)), Some(policy)) => Some(check_signatures(
            &session,
            args,
            source.as_ref(),
            policy,
            pattern.as_ref(),
        )?),
        _ => None,
    };
    session.progress.finish();
    let report = match looked? {
        Ok(report) => report,
        Err(fault) if fault.is_interrupted() => return Ok(INTERRUPTED),
        Err(fault) => {
            ui::err(ui::errors(&[of_fault("PLACE", &fault)], 0));
            return Ok(FAILED);
        }
    };
    if let Some(pattern) = pattern.filter(|_| report.health.images == 0) {
        ui::err_line(format_args!("the pattern \"{pattern}\" matches no image"));
    }
    let checked = Checked {
        dir: place.path(),
        report: &report,
        trusted: trusted.as_deref(),
        repair: args.repair,
        elapsed: began.elapsed(),
    };
    let text = match args.output {
        Output::Text => ui::fitted(ui::health_text(&checked)),
        Output::Json => ui::json(&ui::health_json(&checked)),
    };
    let is_trusted = trusted.iter().flatten().all(|image| image.vouchers.is_ok());
    let status = match (
        report.health.stopped,
        report.health.findings.is_empty() && is_trusted,
    ) {
        (true, _) => INTERRUPTED,
        (false, true) => 0,
        (false, false) => FAILED,
    };
    Ok(ui::result(text, status))
}

/// Checks who signed the images, with the signatures that the place itself has.
pub(super) fn check_signatures(
    session: &Session,
    args: &VerifyArgs,
    source: &dyn Source,
    policy: &TrustPolicy,
    pattern: Option<&ImagePattern>,
) -> Result<Vec<TrustedImage>, TaskErrors> {
    let pool = transfer::pool(open_files::workers(args.jobs)).map_err(Problem::from)?;
    let checked = check_trust(source, policy, pattern, &pool, &session.cancel);
    checked.map_err(|fault| of_fault("PLACE", &fault).into())
}

/// How places are reached and read.
pub(super) fn options(session: &Session, args: &VerifyArgs) -> Options {
    session.options(
        args.jobs,
        args.retries,
        jobs::logins(args.registries.authfile.as_deref()),
    )
}

fn look(
    session: &Session,
    args: &VerifyArgs,
    place: &LocalPlace,
    source: &dyn Source,
    pattern: Option<&ImagePattern>,
) -> Result<Result<Report, Fault>, TaskErrors> {
    let options = options(session, args);
    let pool = options.pool(usize::MAX).map_err(Problem::from)?;
    let told = |look: Look| session.progress.look(look);
    let Some(store) = source.offers().link_from else {
        if args.repair {
            let message = format!("{place} is an archive, and only directories can be repaired");
            let hint = "save or fetch the archive again";
            return Err(Problem::of_file("--repair", message).with_hint(hint).into());
        }
        let health = check(source, place.path(), pattern, &pool, &session.cancel, &told);
        return Ok(health.map(Report::of));
    };
    let registries = match args.repair {
        true => Some(registries(store, args, pattern, &options, session)?),
        false => None,
    };
    let mut checkup = Checkup::new(store, pattern, &pool, &session.cancel, &told);
    let health = checkup.look();
    let Some((job, client)) = registries else {
        return Ok(health.map(Report::of).map_err(Fault::of_directory));
    };
    let mender = Mender {
        store,
        from: job.source.as_ref(),
        client: &client,
        pool: &pool,
        told: &told,
        observer: session.progress.as_ref(),
        cancel: &session.cancel,
    };
    let report = health.and_then(|health| repair(&mut checkup, &mender, health));
    Ok(report.map_err(Fault::of_directory))
}

/// Where things come from that are mended: what is wrong with the arguments is told before anything is looked at.
fn registries(
    store: &Store,
    args: &VerifyArgs,
    pattern: Option<&ImagePattern>,
    options: &Options,
    session: &Session,
) -> Result<(Job, transload_registry_client::Client), TaskErrors> {
    let listing = store.listing().map_err(|error| at_dir(&error))?;
    let images: Vec<ImageName> = listing
        .images
        .into_iter()
        .map(|image| image.reference)
        .filter(|image| ImagePattern::takes(pattern, image))
        .map(ImageName::from)
        .collect();
    let job = jobs::repair(args, &images)?;
    let client = transfer::client(&job, options, &session.observer())
        .map_err(|error| Problem::of_file("verify", error.kind().to_string()).maybe_hint(error.hint()))?;
    Ok((job, client))
}
