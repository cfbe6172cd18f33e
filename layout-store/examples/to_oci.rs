//! Copies all images of a directory into an OCI image layout: `cargo run -p transload-layout-store --example to_oci -- FROM TO`.

use std::collections::HashSet;
use std::error::Error;

use transload_layout_store::{Format, OpenOptions, Store};
use transload_reference::{Digest, Repository};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(from), Some(to)) = (args.next(), args.next()) else {
        return Err("usage: to_oci FROM TO".into());
    };
    let from = Store::open(from)?;
    let to = OpenOptions::default().format(Format::Oci).create(to)?;
    for image in from.images()? {
        let repository = image.reference.repository();
        copy(&from, &to, repository, &image.digest)?;
        match image.reference.tag() {
            Some(tag) => to.tag(repository, tag, &image.digest)?,
            None => to.keep(repository, &image.digest)?,
        }
        println!("{}", image.reference);
    }
    Ok(())
}

/// Copies a manifest and all that it names, what it names first.
fn copy(from: &Store, to: &Store, repository: &Repository, digest: &Digest) -> Result<(), Box<dyn Error>> {
    let manifest = from.manifest(repository, digest)?;
    let manifest = manifest.ok_or_else(|| format!("{repository}@{digest} is missing"))?;
    let left_out = from.left_out(repository, digest);
    for child in manifest.view().children() {
        if !left_out.contains(&child.digest) {
            copy(from, to, repository, &child.digest)?;
        }
    }
    let mut seen = HashSet::new();
    for blob in manifest.view().blobs().filter(|blob| !blob.is_foreign()) {
        if seen.insert(&blob.digest)
            && let Some(mut writer) = to.write_blob(blob)?
        {
            let file = from.open_blob(&blob.digest)?;
            let mut file = file.ok_or_else(|| format!("the blob {} is missing", blob.digest))?;
            // Blocks are shared where the filesystem can; what an earlier try wrote is begun anew.
            if !writer.reflink(&file, |_| true)? {
                writer.restart()?;
                writer.write_from(&mut file)?;
            }
            writer.commit()?;
        }
    }
    to.sync_blobs()?;
    to.put_manifest(repository, &manifest)?;
    Ok(())
}
