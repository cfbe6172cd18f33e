//! A YAML document: what in it names images, and what may.

use transload_transfer::job::ImageEntry;

use super::names::{looks_like_image, within};
use crate::yaml::{Id, Key, Node, Yaml};

/// What a document names.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub found: Vec<Found>,
    /// What stands where an image should, and isn't one.
    pub problems: Vec<(Id, String)>,
    /// The registry of names without one (hauler's annotation).
    registry: Option<String>,
}

/// An image's name.
#[derive(Debug)]
pub(super) struct Found {
    pub at: Id,
    pub image: String,
    pub is_sure: bool,
    /// Whether it is a part of a longer text.
    pub is_in_text: bool,
}

/// What is known of a value from what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Nothing.
    Anything,
    /// It is below a key such as `image`: a list of `manifests` there holds images.
    Image,
    /// It is below a key such as `images`: texts that look like images are images.
    Images,
}

/// Keys below which no image is named, or only those of other places.
const PASSED_OVER: [&str; 7] = [
    "annotations",
    "labels",
    "description",
    "managedFields",
    "ownerReferences",
    "matchLabels",
    "nodeSelector",
];

/// Keys with arguments, scripts and variables.
const TEXTS: [&str; 7] = [
    "args",
    "command",
    "cmd",
    "entrypoint",
    "env",
    "environment",
    "script",
];

type Entries = [(Key, Node)];

fn get<'n>(map: &'n Entries, name: &str) -> Option<&'n Node> {
    map.iter()
        .find(|(key, _)| key.name == name)
        .map(|(_, value)| value)
}

fn text<'n>(map: &'n Entries, name: &str) -> Option<&'n str> {
    match &get(map, name)?.value {
        Yaml::Text(text) => Some(text.trim()),
        _ => None,
    }
}

/// A text or a number, such as a tag.
fn scalar(map: &Entries, name: &str) -> Option<String> {
    match &get(map, name)?.value {
        Yaml::Text(text) => Some(text.trim().to_owned()),
        Yaml::Number(number) => Some(number.to_string()),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

/// Walks a document, or an entry of a list of resources.
pub(super) fn document(node: &Node, walk: &mut Walk) {
    let map = match &node.value {
        Yaml::Map(map) => map,
        Yaml::List(items) => {
            for item in items {
                match &item.value {
                    Yaml::Text(text) if looks_like_image(text) => walk.name(item.id, text),
                    _ => document(item, walk),
                }
            }
            return;
        }
        _ => return,
    };
    let kind = text(map, "kind").unwrap_or_default();
    let version = text(map, "apiVersion").unwrap_or_default();
    if version.is_empty() {
        return match get(map, "services").map(|services| &services.value) {
            Some(Yaml::Map(services)) if is_compose(services) => compose(services, walk),
            _ => values(map, Within::Anything, walk),
        };
    }
    match (kind, get(map, "items").map(|items| &items.value)) {
        (_, Some(Yaml::List(items))) if kind.ends_with("List") => {
            items.iter().for_each(|item| document(item, walk));
        }
        ("ConfigMap", _) => texts(get(map, "data"), walk),
        // What is under `data` is encoded.
        ("Secret", _) => texts(get(map, "stringData"), walk),
        ("CustomResourceDefinition", _) => defaults(node, walk),
        _ => resource(map, version, walk),
    }
}

/// Walks one resource, without what the cluster says of it.
fn resource(map: &Entries, version: &str, walk: &mut Walk) {
    if version.starts_with("content.hauler.cattle.io/") {
        let metadata = get(map, "metadata").and_then(|metadata| match &metadata.value {
            Yaml::Map(metadata) => get(metadata, "annotations"),
            _ => None,
        });
        walk.registry = metadata.and_then(|annotations| match &annotations.value {
            Yaml::Map(annotations) => scalar(annotations, "hauler.dev/registry"),
            _ => None,
        });
    }
    for (key, value) in map.iter().filter(|(key, _)| key.name != "status") {
        entry(map, key, value, Within::Anything, walk);
    }
    walk.registry = None;
}

/// Walks the values of a mapping.
fn values(map: &Entries, around: Within, walk: &mut Walk) {
    if let Some((at, image, is_sure)) = in_parts(map) {
        walk.push(at, image, is_sure);
        let parts = ["registry", "repository", "tag", "digest"];
        let others = map.iter().filter(|(key, _)| !parts.contains(&key.name.as_str()));
        return others.for_each(|(key, value)| entry(map, key, value, around, walk));
    }
    map.iter()
        .for_each(|(key, value)| entry(map, key, value, around, walk));
}

/// Walks the value of a key.
fn entry(map: &Entries, key: &Key, value: &Node, around: Within, walk: &mut Walk) {
    let name = key.name.as_str();
    let lower = name.to_ascii_lowercase();
    match &value.value {
        _ if PASSED_OVER.contains(&name) => {}
        Yaml::Text(_) | Yaml::List(_) if TEXTS.contains(&lower.as_str()) => texts(Some(value), walk),
        Yaml::Map(_) if lower.starts_with("env") => texts(Some(value), walk),
        Yaml::Text(text) if lower == "image" => {
            let tag = scalar(map, "tag").filter(|_| !text.contains('@') && !has_tag(text));
            match tag {
                Some(tag) => walk.name(value.id, &format!("{}:{tag}", text.trim())),
                None => walk.name(value.id, text),
            }
        }
        Yaml::Text(text) if lower.ends_with("image") && looks_like_image(text.trim()) => {
            walk.name(value.id, text);
        }
        Yaml::Map(inner) if lower.ends_with("image") => {
            // An image volume.
            if let Some((at, reference)) = get(inner, "reference").zip(text(inner, "reference")) {
                walk.name(at.id, reference);
            }
            values(inner, Within::Image, walk);
        }
        Yaml::List(items) if lower.ends_with("images") || lower == "image_manifests" => list(items, walk),
        Yaml::List(items) if lower == "manifests" && around == Within::Image => list(items, walk),
        _ if lower.ends_with("images") => node(value, Within::Images, walk),
        _ => node(value, around, walk),
    }
}

fn node(node: &Node, around: Within, walk: &mut Walk) {
    match &node.value {
        Yaml::Map(map) => values(map, around, walk),
        Yaml::List(items) => items.iter().for_each(|item| self::node(item, around, walk)),
        Yaml::Text(text) if looks_like_image(text.trim()) => {
            walk.push(node.id, text.trim().to_owned(), around == Within::Images);
        }
        _ => {}
    }
}

/// A list of images: names, or mappings as hauler, oc-mirror and Kustomize have them.
fn list(items: &[Node], walk: &mut Walk) {
    for item in items {
        match &item.value {
            Yaml::Text(text) => walk.name(item.id, text),
            Yaml::Map(map) => {
                let (new, tag) = (scalar(map, "newName"), scalar(map, "newTag"));
                let digest = scalar(map, "digest");
                let name = new.clone().or_else(|| scalar(map, "name"));
                match (get(map, "name"), name) {
                    (Some(at), Some(name)) if new.is_some() || tag.is_some() || digest.is_some() => {
                        let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
                        let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
                        walk.name(at.id, &format!("{name}{tag}{digest}"));
                    }
                    (Some(at), Some(name)) => walk.name(at.id, &name),
                    _ => values(map, Within::Images, walk),
                }
            }
            _ => node(item, Within::Images, walk),
        }
    }
}

/// An image in parts, as charts' values have it: `repository` with `tag`, `digest` or `registry`. Without a tag or a digest it isn't sure: the
/// chart knows the tag.
fn in_parts(map: &Entries) -> Option<(Id, String, bool)> {
    let repository = text(map, "repository").filter(|text| !text.is_empty() && !text.contains("://"))?;
    let (registry, tag, digest) = (scalar(map, "registry"), scalar(map, "tag"), scalar(map, "digest"));
    let is_image = registry.is_some() || get(map, "tag").is_some() || digest.is_some();
    let mut image = match &registry {
        Some(registry) => format!("{registry}/{repository}"),
        None => repository.to_owned(),
    };
    if let Some(tag) = &tag {
        image = format!("{image}:{tag}");
    }
    if let Some(digest) = &digest {
        image = format!("{image}@{digest}");
    }
    let is_name = matches!(image.parse::<ImageEntry>(), Ok(ImageEntry::Name(_)));
    (is_image && is_name).then(|| {
        let at = get(map, "repository").map_or(0, |node| node.id);
        (at, image, tag.is_some() || digest.is_some())
    })
}

/// All texts below a value, in which images may be named.
fn texts(node: Option<&Node>, walk: &mut Walk) {
    match node.map(|node| (node.id, &node.value)) {
        Some((at, Yaml::Text(text))) => {
            for image in within(text) {
                walk.found.push(Found {
                    at,
                    image: image.to_owned(),
                    is_sure: false,
                    is_in_text: text.trim() != image,
                });
            }
        }
        Some((_, Yaml::List(items))) => items.iter().for_each(|item| texts(Some(item), walk)),
        Some((_, Yaml::Map(map))) => map.iter().for_each(|(_, value)| texts(Some(value), walk)),
        _ => {}
    }
}

/// The defaults of a definition of resources; its descriptions give examples.
fn defaults(node: &Node, walk: &mut Walk) {
    match &node.value {
        Yaml::List(items) => items.iter().for_each(|item| defaults(item, walk)),
        Yaml::Map(map) => {
            for (key, value) in map {
                match key.name.as_str() {
                    "default" => texts(Some(value), walk),
                    _ => defaults(value, walk),
                }
            }
        }
        _ => {}
    }
}

fn is_compose(services: &Entries) -> bool {
    let is_service = |node: &Node| match &node.value {
        Yaml::Map(map) => ["image", "build", "extends"]
            .iter()
            .any(|key| get(map, key).is_some()),
        _ => false,
    };
    services.iter().any(|(_, service)| is_service(service))
}

fn compose(services: &Entries, walk: &mut Walk) {
    for (_, service) in services {
        let Yaml::Map(service) = &service.value else {
            continue;
        };
        if let Some((at, image)) = get(service, "image").zip(text(service, "image")) {
            match (interpolated(image), get(service, "build")) {
                (Err(variable), _) => {
                    let message =
                        format!("this image depends on the variable {variable}, which has no default");
                    walk.problems.push((at.id, message));
                }
                (Ok(image), None) => walk.name(at.id, &image),
                // What is built here is in no registry, most likely.
                (Ok(image), Some(_)) => walk.push(at.id, image, false),
            }
        }
        for name in TEXTS {
            texts(get(service, name), walk);
        }
    }
}

/// A text with the defaults of its variables (`${TAG:-1.2}`), as Compose reads it; else the variable without one.
fn interpolated(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((variable, after)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            return Err(after.chars().take_while(|c| is_name(*c)).collect());
        };
        match variable.split_once('-') {
            Some((_, default)) if !default.contains('$') => out.push_str(default),
            _ => {
                return Err(variable
                    .split([':', '-', '?'])
                    .next()
                    .unwrap_or_default()
                    .to_owned());
            }
        }
        rest = after;
    }
    Ok(out + rest)
}

/// Whether a name has a tag of its own.
fn has_tag(image: &str) -> bool {
    image.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

impl Walk {
    /// Notes what stands where an image's name belongs.
    fn name(&mut self, at: Id, text: &str) {
        let text = text.trim();
        let text = text.strip_prefix("docker://").unwrap_or(text);
        if text.is_empty() {
            return;
        }
        if text.contains("{{") || text.contains("$(") || text.contains("${") {
            let message = format!("this image is a template: \"{text}\"; render it first");
            self.problems.push((at, message));
            return;
        }
        let image = match &self.registry {
            Some(registry) if !has_registry(text) => format!("{registry}/{text}"),
            _ => text.to_owned(),
        };
        match image.parse::<ImageEntry>() {
            Ok(_) => self.push(at, image, true),
            Err(error) => self.problems.push((at, error.to_string())),
        }
    }

    fn push(&mut self, at: Id, image: String, is_sure: bool) {
        self.found.push(Found {
            at,
            image,
            is_sure,
            is_in_text: false,
        });
    }
}

fn has_registry(image: &str) -> bool {
    let first = image.split_once('/').map(|(first, _)| first);
    first.is_some_and(|first| first.contains(['.', ':']) || first == "localhost")
}
