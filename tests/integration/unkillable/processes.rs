//! Several processes on one store: nothing is fetched twice, no tag is lost, nobody waits for ever, and who waits is told for whom.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use transload_reference::Digest;
use transload_test_support::image::{Family, Image, ImageBuilder, noise};
use transload_test_support::scripted::{Action, Fault, Request};
use transload_test_support::{Output, Running, ScriptedRegistry, Transload};

use super::images::release;
use super::whole::{assert_sound, partials};
use super::{Dice, folder, often, text};

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn eight_processes_fill_one_store_that_others_prune_and_no_blob_moves_twice() {
    let images = release(2);
    let registry = ScriptedRegistry::start();
    for (repository, image) in &images {
        registry.put_image(repository, "v1", image);
        registry.put_image(repository, "v2", image);
    }
    for round in 0..often(2) as u64 {
        registry.log().clear();
        let dir = folder();
        let store = text(dir.path().join("images"));
        let mut dice = Dice::new(round + 5);
        let mut wanted: Vec<String> = Vec::new();
        let prune = |running: &mut Vec<Running>| {
            // Before the first pull there is no store to prune.
            if Path::new(&store).join(".transload").exists() {
                running.push(Transload::new().args(["prune", &store, "--yes"]).spawn());
            }
        };
        let mut running: Vec<Running> = Vec::new();
        let mut pulls = (0..8)
            .map(|process| {
                // Each takes most of the images, in an order of its own, under one of two tags.
                let mut names: Vec<String> = Vec::new();
                for (repository, _) in &images {
                    if dice.below(4) > 0 || names.is_empty() {
                        let name = format!("{repository}:v{}", 1 + process % 2);
                        names.insert(dice.below(names.len() as u64 + 1) as usize, name);
                    }
                }
                wanted.extend(names.iter().cloned());
                Transload::new()
                    .args(["pull", "--plain-http", "--quiet", "--jobs", "3", "--dest", &store])
                    .args(names.iter().map(|name| format!("{}/{name}", registry.host())))
            })
            .collect::<Vec<Transload>>()
            .into_iter();
        running.extend(pulls.next().map(Transload::spawn));
        let is_busy = |requests: &[Request]| requests.iter().any(|request| request.is("GET", "/blobs/"));
        assert!(registry.log().wait_for(is_busy, PATIENCE));
        for pull in pulls {
            running.push(pull.spawn());
            prune(&mut running);
        }
        assert!(running.len() > 8, "nothing was pruned");
        for output in running.into_iter().map(Running::wait) {
            output.expect_code(0);
        }
        wanted.sort();
        wanted.dedup();
        assert_eq!(assert_sound(store.as_ref()), wanted);
        assert_eq!(partials(store.as_ref()), BTreeMap::new());
        Transload::new().args(["verify", &store]).run().expect_code(0);
        let mut fetched: BTreeMap<String, usize> = BTreeMap::new();
        for request in registry.log().requests() {
            if request.is("GET", "/blobs/") {
                let digest = request.path.rsplit('/').next().unwrap_or_default().to_owned();
                *fetched.entry(digest).or_default() += 1;
            }
        }
        let again: Vec<_> = fetched.iter().filter(|(_, times)| **times > 1).collect();
        assert!(again.is_empty(), "fetched more than once: {again:?}");
    }
}

/// An image of one layer, which hangs on its way after one MiB, once.
struct Slow {
    registry: ScriptedRegistry,
    image: Image,
    layer: Digest,
    dir: tempfile::TempDir,
}

impl Slow {
    fn new() -> Slow {
        let layer = noise(1, 3 * MIB);
        let image = ImageBuilder::new(Family::Oci)
            .blob_layer("application/vnd.oci.image.layer.v1.tar", &layer)
            .build();
        let (registry, layer) = (ScriptedRegistry::start(), Digest::of(&layer));
        registry.put_image("team/app", "v1", &image);
        registry.fault(Fault::new("GET", layer.as_str(), Action::Stall { after: MIB }).first(1));
        Slow {
            registry,
            image,
            layer,
            dir: folder(),
        }
    }

    fn pull(&self) -> Running {
        let name = format!("{}/team/app:v1", self.registry.host());
        Transload::new()
            .args(["pull", "--plain-http", "--dest", &self.store(), &name])
            .spawn()
    }

    fn store(&self) -> String {
        text(self.dir.path().join("images"))
    }

    /// Two processes: one whose transfer hangs, and another that waits for it and says so.
    fn one_waits_for_the_other(&self) -> (Running, Running) {
        let first = self.pull();
        self.registry.wait_until_stalled(1);
        let mut second = self.pull();
        let holder = format!(
            "(process {}: transload pull): another process writes this blob",
            first.id()
        );
        second.wait_for_stderr(|text| {
            text.contains("waiting for ") && text.contains(self.layer.as_str()) && text.contains(&holder)
        });
        (first, second)
    }

    #[track_caller]
    fn assert_pulled(&self, output: Output) {
        output.expect_code(0);
        assert_eq!(assert_sound(self.store().as_ref()), ["team/app:v1"]);
        assert_eq!(self.image.blobs.len(), 2);
    }

    fn fetches(&self) -> Vec<Option<String>> {
        let requests = self.registry.log().requests();
        let of_layer = requests
            .iter()
            .filter(|request| request.is("GET", self.layer.as_str()));
        of_layer
            .map(|request| request.header("range").map(str::to_owned))
            .collect()
    }
}

#[test]
fn who_waits_for_a_blob_says_for_whom_and_finds_it_there() {
    let slow = Slow::new();
    let (first, second) = slow.one_waits_for_the_other();
    slow.registry.release();
    slow.assert_pulled(first.wait());
    slow.assert_pulled(second.wait());
    assert_eq!(slow.fetches(), [None]);
}

#[test]
fn who_waits_for_a_process_that_is_killed_goes_on_where_its_bytes_end() {
    let slow = Slow::new();
    let (mut first, second) = slow.one_waits_for_the_other();
    let kept = partials(slow.store().as_ref())
        .into_values()
        .max()
        .expect("a partial blob");
    first.kill();
    slow.assert_pulled(second.wait());
    assert_eq!(slow.fetches(), [None, Some(format!("bytes={kept}-"))]);
    slow.registry.release();
}

#[test]
fn a_wait_for_another_process_can_be_stopped() {
    let slow = Slow::new();
    let (first, second) = slow.one_waits_for_the_other();
    second.signal("INT");
    let output = second.wait();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    assert!(output.stderr.contains("Stopped."), "{}", output.stderr);
    slow.registry.release();
    slow.assert_pulled(first.wait());
}
