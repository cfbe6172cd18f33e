//! How far a task is, by the events that were told of it.

use std::collections::HashMap;

use transload_reference::Digest;

use super::format;
use crate::transfer::{Event, ImageOutcome};

/// How far a task is.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub images: usize,
    pub planned: usize,
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
    /// Takes an event in.
    pub fn update(&mut self, event: &Event<'_>) {
        match event {
            Event::JobStarted { images, .. } => {
                *self = Model {
                    images: *images,
                    ..Model::default()
                }
            }
            Event::ImagePlanned { new_bytes, .. } => {
                self.planned += 1;
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
                    active.position = (*position).min(active.size);
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
                outcome: ImageOutcome { status, .. },
            } => {
                self.done += 1;
                self.failed += usize::from(!status.is_success());
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

    /// `12/40 images, 1 failed`.
    pub fn images_text(&self) -> String {
        let failed = if self.failed > 0 {
            format!(", {} failed", self.failed)
        } else {
            String::new()
        };
        format!("{}/{}{failed}", self.done, format::count(self.images, "image"))
    }
}

#[cfg(test)]
mod tests {
    use transload_reference::{Descriptor, MediaType};

    use super::*;
    use crate::transfer::How;

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
            position: 0,
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
}
