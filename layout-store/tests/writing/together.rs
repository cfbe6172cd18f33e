//! Several writers at once.

use super::*;

#[test]
fn one_of_many_writers_of_a_blob_writes_it_and_the_others_find_it() {
    let folder = tempfile::tempdir().unwrap();
    let content = vec![7; 200_000];
    let barrier = Barrier::new(8);
    let written: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let store = Store::create(folder.path()).unwrap();
                    barrier.wait();
                    match store.write_blob(&blob(&content)).unwrap() {
                        None => 0,
                        Some(mut writer) => {
                            content
                                .chunks(1000)
                                .for_each(|chunk| writer.write(chunk).unwrap());
                            writer.commit().unwrap();
                            1
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(written, 1);
    assert_eq!(files(folder.path()), [format!("blobs/{}", Digest::of(&content))]);
}

#[test]
fn many_make_a_store_of_one_empty_folder_at_once() {
    for _ in 0..50 {
        let folder = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    Store::create(folder.path()).unwrap();
                });
            }
        });
    }
}

#[test]
fn no_tag_is_lost_when_many_tag_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let path = folder.path();
            scope.spawn(move || {
                let store = Store::create(path).unwrap();
                for number in 0..10 {
                    publish(&store, "hub.local/app", &format!("v{thread}.{number}")).unwrap();
                }
            });
        }
    });
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.images().unwrap().len(), 60);
}

#[test]
fn temporary_files_of_killed_processes_are_removed_once_nobody_uses_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images");
    drop(Store::create(&path).unwrap());
    let own = path.join(".transload");
    let (left, others) = (own.join(".tmpAbCdEf"), own.join("notes"));
    fs::write(&left, "half a manifest").unwrap();
    fs::write(&others, "somebody's").unwrap();

    let reader = Store::open(&path).unwrap();
    let writer = Store::create(&path).unwrap();
    assert!(left.exists(), "it may be the file of somebody who is at work");
    drop((reader, writer));

    drop(Store::open(&path).unwrap());
    assert!(left.exists(), "who only reads removes nothing");
    let store = Store::create(&path).unwrap();
    assert!(!left.exists() && others.exists());
    publish(&store, "hub.local/team/app", "v1").unwrap();
    assert_eq!(names(&store), ["hub.local/team/app:v1"]);
    assert_eq!(store.cautions(), []);
}

#[test]
fn another_process_that_looks_at_the_filesystem_makes_no_folder_a_strange_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".transloadAbCdEf:"), "").unwrap();
    Store::create(folder.path()).unwrap();
}
