//! Archives on their way into a file.

use super::*;

#[test]
fn a_blob_that_is_wrong_doesnt_count_and_the_right_one_does() {
    let image = Image::of(b"layer");
    let blobs = blobs_of(&[&image]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let writer = Writer::create(&path, Plan::new(vec![planned("app:1", &image)]).unwrap()).unwrap();
    let layer = Descriptor::new(MediaType::OCI_LAYER, Digest::of(b"layer"), 5);
    let begin = || match writer.write_blob(&layer).unwrap() {
        BlobWrite::Writer(writer) => writer,
        BlobWrite::Present => panic!("it isn't there"),
    };
    let mut blob = begin();
    assert!(blob.write(b"too long").unwrap_err().is_wrong_content());
    drop(blob);
    let mut blob = begin();
    blob.write(b"lay").unwrap();
    let short = blob.commit().unwrap_err();
    assert!(short.error.is_wrong_content());
    let mut blob = short.writer.unwrap();
    assert_eq!(blob.position(), 0, "it begins anew");
    blob.write(b"wrong").unwrap();
    drop(blob.commit().unwrap_err());
    let mut blob = begin();
    assert_eq!(blob.position(), 0, "nothing wrong is kept");
    blob.write(b"la").unwrap();
    drop(blob);
    let mut blob = begin();
    assert_eq!(blob.position(), 2, "it goes on behind what is there");
    blob.write(b"x").unwrap();
    blob.restart().unwrap();
    blob.write(b"layer").unwrap();
    blob.commit().unwrap();
    assert!(matches!(writer.write_blob(&layer).unwrap(), BlobWrite::Present));
    let other = Descriptor::new(MediaType::OCI_LAYER, Digest::of(b"layer"), 6);
    assert!(matches!(
        writer.write_blob(&other).unwrap_err(),
        Error::NotPlanned { size: 6, .. }
    ));
    assert!(matches!(
        writer.write_blob(&image.manifest.descriptor()).unwrap(),
        BlobWrite::Present
    ));
    let config = Digest::of(&image.config);
    let error = writer.finish().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} isn't whole: {config} is missing", path.display())
    );
    assert!(!path.exists());
    drop(writer);
    write_all(&path, Plan::new(vec![planned("app:1", &image)]).unwrap(), &blobs).unwrap();
    assert_eq!(Archive::open(&path).unwrap().form().layout, Layout::Oci);
}

#[test]
fn a_second_writer_is_refused_and_a_later_one_is_not() {
    let image = Image::of(b"layer");
    let plan = || Plan::new(vec![planned("app:1", &image)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let first = Writer::create(&path, plan()).unwrap();
    let error = Writer::create(&path, plan()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}.partial is being written by another process", path.display())
    );
    drop(first);
    write_all(&path, plan(), &blobs_of(&[&image])).unwrap();
    write_all(&path, plan(), &blobs_of(&[&image])).unwrap();
    for other in [folder.path(), Path::new("/dev/null")] {
        assert!(
            Writer::create(other, plan())
                .unwrap_err()
                .to_string()
                .ends_with("something there isn't a regular file")
        );
    }
}

#[test]
fn a_partial_file_that_is_a_link_isnt_written_through() {
    let image = Image::of(b"layer");
    let plan = || Plan::new(vec![planned("app:1", &image)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let (partial, other) = (
        folder.path().join("images.tar.partial"),
        folder.path().join("other"),
    );
    fs::write(&other, "precious").unwrap();
    std::os::unix::fs::symlink(&other, &partial).unwrap();
    assert!(Writer::create(&path, plan()).is_err());
    fs::remove_file(&partial).unwrap();
    fs::hard_link(&other, &partial).unwrap();
    write_all(&path, plan(), &blobs_of(&[&image])).unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"precious");
}

#[test]
fn another_plan_begins_anew() {
    let (image, other) = (Image::of(b"layer"), Image::of(b"other"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let writer = Writer::create(&path, Plan::new(vec![planned("app:1", &image)]).unwrap()).unwrap();
    for blob in writer.plan().blobs().cloned().collect::<Vec<_>>() {
        write(&writer, &blob, &blobs_of(&[&image]));
    }
    drop(writer);
    let plan = || Plan::new(vec![planned("app:1", &other)]).unwrap();
    write_all(&path, plan(), &blobs_of(&[&other])).unwrap();
    assert!(fs::read(&path).unwrap() == streamed(&plan(), &blobs_of(&[&other])));
}

#[test]
fn what_an_earlier_run_left_is_hashed_before_it_counts() {
    let (images, blobs) = two_images();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let partial = folder.path().join("images.tar.partial");
    let plan = || Plan::new(images.clone()).unwrap();
    let large = Descriptor::new(MediaType::OCI_LAYER, Digest::of(&[7; 5000]), 5000);
    for damage in [false, true] {
        let writer = Writer::create(&path, plan()).unwrap();
        write(&writer, &large, &blobs);
        drop(writer);
        if damage {
            let bytes = fs::read(&partial).unwrap();
            let at = bytes.windows(100).position(|window| window == [7; 100]).unwrap();
            File::options()
                .write(true)
                .open(&partial)
                .unwrap()
                .write_all_at(b"rot", at as u64 + 50)
                .unwrap();
        }
        let stopped = CreateOptions::default().cancel_flag(Arc::new(AtomicBool::new(true)));
        assert!(
            stopped
                .create(&path, plan())
                .unwrap()
                .write_blob(&large)
                .unwrap_err()
                .is_stopped()
        );
        let writer = Writer::create(&path, plan()).unwrap();
        let is_present = matches!(writer.write_blob(&large).unwrap(), BlobWrite::Present);
        assert_eq!(is_present, !damage);
    }
    write_all(&path, plan(), &blobs).unwrap();
    assert!(fs::read(&path).unwrap() == streamed(&plan(), &blobs));
}
