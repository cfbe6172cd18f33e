//! Long use of one directory: pulls, pushes, prunes and servers at once, killed at random, over a link that changes.
//!
//! `cargo xtask test --soak MINUTES` (`TRANSLOAD_TEST_SOAK=MINUTES`) goes on for so long, and says how it goes; without it, a few steps are done.
//! What a successful command has written, and nobody was told to delete, is there after each step, whole. Neither a server's memory and open
//! files nor those of commands grow.

mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use transload_test_support::image::{Family, Image, ImageBuilder, noise};
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::{Output, Running, ScriptedRegistry, Transload};

use super::whole::{assert_sound, blobs, partials};
use super::{Dice, folder, text};
use crate::serve::Served;
use seen::{Seen, memory, open_files};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const REPOSITORIES: u64 = 8;
/// How many images a tag stands for in turn.
const VARIANTS: u64 = 3;
/// Where images are in the directory that came through a server.
const PUSHED: &str = "pushed";
/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// The steps without the variable.
const FEW_STEPS: usize = 8;
/// After so many steps the directory is looked at while nobody uses it.
const CALM_EVERY: usize = 20;

/// Any of a repository's images.
fn variant(repository: u64, variant: u64) -> Image {
    let own = noise(
        1000 + repository * 10 + variant,
        300_000 + repository as usize * 100_000,
    );
    ImageBuilder::new(Family::Oci)
        .blob_layer(LAYER, &noise(1, 800_000))
        .blob_layer(LAYER, &noise(10 + repository % 3, 300_000))
        .blob_layer(LAYER, &own)
        .build()
}

/// A link's conditions, and whether all goes well over it.
fn conditions(dice: &mut Dice) -> (LinkConditions, bool) {
    let calm = LinkConditions::default();
    let (seed, strikes) = (Some(dice.below(1 << 32)), Some(1 + dice.below(3)));
    let struck = LinkConditions {
        seed,
        strikes,
        rate: Some(8_000_000),
        ..calm
    };
    let bytes = Some(100_000 + dice.below(2_000_000));
    let conditions = match dice.below(8) {
        0 | 1 => return (calm, true),
        2 => {
            let rate = Some(1_500_000 + dice.below(6_000_000));
            return (LinkConditions { rate, ..calm }, true);
        }
        3 => LinkConditions {
            cut_after: bytes,
            ..struck
        },
        4 => LinkConditions {
            cut_upload_after: bytes,
            ..struck
        },
        5 => LinkConditions {
            corrupt_after: bytes,
            ..struck
        },
        6 => LinkConditions {
            stall_after: bytes,
            ..struck
        },
        _ => LinkConditions {
            refuse_every: Some(2),
            ..struck
        },
    };
    (conditions, false)
}

/// What a command means to the images in the directory.
enum Purpose {
    /// It writes these tags.
    Writes(Vec<String>),
    /// It deletes all tags but those that hold this text.
    Keeps(String),
    /// It sends all that there is to the other registry.
    Sends,
    /// It writes these tags to another folder.
    Reads(PathBuf, Vec<String>),
}

/// A command under way.
struct Step {
    running: Running,
    purpose: Purpose,
    /// Whether it may fail.
    is_risky: bool,
    kill_at: Option<Instant>,
    /// A server that is killed with it.
    server: Option<Served>,
}

struct Soak {
    dice: Dice,
    registry: ScriptedRegistry,
    link: Link,
    other: ScriptedRegistry,
    dir: tempfile::TempDir,
    server: Served,
    /// By repository, what its tag stands for in turn.
    images: Vec<Vec<Image>>,
    /// What each tag of the registry stands for.
    current: Vec<usize>,
    /// The tags that have to be in the directory.
    held: BTreeSet<String>,
    seen: Seen,
}

impl Soak {
    fn new(dice: Dice) -> Soak {
        let registry = ScriptedRegistry::start();
        let images: Vec<Vec<Image>> = (0..REPOSITORIES)
            .map(|repository| (0..VARIANTS).map(|number| variant(repository, number)).collect())
            .collect();
        for (repository, images) in images.iter().enumerate() {
            registry.put_image(&format!("team/app{repository}"), "v1", &images[0]);
        }
        let link = Link::start(registry.host(), LinkConditions::default());
        let dir = folder();
        let store = text(dir.path().join("images"));
        let first = format!("{}/team/app0:v1", link.host());
        let pull = Transload::new().args(["pull", "--plain-http", "--dest", &store, &first]);
        pull.run().expect_code(0);
        // One that is pushed to keeps others from pruning for a minute: those don't live long here.
        let server = Served::start(&[&store]);
        Soak {
            dice,
            registry,
            link,
            other: ScriptedRegistry::start(),
            dir,
            server,
            images,
            current: vec![0; REPOSITORIES as usize],
            held: BTreeSet::from(["team/app0:v1".to_owned()]),
            seen: Seen::default(),
        }
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("images")
    }

    /// The images, as the registry behind the link has them.
    fn names(&self, chosen: &[u64]) -> Vec<String> {
        let name = |number: &u64| format!("{}/team/app{number}:v1", self.link.host());
        chosen.iter().map(name).collect()
    }

    /// Some repositories, at least one.
    fn some(&mut self) -> Vec<u64> {
        let first = self.dice.below(REPOSITORIES);
        (0..REPOSITORIES)
            .filter(|number| *number == first || self.dice.below(2) == 0)
            .collect()
    }

    /// Some commands at once; whether nothing is lost once they have ended.
    fn step(&mut self) {
        let moved = self.dice.below(REPOSITORIES) as usize;
        let to = self.dice.below(VARIANTS) as usize;
        self.current[moved] = to;
        self.registry
            .put_image(&format!("team/app{moved}"), "v1", &self.images[moved][to]);
        let (conditions, is_calm) = conditions(&mut self.dice);
        self.link.set(conditions);
        let mut steps = Vec::new();
        // At most one: two would leave open which tags are kept.
        let is_pruned = self.dice.below(3) == 0;
        let (count, pruned_at) = (1 + self.dice.below(3), self.dice.below(2));
        for number in 0..count {
            if is_pruned && number == pruned_at.min(count - 1) {
                steps.push(self.prune());
            }
            steps.push(self.command(!is_calm, is_pruned));
        }
        // A link changes under way, too.
        if self.dice.below(3) == 0 {
            self.link.set(LinkConditions::default());
        }
        self.wait(steps);
        self.seen.steps += 1;
        let tags: BTreeSet<String> = assert_sound(&self.store()).into_iter().collect();
        let lost: Vec<&String> = self.held.difference(&tags).collect();
        assert!(lost.is_empty(), "lost: {lost:?} of {:?}", self.held);
        for registry in [&self.registry, &self.other] {
            registry.log().clear();
        }
        let server = self.server.running.id();
        self.seen.server_memory.push(memory(server));
        self.seen.server_files.push(open_files(server));
    }

    fn started(&mut self, program: Transload, purpose: Purpose, is_risky: bool) -> Step {
        let running = program
            .args(["--plain-http", "--quiet", "--jobs", "4", "--timeout", "2"])
            .time_limit(PATIENCE)
            .spawn();
        self.killed_perhaps(running, purpose, is_risky)
    }

    fn killed_perhaps(&mut self, running: Running, purpose: Purpose, is_risky: bool) -> Step {
        self.seen.begun += 1;
        let dies = self.dice.below(3) == 0;
        // Early rather than late: most commands take less than half a second.
        let after = Duration::from_millis(self.dice.below(32) * self.dice.below(32));
        Step {
            running,
            purpose,
            is_risky,
            kill_at: dies.then(|| Instant::now() + after),
            server: None,
        }
    }

    fn prune(&mut self) -> Step {
        let kept = match self.dice.below(3) {
            0 => PUSHED.to_owned(),
            1 => "team/app".to_owned(),
            _ => format!("app{}", self.dice.below(REPOSITORIES)),
        };
        let store = text(self.store());
        let program = Transload::new().args(["prune", &store, "--keep-pattern", &kept, "--yes"]);
        let running = program.time_limit(PATIENCE).spawn();
        self.killed_perhaps(running, Purpose::Keeps(kept), false)
    }

    fn command(&mut self, is_risky: bool, is_pruned: bool) -> Step {
        let store = text(self.store());
        let chosen = self.some();
        let names = self.names(&chosen);
        let tags = |prefix: &str| {
            let tag = |number: &u64| format!("{prefix}team/app{number}:v1");
            chosen.iter().map(tag).collect::<Vec<_>>()
        };
        match self.dice.below(6) {
            0 | 1 => {
                let program = Transload::new().args(["pull", "--dest", &store]).args(names);
                self.started(program, Purpose::Writes(tags("")), is_risky)
            }
            2 => {
                let host = self.other.host().to_owned();
                let program = Transload::new().args(["push", "--src", &store, "--dest", &host]);
                self.started(program, Purpose::Sends, false)
            }
            3 | 4 => {
                let short = Served::start(&[&store, "--writable", "--as", "hub.local"]);
                let dest = format!("{}/{PUSHED}", short.host());
                let program = Transload::new()
                    .args(["copy", "--retries", "1", "--dest", &dest])
                    .args(names);
                let written = tags(&format!("{PUSHED}/"));
                let mut step = self.started(program, Purpose::Writes(written), true);
                step.server = Some(short);
                step
            }
            _ => {
                let to = self.dir.path().join(format!("read{}", self.seen.begun));
                let held: Vec<u64> = chosen.into_iter().filter(|number| self.holds(*number)).collect();
                let names = self.names(&held);
                let read = held.iter().map(|number| format!("team/app{number}:v1"));
                let purpose = Purpose::Reads(to.clone(), read.collect());
                let program =
                    Transload::new().args(["pull", "--src", self.server.host(), "--dest", &text(&to)]);
                // Nothing to pull is wrong usage: one that isn't there is asked for.
                let is_nothing = names.is_empty();
                let program = match is_nothing {
                    true => program.args(self.names(&[REPOSITORIES])),
                    false => program.args(names),
                };
                self.started(program, purpose, is_nothing || is_pruned)
            }
        }
    }

    fn holds(&self, number: u64) -> bool {
        self.held.contains(&format!("team/app{number}:v1"))
    }

    /// Waits until all have ended or were killed, then looks at what they left.
    fn wait(&mut self, mut steps: Vec<Step>) {
        let mut most_files = vec![0; steps.len()];
        let mut is_over = vec![false; steps.len()];
        while is_over.contains(&false) {
            for (number, step) in steps.iter_mut().enumerate() {
                if is_over[number] {
                    continue;
                }
                most_files[number] = open_files(step.running.id()).max(most_files[number]);
                if step.running.has_ended() {
                    is_over[number] = true;
                    step.server = None;
                } else if step.kill_at.is_some_and(|at| Instant::now() >= at) {
                    match &mut step.server {
                        Some(server) => server.running.kill(),
                        None => step.running.kill(),
                    }
                    step.kill_at = None;
                    self.seen.kills += 1;
                }
            }
            thread::sleep(Duration::from_millis(2));
        }
        // What a prune deletes is deleted whenever it comes: before or after what others write.
        let mut written = Vec::new();
        let mut kept: Option<String> = None;
        for (number, step) in steps.into_iter().enumerate() {
            let output = step.running.wait();
            self.seen.commands += 1;
            self.seen.commands_memory.push(output.peak_memory_bytes);
            self.seen.commands_files.push(most_files[number]);
            let is_done = match &step.purpose {
                // Where no image matches, it deletes nothing and says that it is used wrongly.
                Purpose::Keeps(_) if output.code == Some(2) => false,
                _ => is_done(output, step.is_risky),
            };
            self.seen.failures += usize::from(!is_done);
            match step.purpose {
                Purpose::Writes(tags) if is_done => written.extend(tags),
                Purpose::Writes(_) => {}
                Purpose::Keeps(pattern) => kept = Some(pattern),
                Purpose::Sends if is_done => self.assert_sent(),
                Purpose::Sends => {}
                Purpose::Reads(folder, tags) => {
                    let read = assert_sound(&folder);
                    assert!(!is_done || tags.iter().all(|tag| read.contains(tag)));
                    fs::remove_dir_all(&folder).ok();
                }
            }
        }
        self.held.extend(written);
        if let Some(pattern) = kept {
            self.held.retain(|tag| tag.contains(&pattern));
        }
    }

    /// Whether what the other registry's tags stand for is whole.
    fn assert_sent(&self) {
        for (number, images) in self.images.iter().enumerate() {
            for prefix in ["", "pushed/"] {
                let repository = format!("{prefix}team/app{number}");
                if self.other.manifest(&repository, "v1").is_some() {
                    let is_whole = images
                        .iter()
                        .any(|image| self.other.has_image(&repository, "v1", image));
                    assert!(is_whole, "{repository} lacks something");
                }
            }
        }
    }

    /// Pulls and prunes while nothing else happens: what isn't needed is gone, and all that is needed is there.
    fn calm(&mut self) {
        self.link.set(LinkConditions::default());
        let store = text(self.store());
        let all: Vec<u64> = (0..REPOSITORIES).collect();
        let names = self.names(&all);
        let pull = Transload::new().args(["pull", "--plain-http", "--quiet", "--dest", &store]);
        pull.args(&names).run().expect_code(0);
        // By a pattern, the images that have lost their tags would stay.
        let prune = Transload::new().args(["prune", &store, "--keep-file", "-", "--yes"]);
        prune.stdin(names.join("\n")).run().expect_code(0);
        Transload::new().args(["verify", &store]).run().expect_code(0);
        let tags = all.iter().map(|number| format!("team/app{number}:v1"));
        self.held = tags.collect();
        let found: BTreeSet<String> = assert_sound(&self.store()).into_iter().collect();
        assert_eq!(found, self.held);
        let current = self.images.iter().zip(&self.current);
        let needed: BTreeSet<String> = current
            .flat_map(|(images, current)| &images[*current].blobs)
            .map(|(blob, _)| blob.digest.to_string())
            .collect();
        let there: BTreeSet<String> = blobs(&self.store()).into_keys().collect();
        assert_eq!(there, needed);
        assert_eq!(partials(&self.store()), BTreeMap::new());
    }
}

/// Whether a command has done what it should. One that wasn't killed and has nothing in its way must have.
fn is_done(output: Output, is_risky: bool) -> bool {
    match output.signal {
        Some(9) => false,
        _ if is_risky => {
            let stderr = &output.stderr;
            assert!(matches!(output.code, Some(0 | 1)), "{:?}: {stderr}", output.code);
            output.code == Some(0)
        }
        _ => output.expect_code(0).code.is_some(),
    }
}

#[test]
fn nothing_is_lost_and_nothing_grows_in_long_use_of_one_directory() {
    let minutes = env::var("TRANSLOAD_TEST_SOAK").ok();
    let minutes = minutes.map(|minutes| minutes.parse::<u64>().expect("TRANSLOAD_TEST_SOAK is in minutes"));
    let seed = match (env::var("TRANSLOAD_TEST_SEED"), minutes) {
        (Ok(seed), _) => seed.parse().expect("TRANSLOAD_TEST_SEED is a number"),
        (_, Some(_)) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.map_or(0, |now| now.as_secs())
        }
        (_, None) => 6,
    };
    println!("soak: TRANSLOAD_TEST_SEED={seed}");
    let (began, mut told) = (Instant::now(), Instant::now());
    let mut soak = Soak::new(Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
    let is_over = |steps: usize| match minutes {
        Some(minutes) => began.elapsed() >= Duration::from_secs(60 * minutes),
        None => steps >= FEW_STEPS,
    };
    while !is_over(soak.seen.steps) {
        soak.step();
        if soak.seen.steps.is_multiple_of(CALM_EVERY) {
            soak.calm();
        }
        if told.elapsed() >= Duration::from_secs(60) {
            soak.seen.tell(began.elapsed(), soak.link.bytes_from_server());
            told = Instant::now();
        }
    }
    soak.calm();
    soak.seen.tell(began.elapsed(), soak.link.bytes_from_server());
    if minutes.is_some() {
        soak.seen.assert_level();
    }
}
