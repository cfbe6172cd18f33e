use std::sync::Arc;

use transload_reference::{Descriptor, MediaType};
use transload_transfer::{Fault, Route, Scheduled};

use super::*;

/// Events, at moments that are told.
struct Course {
    model: Model,
    start: Instant,
    millis: u64,
}

fn blob(content: &[u8], size: u64) -> Descriptor {
    Descriptor::new(MediaType::new("layer"), Digest::of(content), size)
}

fn route(image: &str) -> Route {
    Route {
        image: image.to_owned(),
        label: image.to_owned(),
        source: image.to_owned(),
        destination: format!("{image} in ./out"),
    }
}

fn routes(images: &[&str]) -> Vec<Route> {
    images.iter().map(|image| route(image)).collect()
}

impl Course {
    fn of(tasks: &[Option<&[&str]>]) -> Course {
        let start = Instant::now();
        let mut course = Course {
            model: Model::new(start),
            start,
            millis: 0,
        };
        let tasks: Vec<Scheduled> = tasks
            .iter()
            .map(|images| Scheduled {
                job: "task".to_owned(),
                routes: images.map(routes),
            })
            .collect();
        course.event(&Event::RunStarted { tasks: &tasks });
        course
    }

    fn pull(images: &[&str]) -> Course {
        let mut course = Course::of(&[Some(images)]);
        course.reach(0, images);
        course
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.millis)
    }

    fn wait(&mut self, millis: u64) {
        self.millis += millis;
        self.model.look(self.now());
    }

    fn event(&mut self, event: &Event<'_>) {
        let now = self.now();
        self.model.update(event, now);
    }

    fn reach(&mut self, number: usize, images: &[&str]) {
        self.event(&Event::TaskReached {
            number,
            routes: &routes(images),
        });
    }

    fn plan(&mut self, image: &str, new_bytes: u64) {
        self.event(&Event::ImagePlanned {
            image,
            blobs: 1,
            new_bytes,
            parts: &Arc::default(),
        });
    }

    fn begin(&mut self, image: &str, blob: &Descriptor, offset: u64) {
        self.event(&Event::BlobStarted { image, blob, offset });
    }

    fn progress(&mut self, image: &str, blob: &Descriptor, position: u64) {
        self.event(&Event::BlobProgress {
            image,
            digest: &blob.digest,
            position,
        });
    }

    fn finish(&mut self, image: &str, blob: &Descriptor, how: How) {
        self.event(&Event::BlobFinished { image, blob, how });
    }

    fn fail(&mut self, image: &str, blob: &Descriptor) {
        self.event(&Event::BlobFailed {
            image,
            digest: &blob.digest,
        });
        self.end(image, Status::Failed(Fault::refused(None, "no")));
    }

    fn end(&mut self, image: &str, status: Status) {
        let outcome = ImageOutcome::blank(route(image), status);
        self.event(&Event::ImageFinished { outcome: &outcome });
    }

    fn line(&self) -> String {
        self.model.line(self.now())
    }
}

#[test]
fn bytes_are_those_that_are_there_and_on_their_way_and_never_get_fewer() {
    let (first, second) = (blob(b"1", 100), blob(b"2", 50));
    let mut course = Course::pull(&["a"]);
    course.plan("a", 150);
    course.begin("a", &first, 10);
    assert_eq!(course.model.bytes(), 10);
    course.progress("a", &first, 60);
    course.finish("a", &second, How::Present);
    assert_eq!(course.model.bytes(), 110);
    course.progress("a", &first, 40);
    assert_eq!(
        course.model.bytes(),
        110,
        "of calls that cross, the largest counts"
    );
    course.begin("a", &first, 0);
    assert_eq!(
        course.model.bytes(),
        110,
        "a try that begins anew takes nothing back"
    );
    course.progress("a", &first, 50);
    assert_eq!(course.model.bytes(), 110);
    assert_eq!(
        course.model.active()[0].position,
        50,
        "its own line says how it is"
    );
    course.progress("a", &first, 70);
    assert_eq!(course.model.bytes(), 120);
    course.finish("a", &first, How::Moved);
    assert_eq!((course.model.bytes(), course.model.active().len()), (150, 0));
}

/// One digest that goes into two repositories at once is two blobs on their way.
#[test]
fn a_blob_that_moves_for_two_images_at_once_is_counted_twice() {
    let layer = blob(b"1", 100);
    let mut course = Course::pull(&["a", "b"]);
    course.plan("a", 100);
    course.plan("b", 100);
    course.begin("a", &layer, 0);
    course.begin("b", &layer, 0);
    course.progress("a", &layer, 30);
    course.progress("b", &layer, 90);
    assert_eq!(course.model.bytes(), 120);
    course.finish("a", &layer, How::Moved);
    assert_eq!((course.model.bytes(), course.model.active().len()), (190, 1));
}

#[test]
fn what_a_failed_image_still_lacks_is_no_longer_waited_for_unless_another_brings_it() {
    let (own, shared) = (blob(b"own", 400), blob(b"shared", 100));
    let mut course = Course::pull(&["a", "b"]);
    course.plan("a", 500);
    course.plan("b", 50);
    assert_eq!(course.model.total(), (550, true));
    course.begin("a", &own, 0);
    course.progress("a", &own, 20);
    course.fail("a", &own);
    assert_eq!(course.model.total(), (50, true));
    assert_eq!(course.model.bytes(), 20, "bytes that came are not taken back");
    course.begin("b", &shared, 0);
    course.finish("b", &shared, How::Moved);
    assert_eq!(course.model.total(), (100, true));
    assert_eq!(course.model.bytes(), 100);
}

#[test]
fn an_image_that_gets_another_try_is_one_image() {
    let layer = blob(b"1", 100);
    let mut course = Course::pull(&["a", "b"]);
    course.plan("a", 100);
    course.begin("a", &layer, 0);
    course.progress("a", &layer, 60);
    course.fail("a", &layer);
    course.end("b", Status::AlreadyThere);
    assert_eq!(course.model.images_text(), "2/2 images, 1 failed");
    course.plan("a", 100);
    assert_eq!(course.model.total(), (100, true));
    course.begin("a", &layer, 60);
    course.finish("a", &layer, How::Moved);
    course.end("a", Status::Copied);
    assert_eq!(course.model.images_text(), "2/2 images");
    assert_eq!(course.model.total(), (100, true));
}

#[test]
fn several_tasks_have_one_total() {
    let (first, second) = (blob(b"1", 100), blob(b"2", 300));
    let mut course = Course::of(&[Some(&["a"]), Some(&["a", "b"]), None]);
    assert_eq!(course.model.images_text(), "0/3 images");
    course.reach(0, &["a"]);
    course.plan("a", 100);
    assert_eq!(course.model.total(), (100, false));
    course.finish("a", &first, How::Moved);
    course.end("a", Status::Copied);
    let filled = course.model.filled();
    assert!(
        (0.33..0.34).contains(&filled),
        "two more images are to come: {filled}"
    );
    course.reach(1, &["a", "b"]);
    course.plan("a", 0);
    course.end("a", Status::AlreadyThere);
    course.plan("b", 300);
    course.finish("b", &second, How::Moved);
    course.end("b", Status::Failed(Fault::refused(None, "no")));
    assert_eq!(course.model.images_text(), "3/3 images, 1 failed");
    assert_eq!(course.model.total(), (400, false), "the third task isn't known");
    course.reach(2, &["c"]);
    assert_eq!(course.model.images_text(), "3/4 images, 1 failed");
    course.end("c", Status::AlreadyThere);
    assert_eq!(course.model.total(), (400, true));
}

/// Many blobs that come, fail, begin anew and are planned late.
#[test]
fn nothing_that_is_shown_ever_goes_back() {
    let names: Vec<String> = (0..12).map(|number| format!("image{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut course = Course::pull(&names);
    let mut dice = 0x2545_f491_u64;
    let mut roll = |end: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) % end
    };
    let blobs: Vec<Descriptor> = (0..12_u64).map(|n| blob(&n.to_le_bytes(), 10 + n * 90)).collect();
    let mut last = (0, 0.0, 0);
    for _ in 0..5000 {
        let at = roll(12) as usize;
        let (image, layer) = (names[at], &blobs[at]);
        match roll(8) {
            0 => course.plan(image, layer.size),
            1 | 2 => course.begin(image, layer, roll(layer.size)),
            3..=5 => course.progress(image, layer, roll(layer.size + 1)),
            6 => course.fail(image, layer),
            _ => course.finish(image, layer, How::Moved),
        }
        course.wait(10);
        let model = &course.model;
        let seen = (model.bytes(), model.filled(), model.images().done);
        assert!(
            seen.0 >= last.0 && seen.1 >= last.1 && seen.2 >= last.2,
            "{last:?} then {seen:?}"
        );
        assert!(model.bytes() <= model.total().0 && model.filled() <= 1.0);
        last = seen;
    }
}

#[test]
fn a_line_tells_bytes_speed_time_left_images_and_retries() {
    let layer = blob(b"x", 1 << 20);
    let mut course = Course::pull(&["a", "b", "c"]);
    assert_eq!(course.line(), "0/3 images, 0 looked at");
    course.plan("a", 4 << 20);
    course.begin("a", &layer, 512);
    assert_eq!(course.line(), "512 B of 4.00 MiB known so far, 0/3 images");
    for step in 1..=10 {
        course.wait(1000);
        course.progress("a", &layer, 512 + step * 51_200);
    }
    assert_eq!(
        course.line(),
        "500.50 KiB of 4.00 MiB known so far, 50.00 KiB/s, 0/3 images",
        "no time left is told until all images are known"
    );
    course.end("b", Status::Failed(Fault::refused(None, "no")));
    course.end("c", Status::Interrupted);
    course.wait(100);
    assert_eq!(
        course.line(),
        "500.50 KiB of 4.00 MiB, 49.50 KiB/s, 1m13s left, 2/3 images, 1 failed; failed: no"
    );
    course.finish("a", &layer, How::Moved);
    course.wait(4900);
    assert!(!course.line().contains("stalled"), "{}", course.line());
    course.wait(20_100);
    assert_eq!(
        course.line(),
        "1.00 MiB of 4.00 MiB, stalled for 25s, 2/3 images, 1 failed; failed: no"
    );
    course.end("a", Status::Copied);
    course.wait(60_000);
    assert_eq!(
        course.line(),
        "1.00 MiB of 1.00 MiB, 0 B/s, 3/3 images, 1 failed; failed: no"
    );
}

#[test]
fn a_look_at_a_store_has_bytes_and_no_images() {
    let start = Instant::now();
    let mut model = Model::of_bytes("4 images checked".to_owned(), 4096, start);
    model.settle(1024, start + Duration::from_secs(4));
    model.look(start + Duration::from_secs(4));
    assert_eq!(
        model.line(start + Duration::from_secs(4)),
        "1.00 KiB of 4.00 KiB, 256 B/s, 12s left, 4 images checked"
    );
    // Mending brings blobs by the way of transfers.
    let layer = blob(b"x", 1024);
    model.update(
        &Event::BlobStarted {
            image: "a",
            blob: &layer,
            offset: 0,
        },
        start,
    );
    model.update(
        &Event::BlobFinished {
            image: "a",
            blob: &layer,
            how: How::Moved,
        },
        start,
    );
    assert_eq!((model.bytes(), model.total()), (2048, (4096, true)));
}
