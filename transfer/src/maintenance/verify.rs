//! Whether a store is whole: every image, down to every byte.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use transload_layout_store::repair::OldTagFile;
use transload_layout_store::{BlobFile, Damage, Disputed, Error, Flaw, Listing, Store, StoredImage, Verdict};
use transload_policy::ImagePattern;
use transload_reference::{Descriptor, Digest, ManifestError, Reference, Repository};

use super::read::read_all;

/// What a look at a store found.
#[derive(Debug, Default)]
pub struct Health {
    /// How many images were looked at.
    pub images: usize,
    /// How many manifests and indexes they have.
    pub manifests: usize,
    /// How many blobs they have.
    pub blobs: usize,
    /// The bytes of those blobs, as they should be.
    pub bytes: u64,
    /// What is wrong: tag maps, then manifests, then blobs.
    pub findings: Vec<Finding>,
    /// Indexes of which some platforms were left out when they were brought: nothing is wrong with them.
    pub left_out: Vec<LeftOut>,
    /// Blobs that no manifest names which could be read. None are told where only some of the images were looked at.
    pub orphans: Vec<BlobFile>,
    /// Files among the blobs, and folders of manifests, that aren't the format's.
    pub strangers: Vec<PathBuf>,
    /// Tags that two folders of one repository tell differently: both images were looked at.
    pub disputed: Vec<Disputed>,
    /// Tags' files that held something else than `layout` says: nothing is wrong with their images.
    pub old_tag_files: Vec<OldTagFile>,
    /// What interrupted transfers left.
    pub leftovers: Vec<BlobFile>,
    /// Whether the look was stopped before its end.
    pub stopped: bool,
}

impl Health {
    /// How many images something is wrong with.
    pub fn affected(&self) -> usize {
        let images: HashSet<&Reference> = self.findings.iter().flat_map(|finding| &finding.images).collect();
        images.len()
    }

    /// Whether everything that images need is known: no tag map and no manifest is damaged.
    pub fn is_known(&self) -> bool {
        !self.stopped
            && self
                .findings
                .iter()
                .all(|finding| matches!(finding.thing, Thing::Blob(_)))
    }
}

/// Something that is wrong.
#[derive(Debug)]
pub struct Finding {
    /// What.
    pub thing: Thing,
    /// Where it is or should be.
    pub path: PathBuf,
    /// In what way, to be said after the thing's name.
    pub flaw: Flaw,
    /// The images that need it, sorted.
    pub images: Vec<Reference>,
}

/// A part of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A folder that can't be read, so that it isn't known what is in it.
    Folder,
    /// A repository's tag map, the file `layout`.
    TagMap(Repository),
    /// A manifest or index of a repository.
    Manifest(Repository, Digest),
    /// A blob.
    Blob(Box<Descriptor>),
}

impl Thing {
    /// What tells it from the other things of a store.
    pub(super) fn key(&self, path: &std::path::Path) -> String {
        let size = match self {
            // Two manifests may say different sizes of one digest.
            Thing::Blob(blob) => blob.size,
            _ => 0,
        };
        format!("{size} {}", path.display())
    }
}

/// An index of which some platforms were left out on request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The index's repository.
    pub repository: Repository,
    /// The index.
    pub index: Digest,
    /// The manifests that it names and that aren't there.
    pub manifests: Vec<Digest>,
}

/// How far a look is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// So many bytes are to be read, of so many images.
    Total {
        /// Images.
        images: usize,
        /// Bytes.
        bytes: u64,
    },
    /// So many things are to be mended, with so many bytes of blobs. They are told of as events of a transfer.
    Mending {
        /// Tag maps, manifests and blobs.
        things: usize,
        /// Bytes.
        bytes: u64,
    },
    /// So many more bytes were read, or needn't be.
    Read(u64),
}

/// Looks at a store, again and again: a blob that was whole isn't read a second time.
pub struct Checkup<'a> {
    store: &'a Store,
    pattern: Option<&'a ImagePattern>,
    pool: &'a rayon::ThreadPool,
    cancel: &'a AtomicBool,
    told: &'a (dyn Fn(Look) + Sync),
    whole: HashSet<(Digest, u64)>,
}

impl<'a> Checkup<'a> {
    /// Of all images of a store, or of those that the pattern matches. Manifests and blobs are read by the threads of `pool`; `told` is
    /// called from all of them.
    pub fn new(
        store: &'a Store,
        pattern: Option<&'a ImagePattern>,
        pool: &'a rayon::ThreadPool,
        cancel: &'a AtomicBool,
        told: &'a (dyn Fn(Look) + Sync),
    ) -> Checkup<'a> {
        Checkup {
            store,
            pattern,
            pool,
            cancel,
            told,
            whole: HashSet::new(),
        }
    }

    /// Looks at everything that isn't known to be whole.
    ///
    /// # Errors
    /// Where the store's own folder or that of its blobs can't be read.
    pub fn look(&mut self) -> Result<Health, Error> {
        let Listing {
            mut images,
            nameless,
            disputed,
            damage,
            ..
        } = self.store.listing()?;
        images.retain(|image| self.is_wanted(&image.reference));
        let mut health = Health {
            images: images.len(),
            strangers: nameless,
            disputed,
            ..Health::default()
        };
        let repositories = by_repository(images, damage, &mut health.findings);
        let looks: Vec<Walk<'_>> = self.pool.install(|| {
            repositories
                .into_par_iter()
                .map(|(repository, images)| self.walk(repository, &images))
                .collect()
        });
        let mut blobs = BTreeMap::new();
        // In some formats, manifests are blobs.
        let mut manifests = HashSet::new();
        for look in looks {
            manifests.extend(look.read.keys().cloned());
            look.add_to(&mut health, &mut blobs);
        }
        health.findings.sort_by_key(|finding| rank(&finding.thing));
        self.read_blobs(blobs, &manifests, &mut health)?;
        health.stopped = self.is_stopped();
        Ok(health)
    }

    fn is_wanted(&self, image: &Reference) -> bool {
        ImagePattern::takes(self.pattern, image)
    }

    fn is_stopped(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    fn walk(&self, repository: Repository, images: &[StoredImage]) -> Walk<'a> {
        let mut walk = Walk::of(self.store, repository);
        for image in images {
            if self.is_stopped() {
                return walk;
            }
            walk.image(image);
        }
        walk.tags(images);
        // Their parts are noted as blobs, and a store may have thousands of repositories.
        walk.read.values_mut().for_each(|parts| *parts = Parts::default());
        walk
    }

    fn read_blobs(
        &mut self,
        blobs: Blobs,
        manifests: &HashSet<Digest>,
        health: &mut Health,
    ) -> Result<(), Error> {
        health.blobs = blobs.len();
        health.bytes = blobs.keys().map(|(_, size)| size).sum();
        let needed: HashSet<Digest> = blobs
            .keys()
            .map(|(digest, _)| digest)
            .chain(manifests)
            .cloned()
            .collect();
        let unread: Vec<_> = blobs
            .into_iter()
            .filter(|(key, _)| !self.whole.contains(key))
            .collect();
        log::info!("reading {} blobs", unread.len());
        (self.told)(Look::Total {
            images: health.images,
            bytes: unread.iter().map(|(_, blob)| blob.descriptor.size).sum(),
        });
        let descriptors = unread.iter().map(|(_, blob)| &*blob.descriptor).collect();
        let mut verdicts = self
            .pool
            .install(|| read_all(self.store, descriptors, self.cancel, self.told));
        for (key, blob) in unread {
            match verdicts.remove(&key) {
                Some(Verdict::Flawed(flaw)) => health.findings.push(blob.finding(self.store, flaw)),
                Some(Verdict::Whole) => {
                    self.whole.insert(key);
                }
                _ => {}
            }
        }
        health.leftovers = self.store.partial_files()?.collect();
        for file in self.store.blob_files()? {
            match &file.digest {
                None => health.strangers.push(file.path),
                Some(digest) if self.pattern.is_none() && !needed.contains(digest) => {
                    health.orphans.push(file)
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// The order in which findings are told.
fn rank(thing: &Thing) -> u8 {
    match thing {
        Thing::Folder => 0,
        Thing::TagMap(_) => 1,
        Thing::Manifest(..) => 2,
        Thing::Blob(_) => 3,
    }
}

/// The images by repository, those repositories included of which only damage is known. Damage of folders is noted.
fn by_repository(
    images: Vec<StoredImage>,
    damage: Vec<Damage>,
    findings: &mut Vec<Finding>,
) -> BTreeMap<Repository, Vec<StoredImage>> {
    let mut repositories: BTreeMap<Repository, Vec<StoredImage>> = BTreeMap::new();
    for image in images {
        let repository = image.reference.repository().clone();
        repositories.entry(repository).or_default().push(image);
    }
    for Damage {
        path,
        repository,
        error,
        ..
    } in damage
    {
        let is_folder = path.is_dir();
        match repository {
            // What is wrong with its tag map is found with its tags.
            Some(repository) if !is_folder => {
                repositories.entry(repository).or_default();
            }
            _ => findings.push(Finding {
                thing: Thing::Folder,
                path,
                flaw: Flaw::Unreadable(error),
                images: Vec::new(),
            }),
        }
    }
    repositories
}

/// By digest and size: two manifests may say different sizes of one digest, and then one of them is wrong.
type Blobs = BTreeMap<(Digest, u64), Needed>;

/// A blob that images need.
struct Needed {
    descriptor: Box<Descriptor>,
    /// Perhaps several times.
    images: Vec<Reference>,
}

impl Needed {
    fn finding(mut self, store: &Store, flaw: Flaw) -> Finding {
        self.images.sort();
        self.images.dedup();
        Finding {
            path: store.blob_path(&self.descriptor.digest),
            thing: Thing::Blob(self.descriptor),
            flaw,
            images: self.images,
        }
    }
}

/// A manifest's parts: manifests and blobs.
type Parts = (Vec<Digest>, Vec<Descriptor>);

/// A way through the manifests of one repository.
struct Walk<'a> {
    store: &'a Store,
    repository: Repository,
    read: HashMap<Digest, Parts>,
    flaws: BTreeMap<Digest, Finding>,
    tag_flaws: Vec<Finding>,
    old_tag_files: Vec<OldTagFile>,
    left_out: Vec<LeftOut>,
    blobs: Blobs,
}

impl<'a> Walk<'a> {
    fn of(store: &'a Store, repository: Repository) -> Walk<'a> {
        Walk {
            store,
            repository,
            read: HashMap::new(),
            flaws: BTreeMap::new(),
            tag_flaws: Vec::new(),
            old_tag_files: Vec::new(),
            left_out: Vec::new(),
            blobs: Blobs::new(),
        }
    }

    fn image(&mut self, image: &StoredImage) {
        let mut waiting = vec![image.digest.clone()];
        let mut seen = HashSet::new();
        while let Some(digest) = waiting.pop() {
            if !seen.insert(digest.clone()) {
                continue;
            }
            if !self.read.contains_key(&digest) {
                let parts = self.parts(&digest);
                self.read.insert(digest.clone(), parts);
            }
            if let Some(finding) = self.flaws.get_mut(&digest) {
                finding.images.push(image.reference.clone());
            }
            let Some((children, blobs)) = self.read.get(&digest) else {
                continue;
            };
            waiting.extend(children.iter().cloned());
            for blob in blobs {
                let needed = self
                    .blobs
                    .entry((blob.digest.clone(), blob.size))
                    .or_insert_with(|| Needed {
                        descriptor: Box::new(blob.clone()),
                        images: Vec::new(),
                    });
                needed.images.push(image.reference.clone());
            }
        }
    }

    /// Reads a manifest; what is wrong with it is noted.
    fn parts(&mut self, digest: &Digest) -> Parts {
        let (path, flaw) = match self.store.manifest(&self.repository, digest) {
            Ok(Some(manifest)) => {
                let view = manifest.view();
                let blobs = view.blobs().filter(|blob| self.should_be_there(blob)).cloned();
                let blobs = blobs.collect();
                let children = view.children().iter().map(|child| child.digest.clone());
                return (self.without_left_out(digest, children.collect()), blobs);
            }
            Ok(None) => (None, Flaw::Missing),
            Err(Error::Manifest {
                path,
                source: ManifestError::Verify(_),
            }) => (Some(path), Flaw::Corrupt),
            // The tag map that would tell is damaged, which is found with the tags.
            Err(Error::Damaged { path, .. }) if path.ends_with("layout") => return Parts::default(),
            Err(error) => (None, Flaw::Unreadable(error)),
        };
        let finding = Finding {
            thing: Thing::Manifest(self.repository.clone(), digest.clone()),
            path: path.unwrap_or_else(|| self.store.manifest_path(&self.repository, digest)),
            flaw,
            images: Vec::new(),
        };
        self.flaws.insert(digest.clone(), finding);
        Parts::default()
    }

    /// An index's children but for those that were left out on request, which are noted.
    fn without_left_out(&mut self, index: &Digest, mut children: Vec<Digest>) -> Vec<Digest> {
        if children.is_empty() {
            return children;
        }
        let (store, repository) = (self.store, &self.repository);
        let mut left_out = store.left_out(repository, index);
        left_out.retain(|child| {
            children.contains(child) && matches!(store.manifest(repository, child), Ok(None))
        });
        children.retain(|child| !left_out.contains(child));
        if !left_out.is_empty() {
            self.left_out.push(LeftOut {
                repository: repository.clone(),
                index: index.clone(),
                manifests: left_out.into_iter().collect(),
            });
        }
        children
    }

    /// A layer that its publisher alone gives out may be left out; one that is there should be whole.
    fn should_be_there(&self, blob: &Descriptor) -> bool {
        let may_lack = blob.is_foreign();
        !may_lack
            || self
                .store
                .open_blob(&blob.digest)
                .is_ok_and(|file| file.is_some())
    }

    fn tags(&mut self, images: &[StoredImage]) {
        let flaws = match self.store.repair().check_tags(&self.repository) {
            Ok(flaws) => flaws,
            // The folder can't be read, which the listing told.
            Err(_) => return,
        };
        for flaw in flaws {
            self.tag_flaws.push(Finding {
                thing: Thing::TagMap(self.repository.clone()),
                path: flaw.path,
                flaw: flaw.flaw,
                images: images.iter().map(|image| image.reference.clone()).collect(),
            });
        }
        self.old_tag_files = self
            .store
            .repair()
            .renew_tag_files(&self.repository)
            .unwrap_or_default();
    }

    fn add_to(self, health: &mut Health, blobs: &mut Blobs) {
        health.manifests += self.read.len() - self.flaws.len();
        health.left_out.extend(self.left_out);
        health.findings.extend(self.tag_flaws);
        health.old_tag_files.extend(self.old_tag_files);
        health.findings.extend(self.flaws.into_values());
        for (key, blob) in self.blobs {
            match blobs.get_mut(&key) {
                Some(needed) => needed.images.extend(blob.images),
                None => {
                    blobs.insert(key, blob);
                }
            }
        }
    }
}
