//! What an image consists of, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use transload_reference::{Descriptor, Digest, Manifest, printable};
use transload_transfer::Link;
use transload_transfer::inventory::{Content, ImageTree, Node};

use super::format::{bytes, count};

/// How many characters are shown of a text that the image's maker chose.
const LONGEST: usize = 300;

/// How wide the names of things are.
const NAMES: usize = 12;

/// The image, then its manifests, each with its config and layers.
pub fn tree_text(tree: &ImageTree) -> String {
    let mut text = String::new();
    let root = &tree.root;
    let blobs = tree.blobs();
    let size = blobs.values().map(|blob| blob.size).sum();
    let _ = writeln!(text, "{}", tree.reference);
    line(&mut text, 1, "in", &tree.place);
    line(
        &mut text,
        1,
        "size",
        &format!("{} in {}", bytes(size), count(blobs.len(), "blob")),
    );
    if let Content::Index(children, others) = &root.content {
        head(&mut text, 1, root);
        let mut parts = vec![count(children.len(), "manifest")];
        if *others > 0 {
            parts.push(format!("{others} of other platforms"));
        }
        line(&mut text, 1, "index of", &parts.join(" and "));
        list(&mut text, 1, "annotations", root.annotations.iter());
        for child in children {
            node(&mut text, child);
        }
    } else {
        body(&mut text, 1, root);
    }
    if !tree.referrers.is_empty() {
        let _ = writeln!(text, "\nreferrers");
    }
    for referrer in &tree.referrers {
        let what = referrer.artifact_type.as_deref().unwrap_or("no type");
        let (what, of) = match &referrer.link {
            Link::Subject(subject) => (shown(what), format!("about {subject}")),
            Link::Tag(tag) => ("cosign".into(), format!("tag {tag}")),
        };
        let _ = writeln!(text, "    {}  {what}, {of}", referrer.digest);
    }
    text
}

/// A manifest of an index, in a paragraph of its own.
fn node(text: &mut String, node: &Node) {
    let what = match (&node.platform, &node.content) {
        (Some(platform), _) if !platform.is_unknown() => platform.to_string(),
        (_, Content::Index(..)) => "index".to_owned(),
        _ => "no platform".to_owned(),
    };
    let _ = writeln!(text, "\n{}", shown(&what));
    list(text, 1, "told as", node.descriptor.annotations.iter());
    match &node.content {
        Content::Index(children, _) => {
            head(text, 1, node);
            list(text, 1, "annotations", node.annotations.iter());
            for child in children {
                self::node(text, child);
            }
        }
        _ => body(text, 1, node),
    }
}

fn head(text: &mut String, depth: usize, node: &Node) {
    line(text, depth, "digest", node.descriptor.digest.as_str());
    line(text, depth, "type", node.descriptor.media_type.as_str());
}

fn body(text: &mut String, depth: usize, node: &Node) {
    head(text, depth, node);
    let (manifest, config, missing) = match &node.content {
        Content::Image {
            manifest,
            config,
            missing,
        } => (manifest, config, missing),
        Content::Absent(None) => return line(text, depth, "left out", "not copied, as requested"),
        Content::Absent(Some(why)) => return line(text, depth, "missing", why),
        Content::Index(..) => return,
    };
    if let Some(kind) = artifact_type(manifest.view()) {
        line(text, depth, "artifact", kind);
    }
    if let Some(subject) = subject(manifest.view()) {
        line(text, depth, "about", subject.digest.as_str());
    }
    if let (Some(platform), 1) = (&node.platform, depth)
        && node.descriptor.platform.is_none()
    {
        line(text, depth, "platform", &platform.to_string());
    }
    list(text, depth, "annotations", node.annotations.iter());
    let (of_config, layers) = match manifest.view() {
        Manifest::Image(image) => (Some(&image.config), image.layers.as_slice()),
        Manifest::Artifact(artifact) => (None, artifact.blobs.as_slice()),
        _ => (None, &[][..]),
    };
    if let Some(descriptor) = of_config {
        let flaw = flaw(descriptor, missing);
        let what = format!("{}  {}{flaw}", descriptor.digest, bytes(descriptor.size));
        line(text, depth, "config", &what);
    }
    for (name, value) in config.as_ref().map(essentials).unwrap_or_default() {
        line(text, depth + 1, &name, &value);
    }
    let size = layers.iter().map(|layer| layer.size).sum();
    line(
        text,
        depth,
        "layers",
        &format!("{}, {}", layers.len(), bytes(size)),
    );
    let width = layers
        .iter()
        .map(|layer| bytes(layer.size).len())
        .max()
        .unwrap_or(0);
    for layer in layers {
        let indent = "  ".repeat(depth + 1);
        let _ = writeln!(
            text,
            "{indent}{}  {:>width$}  {}{}",
            layer.digest,
            bytes(layer.size),
            shown(layer.media_type.as_str()),
            flaw(layer, missing)
        );
    }
}

fn flaw(blob: &Descriptor, missing: &std::collections::HashSet<Digest>) -> &'static str {
    if missing.contains(&blob.digest) {
        "  MISSING"
    } else {
        ""
    }
}

fn artifact_type(manifest: &Manifest) -> Option<&str> {
    match manifest {
        Manifest::Image(image) => image.artifact_type.as_deref(),
        Manifest::Index(index) => index.artifact_type.as_deref(),
        _ => None,
    }
}

fn subject(manifest: &Manifest) -> Option<&Descriptor> {
    match manifest {
        Manifest::Image(image) => image.subject.as_ref(),
        Manifest::Index(index) => index.subject.as_ref(),
        Manifest::Artifact(artifact) => artifact.subject.as_ref(),
        _ => None,
    }
}

/// What of a config people look for, in words.
fn essentials(config: &Value) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut note = |name: &str, value: &Value| match value {
        Value::String(text) if !text.is_empty() => found.push((name.to_owned(), text.clone())),
        // A command is told as JSON: where its words end matters.
        Value::Array(list) if !list.is_empty() && matches!(name, "entrypoint" | "command") => {
            found.push((name.to_owned(), value.to_string()));
        }
        Value::Array(list) => {
            let texts = list.iter().filter_map(Value::as_str);
            found.extend(texts.map(|text| (name.to_owned(), text.to_owned())));
        }
        Value::Object(object) => {
            for (key, value) in object {
                let text = match value {
                    Value::String(value) => format!("{key} = {value}"),
                    _ => key.clone(),
                };
                found.push((name.to_owned(), text));
            }
        }
        _ => {}
    };
    for (name, path) in ESSENTIALS {
        if let Some(value) = config.pointer(path) {
            note(name, value);
        }
    }
    found
}

/// By what name people know a part of a config, and where it is.
const ESSENTIALS: [(&str, &str); 11] = [
    ("created", "/created"),
    ("author", "/author"),
    ("user", "/config/User"),
    ("entrypoint", "/config/Entrypoint"),
    ("command", "/config/Cmd"),
    ("directory", "/config/WorkingDir"),
    ("port", "/config/ExposedPorts"),
    ("volume", "/config/Volumes"),
    ("stop signal", "/config/StopSignal"),
    ("env", "/config/Env"),
    ("label", "/config/Labels"),
];

fn list<'a>(
    text: &mut String,
    depth: usize,
    name: &str,
    entries: impl Iterator<Item = (&'a String, &'a String)>,
) {
    for (at, (key, value)) in entries.enumerate() {
        let name = if at == 0 { name } else { "" };
        line(text, depth, name, &format!("{key} = {value}"));
    }
}

fn line(text: &mut String, depth: usize, name: &str, value: &str) {
    let indent = "  ".repeat(depth);
    let _ = writeln!(text, "{indent}{name:<NAMES$} {}", shown(value));
}

fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    printable(text, LONGEST)
}

/// The same for programs:
///
/// ```json
/// {
///   "image": "docker.io/library/alpine:3.19", "in": "docker.io",
///   "blobs": 3, "bytes": 4711,                  // of all manifests shown, each blob once
///   "whole": true,                              // whether nothing is missing (of a directory)
///   "root": {
///     "digest": "sha256:…", "media_type": "…", "size": 1234,
///     "platform": "linux/amd64",                // null: none, or an index
///     "descriptor_annotations": {},             // what the index above says of it
///     "annotations": {},
///     "artifact_type": null, "subject": null,   // the subject's digest
///     "state": "there",                         // there, left_out, missing
///     "problem": null,                          // why it is missing
///     "manifests": [],                          // of an index, of this same shape; not of an image
///     "not_shown": 0,                           // of an index: those of other platforms
///     "config": {"digest": "…", "media_type": "…", "size": 12, "state": "there", "content": {}},   // null of an index
///     "layers": [{"digest": "…", "media_type": "…", "size": 12, "annotations": {}, "urls": [], "state": "there"}]
///   }
/// }
/// ```
///
/// Sizes are in bytes.
pub fn tree_json(tree: &ImageTree) -> Value {
    let blobs = tree.blobs();
    json!({
        "image": tree.reference.to_string(),
        "in": tree.place,
        "blobs": blobs.len(),
        "bytes": blobs.values().map(|blob| blob.size).sum::<u64>(),
        "whole": !tree.is_flawed(),
        "root": node_json(&tree.root),
        "referrers": super::inventory::referrers_json(&tree.referrers),
    })
}

fn node_json(node: &Node) -> Value {
    let descriptor = &node.descriptor;
    let mut value = json!({
        "digest": descriptor.digest.to_string(),
        "media_type": descriptor.media_type.as_str(),
        "size": descriptor.size,
        "platform": node.platform.as_ref().map(ToString::to_string),
        "descriptor_annotations": descriptor.annotations,
        "annotations": node.annotations,
        "artifact_type": descriptor.artifact_type,
        "subject": null,
        "state": "there",
        "problem": null,
        "config": null,
    });
    match &node.content {
        Content::Absent(None) => value["state"] = json!("left_out"),
        Content::Absent(Some(why)) => {
            value["state"] = json!("missing");
            value["problem"] = json!(why);
        }
        Content::Index(children, others) => {
            value["manifests"] = children.iter().map(node_json).collect();
            value["not_shown"] = json!(others);
        }
        Content::Image {
            manifest,
            config,
            missing,
        } => {
            let view = manifest.view();
            let state = |blob: &Descriptor| match missing.contains(&blob.digest) {
                true => "missing",
                false => "there",
            };
            if let Some(kind) = artifact_type(view) {
                value["artifact_type"] = json!(kind);
            }
            value["subject"] = json!(subject(view).map(|subject| subject.digest.to_string()));
            let layers = match view {
                Manifest::Image(image) => {
                    value["config"] = json!({
                        "digest": image.config.digest.to_string(),
                        "media_type": image.config.media_type.as_str(),
                        "size": image.config.size,
                        "state": state(&image.config),
                        "content": config,
                    });
                    image.layers.as_slice()
                }
                Manifest::Artifact(artifact) => artifact.blobs.as_slice(),
                _ => &[],
            };
            let layer = |layer: &Descriptor| {
                json!({
                    "digest": layer.digest.to_string(),
                    "media_type": layer.media_type.as_str(),
                    "size": layer.size,
                    "annotations": layer.annotations,
                    "urls": layer.urls,
                    "state": state(layer),
                })
            };
            value["layers"] = layers.iter().map(layer).collect();
        }
    }
    value
}
