use std::env;
use std::sync::atomic::AtomicUsize;
use std::thread;

use transload_reference::MediaType;

use super::*;

/// A source of one blob, whose bodies end or are wrong as a test says.
struct Blob {
    bytes: Vec<u8>,
    opened: Arc<AtomicUsize>,
}

impl Blob {
    fn new(size: usize) -> Blob {
        Blob {
            bytes: (0..size).map(|at| (at % 251) as u8).collect(),
            opened: Arc::default(),
        }
    }

    fn descriptor(&self) -> Descriptor {
        let digest = Digest::of(&self.bytes);
        Descriptor::new(MediaType::new("a/b"), digest, self.bytes.len() as u64)
    }

    /// Reads it from the spool; `change` changes what comes from the source, by the number of the body.
    fn reader(&self, spool: &Spool, change: fn(usize, &mut Vec<u8>)) -> Option<SpoolReader> {
        let spooled = spool.blob(&self.descriptor())?;
        let (bytes, opened) = (self.bytes.clone(), Arc::clone(&self.opened));
        let open = move |offset: u64| {
            let mut bytes = bytes[offset as usize..].to_vec();
            change(opened.fetch_add(1, Ordering::SeqCst), &mut bytes);
            Ok(Box::new(io::Cursor::new(bytes)) as Box<dyn Read + Send>)
        };
        Some(SpoolReader::new(spooled, 0, Box::new(open)))
    }

    fn read(&self, spool: &Spool, change: fn(usize, &mut Vec<u8>)) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        let mut reader = self.reader(spool, change).expect("there is space");
        reader.read_to_end(&mut read).map(|_| read)
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

fn spool(limit: u64) -> Spool {
    Spool::within(&env::temp_dir(), limit).unwrap()
}

fn as_it_is(_: usize, _: &mut Vec<u8>) {}

#[test]
fn many_readers_at_once_read_the_source_once() {
    let (spool, blob) = (spool(1 << 20), Blob::new(300_000));
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert!(blob.read(&spool, as_it_is).unwrap() == blob.bytes));
        }
    });
    assert_eq!(blob.opened(), 1);
}

#[test]
fn a_reader_that_stops_holds_no_other() {
    let (spool, blob) = (spool(1 << 20), Blob::new(300_000));
    let mut stalled = blob.reader(&spool, as_it_is).unwrap();
    let mut first = [0; 100];
    stalled.read_exact(&mut first).unwrap();
    assert!(blob.read(&spool, as_it_is).unwrap() == blob.bytes);
    let mut rest = Vec::new();
    stalled.read_to_end(&mut rest).unwrap();
    assert!([&first[..], &rest].concat() == blob.bytes);
    assert_eq!(blob.opened(), 1);
}

#[test]
fn wrong_bytes_are_fetched_anew_and_given_up_if_they_stay_wrong() {
    let (spool, blob) = (spool(1 << 20), Blob::new(200_000));
    let once: fn(usize, &mut Vec<u8>) = |number, bytes| {
        if number == 0 {
            bytes[7] ^= 1;
        }
    };
    let error = blob.read(&spool, once).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(blob.read(&spool, once).unwrap() == blob.bytes);
    assert_eq!(blob.opened(), 2);

    let other = Blob::new(150_000);
    for _ in 0..20 {
        let cut: fn(usize, &mut Vec<u8>) = |_, bytes| bytes.truncate(100_000);
        let spooled = spool.blob(&other.descriptor());
        let error = other.read(&spool, cut).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(spooled);
        if other.opened() > FRESH_STARTS as usize {
            break;
        }
    }
    assert_eq!(other.opened(), 1 + FRESH_STARTS as usize);
}

#[test]
fn a_body_that_fails_goes_on_where_it_ended() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let count = buffer.len().min(self.0);
            self.0 -= count;
            buffer[..count].fill(9);
            Ok(count)
        }
    }
    let blob = Blob {
        bytes: vec![9; 200_000],
        opened: Arc::default(),
    };
    let spool = spool(1 << 20);
    let spooled = spool.blob(&blob.descriptor()).unwrap();
    let offsets = Arc::new(Mutex::new(Vec::new()));
    let mut read = Vec::new();
    for _ in 0..2 {
        let told = Arc::clone(&offsets);
        let open = move |offset: u64| {
            lock(&told).push(offset);
            let size = if offset == 0 {
                70_000
            } else {
                200_000 - offset as usize
            };
            Ok(Box::new(Failing(size)) as Box<dyn Read + Send>)
        };
        let mut reader = SpoolReader::new(Arc::clone(&spooled), read.len() as u64, Box::new(open));
        let ended = reader.read_to_end(&mut read);
        assert_eq!(ended.is_err(), read.len() < 200_000);
    }
    assert!(read == blob.bytes);
    assert_eq!(*lock(&offsets), [0, 70_000]);
}

#[test]
fn blobs_that_nobody_reads_make_room_and_others_do_not() {
    let spool = spool(500_000);
    let [first, second, third] = [300_000, 150_000, 300_000].map(Blob::new);
    // They differ in their sizes alone, so the third is given other bytes.
    let third = Blob {
        bytes: third.bytes.iter().map(|byte| !byte).collect(),
        ..third
    };
    assert!(first.read(&spool, as_it_is).unwrap() == first.bytes);
    let held = first.reader(&spool, as_it_is);
    assert!(second.read(&spool, as_it_is).unwrap() == second.bytes);
    assert!(
        third.reader(&spool, as_it_is).is_none(),
        "the first is being read"
    );
    drop(held);
    assert!(third.read(&spool, as_it_is).unwrap() == third.bytes);
    assert!(first.read(&spool, as_it_is).unwrap() == first.bytes);
    assert_eq!(first.opened(), 2, "it had made room");
    assert!(Blob::new(500_001).reader(&spool, as_it_is).is_none());
    assert!(spool.file.metadata().unwrap().len() <= 500_000);
}
