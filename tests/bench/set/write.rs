//! Making a set: valid layers, configurations, manifests and indexes, the same bytes on every machine.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use transload_reference::{Algorithm, Descriptor, Digest, Hasher, MediaType};
use transload_test_support::image::{Family, descriptor_of};

use super::model::{LayerPlan, Plan};
use super::{Child, Image, Set};
use crate::stop;
use crate::told::{Result, Told};

/// A layer that was made.
#[derive(Debug, Clone)]
struct Layer {
    digest: Digest,
    size: u64,
    diff_id: Digest,
}

/// Layers by name and platform.
type Layers<'a> = HashMap<(&'a str, &'a str), Layer>;

/// Makes a set in a folder.
pub fn write(folder: &Path, plans: &[Plan]) -> Result<Set> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).told(blobs.display())?;
    let layers = write_layers(&blobs, plans)?;
    let images = plans
        .iter()
        .map(|plan| write_image(&blobs, plan, &layers))
        .collect::<io::Result<_>>()
        .told(blobs.display())?;
    Ok(Set {
        folder: folder.to_owned(),
        images,
    })
}

fn write_layers<'a>(blobs: &Path, plans: &'a [Plan]) -> Result<Layers<'a>> {
    let mut wanted: Vec<(&LayerPlan, &str)> = Vec::new();
    let mut seen = Layers::new();
    for plan in plans {
        for layer in &plan.layers {
            for platform in plan.platforms {
                if !wanted
                    .iter()
                    .any(|(other, on)| other.name == layer.name && on == platform)
                {
                    wanted.push((layer, platform));
                }
            }
        }
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        while let Some((layer, platform)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            stop::check().map_err(io::Error::other)?;
            let written = write_layer(blobs, layer, platform)?;
            made.push(((layer.name.as_str(), *platform), written));
        }
        Ok(made)
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let made: Vec<io::Result<Vec<_>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
        threads
            .into_iter()
            .map(|thread| join(thread).unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    for layers in made {
        seen.extend(layers.told(blobs.display())?);
    }
    Ok(seen)
}

/// Makes a tar archive with one file of noise, in gzip that stores its bytes: layers of a real release don't compress again.
fn write_layer(blobs: &Path, layer: &LayerPlan, platform: &str) -> io::Result<Layer> {
    let name = Digest::of(format!("{} {platform}", layer.name).as_bytes());
    let seed = u64::from_str_radix(&name.hex()[..16], 16).map_err(io::Error::other)?;
    let unfinished = blobs.join(format!("unfinished-{}", name.hex()));
    let file = Hashing::new(BufWriter::with_capacity(1 << 20, File::create(&unfinished)?));
    let gzip = GzBuilder::new().write(file, Compression::none());
    let mut archive = tar::Builder::new(Hashing::new(gzip));
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(layer.size);
    archive.append_data(&mut header, "noise", Noise::new(seed).take(layer.size))?;
    let (gzip, diff_id, _) = archive.into_inner()?.finish();
    let (mut file, digest, size) = gzip.finish()?.finish();
    file.flush()?;
    fs::rename(unfinished, blobs.join(digest.hex()))?;
    Ok(Layer {
        digest,
        size,
        diff_id,
    })
}

fn write_image(blobs: &Path, plan: &Plan, layers: &Layers<'_>) -> io::Result<Image> {
    let family = plan.family;
    let mut children = Vec::new();
    let mut entries = Vec::new();
    for &platform in plan.platforms {
        let own: Vec<&Layer> = plan
            .layers
            .iter()
            .filter_map(|layer| layers.get(&(layer.name.as_str(), platform)))
            .collect();
        let (os, architecture) = platform.split_once('/').unwrap_or((platform, ""));
        let config = json!({
            "created": "2024-01-01T00:00:00Z",
            "architecture": architecture,
            "os": os,
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Entrypoint": [format!("/{}", plan.repository)]},
            "rootfs": {"type": "layers", "diff_ids": own.iter().map(|layer| &layer.diff_id).collect::<Vec<_>>()},
        });
        let config = write_json(blobs, family.config(), &config)?;
        let own: Vec<Descriptor> = own
            .iter()
            .map(|layer| Descriptor::new(family.layer(), layer.digest.clone(), layer.size))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": family.manifest(),
            "config": config,
            "layers": own,
        });
        let manifest = write_json(blobs, family.manifest(), &manifest)?;
        let mut entry = serde_json::to_value(&manifest)?;
        entry["platform"] = json!({"architecture": architecture, "os": os});
        entries.push(entry);
        children.push(Child {
            manifest,
            config,
            layers: own,
        });
    }
    let root = write_index(blobs, family, &entries)?;
    Ok(Image {
        repository: plan.repository.clone(),
        root,
        children,
    })
}

fn write_index(blobs: &Path, family: Family, entries: &[Value]) -> io::Result<Descriptor> {
    let index = json!({"schemaVersion": 2, "mediaType": family.index(), "manifests": entries});
    write_json(blobs, family.index(), &index)
}

fn write_json(blobs: &Path, media_type: MediaType, value: &Value) -> io::Result<Descriptor> {
    let bytes = value.to_string().into_bytes();
    let descriptor = descriptor_of(media_type, &bytes);
    fs::write(blobs.join(descriptor.digest.hex()), bytes)?;
    Ok(descriptor)
}

/// Hashes what passes.
struct Hashing<W> {
    to: W,
    hasher: Hasher,
    size: u64,
}

impl<W> Hashing<W> {
    fn new(to: W) -> Hashing<W> {
        Hashing {
            to,
            hasher: Hasher::new(Algorithm::Sha256),
            size: 0,
        }
    }

    fn finish(self) -> (W, Digest, u64) {
        (self.to, self.hasher.finish(), self.size)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Bytes that don't compress, and the same ones for the same seed.
struct Noise {
    state: u64,
}

impl Noise {
    fn new(seed: u64) -> Noise {
        Noise { state: seed }
    }
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // splitmix64, a word at a time; what is left of a last word is forgotten.
        for word in buffer.chunks_mut(8) {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            word.copy_from_slice(&mixed.to_le_bytes()[..word.len()]);
        }
        Ok(buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::super::model;
    use super::*;

    #[test]
    fn layers_are_archives_with_the_digests_that_manifests_give_them() {
        let folder = tempfile::tempdir().unwrap();
        let set = write(folder.path(), &model::tiny(2)).unwrap();
        assert_eq!(set.images.len(), 2);
        // Two images of two platforms: four configurations, four own layers, two that both images share.
        assert_eq!(set.blobs().len(), 10);
        for child in set.images.iter().flat_map(|image| &image.children) {
            let config = fs::read(set.file(&child.config.digest)).unwrap();
            let config: Value = serde_json::from_slice(&config).unwrap();
            for (n, layer) in child.layers.iter().enumerate() {
                let bytes = fs::read(set.file(&layer.digest)).unwrap();
                assert_eq!(
                    (Digest::of(&bytes), bytes.len() as u64),
                    (layer.digest.clone(), layer.size)
                );
                let mut archive = Vec::new();
                GzDecoder::new(&bytes[..]).read_to_end(&mut archive).unwrap();
                assert_eq!(config["rootfs"]["diff_ids"][n], Digest::of(&archive).as_str());
                let mut entries = tar::Archive::new(&archive[..]);
                let sizes: Vec<u64> = entries
                    .entries()
                    .unwrap()
                    .map(|entry| entry.unwrap().size())
                    .collect();
                assert_eq!(sizes, [[4000, 2000][n]]);
            }
        }
    }
}
