//! A set of images as a platform's release has them: bases in common, layers from small to large, several platforms.

use transload_test_support::image::{Family, Image, ImageBuilder, IndexBuilder, noise};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Images by repository; the tag is `v1`. Their blobs have about `scale` MB in all, of which a quarter is shared.
pub fn release(scale: usize) -> Vec<(String, Image)> {
    let kilobytes = |number: usize| number * scale * 10;
    let base = noise(1, kilobytes(10_000 / 10));
    let tools = noise(2, kilobytes(5_000 / 10));
    let single = |number: u64, platform: &str, family: Family| {
        let sizes = [1, 20, 300, 700].map(|size| kilobytes(size * (1 + number as usize % 3) / 10));
        let own = sizes.into_iter().enumerate();
        let builder = ImageBuilder::new(family)
            .platform(platform)
            .blob_layer(LAYER, &base);
        let builder = if number.is_multiple_of(2) {
            builder.blob_layer(LAYER, &tools)
        } else {
            builder
        };
        own.fold(builder, |builder, (layer, size)| {
            builder.blob_layer(LAYER, &noise(1000 + number * 10 + layer as u64, size + 1))
        })
    };
    (0..10)
        .map(|number| {
            let name = format!("team/app{number}");
            let image = match number % 3 {
                0 => single(number, "linux/amd64", Family::Docker).build(),
                _ => IndexBuilder::new(Family::Oci)
                    .image(&single(number, "linux/amd64", Family::Oci).build())
                    .image(&single(number + 100, "linux/arm64", Family::Oci).build())
                    .build(),
            };
            (name, image)
        })
        .collect()
}

/// The bytes of all blobs, those that several images have counted once.
pub fn bytes(images: &[(String, Image)]) -> u64 {
    let mut sizes = std::collections::BTreeMap::new();
    for (blob, _) in images.iter().flat_map(|(_, image)| &image.blobs) {
        sizes.insert(blob.digest.clone(), blob.size);
    }
    sizes.values().sum()
}
