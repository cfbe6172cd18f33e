//! What a program of one's own does with a directory of images: the tags of a repository, the config of an image, its blobs verified.
//! `cargo run -p transload-layout-store --example open_image -- examples/store hub.example.com/demo/hello:1.0`
//!
//! Exit status: 0 all is there, byte for byte, 1 something isn't.

use std::error::Error;
use std::io::Read;
use std::process::ExitCode;

use transload_layout_store::reference::{Digest, Manifest, Reference, Repository, Verifier, VerifyingReader};
use transload_layout_store::{Store, Verdict};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(name)) = (args.next(), args.next()) else {
        return Err("usage: open_image DIR IMAGE".into());
    };
    let image: Reference = name.parse()?;
    let store = Store::open(folder)?;
    for tag in store.tags(image.repository())? {
        println!("tag {tag}");
    }
    match store.resolve(image.repository(), &image.identifier())? {
        Some(digest) => open(&store, image.repository(), &digest),
        None => Err(format!("{image} isn't there").into()),
    }
}

/// Shows a manifest and what it names; whether all of it is whole.
fn open(store: &Store, repository: &Repository, digest: &Digest) -> Result<bool, Box<dyn Error>> {
    let Some(manifest) = store.manifest(repository, digest)? else {
        println!("manifest {digest} is missing");
        return Ok(false);
    };
    println!("manifest {digest} {} bytes", manifest.size());
    let mut is_whole = true;
    // Platforms that weren't pulled are named by the index, and aren't there.
    let left_out = store.left_out(repository, digest);
    for child in manifest
        .view()
        .children()
        .iter()
        .filter(|child| !left_out.contains(&child.digest))
    {
        is_whole &= open(store, repository, &child.digest)?;
    }
    for blob in manifest.view().blobs().filter(|blob| !blob.is_foreign()) {
        match store.verify_blob(blob, |_| true) {
            Verdict::Flawed(flaw) => {
                println!("blob {} {flaw}", blob.digest);
                is_whole = false;
            }
            _ => println!("blob {} {} bytes", blob.digest, blob.size),
        }
    }
    if let Manifest::Image(image) = manifest.view()
        && is_whole
        && let Some(file) = store.open_blob(&image.config.digest)?
    {
        let mut config = String::new();
        VerifyingReader::new(file, Verifier::of(&image.config)).read_to_string(&mut config)?;
        println!("config {}", config.trim_end());
    }
    Ok(is_whole)
}
