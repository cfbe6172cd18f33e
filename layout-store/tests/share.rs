//! Blobs of another store: linked where that is asked for and safe, reflinked where the filesystem can, and hashed in every case.

mod common;

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use common::{blob, put, writer};
use tempfile::TempDir;
use transload_layout_store::Store;
use transload_reference::Descriptor;

/// Two stores in one folder, the first of which has a blob.
struct Stores {
    _folder: TempDir,
    from: Store,
    to: Store,
    blob: Descriptor,
}

const CONTENT: &[u8] = b"content";

impl Stores {
    fn new() -> Stores {
        let folder = tempfile::tempdir().unwrap();
        let from = Store::create(folder.path().join("from")).unwrap();
        let blob = put(&from, CONTENT);
        Stores {
            to: Store::create(folder.path().join("to")).unwrap(),
            from,
            blob,
            _folder: folder,
        }
    }

    fn source(&self) -> std::path::PathBuf {
        self.from.blob_path(&self.blob.digest)
    }

    fn link(&self) -> bool {
        let could = self.from.could_link_into(self.to.root(), &self.blob);
        let linked = self.to.link_blob(&self.from, &self.blob, |_| true).unwrap();
        assert!(could || !linked, "what is linked could be linked");
        let left = fs::read_dir(self.to.root().join(".transload")).unwrap();
        assert_eq!(left.count(), 0, "nothing is left behind");
        linked
    }
}

#[test]
fn a_blob_is_linked_where_that_is_asked_for() {
    let stores = Stores::new();
    assert!(stores.link());
    let inode = |store: &Store| store.blob_path(&stores.blob.digest).metadata().unwrap().ino();
    assert_eq!(inode(&stores.from), inode(&stores.to));
    assert!(stores.link(), "again is no error");
    let absent = stores.to.link_blob(&stores.from, &blob(b"absent"), |_| true);
    assert!(!absent.unwrap());
}

/// Its time of change says nothing: anybody can set it, and `cp -a` and rot keep it.
#[test]
fn wrong_bytes_are_not_linked_whatever_their_files_times_say() {
    let stores = Stores::new();
    let time = stores.source().metadata().unwrap().modified().unwrap();
    let file = File::options().write(true).open(stores.source()).unwrap();
    fs::write(stores.source(), b"CONTENT").unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
    assert!(!stores.link());
    assert!(!stores.to.has_blob(&stores.blob).unwrap());
    assert!(!stores.from.check_blob(&stores.blob).unwrap());
}

#[test]
fn a_file_that_others_may_write_is_not_linked() {
    for mode in [0o666, 0o664, 0o646] {
        let stores = Stores::new();
        fs::set_permissions(stores.source(), fs::Permissions::from_mode(mode)).unwrap();
        assert!(!stores.link(), "{mode:o}");
    }
}

#[test]
fn a_file_of_another_user_is_not_linked() {
    let stores = Stores::new();
    if chown(stores.source(), Some(12_345), None).is_err() {
        eprintln!("not tested: only root can give a file away");
        return;
    }
    assert!(!stores.link());
}

#[test]
fn a_link_takes_the_place_of_a_file_that_is_not_the_blob() {
    for there in [b"cut".as_slice(), b"CONTENT"] {
        let stores = Stores::new();
        fs::write(stores.to.blob_path(&stores.blob.digest), there).unwrap();
        assert!(stores.link());
        assert!(stores.to.check_blob(&stores.blob).unwrap());
    }
}

#[test]
fn hashing_before_a_link_can_be_stopped() {
    let stores = Stores::new();
    let error = stores.to.link_blob(&stores.from, &stores.blob, |_| false);
    assert!(error.unwrap_err().is_stopped());
    assert!(!stores.to.has_blob(&stores.blob).unwrap());
}

/// The file changes while it is hashed, and its first bytes were hashed as they were before.
#[test]
fn a_file_that_changes_while_it_is_hashed_is_not_linked() {
    let stores = Stores::new();
    let path = stores.source();
    let linked = stores.to.link_blob(&stores.from, &stores.blob, |_| {
        fs::write(&path, b"CONTENT").unwrap();
        true
    });
    assert!(!linked.unwrap());
    // The name stands for another file since, of the right bytes or not.
    let stores = Stores::new();
    let path = stores.source();
    let linked = stores.to.link_blob(&stores.from, &stores.blob, |_| {
        fs::rename(&path, path.with_extension("old")).unwrap();
        fs::write(&path, b"CONTENT").unwrap();
        true
    });
    assert!(!linked.unwrap());
    assert!(!stores.to.has_blob(&stores.blob).unwrap());
}

/// Whether the filesystem can do it decides which half of this runs; `tests/integration` mounts one that can.
#[test]
fn a_reflink_takes_all_bytes_hashed_or_none() {
    let stores = Stores::new();
    let mut copy = writer(&stores.to, CONTENT);
    let source = File::open(stores.source()).unwrap();
    let could = stores.from.could_reflink_into(stores.to.root(), &stores.blob);
    assert_eq!(copy.reflink(&source, |_| true).unwrap(), could);
    match could {
        true => assert_eq!(copy.position(), CONTENT.len() as u64),
        false => {
            assert_eq!(copy.position(), 0);
            copy.write(CONTENT).unwrap();
        }
    }
    copy.commit().unwrap();
    assert!(stores.to.check_blob(&stores.blob).unwrap());
    fs::write(stores.source(), b"CONTENT").unwrap();
    assert!(stores.to.check_blob(&stores.blob).unwrap(), "a copy is a copy");
}
