//! Docker archives of before Docker 1.10 ([Docker image specification 1.0]): a folder for each layer, with a JSON that names its parent, and
//! the file `repositories` for the names. Config and manifest are made of these, as Docker did when it loaded them.
//!
//! [Docker image specification 1.0]: https://github.com/moby/docker-image-spec/blob/main/v1.md

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use transload_reference::{Descriptor, Digest, MAX_MANIFEST_ENTRIES, MediaType};

use crate::archive::{Contents, distinct};
use crate::docker::{ConfigBudget, MadeImage, from_json, make_manifest};
use crate::entries::Entries;
use crate::layers::Layers;
use crate::{Archive, Error, OpenOptions};

const REPOSITORIES: &str = "repositories";

/// The most layers of an image. Docker of that time ended at 127.
const MOST_LAYERS: usize = 1000;
/// The most bytes of all configs that are made, and of all JSON that they are made of.
const MOST_MADE: usize = 64 << 20;

/// What a config has no more than its layers had.
const ONLY_IN_LAYERS: [&str; 6] = ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"];

/// What a layer's JSON says, as far as its image needs it.
#[derive(Debug, Deserialize)]
struct Layer {
    parent: Option<String>,
    #[serde(flatten)]
    history: History,
    container_config: Option<ContainerConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerConfig {
    cmd: Option<Vec<String>>,
}

/// How a layer came about, as configs tell it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct History {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

/// Whether an archive has this form.
pub(crate) fn is_there(entries: &Entries) -> bool {
    entries.names().any(|name| id_of(name).is_some())
}

/// The layer whose JSON an entry is.
fn id_of(name: &str) -> Option<&str> {
    let id = name.strip_suffix("/json")?;
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(id)
}

/// Reads the images, and hashes their layers.
pub(crate) fn read(archive: &Archive, options: &OpenOptions) -> Result<Contents, Error> {
    // Of each layer, its history is kept.
    let mut budget = ConfigBudget::of(MOST_MADE as u64);
    let mut ids: Vec<&str> = archive.entries.names().filter_map(id_of).collect();
    ids.sort_unstable();
    let mut known = HashMap::new();
    for id in ids {
        options.check_stop(&archive.path)?;
        known.insert(id.to_owned(), layer(archive, id, &mut budget)?);
    }
    let names = roots(archive, &known)?;
    let mut chains = Vec::new();
    let mut chained = 0;
    for id in names.keys() {
        let chain = chain(archive, id, &known)?;
        chained += chain.len();
        if chained > MAX_MANIFEST_ENTRIES {
            let reason =
                format!("is one of too many images: at most {MAX_MANIFEST_ENTRIES} layers are read of all");
            return Err(Error::entry(&archive.path, id, reason));
        }
        chains.push(chain);
    }
    let all: HashSet<String> = chains.iter().flatten().map(|id| layer_name(id)).collect();
    let layers = Layers::hash(archive, all.iter(), options)?;
    let mut contents = Contents::default();
    let mut budget = ConfigBudget::default();
    let mut made_bytes = 0;
    for ((id, names), chain) in names.iter().zip(&chains) {
        let text = config(archive, id, chain, &known, &layers, &mut budget)?;
        made_bytes += text.len();
        if made_bytes > MOST_MADE {
            let reason = format!("is one of too many images: their configs have more than {MOST_MADE} bytes");
            return Err(Error::entry(&archive.path, id, reason));
        }
        let made = add(archive, chain, &layers, text, &mut contents)?;
        contents.images.extend(made.with_names(names));
    }
    contents.images = distinct(contents.images);
    Ok(contents)
}

fn layer(archive: &Archive, id: &str, budget: &mut ConfigBudget) -> Result<Layer, Error> {
    let name = json_name(id);
    let text = budget.read(archive, &name)?.unwrap_or_default();
    let mut layer: Layer = from_json(&text).map_err(|reason| Error::entry(&archive.path, &name, reason))?;
    let command = layer.container_config.take().and_then(|config| config.cmd);
    layer.history.created_by = command.map(|words| words.join(" "));
    Ok(layer)
}

/// The images by their topmost layers, with their names. Without names, they are those that are no other's parent.
fn roots(archive: &Archive, known: &HashMap<String, Layer>) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut roots: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if let Some(text) = archive.document(REPOSITORIES)? {
        let named: BTreeMap<String, BTreeMap<String, String>> =
            from_json(&text).map_err(|reason| Error::entry(&archive.path, REPOSITORIES, reason))?;
        for (repository, tags) in named {
            for (tag, id) in tags {
                roots.entry(id).or_default().push(format!("{repository}:{tag}"));
            }
        }
    }
    let parents: HashSet<&str> = known
        .values()
        .filter_map(|layer| layer.parent.as_deref())
        .collect();
    for id in known.keys().filter(|id| !parents.contains(id.as_str())) {
        roots.entry(id.clone()).or_default();
    }
    Ok(roots)
}

/// An image's layers, lowest first.
fn chain(archive: &Archive, top: &str, known: &HashMap<String, Layer>) -> Result<Vec<String>, Error> {
    let mut chain = Vec::new();
    let mut next = Some(top).filter(|id| !id.is_empty());
    while let Some(id) = next {
        let refused = |reason: &str| Error::entry(&archive.path, &json_name(id), reason);
        let layer = known
            .get(id)
            .ok_or_else(|| refused("isn't there, and another layer or a name needs it"))?;
        if chain.len() == MOST_LAYERS {
            return Err(refused("is a layer of too many, or its own parent"));
        }
        chain.push(id.to_owned());
        next = layer.parent.as_deref().filter(|id| !id.is_empty());
    }
    chain.reverse();
    Ok(chain)
}

/// Makes an image's config of the JSON of its topmost layer.
fn config(
    archive: &Archive,
    id: &str,
    chain: &[String],
    known: &HashMap<String, Layer>,
    layers: &Layers,
    budget: &mut ConfigBudget,
) -> Result<Vec<u8>, Error> {
    let mut diff_ids = Vec::new();
    for id in chain {
        let name = layer_name(id);
        let descriptor = &layers.of(archive, &name)?.descriptor;
        if descriptor.media_type != MediaType::OCI_LAYER {
            return Err(Error::entry(
                &archive.path,
                &name,
                "is compressed, which no layer of this form is",
            ));
        }
        diff_ids.push(&descriptor.digest);
    }
    let refused = |error: serde_json::Error| Error::entry(&archive.path, &json_name(id), error.to_string());
    let text = budget.read(archive, &json_name(id))?.unwrap_or_default();
    let mut config: BTreeMap<String, Value> = serde_json::from_slice(&text).map_err(refused)?;
    config.retain(|key, _| !ONLY_IN_LAYERS.contains(&key.as_str()));
    let history: Vec<&History> = chain
        .iter()
        .filter_map(|id| known.get(id))
        .map(|layer| &layer.history)
        .collect();
    config.insert(
        "rootfs".to_owned(),
        json!({"type": "layers", "diff_ids": diff_ids}),
    );
    config.insert("history".to_owned(), json!(history));
    config.values_mut().for_each(sort);
    serde_json::to_vec(&config).map_err(refused)
}

/// Sorts the keys of all objects, so that the same archive gives the same config whatever order serde_json was built to keep.
fn sort(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(sort),
        Value::Object(fields) => {
            fields.values_mut().for_each(sort);
            let sorted: BTreeMap<String, Value> = std::mem::take(fields).into_iter().collect();
            fields.extend(sorted);
        }
        _ => {}
    }
}

fn add(
    archive: &Archive,
    chain: &[String],
    layers: &Layers,
    text: Vec<u8>,
    contents: &mut Contents,
) -> Result<MadeImage, Error> {
    let config = Descriptor::new(MediaType::OCI_CONFIG, Digest::of(&text), text.len() as u64);
    let mut descriptors = Vec::new();
    for id in chain {
        let layer = layers.of(archive, &layer_name(id))?;
        contents
            .blobs
            .insert(layer.descriptor.digest.clone(), layer.extent);
        descriptors.push(&layer.descriptor);
    }
    let manifest =
        make_manifest(&config, &descriptors).map_err(|reason| Error::damaged(&archive.path, reason))?;
    let root = manifest.descriptor();
    contents.made.insert(root.digest.clone(), manifest);
    contents.configs.insert(config.digest.clone(), text.into());
    Ok(MadeImage {
        root,
        config: config.digest,
    })
}

fn json_name(id: &str) -> String {
    format!("{id}/json")
}

fn layer_name(id: &str) -> String {
    format!("{id}/layer.tar")
}
