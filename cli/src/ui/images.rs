//! Images that files name, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use transload_reference::is_unprintable;

use super::format::count;
use crate::images::{Findings, Image};

/// Places of an image that are shown.
const MOST_PLACES: usize = 3;
/// Names up to this length have their places in one column.
const COLUMN: usize = 60;

/// An images file: each image with the files and lines that name it, and behind them, as comments, what may be images.
pub(crate) fn images_text(found: &Findings) -> String {
    let sure = found.images(true).count();
    let mut text = format!("# {} in {}\n", count(sure, "image"), count(found.files(), "file"));
    for image in found.images(true) {
        let _ = writeln!(text, "{}", line(image));
    }
    if found.images(false).next().is_some() {
        text.push_str(
            "\n# These may be images: texts in arguments, environment, ConfigMaps and the like.\n\
             # Remove the # before those that are.\n",
        );
    }
    for image in found.images(false) {
        let _ = writeln!(text, "#{}", line(image));
    }
    text
}

fn line(image: &Image) -> String {
    let place = |(file, line): &(String, usize)| format!("{}:{line}", printable(file));
    let mut places: Vec<String> = image.places.iter().take(MOST_PLACES).map(place).collect();
    if image.places.len() > MOST_PLACES {
        places.push(format!("and {} more", image.places.len() - MOST_PLACES));
    }
    format!("{:COLUMN$}  # {}", image.name, places.join(", "))
}

/// A file's name on one line.
fn printable(name: &str) -> String {
    let letters = name.chars();
    letters
        .map(|letter| {
            if is_unprintable(letter) {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

/// The images and where they are named.
pub(crate) fn images_json(found: &Findings) -> Value {
    let image = |image: &Image| {
        let place = |(file, line): &(String, usize)| json!({"file": file, "line": line});
        let places: Vec<Value> = image.places.iter().map(place).collect();
        json!({"image": image.name, "places": places})
    };
    let images: Vec<Value> = found.images(true).map(image).collect();
    let possible: Vec<Value> = found.images(false).map(image).collect();
    json!({"images": images, "possible": possible})
}
