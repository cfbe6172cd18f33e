//! A report as a bill of materials: [CycloneDX 1.6](https://cyclonedx.org/docs/1.6/json/), as JSON.
//!
//! Each image that arrived is a component, with its manifests for platforms in it and their layers in those.

use serde_json::{Map, Value, json};
use transload_reference::Digest;

use super::schema::{ImageReport, ImageStatus, PartReport, Report};

/// Returns the bill of materials of the images that arrived. The same report gives the same bill.
pub(crate) fn cyclonedx(report: &Report) -> Value {
    let images = report.tasks.iter().flat_map(|task| &task.images);
    let arrived = images.filter(|image| matches!(image.status, ImageStatus::Copied | ImageStatus::There));
    let components: Vec<Value> = arrived
        .enumerate()
        .map(|(number, image)| component(number, image))
        .collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(report),
        "version": 1,
        "metadata": {
            "timestamp": report.ended,
            "tools": {
                "components": [{ "type": "application", "name": "transload", "version": report.transload }],
            },
        },
        "components": components,
    })
}

/// A UUID of the kind that has no meaning of its own (RFC 9562, version 8), made of the report.
fn serial_number(report: &Report) -> String {
    let digest = Digest::of(serde_json::to_string(report).unwrap_or_default().as_bytes()).to_string();
    let hex = digest.rsplit(':').next().unwrap_or_default();
    let piece = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        piece(0, 8),
        piece(8, 12),
        piece(13, 16),
        piece(17, 20),
        piece(20, 32)
    )
}

fn component(number: usize, image: &ImageReport) -> Value {
    let reference = image.destination.split(" in ").next().unwrap_or_default();
    let named = reference.split('@').next().unwrap_or(reference);
    let (repository, tag) = match named.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (named, None),
    };
    let digest = image.digest.as_deref().unwrap_or_default();
    let mut properties = vec![
        property("transload:source", &image.source),
        property("transload:destination", &image.destination),
    ];
    if let Some(before) = image.source_digest.as_deref().filter(|before| *before != digest) {
        properties.push(property("transload:cut_from", before));
    }
    let id = format!("image-{number}");
    let parts: Vec<Value> = image
        .parts
        .iter()
        .enumerate()
        .map(|(at, part)| part_component(&format!("{id}-{at}"), repository, part))
        .collect();
    with_hash(
        json!({
            "type": "container",
            "bom-ref": id,
            "name": repository,
            "version": tag.unwrap_or(digest),
            "purl": purl(repository, digest, tag),
            "properties": properties,
            "components": parts,
        }),
        digest,
    )
}

fn part_component(id: &str, repository: &str, part: &PartReport) -> Value {
    let layers: Vec<Value> = part
        .blobs
        .iter()
        .enumerate()
        .map(|(at, blob)| {
            let layer = json!({
                "type": "file",
                "bom-ref": format!("{id}-{at}"),
                "name": blob.digest,
                "properties": [property("transload:bytes", &blob.size.to_string())],
            });
            with_hash(layer, &blob.digest)
        })
        .collect();
    let platform = part
        .platform
        .iter()
        .map(|platform| property("transload:platform", platform));
    with_hash(
        json!({
            "type": "container",
            "bom-ref": id,
            "name": repository,
            "version": part.digest,
            "properties": platform.collect::<Vec<Value>>(),
            "components": layers,
        }),
        &part.digest,
    )
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value })
}

/// Adds a digest as a hash.
fn with_hash(mut component: Value, digest: &str) -> Value {
    let algorithm = match digest.split_once(':') {
        Some(("sha256", hex)) => Some(("SHA-256", hex)),
        Some(("sha512", hex)) => Some(("SHA-512", hex)),
        _ => None,
    };
    if let (Some((algorithm, hex)), Value::Object(fields)) = (algorithm, &mut component) {
        let fields: &mut Map<String, Value> = fields;
        fields.insert("hashes".to_owned(), json!([{ "alg": algorithm, "content": hex }]));
    }
    component
}

/// The package URL of an image ([the type `oci`](https://github.com/package-url/purl-spec)).
fn purl(repository: &str, digest: &str, tag: Option<&str>) -> String {
    let name = repository
        .rsplit('/')
        .next()
        .unwrap_or(repository)
        .to_ascii_lowercase();
    let mut purl = format!("pkg:oci/{}", escaped(&name));
    if !digest.is_empty() {
        purl.push_str(&format!("@{}", escaped(digest)));
    }
    purl.push_str(&format!(
        "?repository_url={}",
        escaped(&repository.to_ascii_lowercase())
    ));
    if let Some(tag) = tag {
        purl.push_str(&format!("&tag={}", escaped(tag)));
    }
    purl
}

/// Percent-encodes what has a meaning in a package URL.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                shown.push(char::from(byte))
            }
            other => shown.push_str(&format!("%{other:02X}")),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purl_names_the_image_by_its_digest_and_where_it_is() {
        let digest = "sha256:ef73";
        assert_eq!(
            purl("hub.local:5000/team/App", digest, Some("v1+b")),
            "pkg:oci/app@sha256%3Aef73?repository_url=hub.local%3A5000/team/app&tag=v1%2Bb"
        );
        assert_eq!(
            purl("docker.io/library/alpine", "", None),
            "pkg:oci/alpine?repository_url=docker.io/library/alpine"
        );
    }
}
