//! What a look at a store found, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use transload_layout_store::{BlobFile, Disputed, Flaw};
use transload_reference::Reference;
use transload_transfer::maintenance::{Finding, Report, Thing, TrustedImage};

use super::format::{bytes, count, duration, path};
use super::summary::vouchers;

/// How many images are named that a finding affects.
const NAMED: usize = 3;

/// A store that was looked at.
#[derive(Debug)]
pub struct Checked<'a> {
    /// The folder.
    pub dir: &'a Path,
    /// What was found, and what became of it.
    pub report: &'a Report,
    /// Who vouches for each image, where that was asked for.
    pub trusted: Option<&'a [TrustedImage]>,
    /// Whether mending was asked for.
    pub repair: bool,
    /// How long it took.
    pub elapsed: Duration,
}

/// What is wrong, grouped by its kind, then totals, then what to do.
pub fn health_text(checked: &Checked<'_>) -> String {
    let Checked {
        dir,
        report,
        repair,
        elapsed,
        ..
    } = checked;
    let health = &report.health;
    let mut text = String::new();
    if !report.mended.is_empty() {
        text.push_str("Repaired:\n");
        for finding in &report.mended {
            mended(&mut text, finding);
        }
        text.push('\n');
    }
    for (kind, findings) in groups(&health.findings) {
        let _ = writeln!(text, "{}s:", capital(&kind));
        for finding in findings {
            entry(&mut text, finding, report);
        }
        text.push('\n');
    }
    let verdict = match (health.stopped, health.affected(), health.findings.is_empty()) {
        (true, _, _) => "stopped before everything was looked at".to_owned(),
        (false, _, true) => "whole".to_owned(),
        (false, affected, false) => format!("{affected} affected"),
    };
    let _ = writeln!(
        text,
        "verify: {} in {}: {verdict}",
        count(health.images, "image"),
        duration(*elapsed)
    );
    let _ = writeln!(
        text,
        "  {} in {}, {}",
        bytes(health.bytes),
        count(health.blobs, "blob"),
        count(health.manifests, "manifest")
    );
    if !health.findings.is_empty() {
        let numbers: Vec<String> = groups(&health.findings)
            .iter()
            .map(|(kind, findings)| count(findings.len(), kind))
            .collect();
        let _ = writeln!(text, "  {}", numbers.join(", "));
    }
    text.push_str(&signatures_text(checked.trusted));
    by_the_way(&mut text, checked);
    if health.stopped {
        text.push_str("\nStopped. The same command starts again; finished repairs stay.\n");
    } else if !health.findings.is_empty() && !repair {
        let _ = writeln!(
            text,
            "\nTo fetch only the missing and damaged parts, from the images' own registries or from a mirror:\n  transload verify {} --repair \
             [--src REGISTRY]",
            path(dir)
        );
    } else if !health.findings.is_empty() {
        text.push_str("\nNot everything could be repaired. The same command retries the rest.\n");
    }
    text
}

/// Images that aren't verified, each with its reason, then how many each voucher stands for.
pub fn signatures_text(images: Option<&[TrustedImage]>) -> String {
    let images = images.unwrap_or_default();
    let mut text = String::new();
    for TrustedImage { image, vouchers } in images {
        if let Err(fault) = vouchers {
            let _ = writeln!(text, "  not verified: {image}\n    {}", fault.text());
            if let Some(hint) = fault.hint() {
                let _ = writeln!(text, "    hint: {hint}");
            }
        }
    }
    let verified = images.iter().filter_map(|image| image.vouchers.as_deref().ok());
    vouchers(&mut text, verified);
    text
}

/// What a person may want to know, and what isn't wrong.
fn by_the_way(text: &mut String, Checked { dir, report, .. }: &Checked<'_>) {
    let health = &report.health;
    if !health.left_out.is_empty() {
        let manifests = health.left_out.iter().map(|left| left.manifests.len()).sum();
        let indexes = match health.left_out.len() {
            1 => "an index".to_owned(),
            number => format!("{number} indexes"),
        };
        let _ = writeln!(
            text,
            "  {} of {indexes} left out, as requested when they were copied",
            count(manifests, "manifest")
        );
    }
    if !health.orphans.is_empty() {
        let amount = amount(&health.orphans, "blob");
        if health.is_known() {
            let _ = writeln!(
                text,
                "  {amount} that no image needs; `transload prune {}` removes them",
                path(dir)
            );
        } else {
            let _ = writeln!(text, "  {amount} that no readable manifest names");
        }
    }
    if !health.leftovers.is_empty() {
        let _ = writeln!(
            text,
            "  {} left by interrupted transfers, which go on there; `transload prune {}` removes them",
            amount(&health.leftovers, "file"),
            path(dir)
        );
    }
    for disputed in &health.disputed {
        let _ = writeln!(text, "  two folders disagree about a tag: {disputed}");
    }
    for file in &health.old_tag_files {
        let what = match &file.failure {
            None => "updated".to_owned(),
            Some(failure) => format!("it couldn't be updated: {failure}"),
        };
        let _ = writeln!(
            text,
            "  the file of the tag {} was outdated (KubeKey moves tags in layout only): {what}\n    {}",
            file.tag,
            path(&file.path)
        );
    }
    for stranger in &health.strangers {
        let _ = writeln!(text, "  doesn't belong in an image directory: {}", path(stranger));
    }
}

fn amount(files: &[BlobFile], thing: &str) -> String {
    let size = files.iter().map(|file| file.size).sum();
    format!("{} in {}", bytes(size), count(files.len(), thing))
}

/// The findings by their kinds, in their order.
fn groups(findings: &[Finding]) -> Vec<(String, Vec<&Finding>)> {
    let mut groups: Vec<(String, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let kind = format!(
            "{} {}",
            flaw(&finding.flaw),
            thing(&finding.thing).replace('_', " ")
        );
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, group)) => group.push(finding),
            None => groups.push((kind, vec![finding])),
        }
    }
    groups
}

fn entry(text: &mut String, finding: &Finding, report: &Report) {
    let _ = writeln!(text, "  {}", path(&finding.path));
    if !matches!(finding.flaw, Flaw::Missing | Flaw::Corrupt) {
        let _ = writeln!(text, "    {}", finding.flaw);
    }
    match &finding.images[..] {
        [] => {}
        images => {
            let _ = writeln!(text, "    affects {}", named(images));
        }
    }
    if let Some(fault) = report.fault(finding) {
        let _ = writeln!(text, "    not repaired: {fault}");
        if let Some(hint) = fault.hint() {
            let _ = writeln!(text, "    hint: {hint}");
        }
    }
}

fn mended(text: &mut String, finding: &Finding) {
    let kind = format!(
        "{} {}",
        flaw(&finding.flaw),
        thing(&finding.thing).replace('_', " ")
    );
    let _ = write!(text, "  {kind} {}", path(&finding.path));
    if matches!(finding.thing, Thing::TagMap(_)) {
        let _ = write!(
            text,
            "\n    rebuilt from the files of its tags; the damaged one is kept as layout~"
        );
    }
    text.push('\n');
}

/// `a, b, c and 4 more`.
fn named(images: &[Reference]) -> String {
    let mut names: Vec<String> = images.iter().take(NAMED).map(Reference::to_string).collect();
    match images.len().saturating_sub(NAMED) {
        0 => {}
        more => names.push(format!("{more} more")),
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) if images.len() > NAMED => format!("{} and {last}", others.join(", ")),
        _ => names.join(", "),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn flaw(flaw: &Flaw) -> &'static str {
    match flaw {
        Flaw::Missing => "missing",
        Flaw::WrongSize { expected, found } if found < expected => "short",
        Flaw::WrongSize { .. } => "long",
        Flaw::Corrupt => "corrupt",
        Flaw::Damaged(_) => "damaged",
        _ => "unreadable",
    }
}

fn thing(thing: &Thing) -> &'static str {
    match thing {
        Thing::Folder => "folder",
        Thing::TagMap(_) => "tag_map",
        Thing::Manifest(..) => "manifest",
        Thing::Blob(_) => "blob",
    }
}

/// The same for programs:
///
/// ```json
/// {
///   "directory": "images",
///   "whole": false,             // whether nothing is wrong (any more)
///   "stopped": false,           // whether it was stopped before everything was looked at
///   "images": 3, "affected": 1, "manifests": 4, "blobs": 9, "bytes": 4711,
///   "findings": [{
///     "thing": "blob",          // folder, tag_map, manifest, blob
///     "flaw": "corrupt",        // missing, short, long, corrupt, unreadable, damaged
///     "path": "images/blobs/sha256:…", "detail": "doesn't match the digest in its name",
///     "digest": "sha256:…", "size": 12, "repository": null,   // null where the thing has none
///     "images": ["docker.io/library/alpine:3.19"],
///     "fault": null             // why it couldn't be mended, where that was tried
///   }],
///   "mended": [],               // findings of the same shape
///   "left_out": [{"repository": "…", "index": "sha256:…", "manifests": ["sha256:…"]}],
///   "orphans": [{"path": "…", "digest": "sha256:…", "size": 12}],
///   "leftovers": [],            // of the same shape
///   "disputed": [{"image": "docker.io/library/alpine:3.19", "newer": "sha256:…", "older": "sha256:…", "folder": "…"}],
///   "old_tag_files": [{"path": "…", "tag": "v1", "failure": null}],   // renewed where there is no failure
///   "strangers": ["images/blobs/notes.txt"],
///   "signatures": [{"image": "docker.io/library/alpine:3.19", "verified_by": ["key ECDSA P-256 0123456789ab"], "fault": null}]   // null if not asked for
/// }
/// ```
///
/// Sizes are in bytes.
pub fn health_json(checked: &Checked<'_>) -> Value {
    let (report, health) = (checked.report, &checked.report.health);
    let findings = |findings: &[Finding]| -> Vec<Value> {
        findings
            .iter()
            .map(|finding| finding_json(finding, report))
            .collect()
    };
    let left_out = health.left_out.iter().map(|left| {
        json!({
            "repository": left.repository.to_string(),
            "index": left.index.to_string(),
            "manifests": left.manifests.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    });
    let old_tag_files = health.old_tag_files.iter().map(|file| {
        json!({
            "path": file.path.display().to_string(),
            "tag": file.tag.to_string(),
            "failure": file.failure,
        })
    });
    json!({
        "directory": checked.dir.display().to_string(),
        "whole": health.findings.is_empty() && !health.stopped,
        "stopped": health.stopped,
        "images": health.images,
        "affected": health.affected(),
        "manifests": health.manifests,
        "blobs": health.blobs,
        "bytes": health.bytes,
        "findings": findings(&health.findings),
        "mended": findings(&report.mended),
        "left_out": left_out.collect::<Vec<_>>(),
        "orphans": files_json(&health.orphans),
        "leftovers": files_json(&health.leftovers),
        "disputed": disputed_json(&health.disputed),
        "old_tag_files": old_tag_files.collect::<Vec<_>>(),
        "strangers": health.strangers.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "signatures": signatures_json(checked.trusted),
    })
}

/// Who vouches for each image; null where that wasn't asked for.
pub fn signatures_json(images: Option<&[TrustedImage]>) -> Value {
    images
        .map(|images| images.iter().map(trusted_json).collect::<Vec<_>>())
        .into()
}

fn trusted_json(image: &TrustedImage) -> Value {
    let (vouchers, fault) = match &image.vouchers {
        Ok(vouchers) => (vouchers.as_slice(), None),
        Err(fault) => (&[][..], Some(fault.text())),
    };
    json!({"image": image.image.to_string(), "verified_by": vouchers, "fault": fault})
}

/// Tags that two folders tell differently.
fn disputed_json(disputed: &[Disputed]) -> Vec<Value> {
    let one = |disputed: &Disputed| {
        json!({
            "image": disputed.reference.to_string(),
            "newer": disputed.newer.to_string(),
            "older": disputed.older.to_string(),
            "folder": disputed.folder.display().to_string(),
        })
    };
    disputed.iter().map(one).collect()
}

fn finding_json(finding: &Finding, report: &Report) -> Value {
    let (digest, size, repository) = match &finding.thing {
        Thing::Folder => (None, None, None),
        Thing::TagMap(repository) => (None, None, Some(repository)),
        Thing::Manifest(repository, digest) => (Some(digest), None, Some(repository)),
        Thing::Blob(blob) => (Some(&blob.digest), Some(blob.size), None),
    };
    json!({
        "thing": thing(&finding.thing),
        "flaw": flaw(&finding.flaw),
        "path": finding.path.display().to_string(),
        "detail": finding.flaw.to_string(),
        "digest": digest.map(ToString::to_string),
        "size": size,
        "repository": repository.map(ToString::to_string),
        "images": finding.images.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "fault": report.fault(finding).map(ToString::to_string),
    })
}

/// Files with their digests and sizes.
pub(super) fn files_json(files: &[BlobFile]) -> Vec<Value> {
    let file = |file: &BlobFile| {
        json!({
            "path": file.path.display().to_string(),
            "digest": file.digest.as_ref().map(ToString::to_string),
            "size": file.size,
        })
    };
    files.iter().map(file).collect()
}
