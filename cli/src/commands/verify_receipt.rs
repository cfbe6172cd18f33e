//! `transload verify --receipt FILE --against PLACE`.

use std::fmt::Write as _;
use std::path::Path;

use rayon::prelude::*;
use serde_json::json;
use transload_reference::Reference;
use transload_signature::ssh::SignedBy;
use transload_transfer::{self as transfer, Fault, Source};

use super::verify::options;
use crate::app::{FAILED, INTERRUPTED, Session, of_fault};
use crate::args::{Output, VerifyArgs};
use crate::jobs;
use crate::receipt;
use crate::report::{ImageReport, ImageStatus, Report};
use crate::task::{Problem, TaskErrors};
use crate::trust;
use crate::ui;

/// Checks that a place still has each image of a receipt with its digest.
pub(super) fn verify_receipt(args: &VerifyArgs, file: &Path, session: &Session) -> Result<u8, TaskErrors> {
    let (job, location) = jobs::place_of_receipt(args)?;
    let signers = args
        .volumes
        .trust
        .as_deref()
        .map(trust::read_signers)
        .transpose()?;
    let (report, signed) = match receipt::read(file, signers.as_deref()) {
        Ok(read) => read,
        Err(errors) => {
            ui::err(ui::errors(errors.problems(), 0));
            return Ok(FAILED);
        }
    };
    let place = location.place();
    let options = options(session, args);
    let opened = transfer::open(&job, &place, &options, &session.observer());
    let source = match opened {
        Err(fault) if fault.is_interrupted() => return Ok(INTERRUPTED),
        opened => opened.map_err(|fault| of_fault("--against", &fault))?,
    };
    let pool = options.pool(usize::MAX).map_err(Problem::from)?;
    let arrived: Vec<&ImageReport> = arrived(&report).collect();
    let registry = place.registry().map(ToString::to_string);
    let looked = pool.install(|| {
        let look = |image: &&ImageReport| look(image, source.as_ref(), registry.as_deref());
        arrived.par_iter().map(look).collect::<Result<Vec<_>, Fault>>()
    });
    session.progress.finish();
    let found = match looked {
        Err(fault) if fault.is_interrupted() => return Ok(INTERRUPTED),
        looked => looked.map_err(|fault| of_fault("--against", &fault))?,
    };
    let checked = Checked {
        file,
        report: &report,
        signed: signed.as_ref(),
        images: arrived.into_iter().zip(found).collect(),
    };
    let text = match args.output {
        Output::Text => ui::fitted(checked.text()),
        Output::Json => ui::json(&checked.json()),
    };
    let is_same = checked.images.iter().all(|(_, differs)| differs.is_none());
    Ok(ui::result(text, if is_same { 0 } else { FAILED }))
}

/// The images of a receipt that are at their destination, as it says.
fn arrived(report: &Report) -> impl Iterator<Item = &ImageReport> {
    let images = report.tasks.iter().flat_map(|task| &task.images);
    images.filter(|image| matches!(image.status, ImageStatus::Copied | ImageStatus::There))
}

/// What is differing from the receipt, if anything is. The fault is that it was stopped.
fn look(image: &ImageReport, source: &dyn Source, registry: Option<&str>) -> Result<Option<String>, Fault> {
    // A place on a disk may have been moved: its path doesn't count.
    let name = image.destination.split(" in ").next().unwrap_or_default();
    let Some(digest) = &image.digest else {
        return Ok(Some("the receipt has no digest".to_owned()));
    };
    let reference: Reference = match name.parse() {
        Ok(reference) => reference,
        Err(error) => return Ok(Some(format!("it isn't an image's name: {error}"))),
    };
    if let Some(registry) = registry.filter(|registry| *registry != reference.registry().to_string()) {
        return Ok(Some(format!(
            "it was imported elsewhere, and not into {registry}"
        )));
    }
    match source.root(&reference) {
        Ok(there) if there.digest().as_str() == digest => Ok(None),
        Ok(there) => Ok(Some(format!("is {} now, and was {digest}", there.digest()))),
        Err(fault) if fault.is_interrupted() => Err(fault),
        Err(fault) => Ok(Some(fault.text())),
    }
}

/// What a look at a place found.
struct Checked<'a> {
    file: &'a Path,
    report: &'a Report,
    signed: Option<&'a SignedBy>,
    /// The images, each with what is otherwise.
    images: Vec<(&'a ImageReport, Option<String>)>,
}

impl Checked<'_> {
    fn bundles(&self) -> Vec<&str> {
        let bundles = self.report.tasks.iter().flat_map(|task| &task.bundles);
        bundles.map(String::as_str).collect()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (image, differs) in &self.images {
            if let Some(differs) = differs {
                let _ = writeln!(text, "{}: {differs}", image.destination);
            }
        }
        let all: usize = self.report.tasks.iter().map(|task| task.images.len()).sum();
        let _ = writeln!(
            text,
            "{}: {} of {all} arrived, {}",
            self.file.display(),
            self.images.len(),
            self.report.ended,
        );
        for bundle in self.bundles() {
            let _ = writeln!(text, "from the bundle {bundle}");
        }
        if let Some(signed) = self.signed {
            let _ = writeln!(text, "signed by {signed}");
        }
        let differing = self
            .images
            .iter()
            .filter(|(_, differs)| differs.is_some())
            .count();
        let _ = match differing {
            0 => writeln!(text, "all match the receipt"),
            differing => writeln!(
                text,
                "{} differing from the receipt",
                ui::count(differing, "image")
            ),
        };
        text
    }

    fn json(&self) -> serde_json::Value {
        let image = |(image, differs): &(&ImageReport, Option<String>)| {
            json!({
                "image": image.image,
                "destination": image.destination,
                "digest": image.digest,
                "differs": differs,
            })
        };
        json!({
            "receipt": self.file.display().to_string(),
            "ended": self.report.ended,
            "bundles": self.bundles(),
            "signed_by": self.signed.map(ToString::to_string),
            "images": self.images.iter().map(image).collect::<Vec<_>>(),
        })
    }
}
