//! What a place has: the digests of its images' manifests and blobs.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use transload_archive::bundle::{Bundle, DOCUMENT, Held, Holdings, MOST_HOLDINGS_BYTES, Wanted};
use transload_layout_store::StoredImage;
use transload_reference::{Reference, Registry, Repository};
use transload_registry_client::Client;

use super::Base;
use crate::clients::{client, open};
use crate::event::Observer;
use crate::fault::{Fault, Side};
use crate::inventory::Parts;
use crate::job::{Job, Location};
use crate::options::Options;
use crate::place::{LocalPlace, Place, Source};

/// How many requests or files are read at once.
const READERS: usize = 16;

/// The most repositories of a registry that are looked through.
const MOST_REPOSITORIES: usize = 20_000;
/// The most images of a place.
const MOST_IMAGES: usize = 200_000;

/// What a bundle carries.
#[derive(Default)]
pub(crate) struct BundleChoice {
    /// Which blobs.
    pub wanted: Wanted,
    /// What its layers are compared with, if they travel as differences.
    pub bases: Vec<Base>,
}

/// Reads which blobs a job's bundle carries.
///
/// # Errors
/// Where a base or an inventory can't be read, or no base has what differences need.
pub(crate) fn choice(
    job: &Job,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<BundleChoice, Fault> {
    let mut all = Holdings::default();
    let mut bases = Vec::new();
    for text in &job.bundling.base {
        let (holdings, base) = look(text, job, options, observer)?;
        all.unite(holdings);
        bases.extend(base);
    }
    if job.bundling.delta && bases.is_empty() {
        return Err(without_bytes(&job.bundling.base));
    }
    let only = job.bundling.only.as_deref().map(inventory).transpose()?;
    // What is asked for may be what couldn't be rebuilt there.
    if !job.bundling.delta || only.is_some() {
        bases.clear();
    }
    let wanted = Wanted::beyond(all).only(only);
    Ok(BundleChoice { wanted, bases })
}

/// The fault of a bundle with differences, whose bases have no layers.
fn without_bytes(bases: &[String]) -> Fault {
    let message = match bases {
        [] => "differences (--delta) need a base to compare layers with".to_owned(),
        [base] => format!("differences (--delta) need a base with layers, and {base} has digests alone"),
        bases => format!(
            "differences (--delta) need a base with layers, and {} have digests alone",
            bases.join(", ")
        ),
    };
    Fault::refused(None, message).with_hint(
        "give --base a directory, an archive, a registry or the folder of an earlier bundle that has what the other side has",
    )
}

/// Reads the inventory in a file.
fn inventory(file: &Path) -> Result<Holdings, Fault> {
    let refused = |reason: String| Fault::refused(None, format!("{}: {reason}", file.display()));
    let text = File::open(file).and_then(|file| {
        let mut text = Vec::new();
        file.take(MOST_HOLDINGS_BYTES + 1).read_to_end(&mut text)?;
        Ok(text)
    });
    let text = text.map_err(|error| refused(error.to_string()))?;
    match text.len() as u64 > MOST_HOLDINGS_BYTES {
        true => Err(refused(format!("it has more than {MOST_HOLDINGS_BYTES} bytes"))),
        false => Holdings::parse(&text).map_err(|reason| {
            refused(reason).with_hint("`transload inventory` and --missing write inventories")
        }),
    }
}

/// What may be a base.
const BASES: &str = "a base is an inventory (`transload inventory`), an earlier bundle's BUNDLE.json, a directory, an archive or a registry";

/// Reads what a base has: an inventory, a bundle's list (what is there once it is imported), a directory, an archive, or a registry.
///
/// # Errors
/// Where the text is none of these, or it can't be read.
pub fn base(
    text: &str,
    job: &Job,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Holdings, Fault> {
    look(text, job, options, observer).map(|(holdings, _)| holdings)
}

/// Reads what a base has, and opens it if it has more than digests.
fn look(
    text: &str,
    job: &Job,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<(Holdings, Option<Base>), Fault> {
    let refused = |reason: String| Fault::refused(None, format!("{text}: {reason}"));
    let listed = |list: &Path| Bundle::holdings_in(list).map_err(|error| Fault::bundle(Side::Source, error));
    let path = Path::new(text.strip_prefix("bundle:").unwrap_or(text));
    let list = path.join(DOCUMENT);
    if list.is_file() {
        let source = LocalPlace::bundle(path).open(&options.cancel)?;
        let images = source.images()?;
        return Ok((listed(&list)?, Some(Base { source, images })));
    }
    let is_named_as_list = path
        .extension()
        .is_some_and(|name| name == "tli" || name == "json");
    if is_named_as_list && !path.exists() {
        return Err(refused("there is no such file".to_owned()).with_hint(BASES));
    }
    if path.is_file() {
        let bytes = beginning(path).map_err(|error| refused(error.to_string()))?;
        if Holdings::is_one(&bytes) {
            let text = fs::read(path).map_err(|error| refused(error.to_string()))?;
            return Ok((Holdings::parse(&text).map_err(refused)?, None));
        }
        if bytes.first() == Some(&b'{') {
            return Ok((listed(path)?, None));
        }
    }
    let location = Location::parse_argument(text)
        .map_err(|error| refused(error.to_string()).maybe_hint(error.hint()))?;
    let held = held_by(&location, job, options, observer);
    let (holdings, base) = held.map_err(|fault| match path.is_file() {
        true => fault.with_hint(BASES),
        false => fault,
    })?;
    Ok((holdings, Some(base)))
}

/// The first bytes of a file that isn't larger than an inventory.
fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    if file.metadata()?.len() <= MOST_HOLDINGS_BYTES {
        file.take(64).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Looks through a place: its manifests are read, and no blob. A registry is asked for its repositories and their tags.
///
/// # Errors
/// Where its images can't be listed, or one can't be read.
pub fn holdings(
    location: &Location,
    job: &Job,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Holdings, Fault> {
    held_by(location, job, options, observer).map(|(holdings, _)| holdings)
}

fn held_by(
    location: &Location,
    job: &Job,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<(Holdings, Base), Fault> {
    let place = location.place();
    let source = open(job, &place, options, observer)?;
    let pool = options
        .pool(READERS)
        .map_err(|problem| Fault::refused(None, problem.message))?;
    let images = match (location, &place) {
        (Location::Image(target), _) => {
            let name = target.reference().clone();
            let digest = source.resolve(&name)?;
            vec![StoredImage::new(name, digest)]
        }
        (Location::Registry { registry, prefix }, _) => {
            let client = client(job, options, observer).map_err(|error| {
                Fault::refused(Some(Side::Source), error.kind().to_string()).maybe_hint(error.hint())
            })?;
            let listed = Listed {
                client: &client,
                pool: &pool,
                cancel: &options.cancel,
            };
            listed.images(registry, prefix.as_deref())?
        }
        _ => source.images()?,
    };
    let is_local = matches!(place, Place::Local(_));
    let looked: Result<Vec<Holdings>, Fault> = pool.install(|| {
        let images = images.par_iter();
        images
            .map(|image| of_image(source.as_ref(), image, is_local, &options.cancel))
            .collect()
    });
    let mut all = Holdings::default();
    for holdings in looked? {
        all.unite(holdings);
    }
    Ok((all, Base { source, images }))
}

/// What an image has. Of a place on a disk, blobs that aren't there are left out.
fn of_image(
    source: &dyn Source,
    image: &StoredImage,
    is_local: bool,
    cancel: &AtomicBool,
) -> Result<Holdings, Fault> {
    if cancel.load(Ordering::Relaxed) {
        return Err(Fault::interrupted());
    }
    let repository = image.reference.repository();
    let parts = Parts::of(source, repository, &image.digest)?;
    let mut holdings = Holdings::default();
    let name = image.reference.clone().or_latest().to_string();
    holdings.images.insert(name, image.digest.clone());
    let root = parts.root.iter().map(|root| (root.digest().clone(), root.size()));
    let children = parts
        .children
        .iter()
        .map(|child| (child.digest.clone(), child.size));
    holdings.manifests.extend(root.chain(children));
    for blob in parts.blobs.values() {
        if !is_local || source.has_blob(repository, blob)? {
            holdings.add_blob(
                &blob.digest,
                Held::new(blob.size, Some(repository.path().to_owned())),
            );
        }
    }
    Ok(holdings)
}

/// A registry whose lists are read.
struct Listed<'a> {
    client: &'a Client,
    pool: &'a rayon::ThreadPool,
    cancel: &'a AtomicBool,
}

impl Listed<'_> {
    /// The images below a prefix, by the registry's own lists.
    fn images(&self, registry: &Registry, prefix: Option<&str>) -> Result<Vec<StoredImage>, Fault> {
        let names = self
            .client
            .catalog(registry)
            .map_err(|error| Fault::registry(Side::Source, error))?;
        let is_below = |name: &String| {
            let rest = prefix.map_or(Some(""), |prefix| name.strip_prefix(prefix));
            rest.is_some_and(|rest| rest.is_empty() || prefix.is_none() || rest.starts_with('/'))
        };
        let wanted = names.iter().filter(|name| is_below(name));
        let repositories: Vec<Repository> = wanted
            .filter_map(|name| Repository::new(registry.clone(), name).ok())
            .take(MOST_REPOSITORIES + 1)
            .collect();
        if repositories.len() > MOST_REPOSITORIES {
            let message = format!("{registry} lists more than {MOST_REPOSITORIES} repositories");
            let fault = Fault::refused(Some(Side::Source), message);
            return Err(fault.with_hint(format!("give a part of it, as in {registry}/team")));
        }
        let names: Result<Vec<Vec<Reference>>, Fault> = self.pool.install(|| {
            let repositories = repositories.into_par_iter();
            repositories.map(|repository| self.tags(&repository)).collect()
        });
        let names: Vec<Reference> = names?.into_iter().flatten().take(MOST_IMAGES + 1).collect();
        if names.len() > MOST_IMAGES {
            let message = format!("{registry} lists more than {MOST_IMAGES} images");
            return Err(Fault::refused(Some(Side::Source), message));
        }
        let images: Result<Vec<Option<StoredImage>>, Fault> = self.pool.install(|| {
            let names = names.into_par_iter();
            names.map(|name| self.resolve(name)).collect()
        });
        Ok(images?.into_iter().flatten().collect())
    }

    fn tags(&self, repository: &Repository) -> Result<Vec<Reference>, Fault> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Fault::interrupted());
        }
        match self.client.tags(repository) {
            Ok(tags) => {
                let tags = tags.iter().filter_map(|tag| tag.parse().ok());
                Ok(tags
                    .map(|tag| Reference::new(repository.clone(), Some(tag), None))
                    .collect())
            }
            // Catalogs name repositories that are empty.
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(Fault::registry(Side::Source, error)),
        }
    }

    fn resolve(&self, name: Reference) -> Result<Option<StoredImage>, Fault> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Fault::interrupted());
        }
        let identifier = name.identifier();
        match self.client.resolve(name.repository(), &identifier) {
            Ok(found) => Ok(Some(StoredImage::new(name, found.digest))),
            // It was removed meanwhile, or the registry lost it.
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(Fault::registry(Side::Source, error)),
        }
    }
}
