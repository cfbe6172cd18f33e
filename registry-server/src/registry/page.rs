//! The page for people: which images are here, and how to pull them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use tinytemplate::TinyTemplate;
use transload_reference::{
    Descriptor, Digest, Manifest, Platform, RawManifest, Reference, Registry as RegistryName, Repository, Tag,
};

use super::Registry;
use crate::content::{Blob, Content, ContentError};
use crate::http::{Payload, Response};
use crate::problem::{Code, Problem};
use crate::query::{Query, encode};

const TEMPLATE: &str = include_str!("page.html");

/// How many images one page has.
const IMAGES: usize = 50;
/// How many manifests of one image are read, and how many of its platforms are named.
const PARTS: usize = 50;
/// The largest config that is read for its platform, in bytes.
const CONFIG: u64 = 64 * 1024;

impl Registry {
    /// Answers with the page: the images after the parameter `last` whose names have `q` in them.
    pub(super) fn page(&self, query: &Query, host: Option<&RegistryName>) -> Result<Response, Problem> {
        let search = query.get("q").unwrap_or_default().trim();
        let last: Option<Reference> = query.get("last").and_then(|last| last.parse().ok());
        let (images, has_more) = self.some_images(search, last.as_ref())?;
        let next = images.last().filter(|_| has_more).map(|(repository, tag, _)| {
            let last = encode(&format!("{repository}:{tag}"));
            match search.is_empty() {
                true => format!("/?last={last}"),
                false => format!("/?q={}&last={last}", encode(search)),
            }
        });
        let host_text = host.map_or("this registry", RegistryName::as_str);
        let rows: Vec<Value> = images
            .iter()
            .map(|(repository, tag, content)| {
                let (facts, problem) = match facts(&**content, repository, tag) {
                    Ok(facts) => (facts, ""),
                    Err(error) => {
                        log::warn!("{repository}:{tag}: {error}");
                        (String::new(), "It can't be read: the server's log tells why.")
                    }
                };
                json!({
                    "name": format!("{repository}:{tag}"),
                    "facts": facts,
                    "problem": problem,
                    "command": format!("docker pull {}:{tag}", pulled(repository, host)),
                })
            })
            .collect();
        let context = json!({
            "host": host_text,
            "search": search,
            "is_empty": rows.is_empty(),
            "images": rows,
            "next": next,
        });
        let page = render(&context).map_err(|error| {
            log::error!("the page can't be made: {error}");
            Problem::new(Code::Unknown, "the page can't be made")
        })?;
        let policy =
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
        Ok(Response {
            status: 200,
            headers: vec![
                ("Content-Type", "text/html; charset=utf-8".to_owned()),
                ("Content-Security-Policy", policy.to_owned()),
                ("X-Content-Type-Options", "nosniff".to_owned()),
                ("Cache-Control", "no-cache".to_owned()),
            ],
            body: Payload::Bytes(page.into_bytes()),
        })
    }

    /// One page of images, each with the place that has it, and whether there are more.
    #[allow(clippy::type_complexity, reason = "it is used here alone")]
    fn some_images(
        &self,
        search: &str,
        last: Option<&Reference>,
    ) -> Result<(Vec<(Repository, Tag, Arc<dyn Content>)>, bool), Problem> {
        let mut images = Vec::new();
        for repository in self.all(false)?.iter() {
            if last.is_some_and(|last| repository < last.repository())
                || !repository.to_string().contains(search)
            {
                continue;
            }
            let mut tags: BTreeMap<Tag, &Arc<dyn Content>> = BTreeMap::new();
            for content in &self.contents {
                for tag in content.tags(repository)? {
                    tags.entry(tag).or_insert(content);
                }
            }
            let shown = last
                .filter(|last| last.repository() == repository)
                .and_then(Reference::tag);
            for (tag, content) in tags {
                if shown.is_some_and(|shown| tag <= *shown) {
                    continue;
                }
                if images.len() == IMAGES {
                    return Ok((images, true));
                }
                images.push((repository.clone(), tag, Arc::clone(content)));
            }
        }
        Ok((images, false))
    }
}

fn render(context: &Value) -> Result<String, tinytemplate::error::Error> {
    let mut engine = TinyTemplate::new();
    engine.add_template("page", TEMPLATE)?;
    engine.render("page", context)
}

/// The name by which a repository is pulled from here. No client takes a port within a name, and by the path alone it is found as well.
fn pulled(repository: &Repository, host: Option<&RegistryName>) -> String {
    let registry = repository.registry();
    let host = host.map_or("HOST", RegistryName::as_str);
    match registry.as_str() == host || registry.port().is_some() {
        true => format!("{host}/{}", repository.path()),
        false => format!("{host}/{repository}"),
    }
}

/// What is told of an image: its platforms and the size of its blobs.
fn facts(content: &dyn Content, repository: &Repository, tag: &Tag) -> Result<String, ContentError> {
    let Some(digest) = content.resolve(repository, tag)? else {
        return Ok(String::new());
    };
    let Some(root) = content.manifest(repository, &digest)? else {
        return Ok(String::new());
    };
    let mut platforms = BTreeSet::new();
    let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
    let mut count = |manifest: &RawManifest| {
        blobs.extend(
            manifest
                .view()
                .blobs()
                .map(|blob| (blob.digest.clone(), blob.size)),
        );
    };
    count(&root);
    if let Manifest::Image(image) = root.view() {
        platforms.extend(platform_of(content, &image.config)?);
    }
    for child in root.view().children().iter().take(PARTS) {
        // What was left out isn't here to be pulled.
        if let Some(manifest) = content.manifest(repository, &child.digest)? {
            count(&manifest);
            let platform = child.platform.iter().filter(|platform| !platform.is_unknown());
            platforms.extend(platform.map(|platform| platform.to_string()));
        }
    }
    let platforms: Vec<String> = platforms.into_iter().collect();
    let size = size(blobs.values().fold(0, |sum, size| sum.saturating_add(*size)));
    Ok(match platforms.is_empty() {
        true => size,
        false => format!("{}; {size}", platforms.join(", ")),
    })
}

/// The platform that an image's config tells.
fn platform_of(content: &dyn Content, config: &Descriptor) -> Result<Option<String>, ContentError> {
    if !config.media_type.is_image_config() {
        return Ok(None);
    }
    let bytes = match content.blob(&config.digest)? {
        Some(Blob::Memory(bytes)) => bytes.to_vec(),
        Some(Blob::File { file, offset, size }) if size <= CONFIG => {
            let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
            match std::os::unix::fs::FileExt::read_exact_at(&*file, &mut bytes, offset) {
                Ok(()) => bytes,
                Err(_) => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let platform: Option<Platform> = serde_json::from_slice(&bytes).ok();
    Ok(platform
        .filter(|platform| !platform.is_unknown())
        .map(|platform| platform.to_string()))
}

/// A number of bytes for people, in binary units.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = bytes.ilog2() / 10;
    let number = bytes as f64 / 1024_f64.powi(power as i32);
    format!("{number:.1} {}", UNITS[power as usize - 1])
}
