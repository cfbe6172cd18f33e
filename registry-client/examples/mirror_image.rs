//! Mirrors an image, with all its platforms, from one registry to another:
//! `cargo run -p transload-registry-client --example mirror_image -- docker.io/library/alpine:3.19 localhost:5000/alpine:3.19`

use std::error::Error;

use transload_registry_client::{Client, DefaultCredentials, reference::Reference};

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error:#}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = names.as_slice() else {
        return Err("usage: mirror_image FROM TO".into());
    };
    let client = Client::builder().credentials(DefaultCredentials::new()).build()?;
    mirror(&client, &from.parse()?, &to.parse()?)
}

/// Children before parents: a registry refuses a manifest whose contents are missing.
fn mirror(client: &Client, from: &Reference, to: &Reference) -> Result<(), Box<dyn Error>> {
    let manifest = client.manifest(from.repository(), &from.identifier())?;
    for child in manifest.view().children() {
        mirror(
            client,
            &from.by_digest(&child.digest),
            &to.by_digest(&child.digest),
        )?;
    }
    for blob in manifest.view().blobs().filter(|blob| !blob.is_foreign()) {
        client.copy_blob(from.repository(), blob, to.repository())?;
    }
    client.push_manifest(to.repository(), &to.identifier(), &manifest)?;
    println!("{to}");
    Ok(())
}
