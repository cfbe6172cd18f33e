//! A container image of the program, made from nothing, as an archive that skopeo reads (`oci-archive:`) and that transload pushes.
//!
//! The archive is an OCI image layout. Beside it, in the folder `store`, the same image is in the directory form that transload
//! reads; its blobs are hard links to those of the layout, so that they are in the archive once.

use std::io;

use serde_json::{Value, json};
use tar::{Builder, EntryType};

use super::tree::{Tree, sha256};
use super::{Release, pack};

/// The image's name.
const REPOSITORY: &str = "ghcr.io/transload/transload";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A blob, and what a manifest says of it.
struct Blob {
    digest: String,
    bytes: Vec<u8>,
    descriptor: Value,
}

impl Blob {
    fn new(media_type: &str, bytes: Vec<u8>) -> Blob {
        let digest = sha256(&bytes);
        Blob {
            descriptor: json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}),
            digest,
            bytes,
        }
    }
}

/// The archive of the image of the tree's program.
///
/// # Errors
/// Where something can't be packed.
pub fn archive(release: &Release, tree: &Tree) -> Result<Vec<u8>, String> {
    let content = tree.moved(place);
    let plain = pack::tar(&content, release.epoch)?;
    let layer = Blob::new(LAYER, pack::gzip(&plain)?);
    let config = Blob::new(CONFIG, config(release, &sha256(&plain)).to_string().into_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor,
        "layers": [layer.descriptor],
        "annotations": labels(release),
    });
    let manifest = Blob::new(MANIFEST, manifest.to_string().into_bytes());
    pack_layout(release, [&config, &layer], &manifest).map_err(|error| format!("packing the image: {error}"))
}

/// What the image has, and where: the program, and what must go with it.
fn place(path: &str) -> Option<String> {
    let is_legal =
        |name: &str| name.starts_with("LICENSE") || name == "THIRD-PARTY.md" || name == "sbom.cdx.json";
    match path.strip_prefix("share/doc/transload/") {
        _ if path == "bin/transload" => Some("transload".to_owned()),
        Some(name) if is_legal(name) => Some(format!("usr/{path}")),
        _ => None,
    }
}

fn config(release: &Release, layer: &str) -> Value {
    let (architecture, variant) = release.target.oci;
    let mut config = json!({
        "architecture": architecture,
        "config": {"Entrypoint": ["/transload"], "Labels": labels(release), "WorkingDir": "/"},
        "created": time(release.epoch),
        "history": [{"created": time(release.epoch), "created_by": "cargo xtask dist"}],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
    });
    if let Some(variant) = variant {
        config["variant"] = json!(variant);
    }
    config
}

fn labels(release: &Release) -> Value {
    json!({
        "org.opencontainers.image.created": time(release.epoch),
        "org.opencontainers.image.description": super::SUMMARY,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
        "org.opencontainers.image.source": super::HOMEPAGE,
        "org.opencontainers.image.title": "transload",
        "org.opencontainers.image.version": release.version,
    })
}

fn pack_layout(release: &Release, blobs: [&Blob; 2], manifest: &Blob) -> io::Result<Vec<u8>> {
    // A tag has no plus sign.
    let tag = release.version.replace('+', "_");
    let mut named = manifest.descriptor.clone();
    named["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]});
    let manifests = format!("store/{REPOSITORY}/manifests");
    let layout = json!({tag: format!("sha256:{}", manifest.digest)});

    let mut archive = Builder::new(Vec::new());
    let epoch = release.epoch;
    let file = |archive: &mut Builder<_>, path: &str, bytes: &[u8]| {
        pack::append(archive, path, EntryType::Regular, 0o644, epoch, bytes)
    };
    file(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    file(&mut archive, "index.json", index.to_string().as_bytes())?;
    for folder in ["blobs/", "blobs/sha256/"] {
        pack::append(&mut archive, folder, EntryType::Directory, 0o755, epoch, &[])?;
    }
    for blob in blobs.into_iter().chain([manifest]) {
        file(
            &mut archive,
            &format!("blobs/sha256/{}", blob.digest),
            &blob.bytes,
        )?;
    }
    let mut folders = vec!["store/".to_owned(), "store/blobs/".to_owned()];
    let ends = manifests
        .match_indices('/')
        .skip(1)
        .map(|(end, _)| format!("{}/", &manifests[..end]));
    folders.extend(ends);
    folders.push(format!("{manifests}/"));
    for folder in &folders {
        pack::append(&mut archive, folder, EntryType::Directory, 0o755, epoch, &[])?;
    }
    for blob in blobs {
        let (link, to) = (
            format!("store/blobs/sha256:{}", blob.digest),
            format!("blobs/sha256/{}", blob.digest),
        );
        pack::append_link(&mut archive, &link, EntryType::Link, &to, epoch)?;
    }
    file(
        &mut archive,
        &format!("{manifests}/layout"),
        format!("{layout:#}\n").as_bytes(),
    )?;
    file(
        &mut archive,
        &format!("{manifests}/sha256:{}", manifest.digest),
        &manifest.bytes,
    )?;
    archive.into_inner()
}

/// Seconds of the Unix epoch as RFC 3339 has them, in UTC.
pub fn time(epoch: u64) -> String {
    let (days, second) = (epoch / 86_400, epoch % 86_400);
    // Days since the first of March of the year 0, in eras of 400 years (Howard Hinnant's civil_from_days).
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..=9 => (year + era * 400, month + 3),
        _ => (year + era * 400 + 1, month - 9),
    };
    format!(
        "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;
    use crate::dist::tests::release;

    #[test]
    fn times_are_dates_of_the_calendar() {
        for (epoch, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(epoch), expected);
        }
    }

    #[test]
    fn every_descriptor_leads_to_its_bytes() {
        let mut tree = Tree::default();
        tree.file("bin/transload", 0o755, b"program".to_vec());
        tree.text("share/doc/transload/LICENSE-MIT", "free".to_owned());
        tree.text("share/man/man1/transload.1", "page".to_owned());
        let bytes = archive(&release(), &tree).unwrap();
        let mut files = BTreeMap::new();
        let mut links = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            if let Some(to) = entry.link_name().unwrap() {
                links.insert(path, to.display().to_string());
                continue;
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, content);
        }
        let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let blob = |descriptor: &Value| {
            let hex = descriptor["digest"]
                .as_str()
                .unwrap()
                .strip_prefix("sha256:")
                .unwrap();
            let content = &files[&format!("blobs/sha256/{hex}")];
            assert_eq!(
                (sha256(content).as_str(), json!(content.len())),
                (hex, descriptor["size"].clone())
            );
            (hex.to_owned(), content.clone())
        };
        let index = parsed(&files["index.json"]);
        let (digest, manifest) = blob(&index["manifests"][0]);
        let folder = format!("store/{REPOSITORY}/manifests");
        assert_eq!(files[&format!("{folder}/sha256:{digest}")], manifest);
        assert_eq!(
            parsed(&files[&format!("{folder}/layout")]),
            json!({"0.1.0-rc1": format!("sha256:{digest}")})
        );
        let manifest = parsed(&manifest);
        for descriptor in [&manifest["config"], &manifest["layers"][0]] {
            let (hex, _) = blob(descriptor);
            assert_eq!(
                links[&format!("store/blobs/sha256:{hex}")],
                format!("blobs/sha256/{hex}")
            );
        }
        let (_, layer) = blob(&manifest["layers"][0]);
        let mut names = Vec::new();
        for entry in tar::Archive::new(flate2::read::GzDecoder::new(layer.as_slice()))
            .entries()
            .unwrap()
        {
            names.push(entry.unwrap().path().unwrap().display().to_string());
        }
        assert!(names.contains(&"transload".to_owned()), "{names:?}");
        assert!(
            names.contains(&"usr/share/doc/transload/LICENSE-MIT".to_owned()),
            "{names:?}"
        );
        assert!(!names.iter().any(|name| name.contains("man")), "{names:?}");
    }
}
