//! `transload inspect`.

use std::sync::Arc;

use rayon::ThreadPool;
use transload_layout_store::Store;
use transload_policy::PlatformPattern;
use transload_reference::{RawManifest, Reference};
use transload_transfer::inventory::{self, image_tree};
use transload_transfer::job::Target;
use transload_transfer::{self as transfer, Fault, Observer, Options, RegistrySource, Source, StoreSource};

use crate::app::{FAILED, INTERRUPTED, Session, check_dir, open_store, warn_of_exposure};
use crate::args::{Cli, InspectArgs, Output};
use crate::jobs;
use crate::task::{Problem, TaskErrors};
use crate::ui::{self, ProgressMode};

/// How many manifests of an index are read at once.
const READERS: usize = 8;

/// Where the image is.
struct Found {
    source: Box<dyn Source>,
    store: Option<Arc<Store>>,
    reference: Reference,
}

/// Shows an image.
pub(crate) fn inspect(cli: &Cli, args: &InspectArgs) -> Result<u8, TaskErrors> {
    let platforms = jobs::platform_patterns(&args.platform)?;
    let (job, image) = jobs::inspect(args)?;
    warn_of_exposure(cli, args.registries.auths.iter());
    let session = Session::begin(cli, ProgressMode::None);
    let located = match &job.source {
        None => Ok(Target::Registry(image.reference().clone())),
        Some(source) => source.locate(&image).and_then(|location| location.target(&image)),
    };
    let target = located.map_err(|error| Problem::of_file("--src", error.to_string()))?;
    let found = match target {
        Target::Store(dir, reference) => {
            check_dir(&dir)
                .map_err(|_| Problem::of_file("--src", format!("there is no directory {}", dir.display())))?;
            let Ok(store) = open_store(&dir, &session.cancel)? else {
                return Ok(INTERRUPTED);
            };
            let store = Arc::new(store);
            Found {
                source: Box::new(StoreSource::new(Arc::clone(&store))),
                store: Some(store),
                reference,
            }
        }
        Target::Registry(reference) => {
            let options = Options {
                jobs: READERS,
                cancel: Arc::clone(&session.cancel),
                ..Options::default()
            };
            let observer: Arc<dyn Observer> = Arc::clone(&session.progress) as Arc<dyn Observer>;
            let client = transfer::client(&job, &options, &observer).map_err(|error| {
                let problem = Problem::of_file("inspect", error.kind().to_string());
                error.hint().into_iter().fold(problem, Problem::with_hint)
            })?;
            let registry = reference.registry().clone();
            Found {
                source: Box::new(RegistrySource::new(client, registry)),
                store: None,
                reference,
            }
        }
    };
    let pool = transfer::pool(READERS).map_err(|problem| Problem::of_file("inspect", problem.message))?;
    Ok(show(args, &found, &platforms, &pool).unwrap_or_else(|fault| {
        if fault.is_interrupted() {
            return INTERRUPTED;
        }
        let problem = Problem::of_file("inspect", inventory::plain(&fault));
        let hint = fault.hint().map(str::to_owned);
        let problem = hint.into_iter().fold(problem, Problem::with_hint);
        ui::err(ui::errors(&[problem], 0));
        FAILED
    }))
}

fn show(
    args: &InspectArgs,
    found: &Found,
    platforms: &[PlatformPattern],
    pool: &ThreadPool,
) -> Result<u8, Fault> {
    let root = found.source.root(&found.reference)?;
    if args.raw {
        let manifest = one_platform(found, root, platforms)?;
        return Ok(ui::result(manifest.bytes(), 0));
    }
    let tree = image_tree(
        &found.reference,
        &root,
        found.source.as_ref(),
        found.store.as_deref(),
        platforms,
        pool,
    )?;
    let text = match args.output {
        Output::Text => ui::tree_text(&tree),
        Output::Json => ui::json(&ui::tree_json(&tree)),
    };
    Ok(ui::result(text, if tree.is_flawed() { FAILED } else { 0 }))
}

/// The manifest of the one platform that is asked for, or the root where none is.
fn one_platform(
    found: &Found,
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
        .filter(|child| child.platform.as_ref().is_some_and(is_wanted));
    match (wanted.next(), wanted.next()) {
        (Some(child), None) => found.source.manifest(found.reference.repository(), child),
        (first, _) => {
            let exist: Vec<String> = children
                .iter()
                .filter_map(|child| child.platform.as_ref())
                .map(ToString::to_string)
                .collect();
            let number = if first.is_none() { "none" } else { "more than one" };
            let message = format!("{number} of its manifests is for that platform");
            Err(Fault::refused(None, message).with_hint(format!("it has {}", exist.join(", "))))
        }
    }
}
