//! OCI layouts that have Docker's list too, as Docker 25 and later, containerd and this crate write them.
//!
//! The index rules, but where it is wrong: Docker 25.0.0 saved manifests with layers in a wrong order, release candidates without layers
//! ([moby 47150], [moby 47065]), and Docker's index lacks images that were saved by their digest ([moby 51389]). Its own list is right there.
//!
//! [moby 47150]: https://github.com/moby/moby/issues/47150
//! [moby 47065]: https://github.com/moby/moby/issues/47065
//! [moby 51389]: https://github.com/moby/moby/issues/51389

use std::collections::{HashMap, HashSet};

use transload_reference::{Digest, Manifest, RawManifest};

use crate::archive::{Contents, distinct};
use crate::docker::{self, ConfigBudget, Listed, MadeImage};
use crate::{Archive, ArchivedImage, Error, OpenOptions, oci};

/// Completes the images of an index by what Docker's list says, if there is one.
pub(crate) fn read(
    archive: &Archive,
    images: Vec<ArchivedImage>,
    options: &OpenOptions,
) -> Result<Contents, Error> {
    let listed = docker::listed(archive)?;
    let by_config: HashMap<&str, &Listed> = listed
        .iter()
        .map(|image| (image.config.as_str(), image))
        .collect();
    let mut contents = Contents::default();
    let mut reached = Reached::default();
    let mut budget = ConfigBudget::default();
    // Each image of the index with its entry in the list, and whether its manifest is right.
    let mut matched = Vec::new();
    for image in images {
        options.check_stop(&archive.path)?;
        let mut found = (None, true);
        // What can't be read is told when it is asked for.
        if let (false, Ok(Some(root))) = (listed.is_empty(), archive.manifest(&image.root.digest)) {
            if let Manifest::Image(manifest) = root.view() {
                let entry = by_config.get(oci::blob_name(&manifest.config.digest).as_str());
                let fits = entry.is_none() || docker::fits_its_config(archive, manifest, &mut budget)?;
                found = (entry.copied(), fits);
            }
            reached.take(archive, &root);
        }
        matched.push((image, found));
    }
    let wrong: HashSet<&str> = matched
        .iter()
        .filter_map(|(_, (entry, fits))| entry.filter(|_| !fits))
        .map(|entry| entry.config.as_str())
        .collect();
    let is_needed =
        |image: &&Listed| wrong.contains(image.config.as_str()) || !reached.configs.contains(&image.config);
    let needed: Vec<&Listed> = listed.iter().filter(is_needed).collect();
    let made = docker::make_all(archive, &needed, options, &mut contents)?;
    let made: Vec<(&Listed, MadeImage)> = needed.into_iter().zip(made).collect();
    let made_of: HashMap<&str, &MadeImage> = made
        .iter()
        .map(|(image, made)| (image.config.as_str(), made))
        .collect();
    for (image, (entry, fits)) in matched {
        let repaired = entry
            .filter(|_| !fits)
            .and_then(|entry| made_of.get(entry.config.as_str()));
        let names: &[String] = match entry {
            Some(entry) if image.reference.is_none() => &entry.repo_tags,
            _ => &[],
        };
        let own_name = image.name.clone();
        let with = |name: Option<&str>| match repaired {
            Some(made) => made.named(name),
            None => ArchivedImage::named(name, image.root.clone(), None),
        };
        if names.is_empty() {
            contents.images.push(with(own_name.as_deref()));
        }
        contents.images.extend(names.iter().map(|name| with(Some(name))));
    }
    for (image, made) in made
        .iter()
        .filter(|(image, _)| !wrong.contains(image.config.as_str()))
    {
        contents.images.extend(made.with_names(&image.repo_tags));
    }
    contents.images = distinct(contents.images);
    Ok(contents)
}

/// What the index leads to.
#[derive(Default)]
struct Reached {
    manifests: HashSet<Digest>,
    /// The configs' entries.
    configs: HashSet<String>,
}

impl Reached {
    fn take(&mut self, archive: &Archive, root: &RawManifest) {
        let mut queue = self.see(root);
        while let Some(child) = queue.pop() {
            if let (false, Ok(Some(child))) = (self.manifests.contains(&child), archive.manifest(&child)) {
                queue.extend(self.see(&child));
            }
        }
    }

    /// Notes a manifest, and returns its children.
    fn see(&mut self, manifest: &RawManifest) -> Vec<Digest> {
        self.manifests.insert(manifest.digest().clone());
        if let Manifest::Image(image) = manifest.view() {
            self.configs.insert(oci::blob_name(&image.config.digest));
        }
        let children = manifest.view().children().iter();
        children.map(|child| child.digest.clone()).collect()
    }
}
