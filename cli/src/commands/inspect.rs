//! `transload inspect`.

use rayon::ThreadPool;
use transload_policy::PlatformPattern;
use transload_reference::{RawManifest, Reference};
use transload_transfer::inventory::image_tree;
use transload_transfer::job::Target;
use transload_transfer::{self as transfer, Fault, Source};

use crate::app::{FAILED, INTERRUPTED, Session, of_fault, warn_of_exposure};
use crate::args::{Cli, InspectArgs, Output};
use crate::jobs;
use crate::task::{Problem, TaskErrors};
use crate::ui;

/// How many manifests of an index are read at once.
const READERS: u16 = 8;

/// How often a request that failed is tried again.
const RETRIES: u32 = 5;

/// Where the image is.
struct Found<'a> {
    source: &'a dyn Source,
    reference: &'a Reference,
}

/// Shows an image.
pub(crate) fn inspect(cli: &Cli, args: &InspectArgs) -> Result<u8, TaskErrors> {
    let platforms = jobs::platform_patterns(&args.platform)?;
    let (job, image) = jobs::inspect(args)?;
    warn_of_exposure(cli, args.registries.auths.iter());
    let session = Session::begin(cli, None);
    let located = match &job.source {
        None => Ok(Target::in_registry(image.reference().clone())),
        Some(source) => source.locate(&image).and_then(|location| location.target(&image)),
    };
    let target =
        located.map_err(|error| Problem::of_file("--src", error.to_string()).maybe_hint(error.hint()))?;
    let options = session.options(
        READERS,
        RETRIES,
        jobs::logins(args.registries.authfile.as_deref()),
    );
    let opened = transfer::open(&job, target.place(), &options, &session.observer());
    let source = match opened {
        Err(fault) if fault.is_interrupted() => return Ok(INTERRUPTED),
        opened => opened.map_err(|fault| of_fault("--src", &fault))?,
    };
    let found = Found {
        source: source.as_ref(),
        reference: target.reference(),
    };
    let pool = options.pool(usize::MAX).map_err(Problem::from)?;
    Ok(show(args, &found, &platforms, &pool).unwrap_or_else(|fault| {
        if fault.is_interrupted() {
            return INTERRUPTED;
        }
        ui::err(ui::errors(&[of_fault("inspect", &fault)], 0));
        FAILED
    }))
}

fn show(
    args: &InspectArgs,
    found: &Found<'_>,
    platforms: &[PlatformPattern],
    pool: &ThreadPool,
) -> Result<u8, Fault> {
    let root = found.source.root(found.reference)?;
    if args.raw {
        let manifest = one_platform(found, root, platforms)?;
        return Ok(ui::result(manifest.bytes(), 0));
    }
    let tree = image_tree(found.reference, &root, found.source, platforms, pool)?;
    let text = match args.output {
        Output::Text => ui::fitted(ui::tree_text(&tree)),
        Output::Json => ui::json(&ui::tree_json(&tree)),
    };
    Ok(ui::result(text, if tree.is_flawed() { FAILED } else { 0 }))
}

/// The manifest of the one platform that is asked for, or the root where none is.
fn one_platform(
    found: &Found<'_>,
    root: RawManifest,
    platforms: &[PlatformPattern],
) -> Result<RawManifest, Fault> {
    let children = root.view().children();
    if platforms.is_empty() || children.is_empty() {
        return Ok(root);
    }
    let is_wanted =
        |platform: &transload_reference::Platform| platforms.iter().any(|wanted| wanted.matches(platform));
    let mut wanted = children
        .iter()
        .filter(|child| child.platform.as_deref().is_some_and(is_wanted));
    match (wanted.next(), wanted.next()) {
        (Some(child), None) => found.source.manifest(found.reference.repository(), child),
        (first, _) => {
            let exist: Vec<String> = children
                .iter()
                .filter_map(|child| child.platform.as_deref())
                .map(ToString::to_string)
                .collect();
            let number = if first.is_none() { "none" } else { "more than one" };
            let message = format!("{number} of its manifests is for that platform");
            Err(Fault::refused(None, message).with_hint(format!("it has {}", exist.join(", "))))
        }
    }
}
