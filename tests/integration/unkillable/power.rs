//! Power cuts: nothing is visible before what it needs is durable. The calls of a real run are looked at, in their order.
//!
//! A name that was given may outlast a power cut at once, or be lost until its folder is flushed; bytes may be lost until their file is.
//! So at the moment that a manifest or tag gets its name, the bytes and names of all that it needs have to be flushed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use transload_test_support::image::{Family, ImageBuilder};
use transload_test_support::{ScriptedRegistry, Transload};

use super::images::release;
use super::whole::{assert_sound, blobs, partials};
use super::{folder, text};

/// Something that a run did to its store.
#[derive(Debug)]
enum Call {
    /// A file or folder was flushed, and that is done.
    Flushed(PathBuf),
    /// A file is about to get this name.
    Named(PathBuf, PathBuf),
    /// A folder was made.
    Made(PathBuf),
}

/// The calls in strace's output, each process's unfinished ones put together: flushes where they end, names where they begin.
fn calls(log: &str) -> Vec<Call> {
    let mut unfinished: BTreeMap<&str, Call> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let Some((process, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            let call = unfinished.remove(process);
            calls.extend(call.filter(|_| rest.ends_with("= 0")));
            continue;
        }
        let Some(call) = call(rest) else { continue };
        let is_done = rest.ends_with("= 0");
        match call {
            Call::Named(..) => {
                unfinished.remove(process);
                calls.push(call);
            }
            _ if is_done => calls.push(call),
            _ if rest.ends_with("<unfinished ...>") => {
                unfinished.insert(process, call);
            }
            _ => {}
        }
    }
    calls
}

fn call(text: &str) -> Option<Call> {
    let (name, arguments) = text.split_once('(')?;
    let paths: Vec<PathBuf> = arguments
        .split('"')
        .skip(1)
        .step_by(2)
        .map(PathBuf::from)
        .collect();
    Some(match (name, paths.as_slice()) {
        ("fsync" | "fdatasync", _) => {
            let path = arguments.split_once('<')?.1;
            Call::Flushed(path.split_once('>')?.0.into())
        }
        ("rename" | "renameat" | "renameat2" | "link" | "linkat", [from, to]) => {
            Call::Named(from.clone(), to.clone())
        }
        ("mkdir" | "mkdirat", [path, ..]) => Call::Made(path.clone()),
        _ => return None,
    })
}

/// What would be left of a store after a power cut.
#[derive(Default)]
struct Disk {
    /// Files whose bytes are flushed.
    bytes: BTreeSet<PathBuf>,
    /// Names of files and folders that were given and may be lost.
    fleeting: BTreeSet<PathBuf>,
}

impl Disk {
    fn apply(&mut self, call: &Call) {
        match call {
            Call::Flushed(path) => {
                self.fleeting.retain(|name| name.parent() != Some(path));
                self.bytes.insert(path.clone());
            }
            Call::Named(from, to) => {
                if self.bytes.contains(from) {
                    self.bytes.insert(to.clone());
                } else {
                    self.bytes.remove(to);
                }
                self.fleeting.insert(to.clone());
            }
            Call::Made(path) => {
                self.fleeting.insert(path.clone());
            }
        }
    }

    #[track_caller]
    fn assert_lasts(&self, path: &Path, why: &str) {
        assert!(
            self.bytes.contains(path),
            "{why}, and the bytes of {} may be lost",
            path.display()
        );
        for name in path.ancestors() {
            assert!(
                !self.fleeting.contains(name),
                "{why}, and the name {} may be lost",
                name.display()
            );
        }
    }
}

/// Whether processes can be traced here. Where not, that is said.
pub fn may_trace() -> bool {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let traced = traced.unwrap_or_else(|error| panic!("no strace (Debian package strace): {error}"));
    if !traced.status.success() {
        let why = String::from_utf8_lossy(&traced.stderr);
        eprintln!("not tested: no process can be traced here: {why}");
    }
    traced.status.success()
}

/// After a flush that failed, the system may call bytes durable that it has given up.
#[test]
fn bytes_that_a_flush_did_not_take_are_fetched_again() {
    if !may_trace() {
        return;
    }
    let image = ImageBuilder::new(Family::Oci).noise_layer(1, 300_000).build();
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &image);
    let dir = folder();
    let store = dir.path().join("images");
    let name = format!("{}/team/app:v1", registry.host());
    let args = [
        "pull",
        "--plain-http",
        "--jobs",
        "1",
        "--dest",
        &text(&store),
        &name,
    ];
    // The second blob's flush fails, as on a disk that breaks.
    let fails = [
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO:when=2",
    ];
    let output = Transload::new()
        .under("strace", fails)
        .args(args)
        .run()
        .expect_code(1);
    let told = "destination: making durable ";
    assert!(
        output.stderr.contains(told) && output.stderr.contains("Input/output error"),
        "{}",
        output.stderr
    );
    assert_eq!(assert_sound(&store), [] as [&str; 0]);
    assert_eq!(blobs(&store).len(), 1, "what couldn't be flushed has a name");
    assert!(
        partials(&store).values().all(|bytes| *bytes == 0),
        "what couldn't be flushed is kept"
    );
    registry.log().clear();
    Transload::new().args(args).run().expect_code(0);
    assert_eq!(assert_sound(&store), ["team/app:v1"]);
    let requests = registry.log().requests();
    let fetches: Vec<_> = requests
        .iter()
        .filter(|request| request.is("GET", "/blobs/"))
        .collect();
    assert!(
        fetches.len() == 1 && fetches[0].header("range").is_none(),
        "{fetches:?}"
    );
}

#[test]
fn nothing_is_visible_before_what_it_needs_is_durable() {
    let images = release(1);
    let registry = ScriptedRegistry::start();
    for (repository, image) in &images {
        registry.put_image(repository, "v1", image);
    }
    let dir = folder();
    let (store, log) = (dir.path().join("new/images"), dir.path().join("log"));
    if !may_trace() {
        return;
    }
    let trace = "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,mkdir,mkdirat";
    Transload::new()
        .under(
            "strace",
            ["-f", "-y", "-s", "4096", "-e", trace, "-o", &text(&log)],
        )
        .args(["pull", "--plain-http", "--dest", &text(&store)])
        .args(
            images
                .iter()
                .map(|(repository, _)| format!("{}/{repository}:v1", registry.host())),
        )
        .run()
        .expect_code(0);
    assert_eq!(assert_sound(&store).len(), images.len());

    let mut disk = Disk::default();
    let (mut blobs, mut manifests, mut tags) = (0, 0, 0);
    for call in calls(&fs::read_to_string(&log).expect("strace's output")) {
        if let Call::Named(from, to) = &call
            && to.starts_with(&store)
        {
            let name = to
                .file_name()
                .and_then(|name| name.to_str())
                .expect("plain names");
            let folder = to.parent().expect("a file in a folder");
            let why = format!("{} gets its name", to.display());
            if folder.ends_with("blobs") {
                assert!(disk.bytes.contains(from), "{why}, and its bytes may be lost");
                blobs += 1;
            } else if folder.ends_with("manifests") {
                assert!(
                    disk.bytes.contains(from) || name == "v1",
                    "{why}, and its bytes may be lost"
                );
                let digests = match name {
                    "layout" | "v1" => vec![tagged(folder)],
                    digest => parts(folder, digest).into_iter().map(|part| part.0).collect(),
                };
                let kinds = match name {
                    "layout" | "v1" => vec![false],
                    digest => parts(folder, digest).into_iter().map(|part| part.1).collect(),
                };
                for (digest, is_blob) in digests.iter().zip(kinds) {
                    let path = if is_blob {
                        store.join("blobs")
                    } else {
                        folder.to_owned()
                    };
                    disk.assert_lasts(&path.join(digest), &why);
                }
                if name == "layout" {
                    tags += 1
                } else {
                    manifests += 1
                }
            }
        }
        disk.apply(&call);
    }
    let of_images = images
        .iter()
        .map(|(_, image)| image.manifests.len())
        .sum::<usize>();
    assert!(
        blobs > images.len() && manifests >= of_images && tags == images.len(),
        "{blobs} {manifests} {tags}"
    );
    let lost: Vec<_> = disk
        .fleeting
        .iter()
        .filter(|name| name.starts_with(dir.path()) && !name.to_string_lossy().contains(".transload/"))
        .collect();
    assert!(
        lost.is_empty(),
        "at the end of the run these names may be lost: {lost:?}"
    );
}

/// What the repository's one tag stands for.
fn tagged(folder: &Path) -> String {
    let layout: Value =
        serde_json::from_slice(&fs::read(folder.join("layout")).expect("a tag map")).expect("a tag map");
    layout["v1"].as_str().expect("a digest").to_owned()
}

/// The digests that a manifest names, each with whether it is a blob's.
fn parts(folder: &Path, digest: &str) -> Vec<(String, bool)> {
    let manifest = fs::read(folder.join(digest)).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest");
    let list = |name: &str| manifest[name].as_array().cloned().unwrap_or_default();
    let digest = |part: &Value| part["digest"].as_str().expect("a digest").to_owned();
    let children = list("manifests")
        .iter()
        .map(|child| (digest(child), false))
        .collect::<Vec<_>>();
    let layers = list("layers");
    let blobs = layers
        .iter()
        .chain(manifest.get("config"))
        .map(|blob| (digest(blob), true));
    children.into_iter().chain(blobs).collect()
}
