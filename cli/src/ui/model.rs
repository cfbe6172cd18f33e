//! How far a task is, by the events that were told of it.

use std::collections::{HashMap, HashSet};

use transload_reference::Digest;

use super::format;
use crate::transfer::{Event, ImageOutcome, Status};

/// How far a task is.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// What is done, where no images move.
    what: Option<String>,
    pub images: usize,
    /// The images of which it is known what they need, and those that are over.
    known: HashSet<String>,
    pub done: usize,
    pub failed: usize,
    /// Bytes of all blobs that are known to be needed.
    pub wanted: u64,
    settled: u64,
    active: HashMap<Digest, Active>,
}

/// A blob on its way.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub image: String,
    pub size: u64,
    pub position: u64,
    /// In the order of beginning.
    pub number: usize,
}

impl Model {
    /// Of so many bytes that don't move: they are read, or mended.
    pub fn of_bytes(what: String, wanted: u64) -> Model {
        Model {
            what: Some(what),
            wanted,
            ..Model::default()
        }
    }

    /// Takes note of more bytes that are done.
    pub fn settle(&mut self, bytes: u64) {
        self.settled = self.settled.saturating_add(bytes);
    }

    /// Takes an event in.
    pub fn update(&mut self, event: &Event<'_>) {
        match event {
            Event::JobStarted { images, .. } => {
                *self = Model {
                    images: *images,
                    ..Model::default()
                }
            }
            Event::ImagePlanned { image, new_bytes, .. } => {
                self.known.insert((*image).to_owned());
                self.wanted = self.wanted.saturating_add(*new_bytes);
            }
            Event::BlobStarted { image, blob, offset } => {
                let number = self
                    .active
                    .values()
                    .map(|active| active.number + 1)
                    .max()
                    .unwrap_or(0);
                let active = Active {
                    image: (*image).to_owned(),
                    size: blob.size,
                    position: *offset,
                    number,
                };
                self.active.insert(blob.digest.clone(), active);
            }
            Event::BlobProgress { digest, position } => {
                if let Some(active) = self.active.get_mut(digest) {
                    // Several connections may bring one blob, and what they tell may cross.
                    active.position = active.position.max((*position).min(active.size));
                }
            }
            Event::BlobFinished { blob, .. } => {
                self.active.remove(&blob.digest);
                self.settled = self.settled.saturating_add(blob.size);
            }
            Event::BlobFailed { digest } => {
                self.active.remove(digest);
            }
            Event::ImageFinished {
                outcome: ImageOutcome { image, status, .. },
            } => {
                self.known.insert(image.clone());
                self.done += 1;
                self.failed += usize::from(matches!(status, Status::Failed(_)));
            }
            _ => {}
        }
    }

    /// Bytes that are where they should be, those on their way included.
    pub fn position(&self) -> u64 {
        let active: u64 = self.active.values().map(|active| active.position).sum();
        self.settled.saturating_add(active).min(self.wanted)
    }

    /// The blobs on their way, the oldest first.
    pub fn active(&self) -> Vec<&Active> {
        let mut active: Vec<&Active> = self.active.values().collect();
        active.sort_by_key(|active| active.number);
        active
    }

    /// All of it in one line, with the bytes that moved lately per second.
    pub fn line(&self, rate: u64) -> String {
        let images = self.images_text();
        let known = self.known.len();
        match (&self.what, self.wanted) {
            (Some(what), 0) => return what.clone(),
            (None, 0) => return format!("{images}, {known} looked at"),
            _ => {}
        }
        let so_far = if known < self.images { " known so far" } else { "" };
        let rate = if rate > 0 {
            format!("{}/s", format::bytes(rate))
        } else {
            "no bytes lately".to_owned()
        };
        format!(
            "{} of {}{so_far}, {rate}, {images}",
            format::bytes(self.position()),
            format::bytes(self.wanted)
        )
    }

    /// `12/40 images, 1 failed`; what is done where no images move.
    pub fn images_text(&self) -> String {
        if let Some(what) = &self.what {
            return what.clone();
        }
        let failed = if self.failed > 0 {
            format!(", {} failed", self.failed)
        } else {
            String::new()
        };
        format!("{}/{}{failed}", self.done, format::count(self.images, "image"))
    }
}

impl Active {
    /// How far it is, how large, and for which image.
    pub fn line(&self) -> String {
        let percent = self
            .position
            .saturating_mul(100)
            .checked_div(self.size)
            .unwrap_or(100);
        format!(
            "{percent:3}% of {:>10}  {}",
            format::bytes(self.size),
            format::shorten(&self.image, 50)
        )
    }
}

#[cfg(test)]
mod tests {
    use transload_reference::{Descriptor, MediaType};

    use std::time::Duration;

    use super::*;
    use crate::transfer::{Fault, How, Tally};

    #[test]
    fn the_position_counts_what_is_there_and_what_is_on_its_way() {
        let blob = |content: &[u8]| {
            Descriptor::new(MediaType::new("layer"), Digest::of(content), content.len() as u64)
        };
        let (first, second) = (blob(&[1; 100]), blob(&[2; 50]));
        let mut model = Model::default();
        model.update(&Event::JobStarted {
            job: "pull",
            images: 1,
        });
        model.update(&Event::ImagePlanned {
            image: "a",
            blobs: 2,
            new_bytes: 150,
        });
        model.update(&Event::BlobStarted {
            image: "a",
            blob: &first,
            offset: 10,
        });
        assert_eq!(model.position(), 10);
        model.update(&Event::BlobProgress {
            digest: &first.digest,
            position: 60,
        });
        model.update(&Event::BlobFinished {
            image: "a",
            blob: &second,
            how: How::Present,
        });
        assert_eq!(model.position(), 110);
        model.update(&Event::BlobProgress {
            digest: &first.digest,
            position: 40,
        });
        assert_eq!(model.position(), 110, "of calls that cross, the largest counts");
        model.update(&Event::BlobStarted {
            image: "a",
            blob: &first,
            offset: 0,
        });
        assert_eq!(
            model.position(),
            50,
            "a try that begins anew has moved nothing yet"
        );
        model.update(&Event::BlobFinished {
            image: "a",
            blob: &first,
            how: How::Moved,
        });
        assert_eq!((model.position(), model.active().len()), (150, 0));
    }

    #[test]
    fn a_line_tells_bytes_speed_and_images() {
        let blob = Descriptor::new(MediaType::new("layer"), Digest::of(b"x"), 2048);
        let outcome = |image: &str, status| ImageOutcome {
            image: image.to_owned(),
            source: String::new(),
            destination: String::new(),
            status,
            source_digest: None,
            digest: None,
            platforms: Vec::new(),
            parts: Vec::new(),
            warnings: Vec::new(),
            blobs: Tally::default(),
            elapsed: Duration::ZERO,
        };
        let mut model = Model::default();
        model.update(&Event::JobStarted {
            job: "pull",
            images: 3,
        });
        assert_eq!(model.line(0), "0/3 images, 0 looked at");
        model.update(&Event::ImagePlanned {
            image: "a",
            blobs: 1,
            new_bytes: 4096,
        });
        model.update(&Event::BlobStarted {
            image: "a",
            blob: &blob,
            offset: 512,
        });
        assert_eq!(
            model.line(100),
            "512 B of 4.00 KiB known so far, 100 B/s, 0/3 images"
        );
        assert_eq!(model.active()[0].line(), " 25% of   2.00 KiB  a");
        let failed = Status::Failed(Fault::refused(None, "no"));
        for (image, status) in [("b", failed), ("c", Status::Interrupted)] {
            let outcome = outcome(image, status);
            model.update(&Event::ImageFinished { outcome: &outcome });
        }
        model.update(&Event::BlobFailed { digest: &blob.digest });
        let outcome = outcome("a", Status::AlreadyThere);
        model.update(&Event::ImageFinished { outcome: &outcome });
        assert_eq!(
            model.line(0),
            "0 B of 4.00 KiB, no bytes lately, 3/3 images, 1 failed"
        );
    }
}
