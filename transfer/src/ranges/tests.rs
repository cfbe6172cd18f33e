use std::io::Read;
use std::thread;

use transload_layout_store::Store;
use transload_reference::{MediaType, RawManifest, Reference, Registry, Tag};

use super::*;
use crate::place::fill::fill;
use crate::place::{Bring, Expected, Offers};

const SIZE: u64 = 100 << 20;

fn fetch(offset: u64, kept: &[(u64, u64)]) -> RangeFetch {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let blob = Descriptor::new(MediaType::new("x/y"), Digest::of(b"blob"), SIZE);
    let Some(writer) = store.write_blob(&blob).unwrap() else {
        unreachable!("it isn't there")
    };
    let kept: Vec<Range<u64>> = kept
        .iter()
        .map(|&(start, length)| start..start + length)
        .collect();
    RangeFetch::new(
        &blob,
        &"hub.local/a".parse().unwrap(),
        Parts::of(&writer),
        offset,
        &kept,
    )
}

fn done(fetch: &RangeFetch, piece: &Range<u64>) {
    let mut state = lock(&fetch.state);
    state.busy -= 1;
    state.parts.insert(
        piece.start,
        Part {
            end: piece.end,
            is_done: true,
        },
    );
    fetch.arrive(piece.end - piece.start);
}

#[test]
fn an_owner_alone_takes_everything_in_one_go_and_parts_of_an_earlier_try_in_between() {
    let whole = fetch(0, &[]);
    assert_eq!(whole.next(0).unwrap(), Next::Stream(SIZE));
    assert_eq!(whole.next(SIZE).unwrap(), Next::Done);

    // The first part was being taken when the earlier try ended.
    let resumed = fetch(30, &[(20, 20), (60, 10)]);
    assert_eq!(resumed.arrived(), 50);
    assert_eq!(resumed.next(30).unwrap(), Next::Absorb(20));
    assert_eq!(resumed.next(40).unwrap(), Next::Stream(60));
    assert_eq!(resumed.next(60).unwrap(), Next::Absorb(60));
    assert_eq!(resumed.next(70).unwrap(), Next::Stream(SIZE));
}

#[test]
fn pieces_are_taken_once_and_the_owner_absorbs_them_in_order() {
    let fetch = fetch(0, &[]);
    assert_eq!(fetch.next(0).unwrap(), Next::Stream(SIZE));
    let piece = 40 << 20;
    assert!(fetch.take_piece().is_none(), "all is the owner's");
    fetch.split(piece);
    fetch.give_back(piece..SIZE);
    let first = fetch.take_piece().unwrap();
    assert_eq!(first, piece..2 * piece);
    let second = fetch.take_piece().unwrap();
    assert_eq!(second, 2 * piece..SIZE);
    assert!(fetch.take_piece().is_none());
    assert_eq!(
        fetch.next(piece).unwrap(),
        Next::Wait,
        "a range worker fetches it, and nothing else is left"
    );
    done(&fetch, &first);
    assert_eq!(fetch.next(piece).unwrap(), Next::Absorb(piece));
    assert_eq!(fetch.next(2 * piece).unwrap(), Next::Wait);
    done(&fetch, &second);
    assert_eq!(fetch.next(2 * piece).unwrap(), Next::Absorb(2 * piece));
    assert_eq!(fetch.next(SIZE).unwrap(), Next::Done);
}

#[test]
fn the_owner_fetches_a_later_piece_rather_than_waits() {
    let fetch = fetch(0, &[]);
    fetch.next(0).unwrap();
    fetch.split(LEAST_PIECE);
    fetch.give_back(LEAST_PIECE..SIZE);
    fetch.take_piece().unwrap();
    assert_eq!(
        fetch.next(LEAST_PIECE).unwrap(),
        Next::Fetch(2 * LEAST_PIECE..3 * LEAST_PIECE)
    );
}

#[test]
fn what_a_range_worker_leaves_is_a_gap_again() {
    let fetch = fetch(0, &[]);
    fetch.next(0).unwrap();
    fetch.split(LEAST_PIECE);
    fetch.give_back(10..SIZE);
    let piece = fetch.take_piece().unwrap();
    lock(&fetch.state).give_back(piece.start + 5..piece.end);
    let gaps = || -> Vec<(u64, u64)> {
        lock(&fetch.state)
            .gaps
            .iter()
            .map(|gap| (gap.start, gap.end))
            .collect()
    };
    assert_eq!(gaps(), [(piece.start + 5, SIZE)]);
    lock(&fetch.state).give_back(3..10);
    assert_eq!(gaps(), [(3, 10), (piece.start + 5, SIZE)]);
}

#[test]
fn only_what_is_slow_and_long_is_split() {
    let fetch = fetch(0, &[]);
    let mib = (1 << 20) as f64;
    assert_eq!(fetch.piece_size(SIZE, 10.0 * mib, 1, 0), None, "nobody is idle");
    assert_eq!(
        fetch.piece_size(SIZE, 80.0 * mib, 1, 7),
        None,
        "the connection is no limit"
    );
    assert_eq!(
        fetch.piece_size(SIZE, 40.0 * mib, 16, 7),
        None,
        "sixteen such connections share what there is"
    );
    assert_eq!(
        fetch.piece_size(10 << 20, 60.0 * mib, 1, 7),
        None,
        "it will be there at once"
    );
    assert_eq!(fetch.piece_size(3 << 20, mib, 1, 7), None, "it is too short");
    assert_eq!(fetch.piece_size(SIZE, 10.0 * mib, 1, 4), Some(10 << 20));
    assert_eq!(
        fetch.piece_size(10 * SIZE, 10.0 * mib, 1, 7),
        Some(20 << 20),
        "what comes in two seconds"
    );
    assert_eq!(fetch.piece_size(SIZE, mib / 4.0, 1, 7), Some(LEAST_PIECE));
    assert_eq!(fetch.piece_size(6 << 20, 10.0 * mib, 1, 7), Some(LEAST_PIECE));
}

/// A registry with one blob, whose range workers panic.
struct Panicking {
    registry: Registry,
    blob: Vec<u8>,
    /// How many bytes of a part come before the panic; without them, no part is opened.
    before: Option<usize>,
    /// Set once a range worker has panicked. Before, the owner's connection is slow.
    has_panicked: AtomicBool,
}

impl Panicking {
    fn new(blob: Vec<u8>, before: Option<usize>) -> Panicking {
        Panicking {
            registry: "hub.local".parse().unwrap(),
            blob,
            before,
            has_panicked: AtomicBool::new(false),
        }
    }

    fn panic(&self) -> ! {
        self.has_panicked.store(true, Ordering::Relaxed);
        panic!("on purpose")
    }
}

impl Source for Arc<Panicking> {
    fn describe(&self) -> String {
        self.registry.to_string()
    }

    fn resolve(&self, _: &Reference) -> Result<Digest, Fault> {
        unreachable!("only blobs are asked for")
    }

    fn root(&self, _: &Reference) -> Result<RawManifest, Fault> {
        unreachable!("only blobs are asked for")
    }

    fn manifest(&self, _: &Repository, _: &Descriptor) -> Result<RawManifest, Fault> {
        unreachable!("only blobs are asked for")
    }

    fn referrers(&self, _: &Repository, _: &Digest) -> Result<Vec<Descriptor>, Fault> {
        unreachable!("only blobs are asked for")
    }

    fn find_tag(&self, _: &Repository, _: &Tag) -> Result<Option<Digest>, Fault> {
        unreachable!("only blobs are asked for")
    }

    fn open_blob(
        &self,
        _: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        Ok(Box::new(Connection {
            source: Arc::clone(self),
            range: offset..blob.size,
            panics_at: None,
        }))
    }

    fn open_part(
        &self,
        _: &Repository,
        _: &Descriptor,
        range: Range<u64>,
    ) -> Result<Option<Box<dyn Read + Send>>, Fault> {
        let Some(before) = self.before else { self.panic() };
        let panics_at = Some(range.start + before as u64);
        Ok(Some(Box::new(Connection {
            source: Arc::clone(self),
            range,
            panics_at,
        })))
    }

    fn find_manifest(&self, _: &Repository, _: &Digest) -> Result<Option<RawManifest>, Fault> {
        Ok(None)
    }

    fn has_blob(&self, _: &Repository, _: &Descriptor) -> Result<bool, Fault> {
        Ok(true)
    }

    fn offers(&self) -> Offers<'_> {
        Offers {
            mount_from: Some(&self.registry),
            is_remote: true,
            ..Offers::default()
        }
    }
}

struct Connection {
    source: Arc<Panicking>,
    range: Range<u64>,
    panics_at: Option<u64>,
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.panics_at == Some(self.range.start) {
            self.source.panic();
        }
        if self.panics_at.is_none() && !self.source.has_panicked.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        let end = self.panics_at.unwrap_or(self.range.end);
        let from = self.range.start as usize;
        let count = (&self.source.blob[from..end as usize]).read(buffer)?;
        self.range.start += count as u64;
        Ok(count)
    }
}

/// Calls a worker for each piece of work and waits until it is done with it, or has panicked.
struct OneByOne(Arc<Panicking>);

impl RangeWorkers for OneByOne {
    fn idle(&self) -> usize {
        3
    }

    fn busy(&self) -> usize {
        1
    }

    fn call(&self, fetch: &Arc<RangeFetch>) {
        let (source, fetch) = (Arc::clone(&self.0), Arc::clone(fetch));
        let worked = thread::spawn(move || {
            fetch.work(&RangeWorker {
                source: &source,
                progress: &|_| {},
                cancel: &AtomicBool::new(false),
                is_wanted: &|| false,
            });
        });
        assert!(worked.join().is_err(), "it panics");
    }
}

#[test]
fn a_range_worker_that_panics_leaves_no_owner_waiting_and_the_blob_comes_without_it() {
    let bytes: Vec<u8> = (0..8_u32 << 20).map(|at| (at % 251) as u8).collect();
    let blob = Descriptor::new(MediaType::new("x/y"), Digest::of(&bytes), bytes.len() as u64);
    let repository: Repository = "hub.local/a".parse().unwrap();
    for before in [None, Some(0), Some(1000), Some(300_000)] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let Some(writer) = store.write_blob(&blob).unwrap() else {
            unreachable!("it isn't there")
        };
        let source = Arc::new(Panicking::new(bytes.clone(), before));
        let workers = OneByOne(Arc::clone(&source));
        let request = Bring {
            repository: &repository,
            blob: &blob,
            mount_from: None,
            expected: Expected::Missing,
            source: &(Arc::new(Arc::clone(&source)) as Arc<dyn Source>),
            source_repository: &repository,
            started: &|_| {},
            progress: &|_| {},
            cancel: &AtomicBool::new(false),
            workers: Some(&workers),
        };
        fill(&request, Box::new(writer)).unwrap();
        assert!(source.has_panicked.load(Ordering::Relaxed), "{before:?}");
        assert!(store.has_blob(&blob).unwrap());
        assert_eq!(store.partial_files().unwrap().len(), 0);
    }
}
