//! `transload verify bundle:DIR`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::json;
use transload_policy::ImagePattern;
use transload_signature::ssh::SignedBy;
use transload_transfer::bundle::{self, Bundle, BundleError, Flaw, Holdings, Place};
use transload_transfer::maintenance::Look;
use transload_transfer::place::LocalPlace;

use super::verify::{check_signatures, options};
use crate::app::{FAILED, INTERRUPTED, Session, of_fault};
use crate::args::{Output, VerifyArgs};
use crate::jobs;
use crate::task::{Problem, TaskErrors};
use crate::{trust, ui};

/// How many images or blobs are named for one thing that is wrong.
const MOST_NAMED: usize = 3;

/// Checks every byte of a bundle, whether it is complete with what another place has, and who signed its images.
pub(super) fn verify_bundle(
    args: &VerifyArgs,
    place: &LocalPlace,
    pattern: Option<&ImagePattern>,
    session: &Session,
) -> Result<u8, TaskErrors> {
    if args.repair {
        let problem = Problem::of_file(
            "--repair",
            format!("{place} is a bundle, and only directories can be repaired"),
        );
        return Err(problem.with_hint("copy the damaged volumes again").into());
    }
    let policy = trust::policy(&args.trust)?;
    let against = args.against.against.as_deref();
    let other = against.map(|text| held(text, args, session)).transpose()?;
    let problem = |error: &BundleError| Problem::of_file("PLACE", error.to_string()).maybe_hint(error.hint());
    let checked = place.open_bundle().and_then(|(bundle, signed)| {
        session.progress.look(Look::Total {
            images: bundle.images().len(),
            bytes: bundle.bytes_to_check(),
        });
        let told = |bytes| session.progress.look(Look::Read(bytes));
        let flaws = bundle.check(&session.cancel, &told)?;
        Ok((bundle, flaws, signed))
    });
    let trusted = match (&checked, &policy) {
        (Ok(_), Some(policy)) => {
            let source = place.open(&session.cancel);
            let source = source.map_err(|fault| of_fault("PLACE", &fault))?;
            Some(check_signatures(session, args, source.as_ref(), policy, pattern)?)
        }
        _ => None,
    };
    session.progress.finish();
    let (bundle, flaws, signed) = match checked {
        Ok(checked) => checked,
        Err(error) => {
            ui::err(ui::errors(&[problem(&error)], 0));
            return Ok(FAILED);
        }
    };
    if session.is_stopped() {
        return Ok(INTERRUPTED);
    }
    let found = Found {
        signed,
        ..Found::of(&bundle, flaws, other.as_ref())
    };
    let text = match args.output {
        Output::Text => ui::fitted(found.text(place, against) + &ui::signatures_text(trusted.as_deref())),
        Output::Json => {
            let mut json = found.json(place);
            json["signatures"] = ui::signatures_json(trusted.as_deref());
            ui::json(&json)
        }
    };
    let is_trusted = trusted.iter().flatten().all(|image| image.vouchers.is_ok());
    let is_whole = found.flaws.is_empty() && (other.is_none() || found.missing.is_empty());
    Ok(ui::result(text, if is_whole && is_trusted { 0 } else { FAILED }))
}

/// What the other place has.
fn held(text: &str, args: &VerifyArgs, session: &Session) -> Result<Holdings, TaskErrors> {
    let job = jobs::against(args)?;
    let held = bundle::base(text, &job, &options(session, args), &session.observer());
    Ok(held.map_err(|fault| of_fault("--against", &fault))?)
}

/// What a look at a bundle found.
struct Found {
    images: usize,
    volumes: usize,
    carried: (usize, u64),
    required: (usize, u64),
    /// Layers that travel as differences, with the differences' bytes. They are carried, too.
    differences: (usize, u64),
    flaws: Vec<Flaw>,
    /// What is neither in the bundle nor in the other place, with the images that need it.
    missing: Vec<(String, Vec<String>)>,
    /// The images that lack something.
    short: usize,
    /// Who signed it, where that was to be checked.
    signed: Option<SignedBy>,
}

impl Found {
    fn of(bundle: &Bundle, flaws: Vec<Flaw>, other: Option<&Holdings>) -> Found {
        let users = bundle.users();
        let (mut carried, mut required, mut differences) = ((0, 0), (0, 0), (0, 0));
        let mut missing = Vec::new();
        let mut short = BTreeSet::new();
        for (digest, held) in bundle.holdings().blobs {
            let is_held = |digest| other.is_some_and(|other: &Holdings| other.blobs.contains_key(digest));
            let place = bundle.find(&digest);
            let (count, bytes) = match &place {
                Some(Place::Difference(difference)) => {
                    differences.0 += 1;
                    differences.1 += difference.difference_size;
                    (&mut carried, difference.difference_size)
                }
                _ if bundle.is_required(&digest) => (&mut required, held.size),
                _ => (&mut carried, held.size),
            };
            *count = (count.0 + 1, count.1 + bytes);
            let is_here = match &place {
                Some(Place::Here { .. }) => true,
                Some(Place::Difference(difference)) => is_held(&difference.base),
                _ => false,
            };
            if !is_here && !is_held(&digest) {
                let images: Vec<String> = users.get(&digest).into_iter().flatten().cloned().collect();
                short.extend(images.iter().cloned());
                missing.push((digest.to_string(), images));
            }
        }
        Found {
            images: bundle.images().len(),
            volumes: bundle.volumes(),
            carried,
            required,
            differences,
            flaws,
            missing,
            short: short.len(),
            signed: None,
        }
    }

    fn text(&self, place: &LocalPlace, against: Option<&str>) -> String {
        let mut text = String::new();
        for flaw in &self.flaws {
            let images = flaw.images.iter().map(ToString::to_string).collect::<Vec<_>>();
            let _ = writeln!(text, "{flaw}{}", needed_by(&images));
        }
        if against.is_some() {
            for (digest, images) in &self.missing {
                let _ = writeln!(text, "{digest} is in neither place{}", needed_by(images));
            }
        }
        let (carried, required) = (self.carried, self.required);
        let _ = writeln!(
            text,
            "{place}: {} and {}, {} carried ({}), {} required at the other side ({})",
            ui::count(self.volumes, "volume"),
            ui::count(self.images, "image"),
            ui::count(carried.0, "blob"),
            ui::bytes(carried.1),
            required.0,
            ui::bytes(required.1),
        );
        if self.differences.0 > 0 {
            let _ = writeln!(
                text,
                "{} as differences ({}), which need a layer of the other side each",
                ui::count(self.differences.0, "layer"),
                ui::bytes(self.differences.1)
            );
        }
        if let Some(signed) = &self.signed {
            let _ = writeln!(text, "signed by {signed}");
        }
        let verdict = match (self.flaws.len(), against) {
            (0, None) if self.required.0 + self.differences.0 > 0 => {
                "whole; --against PLACE tells whether the other side has what is required".to_owned()
            }
            (0, None) => "whole and complete".to_owned(),
            (0, Some(place)) if self.missing.is_empty() => {
                format!("whole, and complete with what {place} has")
            }
            (0, Some(place)) => format!(
                "whole, but {} of {} are in neither: not complete with what {place} has",
                ui::count(self.missing.len(), "blob"),
                ui::count(self.short, "image")
            ),
            (flaws, _) => ui::count(flaws, "problem"),
        };
        let _ = writeln!(text, "{verdict}");
        text
    }

    fn json(&self, place: &LocalPlace) -> serde_json::Value {
        let flaw = |flaw: &Flaw| {
            json!({
                "path": flaw.path.display().to_string(),
                "offset": flaw.spot.as_ref().map(|spot| spot.offset),
                "digest": flaw.spot.as_ref().and_then(|spot| spot.digest.as_ref()).map(ToString::to_string),
                "reason": flaw.reason,
                "images": flaw.images.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        };
        let missing = |(digest, images): &(String, Vec<String>)| json!({"digest": digest, "images": images});
        json!({
            "place": place.path().display().to_string(),
            "images": self.images,
            "volumes": self.volumes,
            "signed_by": self.signed.as_ref().map(ToString::to_string),
            "carried": {"blobs": self.carried.0, "bytes": self.carried.1},
            "differences": {"blobs": self.differences.0, "bytes": self.differences.1},
            "required": {"blobs": self.required.0, "bytes": self.required.1},
            "flaws": self.flaws.iter().map(flaw).collect::<Vec<_>>(),
            "missing": self.missing.iter().map(missing).collect::<Vec<_>>(),
        })
    }
}

/// The images that need something, in brackets.
fn needed_by(images: &[String]) -> String {
    match images.len() {
        0 => String::new(),
        all if all <= MOST_NAMED => format!(" (needed by {})", images.join(", ")),
        all => format!(
            " (needed by {} and {} more)",
            images[..MOST_NAMED].join(", "),
            all - MOST_NAMED
        ),
    }
}
