//! Compressed archives, and pipes.

use super::*;

fn small_archive() -> (Image, Vec<u8>) {
    let image = Image::of(&[7; 100_000]);
    let tar =
        layout(&index_json(&[(&image.manifest, &[(FULL, "hub.local/app:1")])])).blob(image.manifest.bytes());
    let tar = image.blobs().fold(tar, |tar, blob| tar.blob(blob));
    (image, tar.end())
}

#[test]
fn many_threads_read_one_archive_at_once() {
    let layers: Vec<Vec<u8>> = (0..8_u8).map(|at| vec![at; 50_000]).collect();
    let tar = layers
        .iter()
        .fold(layout(&index_json(&[])), |tar, layer| tar.blob(layer));
    let archive = open(tar).unwrap();
    std::thread::scope(|scope| {
        for turn in 0..8 {
            let (archive, layers) = (&archive, &layers);
            scope.spawn(move || {
                for at in 0..8 {
                    let expected = &layers[(at + turn) % 8];
                    assert!(blob(archive, &Digest::of(expected)) == *expected);
                }
            });
        }
    });
}

#[test]
fn compressed_archives_and_pipes_are_read_by_way_of_a_file_without_a_name() {
    let (image, tar) = small_archive();
    let spool = tempfile::tempdir().unwrap();
    let options = OpenOptions::default().spool_folder(spool.path());
    let (first, second) = tar.split_at(tar.len() / 2);
    for (bytes, compression) in [
        (tar.clone(), Compression::None),
        (gzip(&tar), Compression::Gzip),
        ([gzip(first), gzip(second)].concat(), Compression::Gzip),
        (zstd(&tar), Compression::Zstd),
        ([zstd(first), zstd(second)].concat(), Compression::Zstd),
    ] {
        let (_folder, path) = written("archive", &bytes);
        for archive in [options.open(&path), options.from_reader(bytes.as_slice())] {
            let archive = archive.unwrap();
            assert_eq!(archive.form().compression, compression);
            assert_eq!(blob(&archive, &Digest::of(&image.layers[0])), image.layers[0]);
            assert_eq!(
                std::fs::read_dir(spool.path()).unwrap().count(),
                0,
                "nothing is left behind"
            );
        }
    }
}

#[test]
fn an_archive_that_unpacks_to_more_than_is_allowed_is_refused() {
    let (_, tar) = small_archive();
    let options = OpenOptions::default().most_unpacked(50_000);
    for bytes in [gzip(&tar), zstd(&tar), tar] {
        let error = options.from_reader(bytes.as_slice()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("- can't be used: it unpacks to more than 50000 bytes"),
            "{error}"
        );
    }
}

#[test]
fn a_compressed_archive_that_was_cut_off_is_refused() {
    let (_, tar) = small_archive();
    for bytes in [gzip(&tar), zstd(&tar)] {
        for end in [bytes.len() - 1, bytes.len() / 2, 30] {
            assert!(OpenOptions::default().from_reader(&bytes[..end]).is_err());
        }
    }
}

#[test]
fn a_set_flag_ends_unpacking_and_hashing() {
    let (_, tar) = small_archive();
    let stopped = OpenOptions::default().cancel_flag(Arc::new(AtomicBool::new(true)));
    assert!(
        stopped
            .from_reader(gzip(&tar).as_slice())
            .unwrap_err()
            .is_stopped()
    );
    let image = Image::of(b"layer");
    let listed = json!([{"Config": "c", "RepoTags": null, "Layers": ["l"]}]);
    let docker = Tar::new()
        .file("c", &image.config)
        .file("l", "layer")
        .file("manifest.json", listed.to_string());
    let (_folder, path) = written("docker.tar", &docker.end());
    assert!(stopped.open(path).unwrap_err().is_stopped());
}
