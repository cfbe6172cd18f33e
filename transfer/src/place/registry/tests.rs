use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use transload_layout_store::{BlobWriter, Store};
use transload_reference::MediaType;
use transload_registry_client::RetryPolicy;
use transload_test_support::ScriptedRegistry;
use transload_test_support::scripted::{Action, Fault as Rule};

use super::*;
use crate::event::How;
use crate::place::{Bring, DirectorySource, Expected, Sink};

/// More than a connection's buffers hold.
const SIZE: usize = 9_000_000;

/// A directory with one blob, and a registry that it is pushed to.
struct Scene {
    folder: tempfile::TempDir,
    store: Arc<Store>,
    blob: Descriptor,
    bytes: Vec<u8>,
    to: ScriptedRegistry,
}

impl Scene {
    fn new(size: usize) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::create(folder.path()).unwrap());
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let blob = Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(&bytes), size as u64);
        if let Some(mut writer) = store.write_blob(&blob).unwrap() {
            BlobWriter::write(&mut writer, &bytes).unwrap();
            writer.commit().unwrap();
        }
        Scene {
            folder,
            store,
            blob,
            bytes,
            to: ScriptedRegistry::start(),
        }
    }

    fn path(&self) -> PathBuf {
        self.store.blob_path(&self.blob.digest)
    }

    /// Flips a bit of the blob's file. Returns the digest of its bytes then.
    fn damage(&self, at: usize) -> Digest {
        let mut bytes = self.bytes.clone();
        bytes[at] ^= 1;
        fs::write(self.path(), &bytes).unwrap();
        Digest::of(&bytes)
    }

    fn push_from(&self, source: &Arc<dyn Source>, there: &str) -> Result<How, Fault> {
        let repository = format!("{}/app", self.to.host()).parse().unwrap();
        let destination = RegistrySink::new(client(), self.to.host().parse().unwrap());
        destination.bring_blob(&Bring {
            repository: &repository,
            blob: &self.blob,
            mount_from: None,
            expected: Expected::Missing,
            source,
            source_repository: &there.parse().unwrap(),
            started: &|_| {},
            progress: &|_| {},
            cancel: &AtomicBool::new(false),
            workers: None,
        })
    }

    fn push(&self) -> Result<How, Fault> {
        let source: Arc<dyn Source> = Arc::new(DirectorySource::new(Arc::clone(&self.store)));
        self.push_from(&source, "hub.local/app")
    }

    /// Asserts that a push ends with the file's name, and that the registry was never told that the blob is whole.
    fn assert_refused(&self, actual: &Digest) {
        let fault = self.push().unwrap_err();
        let path = self.path();
        assert_eq!(
            fault.to_string(),
            format!("source: {} is damaged: its digest is {actual}", path.display())
        );
        let hint = fault.hint().unwrap();
        assert!(hint.contains("transload verify --repair"), "{hint}");
        let requests = self.to.log().requests();
        assert!(
            requests
                .iter()
                .all(|request| request.method != "PUT" || request.status.is_none()),
            "no PUT is completed: {requests:#?}"
        );
        assert_eq!(self.to.blobs(), []);
        assert_eq!(self.to.open_sessions(), 0, "the session is cancelled");
    }
}

fn client() -> Client {
    let short = Duration::from_millis(5);
    Client::builder()
        .plain_http(Some(true))
        .retry(RetryPolicy::attempts(4).waits(short, short))
        .proxies_from_env(false)
        .build()
        .unwrap()
}

/// Cuts the first upload after a part of its bytes.
fn cut() -> Rule {
    Rule::new("PUT", "/blobs/", Action::CutUpload { after: 1_000_000 })
}

#[test]
fn a_push_ends_with_the_name_of_a_damaged_file_whatever_its_times_say() {
    let written = |scene: &Scene| fs::metadata(scene.path()).unwrap().modified().unwrap();
    for size in [1, 1000, 300_000] {
        for at in [0, size / 2, size - 1] {
            let scene = Scene::new(size);
            let (before, long_ago) = (written(&scene), SystemTime::UNIX_EPOCH);
            let actual = scene.damage(at);
            for time in [before, long_ago, SystemTime::now()] {
                let file = File::options().write(true).open(scene.path()).unwrap();
                file.set_modified(time).unwrap();
                scene.assert_refused(&actual);
                let sessions = scene.to.log().count("POST", "/blobs/uploads/");
                assert_eq!(sessions, 1, "a file doesn't get better by another try");
                scene.to.log().clear();
            }
        }
    }
}

#[test]
fn of_a_damaged_file_that_goes_in_chunks_the_last_one_is_kept_back() {
    let scene = Scene::new(SIZE);
    let actual = scene.damage(7);
    // A session that is lost with its connection is followed by chunks.
    scene.to.fault(cut());
    scene
        .to
        .fault(Rule::new("GET", "/blobs/uploads/", Action::LoseSession));
    scene.assert_refused(&actual);
    let requests = scene.to.log().requests();
    let chunks = requests.iter().filter(|request| request.method == "PATCH");
    let taken = chunks.filter_map(|request| request.status);
    assert_eq!(taken.collect::<Vec<_>>(), [202, 202], "of three");
}

#[test]
fn a_push_that_goes_on_in_the_middle_hashes_the_file_from_its_beginning() {
    let whole = Scene::new(SIZE);
    whole.to.fault(cut());
    assert_eq!(whole.push().unwrap(), How::Moved);
    let puts = whole.to.log().requests();
    let range = puts.last().unwrap().header("content-range");
    assert_eq!(range, Some("1000000-8999999"));
    assert!(whole.to.blob("app", &whole.blob.digest).as_deref() == Some(whole.bytes.as_slice()));
    // In what was sent before the cut, and behind it.
    for at in [7, 2_000_000] {
        let damaged = Scene::new(SIZE);
        let actual = damaged.damage(at);
        damaged.to.fault(cut());
        damaged.assert_refused(&actual);
    }
}

#[test]
fn bytes_of_a_registry_that_turn_out_wrong_after_a_cut_are_fetched_again() {
    let scene = Scene::new(SIZE);
    let from = ScriptedRegistry::start();
    from.put_blob("app", &scene.blob.digest, &scene.bytes);
    from.fault(Rule::new("GET", "/blobs/", Action::Corrupt { at: 7 }));
    scene.to.fault(cut());
    let source: Arc<dyn Source> = Arc::new(RegistrySource::new(client(), from.host().parse().unwrap()));
    let there = format!("{}/app", from.host());
    assert_eq!(scene.push_from(&source, &there).unwrap(), How::Moved);
    assert!(scene.to.blob("app", &scene.blob.digest).as_deref() == Some(scene.bytes.as_slice()));
    assert_eq!(
        from.log().count("GET", "/blobs/"),
        3,
        "with the rest, and all of it"
    );
}

#[test]
fn an_empty_file_that_should_not_be_empty_is_no_blob() {
    let mut scene = Scene::new(0);
    let empty = scene.blob.digest.clone();
    scene.blob.digest = Digest::of(b"something");
    fs::rename(
        scene.folder.path().join("blobs").join(empty.as_str()),
        scene.path(),
    )
    .unwrap();
    scene.assert_refused(&empty);
}
