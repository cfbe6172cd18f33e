//! Writes the store that `examples/quickstart.yaml` copies from: `write_quickstart_store examples/store`.
//!
//! The same bytes come out on every machine; the store that the repository carries was written by this.

use std::path::PathBuf;

use transload_test_support::image::{Family, Image, ImageBuilder, IndexBuilder};
use transload_test_support::kubekey::{self, Generation};

const REGISTRY: &str = "hub.example.com";

fn main() {
    let Some(store) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: write_quickstart_store DIR");
        std::process::exit(2);
    };
    let all = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"];
    for (repository, tag, image) in [
        ("demo/hello", "1.0", image(Family::Oci, "hello", &all)),
        ("demo/tools", "2.1", image(Family::Docker, "tools", &all[..3])),
        ("other/notes", "1", image(Family::Oci, "notes", &all[..1])),
    ] {
        kubekey::write(&store, REGISTRY, repository, tag, &image, Generation::Third);
    }
}

/// An image whose platforms share their first layer, with each other and with the other images.
fn image(family: Family, name: &str, platforms: &[&str]) -> Image {
    let images: Vec<Image> = platforms
        .iter()
        .map(|platform| {
            ImageBuilder::new(family)
                .platform(platform)
                .layer(&[("etc/os-release", b"NAME=demo\n")])
                .layer(&[(
                    &format!("usr/share/{name}/platform"),
                    format!("{platform}\n").as_bytes(),
                )])
                .build()
        })
        .collect();
    let index = images
        .iter()
        .fold(IndexBuilder::new(family), |index, image| index.image(image));
    match family {
        Family::Oci => index.annotation("org.opencontainers.image.title", name).build(),
        Family::Docker => index.build(),
    }
}
