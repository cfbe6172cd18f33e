//! Bars whose pieces are layers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::report::{ImageReport, PartReport, Report};
use crate::ui::{bytes, count};

/// How many images have a bar, and how many pieces one has.
const MOST_IMAGES: usize = 40;
const MOST_PIECES: usize = 60;

/// How wide the largest bar is, in units of the picture.
const WIDTH: f64 = 1000.0;

/// The name of bytes whose platform isn't told.
const NO_PLATFORM: &str = "no platform told";

/// A bar with its name.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: String,
    size: String,
    /// What somebody hears who doesn't see it.
    label: String,
    pieces: Vec<Piece>,
}

/// A piece of a bar.
#[derive(Debug, Serialize)]
struct Piece {
    /// `own` or `shared`.
    kind: &'static str,
    x: String,
    width: String,
    title: String,
}

/// A piece before it has a place.
struct Part {
    is_shared: bool,
    bytes: u64,
    title: String,
}

/// Returns the largest images with their layers, and how many are left out.
pub(super) fn images(report: &Report) -> (Vec<Row>, usize) {
    let images: Vec<(&ImageReport, BTreeMap<&str, u64>)> = report
        .tasks
        .iter()
        .flat_map(|task| &task.images)
        .map(|image| (image, blobs(&image.parts)))
        .filter(|(_, blobs)| !blobs.is_empty())
        .collect();
    let mut needed: HashMap<&str, usize> = HashMap::new();
    for digest in images.iter().flat_map(|(_, blobs)| blobs.keys()) {
        *needed.entry(digest).or_default() += 1;
    }
    let mut bars: Vec<(String, Vec<Part>)> = images
        .iter()
        .map(|(image, blobs)| {
            let part = |(digest, size): (&&str, &u64)| {
                let others = needed[*digest] - 1;
                let shared = match others {
                    0 => String::new(),
                    others => format!(", shared with {}", count(others, "other image")),
                };
                Part {
                    is_shared: others > 0,
                    bytes: *size,
                    title: format!("{digest}: {}{shared}", bytes(*size)),
                }
            };
            (super::data::name(&image.source), blobs.iter().map(part).collect())
        })
        .collect();
    bars.sort_by_key(|(_, parts)| std::cmp::Reverse(total(parts)));
    let left_out = bars.len().saturating_sub(MOST_IMAGES);
    bars.truncate(MOST_IMAGES);
    (rows(bars), left_out)
}

/// Returns what each platform costs, all images together and each blob once; nothing where none is told.
pub(super) fn platforms(report: &Report) -> Vec<Row> {
    let parts = report
        .tasks
        .iter()
        .flat_map(|task| &task.images)
        .flat_map(|image| &image.parts);
    let mut needed: BTreeMap<&str, (u64, BTreeSet<&str>)> = BTreeMap::new();
    for part in parts {
        let platform = part.platform.as_deref().unwrap_or(NO_PLATFORM);
        for blob in &part.blobs {
            let (size, platforms) = needed.entry(&blob.digest).or_default();
            *size = blob.size;
            platforms.insert(platform);
        }
    }
    let all: BTreeSet<&str> = needed
        .values()
        .flat_map(|(_, platforms)| platforms)
        .copied()
        .collect();
    if all.iter().all(|platform| *platform == NO_PLATFORM) {
        return Vec::new();
    }
    let bar = |platform: &str| {
        let sum = |is_shared: bool| {
            let of_it = needed
                .values()
                .filter(|(_, platforms)| platforms.contains(platform) && (platforms.len() > 1) == is_shared);
            of_it.map(|(size, _)| size).sum::<u64>()
        };
        let parts = [
            (false, "of this platform only"),
            (true, "shared with other platforms"),
        ]
        .map(|(is_shared, what)| Part {
            is_shared,
            bytes: sum(is_shared),
            title: format!("{} {what}", bytes(sum(is_shared))),
        })
        .into_iter()
        .filter(|part| part.bytes > 0);
        (platform.to_owned(), parts.collect::<Vec<Part>>())
    };
    let mut bars: Vec<(String, Vec<Part>)> = all.into_iter().map(bar).collect();
    bars.sort_by_key(|(_, parts)| std::cmp::Reverse(total(parts)));
    rows(bars)
}

/// Returns an image's blobs with their sizes, each once.
pub(super) fn blobs(parts: &[PartReport]) -> BTreeMap<&str, u64> {
    let blobs = parts.iter().flat_map(|part| &part.blobs);
    blobs.map(|blob| (blob.digest.as_str(), blob.size)).collect()
}

fn total(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.bytes).sum()
}

/// Gives bars their places: the largest takes the whole width.
fn rows(bars: Vec<(String, Vec<Part>)>) -> Vec<Row> {
    let most = bars
        .iter()
        .map(|(_, parts)| total(parts))
        .max()
        .unwrap_or(0)
        .max(1);
    let scale = |bytes: u64| bytes as f64 / most as f64 * WIDTH;
    let row = |(name, mut parts): (String, Vec<Part>)| {
        let size = bytes(total(&parts));
        parts.sort_by_key(|part| (part.is_shared, std::cmp::Reverse(part.bytes)));
        let mut at = 0;
        let mut pieces = Vec::new();
        for part in together(parts) {
            pieces.push(Piece {
                kind: if part.is_shared { "shared" } else { "own" },
                x: format!("{:.1}", scale(at)),
                width: format!("{:.1}", scale(part.bytes)),
                title: part.title,
            });
            at += part.bytes;
        }
        Row {
            label: format!("{name}: {size} in {}", count(pieces.len(), "piece")),
            name,
            size,
            pieces,
        }
    };
    bars.into_iter().map(row).collect()
}

/// Puts the smallest pieces of a kind together where there are very many.
fn together(parts: Vec<Part>) -> Vec<Part> {
    let mut kept = Vec::new();
    for is_shared in [false, true] {
        let mut of_kind = parts.iter().filter(|part| part.is_shared == is_shared);
        kept.extend(of_kind.by_ref().take(MOST_PIECES / 2).map(|part| Part {
            title: part.title.clone(),
            ..*part
        }));
        let (number, bytes_of_rest) =
            of_kind.fold((0, 0), |(number, sum), part| (number + 1, sum + part.bytes));
        if number > 0 {
            kept.push(Part {
                is_shared,
                bytes: bytes_of_rest,
                title: format!("{}: {}", count(number, "smaller layer"), bytes(bytes_of_rest)),
            });
        }
    }
    kept
}
