//! What a run would do (`--dry-run`): the same preparation and planning, and a look at which blobs are there.

mod hosts;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use transload_layout_store::disk::filesystem;
use transload_policy::PlatformPattern;
use transload_reference::{Descriptor, Digest, Platform};

use hosts::Hosts;
pub use hosts::{Host, Login};

use super::clients::expect;
use super::contents::ImagePart;
use super::ends::Ends;
use super::event::{Event, Observer};
use super::fault::Fault;
use super::gap;
use super::outcome::{Count, LeftReferrers, Referrer};
use super::place::{Place, Presence, Sink, Source, ToBe};
use super::plan::{self, Attached, Plan, Planned};
use super::prepare::{Mapping, Preparation, Prepared, Problem};
use super::projects::{KnownProjects, Project, Projects};
use super::run::prepare_all;
use super::{Clients, Options};
use crate::job::{Job, Target};

/// What a task would do.
#[derive(Debug)]
pub struct JobPreview {
    /// Its name.
    pub job: String,
    /// Its images; none where they are only known after an earlier task.
    pub images: Vec<ImagePreview>,
    /// Whether its images are only known after an earlier task of the run.
    pub comes_later: bool,
    /// Whether it takes all platforms of its images.
    pub takes_all_platforms: bool,
    /// Warnings that belong to no image.
    pub warnings: Vec<String>,
    /// The disks that would be written to.
    pub disks: Vec<Disk>,
    /// The projects that would be created.
    pub projects: Vec<Project>,
    /// How the registries would be reached, sources first.
    pub hosts: Vec<Host>,
}

/// A disk that would be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The folder on it.
    pub folder: PathBuf,
    /// How many bytes of blobs would be written.
    pub to_write: u64,
    /// How many bytes are free; none where that isn't known.
    pub free: Option<u64>,
    /// How many of those go to directories on the same filesystem that come before this one, in this task or an earlier one.
    pub taken: u64,
}

impl Disk {
    /// How many bytes too few are free for this directory, with those before it.
    pub fn missing(&self) -> u64 {
        match self.free {
            Some(free) if self.to_write > 0 => self.taken.saturating_add(self.to_write).saturating_sub(free),
            _ => 0,
        }
    }
}

/// Notes of each directory how many bytes those before it take of its filesystem.
fn share_filesystems(previews: &mut [JobPreview]) {
    let mut taken: HashMap<u64, u64> = HashMap::new();
    for disk in previews.iter_mut().flat_map(|preview| &mut preview.disks) {
        if let Some(filesystem) = filesystem(&disk.folder) {
            let taken = taken.entry(filesystem).or_default();
            disk.taken = *taken;
            *taken = taken.saturating_add(disk.to_write);
        }
    }
}

/// What would become of an image.
#[derive(Debug)]
pub struct ImagePreview {
    /// The image, as it was written.
    pub image: String,
    /// Where it would come from.
    pub from: Target,
    /// Where it would go.
    pub to: Target,
    /// The platforms that were asked for and that it doesn't have.
    pub missing: Vec<PlatformPattern>,
    /// What would move, or why nothing would.
    pub result: Result<Preview, Fault>,
}

/// What of an image would move.
#[derive(Debug)]
pub enum Preview {
    /// The image would be there afterwards.
    Moves {
        /// Its digest at the source.
        source_digest: Digest,
        /// Its digest at the destination.
        digest: Digest,
        /// The platforms that move.
        platforms: Vec<Platform>,
        /// Its manifests with their blobs.
        contents: Arc<[ImagePart]>,
        /// Blobs that move and that no image before it moves.
        to_move: Count,
        /// Blobs that are there, or that an image before it moves.
        there: Count,
        /// Things to look at.
        warnings: Vec<String>,
        /// What vouches for it at its source; empty where nothing was to be checked.
        verified_by: Vec<String>,
        /// Its referrers that come along: signatures, SBOMs and the like.
        referrers: Vec<Referrer>,
        /// Its referrers that don't.
        left_referrers: LeftReferrers,
        /// Whether all of it is there, its name included.
        is_there: bool,
    },
    /// The image would be left out, and why.
    Skipped(String),
}

/// Finds out what the tasks would do, without writing anything.
///
/// # Errors
/// As [`run`](super::run).
pub fn preview(
    jobs: &[Job],
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<JobPreview>, Vec<Problem>> {
    let pool = options.pool(usize::MAX).map_err(|problem| vec![problem])?;
    let preparations = prepare_all(jobs, &mut Clients::new(options, observer))?;
    // What a task brings is there for the next.
    let (mut counted, mut known) = (HashSet::new(), KnownProjects::default());
    let mut previews: Vec<JobPreview> = jobs
        .iter()
        .zip(preparations)
        .map(|(job, preparation)| match preparation {
            Preparation::Later => JobPreview {
                job: job.name.clone(),
                images: Vec::new(),
                comes_later: true,
                takes_all_platforms: false,
                warnings: Vec::new(),
                disks: Vec::new(),
                projects: Vec::new(),
                hosts: Vec::new(),
            },
            Preparation::Ready(prepared) => preview_job(
                prepared,
                options,
                &pool,
                observer.as_ref(),
                (&mut known, &mut counted),
            ),
        })
        .collect();
    share_filesystems(&mut previews);
    Ok(previews)
}

fn preview_job(
    prepared: Prepared<'_>,
    options: &Options,
    pool: &rayon::ThreadPool,
    observer: &dyn Observer,
    (known, counted): (&mut KnownProjects, &mut HashSet<(Place, Digest)>),
) -> JobPreview {
    let Prepared {
        job,
        images,
        refused,
        warnings,
        client,
        opener,
        choice,
    } = prepared;
    observer.event(&Event::JobStarted {
        job: &job.name,
        images: images.len(),
    });
    expect(&client, &images);
    let hosts = Hosts::look(&client, &images, pool);
    let projects = match job.create_projects {
        Some(visibility) => {
            let reachable = images
                .iter()
                .filter(|mapping| hosts.unreachable(mapping).is_none());
            known.provide(&client, visibility, reachable, true)
        }
        None => Projects::default(),
    };
    let mut ends = Ends::new(opener, job, choice);
    let opened: Vec<_> = images
        .iter()
        .map(|mapping| match projects.fault(&mapping.to) {
            Some(fault) => Err(fault.clone()),
            None => open(&mut ends, known, &client, mapping),
        })
        .collect();
    let mut planned: Vec<Option<Result<Looked, Fault>>> = images.iter().map(|_| None).collect();
    pool.in_place_scope(|scope| {
        for ((slot, mapping), opened) in planned.iter_mut().zip(&images).zip(&opened) {
            let unreachable = hosts.unreachable(mapping);
            scope.spawn(move |_| {
                if !options.cancel.load(Ordering::Relaxed) {
                    *slot = Some(match unreachable {
                        Some(fault) => Err(fault.clone()),
                        None => Fault::isolate(|| look(job, mapping, opened, &options.cancel)),
                    });
                }
            });
        }
    });
    let mut disks = disks(&images, &opened);
    let images = images.into_iter().zip(planned).map(|(mapping, looked)| {
        let result = looked
            .unwrap_or_else(|| Err(Fault::interrupted()))
            .map(|looked| count(&mapping, looked, counted, &mut disks));
        ImagePreview {
            image: mapping.name.written().to_owned(),
            missing: missing(job, &result),
            from: mapping.from,
            to: mapping.to,
            result,
        }
    });
    let refused = refused.into_iter().map(|(mapping, fault)| ImagePreview {
        image: mapping.name.written().to_owned(),
        missing: Vec::new(),
        from: mapping.from,
        to: mapping.to,
        result: Err(fault),
    });
    JobPreview {
        job: job.name.clone(),
        images: images.chain(refused).collect(),
        comes_later: false,
        takes_all_platforms: job.platforms.patterns().is_none(),
        warnings,
        disks,
        projects: projects.created,
        hosts: hosts.hosts,
    }
}

/// The platforms that were asked for and that an image doesn't have.
fn missing(job: &Job, result: &Result<Preview, Fault>) -> Vec<PlatformPattern> {
    let wanted = job.platforms.patterns().unwrap_or_default();
    match result {
        // What has no platform lacks none.
        Ok(Preview::Moves { platforms, .. }) if !platforms.is_empty() => wanted
            .iter()
            .filter(|pattern| !platforms.iter().any(|platform| pattern.matches(platform)))
            .cloned()
            .collect(),
        Ok(Preview::Moves { .. }) => Vec::new(),
        // It has none of them.
        Ok(Preview::Skipped(_)) => wanted.to_vec(),
        Err(fault) => fault.missing_platforms().to_vec(),
    }
}

/// The folders that are written to, each with its free space.
fn disks(images: &[Mapping], opened: &[Opened]) -> Vec<Disk> {
    let mut disks: Vec<Disk> = Vec::new();
    for (mapping, opened) in images.iter().zip(opened) {
        if let (Some(folder), Ok((_, destination))) = (mapping.to.path(), opened)
            && !disks.iter().any(|disk| disk.folder == folder)
        {
            disks.push(Disk {
                folder: folder.to_owned(),
                to_write: 0,
                free: destination.free_space(),
                taken: 0,
            });
        }
    }
    disks
}

type Opened = Result<(Arc<dyn Source>, Arc<dyn Sink>), Fault>;

fn open(
    ends: &mut Ends,
    known: &KnownProjects,
    client: &transload_registry_client::Client,
    mapping: &Mapping,
) -> Opened {
    let source = ends.source(client, mapping.from.place())?;
    if known.is_to_be(&mapping.to) {
        return Ok((source, Arc::new(ToBe::project())));
    }
    Ok((source, ends.look(client, mapping.to.place())?))
}

/// What was found out about an image. Its manifests aren't kept: there may be thousands of images.
enum Looked {
    Plan(Box<Outline>),
    Skip(String),
}

/// What a plan comes to, with a look at each of its blobs.
struct Outline {
    source_digest: Digest,
    digest: Digest,
    platforms: Vec<Platform>,
    contents: Arc<[ImagePart]>,
    warnings: Vec<String>,
    verified_by: Vec<String>,
    /// Whether its name stands for it, and its referrers are there.
    was_published: bool,
    referrers: Vec<Referrer>,
    left_referrers: LeftReferrers,
    blobs: Vec<Look>,
}

/// Whether a blob is there, and how many of its bytes would be written to a disk.
struct Look {
    digest: Digest,
    size: u64,
    is_there: bool,
    to_write: u64,
}

impl Outline {
    fn of(plan: Plan, blobs: Vec<Look>) -> Looked {
        Looked::Plan(Box::new(Outline {
            source_digest: plan.source_digest,
            digest: plan.digest,
            platforms: plan.parts.into_iter().map(|(platform, _)| platform).collect(),
            contents: plan.contents,
            warnings: plan.warnings,
            verified_by: plan.verified_by,
            was_published: plan.was_published
                && (plan.referrers.is_empty() || plan.presence != Presence::Incomplete),
            referrers: plan.referrers.iter().filter_map(Attached::told).collect(),
            left_referrers: plan.left,
            blobs,
        }))
    }
}

fn look(job: &Job, mapping: &Mapping, opened: &Opened, cancel: &AtomicBool) -> Result<Looked, Fault> {
    let (source, destination) = opened.as_ref().map_err(Clone::clone)?;
    let (plan, looks) = match plan::plan(job, source.as_ref(), destination.as_ref(), mapping, cancel)? {
        Planned::Skip(reason) => return Ok(Looked::Skip(reason)),
        Planned::AlreadyThere(plan) => {
            let there = |blob: &Descriptor| Look {
                digest: blob.digest.clone(),
                size: blob.size,
                is_there: true,
                to_write: 0,
            };
            let looks = plan.blobs.iter().map(there).collect();
            (plan, looks)
        }
        Planned::Move(plan) => {
            let repository = mapping.to.reference().repository();
            let look = |blob: &Descriptor| {
                Ok(Look {
                    digest: blob.digest.clone(),
                    size: blob.size,
                    is_there: destination.has_blob(repository, blob)?,
                    to_write: destination.bytes_to_write(source.as_ref(), blob),
                })
            };
            let looks: Result<Vec<Look>, Fault> = plan.blobs.iter().map(look).collect();
            let looks = looks?;
            check_gaps(source.as_ref(), destination, mapping, &plan, &looks)?;
            (plan, looks)
        }
    };
    Ok(Outline::of(plan, looks))
}

/// Fails where a blob is neither at a source that lacks some, such as a bundle, nor at the destination.
fn check_gaps(
    source: &dyn Source,
    destination: &Arc<dyn Sink>,
    mapping: &Mapping,
    plan: &Plan,
    looks: &[Look],
) -> Result<(), Fault> {
    let missing = looks.iter().filter(|look| !look.is_there);
    let missing: HashSet<&Digest> = missing.map(|look| &look.digest).collect();
    let ways = (
        mapping.from.reference().repository(),
        mapping.to.reference().repository(),
    );
    let mut gaps = Vec::new();
    for blob in plan.blobs.iter().filter(|blob| missing.contains(&blob.digest)) {
        if let Some(absent) = source.absent(blob)
            && gap::lender(destination.as_ref(), ways, blob, &absent).is_none()
            && !gap::find_base(source, destination, ways, blob, &absent)?
        {
            gaps.push((blob.digest.clone(), absent));
        }
    }
    match gaps.is_empty() {
        true => Ok(()),
        false => Err(gap::fault(source, destination.as_ref(), &gaps)),
    }
}

fn count(
    mapping: &Mapping,
    looked: Looked,
    counted: &mut HashSet<(Place, Digest)>,
    disks: &mut [Disk],
) -> Preview {
    let outline = match looked {
        Looked::Skip(reason) => return Preview::Skipped(reason),
        Looked::Plan(outline) => outline,
    };
    let is_whole = outline.was_published && outline.blobs.iter().all(|look| look.is_there);
    let folder = mapping.to.path();
    let mut disk = disks
        .iter_mut()
        .find(|disk| Some(disk.folder.as_path()) == folder);
    let place = mapping.to.place();
    let (mut to_move, mut is_there) = (Count::default(), Count::default());
    for look in outline.blobs {
        let first = counted.insert((place.clone(), look.digest));
        if let (true, Some(disk)) = (first, &mut disk) {
            disk.to_write = disk.to_write.saturating_add(look.to_write);
        }
        let count = if look.is_there || !first {
            &mut is_there
        } else {
            &mut to_move
        };
        count.add(1, look.size);
    }
    Preview::Moves {
        source_digest: outline.source_digest,
        digest: outline.digest,
        platforms: outline.platforms,
        contents: outline.contents,
        to_move,
        there: is_there,
        warnings: outline.warnings,
        verified_by: outline.verified_by,
        referrers: outline.referrers,
        left_referrers: outline.left_referrers,
        is_there: is_whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(folders: &[(&std::path::Path, u64)], free: Option<u64>) -> JobPreview {
        let disk = |&(folder, to_write): &(&std::path::Path, u64)| Disk {
            folder: folder.to_owned(),
            to_write,
            free,
            taken: 0,
        };
        JobPreview {
            job: "a task".to_owned(),
            images: Vec::new(),
            comes_later: false,
            takes_all_platforms: false,
            warnings: Vec::new(),
            disks: folders.iter().map(disk).collect(),
            projects: Vec::new(),
            hosts: Vec::new(),
        }
    }

    #[test]
    fn directories_on_one_filesystem_share_its_space_within_a_task_and_across_tasks() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let mut plans = [
            task(&[(&one, 60), (&other, 30)], Some(100)),
            task(&[(&one, 25), (&other, 0)], Some(100)),
        ];
        share_filesystems(&mut plans);
        let seen = |plan: &JobPreview| -> Vec<(u64, u64)> {
            let disks = plan.disks.iter();
            disks.map(|disk| (disk.taken, disk.missing())).collect()
        };
        assert_eq!(seen(&plans[0]), [(0, 0), (60, 0)]);
        assert_eq!(seen(&plans[1]), [(90, 15), (115, 0)]);
    }

    #[test]
    fn nothing_is_missing_where_the_free_space_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let mut plans = [task(&[(folder.path(), u64::MAX), (folder.path(), 1)], None)];
        share_filesystems(&mut plans);
        assert!(plans[0].disks.iter().all(|disk| disk.missing() == 0));
    }
}
