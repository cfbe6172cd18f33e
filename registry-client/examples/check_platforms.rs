//! Which images of a list lack a platform. Names are arguments, or lines on the standard input:
//! `cargo run -p transload-registry-client --example check_platforms -- linux/amd64,linux/arm64 alpine:3.19 nginx:1.27`
//!
//! Exit status: 0 all images have all platforms, 1 some don't, or couldn't be looked at.

use std::error::Error;
use std::process::ExitCode;

use transload_policy::{
    Decision, Mode, PlatformSet, Selection, Single, config_platform, judge, judge_single, select_with,
};
use transload_registry_client::reference::{
    Descriptor, Identifier, Index, Manifest, Platform, RawManifest, Reference, Repository,
};
use transload_registry_client::{Client, DefaultCredentials};

/// How many bytes of an image's config are read. Real ones have some thousands.
const LARGEST_CONFIG: u64 = 4 << 20;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let mut args = std::env::args().skip(1);
    let platforms = args.next().ok_or("usage: check_platforms PLATFORM,… [IMAGE…]")?;
    let wanted = PlatformSet::parse(&platforms.split(',').collect::<Vec<_>>())?;
    let mut images: Vec<String> = args.collect();
    if images.is_empty() {
        images = std::io::stdin().lines().collect::<std::io::Result<_>>()?;
    }
    let client = Client::builder().credentials(DefaultCredentials::new()).build()?;
    let mut have_all = true;
    for name in images {
        match check(&client, &name, &wanted) {
            Ok(Decision::Take) => println!("{name} has all"),
            Ok(Decision::Refuse(shortfall) | Decision::Warn(shortfall) | Decision::Skip(shortfall)) => {
                println!("{name} {shortfall}");
                have_all = false;
            }
            // One image that isn't there doesn't keep the others from being looked at.
            Err(error) => {
                eprintln!("error: {error:#}");
                have_all = false;
            }
        }
    }
    Ok(have_all)
}

fn check(client: &Client, name: &str, wanted: &PlatformSet) -> Result<Decision> {
    let image: Reference = name.parse()?;
    let (client, repository) = (client, image.repository());
    let manifest = client.manifest(repository, &image.identifier())?;
    Ok(match manifest.view() {
        Manifest::Index(index) => judge(&choose(client, repository, index, wanted)?, wanted, Mode::Strict),
        _ => judge_single(
            platform(client, repository, &manifest)?.as_ref(),
            wanted,
            Mode::Strict,
            Single::Refuse,
        ),
    })
}

/// The platforms of an index and of those that stand in it. Of most images the index tells the platform; into others one has to look.
fn choose(
    client: &Client,
    repository: &Repository,
    index: &Index,
    wanted: &PlatformSet,
) -> Result<Selection> {
    let child = |child: &Descriptor| client.manifest(repository, &Identifier::from(child.digest.clone()));
    let mut found = select_with(index, wanted, |image| {
        platform(client, repository, &child(image)?)
    })?;
    for at in std::mem::take(&mut found.nested) {
        if let Manifest::Index(nested) = child(&index.manifests[at])?.view() {
            found.absorb(choose(client, repository, nested, wanted)?);
        }
    }
    Ok(found)
}

/// The platform in an image's config; none for artifacts.
fn platform(client: &Client, repository: &Repository, manifest: &RawManifest) -> Result<Option<Platform>> {
    match manifest.view() {
        Manifest::Image(image) if image.config.media_type.is_image_config() => {
            let config = client.read_blob(repository, &image.config, LARGEST_CONFIG)?;
            Ok(config_platform(&config))
        }
        _ => Ok(None),
    }
}
