//! The sets of images that are moved.

mod model;
mod write;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::json;
use transload_reference::{Descriptor, Digest};

use crate::told::{Result, Told};

/// The tag of every image of every set.
pub const TAG: &str = "v1";

/// Which set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// A Kubernetes release: 40 images, 294 blobs, 3.2 GB.
    Release,
    /// The same with a tenth of the bytes.
    Tenth,
    /// 50 images of a few kilobytes.
    Tiny50,
    /// 200 images of a few kilobytes.
    Tiny200,
    /// One image with one layer of 1 GB, for one platform.
    Layer,
    /// One image with one layer of 600 MB, and ten with 1000 layers of 2 kB each, for one platform.
    Serve,
}

/// Images on disk: `blobs/sha256/<hex>` has every blob and manifest, and `layouts/<n>` is the OCI image layout of image `n`
/// alone, whose `blobs` is a link to all of them.
#[derive(Debug)]
pub struct Set {
    /// Where it is.
    pub folder: PathBuf,
    /// What it consists of.
    pub images: Vec<Image>,
}

/// An image for one or more platforms.
#[derive(Debug)]
pub struct Image {
    /// The path within a registry.
    pub repository: String,
    /// The index.
    pub root: Descriptor,
    /// The platforms' images.
    pub children: Vec<Child>,
}

/// One platform's image.
#[derive(Debug)]
pub struct Child {
    /// The manifest.
    pub manifest: Descriptor,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

impl Set {
    /// The file of a blob or manifest.
    pub fn file(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    /// The layout of image `n`.
    pub fn layout(&self, n: usize) -> PathBuf {
        self.folder.join("layouts").join(n.to_string())
    }

    /// Every configuration and layer once, with its size in bytes.
    pub fn blobs(&self) -> HashMap<&Digest, u64> {
        let children = self.images.iter().flat_map(|image| &image.children);
        children
            .flat_map(|child| child.layers.iter().chain([&child.config]))
            .map(|blob| (&blob.digest, blob.size))
            .collect()
    }

    /// The bytes of all blobs.
    pub fn bytes(&self) -> u64 {
        self.blobs().values().sum()
    }

    /// Makes a folder with a layout for each image, named as its repository: what zot serves.
    pub fn write_repositories(&self, folder: &Path) -> Result<()> {
        for (n, image) in self.images.iter().enumerate() {
            let repository = folder.join(&image.repository);
            fs::create_dir_all(&repository).told(repository.display())?;
            for name in ["blobs", "index.json", "oci-layout"] {
                let target = self.layout(n).join(name);
                std::os::unix::fs::symlink(target, repository.join(name)).told(repository.display())?;
            }
        }
        Ok(())
    }

    /// Makes the layout of each image, from which programs that know OCI layouts push.
    fn write_layouts(&self) -> Result<()> {
        for (n, image) in self.images.iter().enumerate() {
            let layout = self.layout(n);
            share_blobs(&layout, Path::new("../../blobs"))?;
            let mut entry = serde_json::to_value(&image.root).told("an index's descriptor")?;
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": TAG});
            let index = json!({"schemaVersion": 2, "manifests": [entry]});
            fs::write(layout.join("index.json"), index.to_string()).told(layout.display())?;
            fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
                .told(layout.display())?;
        }
        Ok(())
    }
}

/// Makes a folder whose `blobs` is a link to another folder.
pub fn share_blobs(layout: &Path, blobs: &Path) -> Result<()> {
    fs::create_dir_all(layout).told(layout.display())?;
    std::os::unix::fs::symlink(blobs, layout.join("blobs")).told(layout.display())
}

/// The sets, each made when it is first needed.
#[derive(Debug)]
pub struct Sets {
    folder: PathBuf,
    quick: bool,
    scale: f64,
    made: HashMap<Which, Rc<Set>>,
}

impl Sets {
    /// Sets below a folder. Quick ones are smaller; `scale` shrinks their layers further.
    pub fn new(folder: &Path, quick: bool, scale: f64) -> Sets {
        Sets {
            folder: folder.to_owned(),
            quick,
            scale,
            made: HashMap::new(),
        }
    }

    /// A set, made now if it isn't there.
    pub fn get(&mut self, which: Which) -> Result<Rc<Set>> {
        if let Some(set) = self.made.get(&which) {
            return Ok(Rc::clone(set));
        }
        let factor = |full: f64, quick: f64| self.scale * if self.quick { quick } else { full };
        let every = if self.quick { 7 } else { 1 };
        let plan = match which {
            Which::Release => model::release(factor(1.0, 0.3), every),
            Which::Tenth => model::release(factor(0.1, 0.03), every),
            Which::Tiny50 => model::tiny(50 / every),
            Which::Tiny200 => model::tiny(200 / every),
            Which::Layer => model::layer(factor(1.0, 0.1)),
            Which::Serve => model::serve(factor(1.0, 0.1), if self.quick { 100 } else { 1000 }),
        };
        let set = write::write(&self.folder.join(format!("{which:?}")), &plan)?;
        set.write_layouts()?;
        eprintln!(
            "  made {which:?}: {} images, {} blobs, {:.1} MB",
            set.images.len(),
            set.blobs().len(),
            set.bytes() as f64 / 1e6
        );
        let set = Rc::new(set);
        self.made.insert(which, Rc::clone(&set));
        Ok(set)
    }
}
