//! Copies an image from one registry to another, blob by blob, without a file in between.
//!
//! `cargo run -p transload-registry-client --example mirror_image -- docker.io/library/alpine:3.19 localhost:5000/alpine:3.19`

use std::error::Error;
use std::io::{self, Read};
use std::sync::Arc;

use transload_reference::{Descriptor, Identifier, Manifest, Reference};
use transload_registry_client::{Client, DefaultCredentials};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: mirror_image FROM TO".into());
    };
    let (from, to): (Reference, Reference) = (from.parse()?, to.parse()?);
    let client = Client::builder()
        .credentials(Arc::new(DefaultCredentials::new()))
        .on_notice(Arc::new(|notice| eprintln!("{notice}")))
        .build()?;
    let copied = copy(&client, &from, &from.identifier(), &to, &to.identifier());
    copied.inspect_err(|error| {
        let error = error.downcast_ref::<transload_registry_client::Error>();
        if let Some(hint) = error.and_then(|error| error.hint()) {
            eprintln!("hint: {hint}");
        }
    })
}

/// Copies a manifest and what it names: children before parents.
fn copy(
    client: &Client,
    from: &Reference,
    name: &Identifier,
    to: &Reference,
    new_name: &Identifier,
) -> Result<(), Box<dyn Error>> {
    let manifest = client.manifest(from.repository(), name)?;
    match manifest.view() {
        Manifest::Index(index) => {
            for child in &index.manifests {
                let digest = Identifier::from(child.digest.clone());
                copy(client, from, &digest, to, &digest)?;
            }
        }
        Manifest::Image(image) => {
            for blob in image
                .layers
                .iter()
                .chain([&image.config])
                .filter(|blob| !blob.media_type.is_foreign_layer())
            {
                copy_blob(client, from, blob, to)?;
            }
        }
        _ => {}
    }
    client.push_manifest(to.repository(), new_name, &manifest)?;
    println!("{to}: {}", manifest.digest());
    Ok(())
}

fn copy_blob(
    client: &Client,
    from: &Reference,
    blob: &Descriptor,
    to: &Reference,
) -> Result<(), Box<dyn Error>> {
    if client.has_blob(to.repository(), &blob.digest)?.is_some()
        || client.mount_blob(to.repository(), &blob.digest, from.repository())?
    {
        return Ok(());
    }
    let mut open = |offset| -> io::Result<Box<dyn Read + Send>> {
        let reader = client
            .open_blob(from.repository(), blob, offset)
            .map_err(io::Error::other)?;
        Ok(Box::new(reader))
    };
    client.push_blob(to.repository(), blob, &mut open)?;
    println!("{} ({} bytes)", blob.digest, blob.size);
    Ok(())
}
