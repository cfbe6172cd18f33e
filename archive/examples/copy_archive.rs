//! Writes the images of an archive, such as one of `docker save`, into one that every engine loads:
//! `cargo run -p transload-archive --example copy_archive FROM TO`.

use std::error::Error;
use std::io;

use transload_archive::{Archive, BlobWrite, Plan, PlannedImage, Writer};
use transload_reference::{Digest, RawManifest};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(from), Some(to)) = (args.next(), args.next()) else {
        return Err("usage: copy_archive FROM TO".into());
    };
    let archive = Archive::open(from)?;
    let mut images = Vec::new();
    for image in archive.images() {
        let Some(reference) = &image.reference else {
            println!("{} has no name", image.root.digest);
            continue;
        };
        let root = archive
            .manifest(&image.root.digest)?
            .ok_or("its root isn't there")?;
        let mut below = Vec::new();
        gather(&archive, &root, &mut below)?;
        images.push(PlannedImage::new(reference.clone(), root, below));
    }
    let plan = Plan::new(images)?;
    for warning in plan.warnings() {
        println!("{warning}");
    }
    let writer = Writer::create(to, plan)?;
    for blob in writer.plan().blobs() {
        if let BlobWrite::Writer(mut writer) = writer.write_blob(blob)? {
            let rest = archive.open_blob(&blob.digest, writer.position()..)?;
            let rest = rest.ok_or_else(|| missing(&blob.digest))?;
            writer.write_from(rest)?;
            writer.commit()?;
        }
    }
    writer.finish()?;
    Ok(())
}

/// The manifests below another one that are in the archive.
fn gather(
    archive: &Archive,
    manifest: &RawManifest,
    found: &mut Vec<RawManifest>,
) -> Result<(), Box<dyn Error>> {
    for child in manifest.view().children() {
        if let Some(child) = archive.manifest(&child.digest)? {
            gather(archive, &child, found)?;
            found.push(child);
        }
    }
    Ok(())
}

fn missing(blob: &Digest) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{blob} isn't in the archive"))
}
