//! Two blobs on one thread: who takes whom along, and what befalls them.

use std::collections::HashSet;
use std::io::{self, Cursor, Read};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, ThreadId};

use transload_layout_store::{BlobWrite, Store};
use transload_reference::{Descriptor, Digest, MediaType};

use super::*;
use crate::transfer::at_work;
use crate::transfer::leg::Stream;
use crate::transfer::split::Split;

const SIZE: u64 = 3 << 20;

/// What a connection does behind some of its bytes.
enum Turn {
    Fails,
    Panics,
    Hangs(Receiver<()>),
}

/// A connection that notes who reads it, and for which image.
struct Tape {
    bytes: Cursor<Vec<u8>>,
    readers: Readers,
    turn: Option<(u64, Turn)>,
}

type Readers = Arc<Mutex<HashSet<(ThreadId, Option<String>)>>>;

impl Read for Tape {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let image = at_work::tell(|image| image.map(str::to_owned));
        self.readers
            .lock()
            .unwrap()
            .insert((thread::current().id(), image));
        let position = self.bytes.position();
        match self.turn.take_if(|(at, _)| position >= *at) {
            Some((_, Turn::Fails)) => return Err(io::Error::other("cut")),
            Some((_, Turn::Panics)) => panic!("a mistake in the program"),
            Some((_, Turn::Hangs(gate))) => gate.recv().unwrap(),
            None => {}
        }
        // An odd number, as of a connection that brings what it has.
        let most = buffer.len().min(40_001);
        self.bytes.read(&mut buffer[..most])
    }
}

struct Blob {
    store: Store,
    _folder: tempfile::TempDir,
    bytes: Vec<u8>,
    readers: Readers,
}

impl Blob {
    fn new() -> Blob {
        let folder = tempfile::tempdir().unwrap();
        Blob {
            store: Store::create(folder.path().join("store")).unwrap(),
            _folder: folder,
            bytes: (0..SIZE).map(|n| (n / 7) as u8).collect(),
            readers: Arc::default(),
        }
    }

    fn leg(&self, image: &str, end: u64, turn: Option<(u64, Turn)>) -> Leg {
        let descriptor = Descriptor::new(MediaType::OCI_LAYER, Digest::of(&self.bytes), SIZE);
        let BlobWrite::Writer(writer) = self.store.write_blob(&descriptor).unwrap() else {
            panic!("it is there")
        };
        let repository = "hub.local/a".parse().unwrap();
        let split = Split::new(&descriptor, &repository, writer.parts(), 0, &[]);
        let _at = at_work::on(image);
        let mut leg = Leg::new(writer, &Arc::new(split));
        leg.connect(Stream {
            reader: Box::new(Tape {
                bytes: Cursor::new(self.bytes.clone()),
                readers: Arc::clone(&self.readers),
                turn,
            }),
            end: SIZE,
        });
        leg.end = end;
        leg
    }
}

fn paying() -> Tandem {
    let tandem = Tandem::new(2);
    tandem.judge(1e9, 4);
    tandem
}

/// Drives to the end, as soon as somebody sits on the seat that it tells of.
fn drive(tandem: &Tandem, mut leg: Leg, offered: Sender<()>) -> (Leg, Over) {
    let mut driver = Driver::new(Some(tandem));
    driver.advance(&mut leg).unwrap();
    offered.send(()).unwrap();
    let seat = driver.seat.clone().unwrap();
    while seat.lock().rider.is_none() {
        seat.wait_for_rider();
    }
    to_its_end(driver, leg)
}

fn to_its_end(mut driver: Driver<'_>, mut leg: Leg) -> (Leg, Over) {
    loop {
        if let Err(over) = driver.advance(&mut leg) {
            return (leg, over);
        }
    }
}

fn free_seat(tandem: &Tandem, leg: &Leg) -> Arc<Seat> {
    Driver::new(Some(tandem)).find_seat(leg).unwrap()
}

type Ride = (Leg, Option<Over>);

/// A rider's way beside a driver's: what became of both, and the driver's thread.
fn together(
    driver: Leg,
    rider: Leg,
    meanwhile: impl FnOnce(),
) -> (thread::Result<(Leg, Over)>, Ride, ThreadId) {
    let tandem = paying();
    let (offered, offer) = mpsc::channel();
    thread::scope(|scope| {
        let thread = scope.spawn(|| drive(&tandem, driver, offered));
        let id = thread.thread().id();
        offer.recv().unwrap();
        let ride = free_seat(&tandem, &rider).ride(rider, &|| true);
        meanwhile();
        (thread.join(), ride, id)
    })
}

fn commit((mut leg, over): (Leg, Over)) {
    assert!(matches!(over, Over::Reached), "{over:?}");
    leg.end = SIZE;
    let (leg, _) = to_its_end(Driver::new(None), leg);
    let committed = leg.into_writer().commit();
    committed.map_err(|refused| refused.error).unwrap();
}

fn came_back((leg, over): Ride) -> Leg {
    assert!(over.is_none(), "at {}: {over:?}", leg.position());
    leg
}

fn goes_on_alone(ride: Ride) {
    let leg = came_back(ride);
    assert!((1..SIZE).contains(&leg.position()), "{}", leg.position());
    commit(alone(leg));
}

fn alone(mut leg: Leg) -> (Leg, Over) {
    leg.end = SIZE;
    to_its_end(Driver::new(None), leg)
}

#[test]
fn a_rider_is_taken_to_its_end_on_the_drivers_thread_and_for_its_own_image() {
    let (first, second) = (Blob::new(), Blob::new());
    let (own, other) = (first.leg("a", SIZE, None), second.leg("b", SIZE / 2, None));
    let (driven, ride, driver) = together(own, other, || {});
    commit(driven.unwrap());
    let (leg, Some(over)) = ride else {
        panic!("it came back")
    };
    assert_eq!(leg.position(), SIZE / 2);
    let expected = HashSet::from([(driver, Some("b".to_owned()))]);
    assert_eq!(*second.readers.lock().unwrap(), expected);
    commit((leg, over));
}

#[test]
fn a_rider_goes_on_alone_once_its_driver_is_at_the_end() {
    let (first, second) = (Blob::new(), Blob::new());
    let (own, other) = (first.leg("a", SIZE / 2, None), second.leg("b", SIZE, None));
    let (driven, ride, _) = together(own, other, || {});
    commit(driven.unwrap());
    goes_on_alone(ride);
}

#[test]
fn a_rider_goes_on_alone_while_its_driver_is_held_up() {
    let (first, second) = (Blob::new(), Blob::new());
    let (release, gate) = mpsc::channel();
    let own = first.leg("a", SIZE, Some((1 << 20, Turn::Hangs(gate))));
    let other = second.leg("b", SIZE, None);
    let (driven, ride, _) = together(own, other, || release.send(()).unwrap());
    commit(driven.unwrap());
    goes_on_alone(ride);
}

#[test]
fn what_befalls_a_riders_connection_is_the_riders() {
    let (first, second) = (Blob::new(), Blob::new());
    let own = first.leg("a", SIZE, None);
    let other = second.leg("b", SIZE, Some((2 << 20, Turn::Fails)));
    let (driven, ride, _) = together(own, other, || {});
    commit(driven.unwrap());
    let (leg, Some(Over::Unread(error))) = ride else {
        panic!("it came back")
    };
    assert_eq!(error.to_string(), "cut");
    assert!(leg.position() >= 2 << 20, "what came before is kept");
    commit(alone(leg));
}

#[test]
fn a_rider_outlives_its_driver() {
    let (first, second) = (Blob::new(), Blob::new());
    let own = first.leg("a", SIZE, Some((1 << 20, Turn::Panics)));
    let other = second.leg("b", SIZE, None);
    let (driven, ride, _) = together(own, other, || {});
    assert!(driven.is_err());
    commit(alone(came_back(ride)));
}

#[test]
fn a_rider_may_end_the_ride() {
    let (first, second) = (Blob::new(), Blob::new());
    let (release, gate) = mpsc::channel::<()>();
    let tandem = paying();
    let (offered, offer) = mpsc::channel();
    let own = first.leg("a", SIZE, Some((1 << 20, Turn::Hangs(gate))));
    let other = second.leg("b", SIZE, None);
    thread::scope(|scope| {
        let driver = scope.spawn(|| drive(&tandem, own, offered));
        offer.recv().unwrap();
        let leg = came_back(free_seat(&tandem, &other).ride(other, &|| false));
        release.send(()).unwrap();
        commit(driver.join().unwrap());
        commit(alone(leg));
    });
}

#[test]
fn legs_go_alone_where_it_does_not_pay_and_where_they_are_short() {
    let tandem = Tandem::new(4);
    for (rate, busy, pays) in [
        (1e9, 7, false),
        (500e6, 64, false),
        (1e9, 8, true),
        (200e6, 8, true),
        (100e6, 8, false),
        (200e6, 8, false),
    ] {
        tandem.judge(rate, busy);
        assert_eq!(tandem.pays(), pays, "{rate} {busy}");
    }
    tandem.judge(1e9, 8);
    let (first, second) = (Blob::new(), Blob::new());
    let mut own = first.leg("a", SIZE, None);
    let mut driver = Driver::new(Some(&tandem));
    driver.advance(&mut own).unwrap();
    let mut other = second.leg("b", SHORT - 1, None);
    let mut rider = Driver::new(Some(&tandem));
    assert!(rider.find_seat(&other).is_none(), "it is short");
    other.end = SIZE;
    tandem.judge(1e6, 8);
    assert!(rider.find_seat(&other).is_none(), "it doesn't pay");
    assert_eq!(tandem.free().len(), 1);
    driver.advance(&mut own).unwrap();
    assert!(tandem.free().is_empty(), "the seat is gone");
    tandem.judge(1e9, 8);
    driver.advance(&mut own).unwrap();
    assert_eq!(tandem.free().len(), 1);
    drop(driver);
    assert!(tandem.free().is_empty());
}

#[test]
fn a_driver_without_a_rider_rides_with_another_one() {
    let tandem = paying();
    let blobs = [Blob::new(), Blob::new(), Blob::new()];
    let mut legs: Vec<Leg> = blobs.iter().map(|blob| blob.leg("a", SIZE, None)).collect();
    let mut drivers: Vec<Driver<'_>> = legs
        .iter_mut()
        .map(|leg| {
            let mut driver = Driver::new(Some(&tandem));
            driver.advance(leg).unwrap();
            driver
        })
        .collect();
    let offered: Vec<Arc<Seat>> = drivers.iter().filter_map(|driver| driver.seat.clone()).collect();
    let found = drivers[0].find_seat(&legs[0]).unwrap();
    assert!(!Arc::ptr_eq(&found, &offered[0]), "not its own");
    assert_eq!(
        tandem.free().len(),
        1,
        "neither its own nor the one that it found is free"
    );
    let with = if Arc::ptr_eq(&found, &offered[1]) { 1 } else { 2 };
    assert!(
        drivers[with].find_seat(&legs[with]).is_none(),
        "it is about to get a rider"
    );
    assert!(
        drivers[3 - with].find_seat(&legs[3 - with]).is_none(),
        "nobody else is alone"
    );
    assert_eq!(tandem.free().len(), 1);
}

#[test]
fn a_driver_alone_waits_a_moment_for_a_rider_but_not_again() {
    let (tandem, blob) = (paying(), Blob::new());
    let mut own = blob.leg("a", SIZE, None);
    let mut driver = Driver::new(Some(&tandem));
    let began = Instant::now();
    driver.advance(&mut own).unwrap();
    assert!(began.elapsed() >= MEET);
    assert!(driver.offer_seat(&own).is_none(), "it was offered");
    commit(to_its_end(driver, own));
}

#[test]
fn it_is_judged_by_how_long_a_lap_takes() {
    let tandem = Tandem::new(2);
    tandem.moved(1, || panic!("it begins"));
    tandem.moved(LAP - 2, || panic!("too early"));
    assert!(!tandem.pays());
    tandem.moved(1, || 4);
    assert!(tandem.pays(), "a lap in no time");
    tandem.moved(LAP, || 3);
    assert!(!tandem.pays(), "too few are at it");
}
