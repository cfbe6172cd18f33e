//! `kill -9` at any moment, then the same command again.
//!
//! After each kill nothing with a final name is short or wrong, and every tag leads to all that it needs. The next run asks for no
//! finished blob again, and for a partial one from its last byte on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use transload_reference::Digest;
use transload_test_support::image::Image;
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::scripted::Request;
use transload_test_support::{Output, Running, ScriptedRegistry, Transload};

use super::images::{bytes, release};
use super::whole::{assert_sound, blobs, partials};
use super::{Dice, folder, often, text};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many bytes of a partial blob may be fetched again.
const AGAIN: u64 = 4 << 20;

/// Runs the program until it ends by itself or `is_time` holds, which kills it. Whether it was killed.
fn run_until(program: Transload, mut is_time: impl FnMut() -> bool) -> Result<Output, ()> {
    let mut running: Running = program.spawn();
    let deadline = Instant::now() + PATIENCE;
    loop {
        if running.has_ended() {
            return Ok(running.wait());
        }
        if is_time() {
            // It may have ended since: then there is nothing to kill.
            running.kill();
            let output = running.wait();
            return if output.signal == Some(9) {
                Err(())
            } else {
                Ok(output)
            };
        }
        assert!(Instant::now() < deadline, "neither an end nor a time to kill");
        thread::sleep(Duration::from_micros(500));
    }
}

/// A link that makes a transfer of the set take long enough to be killed several times.
fn slow(registry: &ScriptedRegistry, rate: u64) -> Link {
    Link::start(
        registry.host(),
        LinkConditions {
            rate: Some(rate),
            ..LinkConditions::default()
        },
    )
}

fn registry_with(images: &[(String, Image)]) -> ScriptedRegistry {
    let registry = ScriptedRegistry::start();
    for (repository, image) in images {
        registry.put_image(repository, "v1", image);
    }
    registry
}

fn names(host: &str, images: &[(String, Image)]) -> Vec<String> {
    images
        .iter()
        .map(|(repository, _)| format!("{host}/{repository}:v1"))
        .collect()
}

fn tags(images: &[(String, Image)]) -> Vec<String> {
    images
        .iter()
        .map(|(repository, _)| format!("{repository}:v1"))
        .collect()
}

/// Where each fetch of a blob began, in order.
fn fetches(requests: &[Request]) -> Vec<(String, u64)> {
    let blob = |request: &Request| {
        let (_, digest) = request.path.rsplit_once("/blobs/")?;
        let range = request
            .header("range")
            .and_then(|range| range.strip_prefix("bytes="));
        let start = range
            .and_then(|range| range.strip_suffix('-'))
            .map_or(Ok(0), str::parse);
        Some((digest.to_owned(), start.expect("the start of a range")))
    };
    requests
        .iter()
        .filter(|request| request.method == "GET")
        .filter_map(blob)
        .collect()
}

#[test]
fn a_pull_that_is_killed_goes_on_where_its_bytes_end() {
    let images = release(12);
    let registry = registry_with(&images);
    let link = slow(&registry, 30_000_000);
    let all = bytes(&images);
    let mut dice = Dice::new(1);
    let wanted = often(30);
    let (mut kills, mut resumed, mut again) = (0, 0, 0);
    while kills < wanted {
        let dir = folder();
        let store = dir.path().join("images");
        let (mut finished, mut partial) = (BTreeSet::new(), BTreeMap::new());
        loop {
            registry.log().clear();
            let program = Transload::new()
                .args([
                    "pull",
                    "--dest",
                    &text(&store),
                    "--plain-http",
                    "--quiet",
                    "--jobs",
                    "4",
                ])
                .args(names(link.host(), &images));
            let (start, most) = (link.bytes_from_server(), dice.below(all / 5));
            let ended = run_until(program, || link.bytes_from_server() - start > most);

            let mut seen = BTreeSet::new();
            for (digest, start) in fetches(&registry.log().requests()) {
                assert!(
                    !finished.contains(&digest),
                    "{digest} was there, and is fetched again"
                );
                if let (true, Some(&kept)) = (seen.insert(digest.clone()), partial.get(&digest)) {
                    assert!(
                        start <= kept && kept - start <= AGAIN,
                        "{digest} has {kept} bytes, and is fetched from {start}"
                    );
                    resumed += u64::from(start > 0);
                    again += kept - start;
                }
            }
            let held = assert_sound(&store);
            if let Ok(output) = ended {
                output.expect_code(0);
                assert_eq!(held, tags(&images));
                assert_eq!(partials(&store), BTreeMap::new());
                Transload::new()
                    .args(["verify", &text(&store)])
                    .run()
                    .expect_code(0);
                break;
            }
            kills += 1;
            finished = blobs(&store).into_keys().collect();
            partial = partials(&store);
        }
    }
    assert!(resumed > 0, "no kill left a partial blob");
    println!("pull: {kills} kills, {resumed} partial blobs resumed, {again} of their bytes fetched again");
}

/// The bodies that a registry has read of uploads.
fn uploaded(registry: &ScriptedRegistry) -> u64 {
    let requests = registry.log().requests();
    requests
        .iter()
        .filter(|request| request.path.contains("/blobs/uploads/"))
        .map(|request| request.body_bytes)
        .sum()
}

/// Checks that what a registry's tags stand for is whole, and that no blob in `there` was sent again. Gives the blobs that are there
/// now, and the tags.
#[track_caller]
fn assert_registry_sound(
    registry: &ScriptedRegistry,
    images: &[(String, Image)],
    there: &BTreeSet<(String, Digest)>,
) -> (BTreeSet<(String, Digest)>, Vec<String>) {
    // What the killed program sent last may still be on its way.
    let is_quiet = |requests: &[Request]| requests.iter().all(|request| request.finished);
    assert!(
        registry.log().wait_for(is_quiet, PATIENCE),
        "the registry has no rest"
    );
    for request in registry.log().requests() {
        let again = there.iter().find(|(repository, digest)| {
            request.method == "PUT"
                && request.path.contains(&format!("/{repository}/blobs/"))
                && request.query.contains(digest.hex())
        });
        assert!(again.is_none(), "{again:?} was there, and is sent again");
    }
    let mut tags = Vec::new();
    for (repository, image) in images {
        if registry.manifest(repository, "v1").is_some() {
            assert!(
                registry.has_image(repository, "v1", image),
                "{repository}:v1 is there, and lacks something"
            );
            tags.push(format!("{repository}:v1"));
        }
    }
    (registry.blobs().into_iter().collect(), tags)
}

/// Sends the set to a registry by a command that is killed again and again. `command` makes its arguments from the destination.
fn sent_despite_kills(
    images: &[(String, Image)],
    wanted: usize,
    dice: &mut Dice,
    command: impl Fn(&str) -> Vec<String>,
) -> usize {
    let all = bytes(images);
    let mut kills = 0;
    while kills < wanted {
        let registry = ScriptedRegistry::start();
        let link = slow(&registry, 30_000_000);
        let mut there = BTreeSet::new();
        loop {
            registry.log().clear();
            let program =
                Transload::new()
                    .args(command(link.host()))
                    .args(["--plain-http", "--quiet", "--jobs", "4"]);
            let most = dice.below(all / 5);
            let ended = run_until(program, || uploaded(&registry) > most);
            let (blobs, held) = assert_registry_sound(&registry, images, &there);
            if let Ok(output) = ended {
                output.expect_code(0);
                assert_eq!(held, tags(images));
                break;
            }
            kills += 1;
            there = blobs;
        }
    }
    kills
}

#[test]
fn a_push_that_is_killed_sends_no_finished_blob_again() {
    let images = release(12);
    let dir = folder();
    let store = dir.path().join("images");
    for (repository, image) in &images {
        kubekey::write(
            &store,
            "hub.example.com",
            repository,
            "v1",
            image,
            Generation::Third,
        );
    }
    let kills = sent_despite_kills(&images, often(12), &mut Dice::new(2), |host| {
        ["push", "--src", &text(&store), "--dest", host]
            .map(str::to_owned)
            .to_vec()
    });
    println!("push: {kills} kills");
}

#[test]
fn a_copy_between_registries_that_is_killed_sends_no_finished_blob_again() {
    let images = release(12);
    let from = registry_with(&images);
    let kills = sent_despite_kills(&images, often(8), &mut Dice::new(3), |host| {
        let mut args = names(from.host(), &images);
        args.extend(["copy", "--dest", host].map(str::to_owned));
        args.rotate_right(3);
        args
    });
    println!("registry to registry: {kills} kills");
}

#[test]
fn a_copy_between_directories_that_is_killed_writes_no_finished_blob_again() {
    let images = release(60);
    let dir = folder();
    let store = dir.path().join("images");
    for (repository, image) in &images {
        kubekey::write(
            &store,
            "hub.example.com",
            repository,
            "v1",
            image,
            Generation::Third,
        );
    }
    let all = bytes(&images);
    let mut dice = Dice::new(4);
    let (mut kills, wanted) = (0, often(12));
    let mut round = 0;
    while kills < wanted {
        round += 1;
        let copy = dir.path().join(format!("copy{round}"));
        let mut finished: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let (start, most) = (size(&copy), dice.below(all / 5));
            let program = Transload::new().args([
                "copy",
                "--src",
                &text(&store),
                "--dest",
                &text(&copy),
                "--quiet",
                "--jobs",
                "2",
            ]);
            let ended = run_until(program, || size(&copy).saturating_sub(start) > most);
            let held = assert_sound(&copy);
            let now = inodes(&copy);
            for (name, inode) in &finished {
                assert_eq!(
                    now.get(name),
                    Some(inode),
                    "{name} was there, and is written again"
                );
            }
            if let Ok(output) = ended {
                output.expect_code(0);
                assert_eq!(held, tags(&images));
                break;
            }
            kills += 1;
            finished = now;
        }
        fs::remove_dir_all(&copy).expect("a folder to remove");
    }
    println!("copy: {kills} kills");
}

/// How many bytes of each open blob a kill may cost where an archive is written.
const LOST: u64 = 8 << 20;

#[test]
fn an_archive_that_is_killed_goes_on_and_has_the_bytes_of_one_that_is_not() {
    const JOBS: usize = 4;
    let images = release(12);
    let registry = registry_with(&images);
    let link = slow(&registry, 30_000_000);
    let all = bytes(&images);
    let copy = |dest: &Path| {
        Transload::new()
            .args(["copy", "--plain-http", "--quiet", "--jobs", &JOBS.to_string()])
            .args(["--dest", &format!("oci-archive:{}", text(dest))])
            .args(names(link.host(), &images))
    };
    let dir = folder();
    let whole = dir.path().join("whole.tar");
    copy(&whole).run().expect_code(0);
    let whole = fs::read(whole).expect("an archive");

    let mut dice = Dice::new(5);
    let (mut kills, wanted, mut round) = (0, often(6), 0);
    while kills < wanted {
        round += 1;
        let archive = dir.path().join(format!("{round}.tar"));
        let (mut fetched, mut killed) = (0, 0);
        loop {
            let (start, most) = (link.bytes_from_server(), dice.below(all / 4));
            let ended = run_until(copy(&archive), || link.bytes_from_server() - start > most);
            fetched += link.bytes_from_server() - start;
            if let Ok(output) = ended {
                output.expect_code(0);
                break;
            }
            assert!(!archive.exists(), "the archive has its name before it is whole");
            killed += 1;
        }
        assert!(
            fs::read(&archive).expect("an archive") == whole,
            "it has other bytes"
        );
        // Manifests are read in each run, and the link carries heads too.
        let most = all + all / 50 + killed * (JOBS as u64 * LOST + all / 50);
        assert!(fetched <= most, "{fetched} of {all} bytes with {killed} kills");
        kills += killed as usize;
        fs::remove_file(archive).expect("a file to remove");
    }
    println!("archive: {kills} kills");
}

/// The bytes of a store's blobs, finished or partial.
fn size(store: &Path) -> u64 {
    let finished = blobs(store).into_values().filter_map(|path| path.metadata().ok());
    finished.map(|metadata| metadata.len()).sum::<u64>() + partials(store).values().sum::<u64>()
}

fn inodes(store: &Path) -> BTreeMap<String, u64> {
    let inode = |path: &Path| path.metadata().expect("a blob that stays").ino();
    blobs(store)
        .into_iter()
        .map(|(name, path)| (name, inode(&path)))
        .collect()
}
