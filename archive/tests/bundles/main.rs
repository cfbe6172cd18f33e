//! Bundles: written, interrupted, read with and without volumes, damaged and lied about.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use common::Image;
use tempfile::TempDir;
use transload_archive::bundle::{
    Bundle, BundleError, BundleOptions, BundlePlan, BundleWriter, Holdings, VolumeSize, Wanted,
};
use transload_archive::{BlobWrite, CommitError, Error, PlannedImage};
use transload_reference::{Descriptor, Digest, MediaType};

#[path = "../common/mod.rs"]
mod common;
mod damaged;
mod differences;
mod reading;
mod script;
mod writing;

type Blobs = HashMap<Digest, Vec<u8>>;

/// Bytes that no two seeds share.
fn bytes(seed: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![seed; size];
    for (at, byte) in bytes.iter_mut().enumerate().step_by(97) {
        *byte = byte.wrapping_add((at / 97) as u8);
    }
    bytes
}

/// Images `app0`, `app1`, …, each with the layers of these sizes, the first of which all share.
fn images(sizes: &[usize]) -> (Vec<PlannedImage>, Blobs) {
    let shared = bytes(200, 3000);
    let (mut planned, mut blobs) = (Vec::new(), Blobs::new());
    for (at, size) in sizes.iter().enumerate() {
        let own = bytes(at as u8, *size);
        let image = Image::new("amd64", &[&shared, &own], MediaType::OCI_LAYER);
        blobs.extend(image.blobs().map(|blob| (Digest::of(blob), blob.clone())));
        let name = format!("hub.local/team/app{at}:v1").parse().unwrap();
        planned.push(PlannedImage::new(name, image.manifest.clone(), Vec::new()));
    }
    (planned, blobs)
}

fn plan(sizes: &[usize], base: &Holdings, limit: u64) -> (BundlePlan, Blobs) {
    let (images, blobs) = images(sizes);
    let plan = BundlePlan::new(images, &Wanted::beyond(base.clone()), VolumeSize::of(limit));
    (plan.unwrap(), blobs)
}

/// Opens a blob from an offset on.
type Open<'a> = &'a (dyn Fn(&Descriptor, u64) -> Box<dyn Read> + Sync);

/// Brings a blob to its place; what an earlier run left may be wrong.
fn bring(writer: &BundleWriter, blob: &Descriptor, open: Open<'_>) -> Result<(), BundleError> {
    let BlobWrite::Writer(mut place) = writer.write_blob(blob)? else {
        return Ok(());
    };
    loop {
        let is_resumed = place.position() > 0;
        let bytes = open(blob, place.position());
        place.write_from(bytes).map_err(|error| match error.downcast() {
            Ok(error) => BundleError::Archive(error),
            Err(source) => BundleError::Archive(Error::Source {
                digest: blob.digest.clone(),
                source,
            }),
        })?;
        match place.commit() {
            Ok(()) => return Ok(()),
            Err(CommitError {
                writer: Some(fresh), ..
            }) if is_resumed => place = fresh,
            Err(refused) => return Err(Error::from(refused).into()),
        }
    }
}

/// Writes a bundle, one blob after another; false where it is there.
fn write_from(
    options: &BundleOptions,
    folder: &Path,
    plan: &BundlePlan,
    open: Open<'_>,
) -> Result<bool, BundleError> {
    if options.is_at(folder, plan)? {
        return Ok(false);
    }
    let writer = options.create(folder, plan.clone())?;
    for blob in plan.blobs().filter(|blob| !writer.waits(blob)) {
        bring(&writer, blob, open)?;
    }
    writer.finish().map(|()| true)
}

fn write_with(
    options: &BundleOptions,
    folder: &Path,
    plan: &BundlePlan,
    blobs: &Blobs,
) -> Result<bool, BundleError> {
    write_from(options, folder, plan, &|blob, offset| {
        Box::new(io::Cursor::new(blobs[&blob.digest][offset as usize..].to_vec()))
    })
}

fn write(folder: &Path, plan: &BundlePlan, blobs: &Blobs) {
    assert!(write_with(&BundleOptions::default(), folder, plan, blobs).unwrap());
}

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<_> = entries
        .map(|path| (name(&path), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn read(bundle: &Bundle, digest: &Digest) -> Vec<u8> {
    let mut bytes = Vec::new();
    bundle
        .open_blob(digest, 0)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn no_flaws(folder: &Path) {
    let bundle = Bundle::open(folder, &[]).unwrap();
    let flaws = bundle.check(&AtomicBool::new(false), &|_| {}).unwrap();
    assert_eq!(flaws, []);
}

fn bundle(sizes: &[usize], limit: u64) -> (TempDir, Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let (plan, blobs) = plan(sizes, &Holdings::default(), limit);
    write(folder.path(), &plan, &blobs);
    (folder, blobs)
}
