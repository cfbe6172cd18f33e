//! Directories that somebody prepared to do harm: nothing outside them is written or read, nothing waits, and what is in the way
//! is named.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use common::{blob, manifest_of, names, repository, try_put};
use tempfile::TempDir;
use transload_layout_store::{Error, Flaw, Store, Verdict};
use transload_reference::{Digest, Identifier, RawManifest, Repository};

/// Generous: what would hang would hang for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is put where a file or folder should be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trap {
    LinkToFile,
    LinkToFolder,
    LinkToNowhere,
    LinkToItself,
    LinkToDevice,
    Device,
    Pipe,
    Socket,
    Folder,
}

impl Trap {
    const ALL: [Trap; 9] = [
        Trap::LinkToFile,
        Trap::LinkToFolder,
        Trap::LinkToNowhere,
        Trap::LinkToItself,
        Trap::LinkToDevice,
        Trap::Device,
        Trap::Pipe,
        Trap::Socket,
        Trap::Folder,
    ];

    /// Puts it at a path, where this user may: only root makes devices, and not everywhere.
    fn lay(self, path: &Path, outside: &Outside) -> bool {
        let runs = |program: &str, args: &[&str]| {
            let status = Command::new(program)
                .arg(path)
                .args(args)
                .stderr(std::process::Stdio::null())
                .status();
            status.is_ok_and(|status| status.success())
        };
        match self {
            Trap::LinkToFile => symlink(outside.file(), path).is_ok(),
            Trap::LinkToFolder => symlink(outside.folder(), path).is_ok(),
            Trap::LinkToNowhere => symlink(outside.0.path().join("new"), path).is_ok(),
            Trap::LinkToItself => symlink(path, path).is_ok(),
            Trap::LinkToDevice => symlink("/dev/zero", path).is_ok(),
            Trap::Device => runs("mknod", &["c", "1", "5"]),
            Trap::Pipe => {
                assert!(runs("mkfifo", &[]), "mkfifo is part of every Unix");
                true
            }
            Trap::Socket => {
                // A socket's path may not be as long as a digest's.
                let short = outside.0.path().join("s");
                UnixListener::bind(&short).is_ok() && fs::rename(&short, path).is_ok()
            }
            Trap::Folder => fs::create_dir(path).is_ok(),
        }
    }
}

/// A folder beside the store that must stay as it is.
struct Outside(TempDir);

impl Outside {
    fn new() -> Outside {
        let outside = Outside(tempfile::tempdir().unwrap());
        fs::create_dir(outside.folder()).unwrap();
        fs::write(outside.file(), "not the store's").unwrap();
        fs::write(outside.folder().join("kept"), "not the store's either").unwrap();
        outside
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("file")
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("folder")
    }

    #[track_caller]
    fn assert_untouched(&self, case: &str) {
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(self.0.path()), ["file", "folder"], "{case}");
        assert_eq!(names(&self.folder()), ["kept"], "{case}");
        assert_eq!(
            fs::read_to_string(self.file()).unwrap(),
            "not the store's",
            "{case}"
        );
    }
}

/// Does something that must come to an end.
#[track_caller]
fn in_time<T: Send + 'static>(case: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("{case}: it hangs, or panicked"))
}

fn manifest() -> RawManifest {
    manifest_of(&blob(b"{}"), &[])
}

fn app() -> Repository {
    repository("hub.local/team/app")
}

/// Everything that a run does with a store, one after the other; the first failure.
fn publish(root: &Path) -> Result<(), Error> {
    let store = Store::create(root)?;
    try_put(&store, b"{}")?;
    store.sync_blobs()?;
    store.check_place(&app(), Some(&"v1".parse().unwrap()))?;
    store.put_manifest(&app(), &manifest())?;
    store.tag(&app(), &"v1".parse().unwrap(), manifest().digest())
}

/// Everything that reads.
fn read(root: &Path) -> Result<(), Error> {
    let store = Store::open(root)?;
    let _ = store.images()?;
    for identifier in [
        Identifier::Tag("v1".parse().unwrap()),
        manifest().digest().clone().into(),
    ] {
        if let Some(digest) = store.resolve(&app(), &identifier)? {
            store.manifest(&app(), &digest)?;
        }
    }
    store.has_blob(&blob(b"{}"))?;
    store.open_blob(&Digest::of(b"{}"))?;
    let _ = store.blob_files()?;
    let _ = store.partial_files()?;
    if let Verdict::Flawed(Flaw::Unreadable(error)) = store.verify_blob(&blob(b"{}"), |_| true) {
        return Err(error);
    }
    Ok(())
}

#[test]
fn whatever_is_in_the_place_of_a_file_or_folder_is_not_stepped_through_and_is_named() {
    let blob = format!("blobs/{}", Digest::of(b"{}"));
    let partial = format!(".transload/partial/{}", Digest::of(b"{}"));
    let named = format!("hub.local/team/app/manifests/{}", manifest().digest());
    let places = [
        "blobs",
        &blob,
        ".transload",
        ".transload/partial",
        &partial,
        ".transload/lock",
        "hub.local",
        "hub.local/team",
        "hub.local/team/app/manifests",
        "hub.local/team/app/manifests/layout",
        &named,
        "hub.local/team/app/manifests/v1",
    ];
    for place in places {
        for trap in Trap::ALL {
            let case = format!("{trap:?} at {place}");
            let (folder, outside) = (tempfile::tempdir().unwrap(), Outside::new());
            let root = folder.path().join("store");
            // A sign that it is a store, and the folders above the trap.
            fs::create_dir_all(root.join(if place.starts_with("blobs") {
                ".transload"
            } else {
                "blobs"
            }))
            .unwrap();
            fs::create_dir_all(root.join("other.local/app/manifests")).unwrap();
            let path = root.join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let is_there = path.is_dir();
            if is_there || !trap.lay(&path, &outside) {
                assert!(is_there || trap == Trap::Device, "{case}");
                continue;
            }
            let at = root.clone();
            let results = in_time(&case, move || [publish(&at), read(&at), publish(&at)]);
            for error in results.into_iter().filter_map(Result::err) {
                let message = error.to_string();
                assert!(message.contains(root.to_str().unwrap()), "{case}: {message}");
                assert!(!error.is_retryable(), "{case}: {message}");
            }
            outside.assert_untouched(&case);
        }
    }
}

#[test]
fn what_is_in_the_way_of_a_file_is_said_to_be_no_file() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), Outside::new());
    let store = Store::create(folder.path()).unwrap();
    for trap in [Trap::LinkToFile, Trap::Pipe, Trap::Socket, Trap::LinkToDevice] {
        let content = format!("{trap:?}").into_bytes();
        let path = store.blob_path(&Digest::of(&content));
        assert!(trap.lay(&path, &outside));
        for error in [
            store.has_blob(&blob(&content)).unwrap_err(),
            store.open_blob(&Digest::of(&content)).unwrap_err(),
            try_put(&store, &content).unwrap_err(),
        ] {
            assert_eq!(
                error.to_string(),
                format!("{} is damaged: it isn't a regular file", path.display())
            );
            assert!(error.hint().unwrap().contains("move that file away"));
        }
    }
}

#[test]
fn the_root_itself_may_be_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    publish(&link).unwrap();
    assert_eq!(Store::open(&link).unwrap().images().unwrap().len(), 1);
    assert!(real.join("blobs").is_dir());
}

/// A hard link is no symbolic link, and as good for writing into a file that isn't the store's.
#[test]
fn a_partial_file_with_a_second_name_is_not_written_to() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), Outside::new());
    let store = Store::create(folder.path()).unwrap();
    let partial = folder
        .path()
        .join(format!(".transload/partial/{}", Digest::of(b"content")));
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    let other = folder.path().join("other-name");
    fs::copy(outside.file(), &other).unwrap();
    fs::hard_link(&other, &partial).unwrap();
    try_put(&store, b"content").unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "not the store's");
    assert_eq!(
        fs::read(store.blob_path(&Digest::of(b"content"))).unwrap(),
        b"content"
    );
}

#[test]
fn a_tag_map_of_the_wrong_kind_or_size_is_named_and_kept() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let deep_map = format!("{}1{}", r#"{"a":"#.repeat(1_000_000), "}".repeat(1_000_000));
    let long = format!("\"\\u001b[31m{}\"", "x".repeat(6 << 20));
    let long_value = format!("{{\"v1\":[\"{}\"]}}", "x".repeat(6 << 20));
    let cases = [
        "[]",
        "7",
        "null",
        "true",
        "\"text\"",
        "{\"v1\":7}",
        "{\"v1\":null}",
        "{",
        "",
        "\u{0}",
        &deep,
        &deep_map,
        &long,
        &long_value,
    ];
    for text in cases {
        let case: String = text.chars().take(20).collect();
        let folder = tempfile::tempdir().unwrap();
        publish(folder.path()).unwrap();
        let layout = folder.path().join("hub.local/team/app/manifests/layout");
        fs::write(&layout, text).unwrap();
        let root = folder.path().to_owned();
        let errors = in_time(&case, move || {
            let store = Store::open(&root).unwrap();
            [
                store.images().err(),
                store
                    .resolve(&app(), &Identifier::Tag("v1".parse().unwrap()))
                    .err(),
                store
                    .tag(&app(), &"v2".parse().unwrap(), manifest().digest())
                    .err(),
            ]
        });
        for error in errors {
            let message = error
                .unwrap_or_else(|| panic!("{case}: it was taken"))
                .to_string();
            assert!(
                message.contains("layout is damaged: it should map tags to digests"),
                "{case}: {message}"
            );
            assert!(
                message.len() < 1000 && !message.contains('\u{1b}'),
                "{case}: {message}"
            );
        }
        assert_eq!(
            fs::read_to_string(&layout).unwrap(),
            text,
            "{case}: it is kept as it was"
        );
    }
}

#[test]
fn a_file_of_gigabytes_where_a_small_one_belongs_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path()).unwrap();
    let manifests = folder.path().join("hub.local/team/app/manifests");
    let store = Store::open(folder.path()).unwrap();
    for name in ["layout".to_owned(), manifest().digest().to_string()] {
        // It takes no room on the disk.
        fs::File::create(manifests.join(&name))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let error = match name.as_str() {
            "layout" => store.images().unwrap_err(),
            _ => store.manifest(&app(), manifest().digest()).unwrap_err(),
        };
        let expected = match name.as_str() {
            "layout" => " is damaged: it has 1099511627776 bytes; of a map of tags, at most 8388608 are read",
            _ => ": the manifest has 1099511627776 bytes; at most 8388608 are read",
        };
        let expected = format!("{}{expected}", manifests.join(&name).display());
        assert_eq!(error.to_string(), expected);
        fs::remove_file(manifests.join(&name)).unwrap();
    }
    let path = store.blob_path(&Digest::of(b"{}"));
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(!store.has_blob(&blob(b"{}")).unwrap());
    assert!(matches!(
        store.verify_blob(&blob(b"{}"), |_| panic!("it was read")),
        Verdict::Flawed(Flaw::WrongSize {
            found: 0x100_0000_0000,
            ..
        })
    ));
}

#[test]
fn tags_and_digests_that_lead_elsewhere_are_no_images_and_stay_in_the_map() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), Outside::new());
    publish(folder.path()).unwrap();
    let layout = folder.path().join("hub.local/team/app/manifests/layout");
    let digest = manifest().digest().to_string();
    let evil = format!(
        r#"{{"../../../../file":"{digest}","a/b":"{digest}","":"{digest}","\u001b[2J":"{digest}","v2":"sha256:../../../../../etc/passwd","v3":"../file","v1":"{digest}"}}"#
    );
    fs::write(&layout, evil).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(names(&store), ["hub.local/team/app:v1"]);
    store
        .tag(&app(), &"v4".parse().unwrap(), manifest().digest())
        .unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(&layout).unwrap()).unwrap();
    assert_eq!(kept.as_object().unwrap().len(), 8, "{kept}");
    outside.assert_untouched("tags");
    // Removing everything goes by the same names.
    drop(store);
    let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
    let garbage = exclusive.garbage(|_| false).unwrap();
    exclusive.remove(&garbage).unwrap();
    outside.assert_untouched("removal");
}

#[test]
fn names_of_folders_that_a_terminal_would_obey_are_shown_escaped() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path()).unwrap();
    let evil = folder.path().join("evil\u{1b}[2J\n.local/a/manifests");
    fs::create_dir_all(&evil).unwrap();
    fs::write(evil.join("layout"), "{}").unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.images().unwrap().len(), 1);
    drop(store);
    let exclusive = Store::open_exclusively(folder.path()).unwrap();
    let message = exclusive.garbage(|_| true).unwrap_err().to_string();
    assert!(
        message.contains("evil\\u{1b}[2J\\n.local") && !message.contains('\u{1b}'),
        "{message}"
    );
}

/// Digests can't go in circles; files that lie about theirs could.
#[test]
fn manifests_that_name_each_other_end_no_walk() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let manifests = folder.path().join("hub.local/team/app/manifests");
    fs::create_dir_all(&manifests).unwrap();
    let [one, other] = [Digest::of(b"one"), Digest::of(b"other")];
    for (name, names) in [(&one, &other), (&other, &one)] {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{names}","size":1}}]}}"#);
        fs::write(manifests.join(name.to_string()), text).unwrap();
    }
    fs::write(manifests.join("layout"), format!(r#"{{"v1":"{one}"}}"#)).unwrap();
    let error = in_time("a walk", move || {
        let _ = store.images().unwrap();
        drop(store);
        let exclusive = Store::open_exclusively(folder.path()).unwrap();
        exclusive.garbage(|_| true).map(|_| ()).unwrap_err().to_string()
    });
    assert!(error.contains(one.as_str()), "{error}");
}

/// Old generations have manifests under their tags alone, so that all tags are looked at for one that is missing.
#[test]
fn very_many_tags_and_missing_manifests_are_not_multiplied() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let manifests = folder.path().join("hub.local/team/app/manifests");
    fs::create_dir_all(&manifests).unwrap();
    for number in 0..100 {
        // It takes no room on the disk.
        let file = fs::File::create(manifests.join(format!("v{number}"))).unwrap();
        file.set_len(1 << 20).unwrap();
    }
    fs::write(manifests.join("real"), manifest().bytes()).unwrap();
    let store = in_time("a thousand look-ups", move || {
        for number in 0u32..1000 {
            let missing = Digest::of(&number.to_le_bytes());
            assert!(store.manifest(&app(), &missing).unwrap().is_none());
        }
        store
    });
    assert!(store.manifest(&app(), manifest().digest()).unwrap().is_some());
    // A file that has changed is looked at again.
    let other = format!("{} ", std::str::from_utf8(manifest().bytes()).unwrap());
    fs::write(manifests.join("real"), &other).unwrap();
    assert!(
        store
            .manifest(&app(), &Digest::of(other.as_bytes()))
            .unwrap()
            .is_some()
    );
    assert!(store.manifest(&app(), manifest().digest()).unwrap().is_none());
}

#[test]
fn a_folder_of_very_many_manifests_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let manifests = folder.path().join("hub.local/team/app/manifests");
    fs::create_dir_all(&manifests).unwrap();
    let source = manifests.join(manifest().digest().to_string());
    fs::write(&source, manifest().bytes()).unwrap();
    // Names that lie cost nothing but their listing; hard links make them quickly.
    for number in 0..5000 {
        fs::hard_link(
            &source,
            manifests.join(Digest::of(format!("{number}").as_bytes()).to_string()),
        )
        .unwrap();
    }
    let images = in_time("a listing", move || store.images().unwrap().len());
    assert_eq!(images, 5001);
}
