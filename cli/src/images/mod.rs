//! Finding the images that files name: manifests, rendered charts, Compose files and lists.

mod files;
mod names;
mod text;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use transload_transfer::job::ImageEntry;

use crate::task::{Problem, TaskErrors};

/// More mentions than this are no release.
const MAX_MENTIONS: usize = 100_000;

/// An image, as a file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mention {
    image: String,
    /// Whether the file's format says that this is an image; else it only looks like one.
    is_sure: bool,
    line: usize,
}

/// The images that files name.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// By what their names stand for.
    images: BTreeMap<String, Image>,
    mentions: usize,
    /// Files with at least one image.
    files: BTreeSet<String>,
    pub problems: Vec<Problem>,
}

/// An image, and where it is named.
#[derive(Debug)]
pub(crate) struct Image {
    /// As it was written first.
    pub name: String,
    pub is_sure: bool,
    /// Files and lines.
    pub places: Vec<(String, usize)>,
}

/// Finds the images in files, in the files below directories, and in the standard input (`-`).
///
/// # Errors
/// Where a path can't be read. What is wrong within files is among the findings.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Findings, TaskErrors> {
    let mut findings = Findings::default();
    for path in paths {
        files::read_all(path, &mut findings)?;
    }
    Ok(findings)
}

impl Findings {
    /// The images, those that are sure or those that may be images, by name.
    pub(crate) fn images(&self, is_sure: bool) -> impl Iterator<Item = &Image> {
        self.images.values().filter(move |image| image.is_sure == is_sure)
    }

    /// How many files name images.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    fn add(&mut self, file: &str, mentions: Vec<Mention>) {
        for mention in mentions {
            self.mentions += 1;
            if self.mentions > MAX_MENTIONS {
                if self.mentions == MAX_MENTIONS + 1 {
                    let message =
                        format!("more than {MAX_MENTIONS} images are named: the others are left out");
                    self.problems.push(Problem::of_file(file, message));
                }
                return;
            }
            let full = match mention.image.parse() {
                Ok(ImageEntry::Name(name)) => name.reference().to_string(),
                _ => mention.image.clone(),
            };
            self.files.insert(file.to_owned());
            let image = self.images.entry(full).or_insert_with(|| Image {
                name: mention.image,
                is_sure: mention.is_sure,
                places: Vec::new(),
            });
            let place = (file.to_owned(), mention.line);
            match (image.is_sure, mention.is_sure) {
                // Where it is certainly named says more than where it may be.
                (false, true) => {
                    image.is_sure = true;
                    image.places = vec![place];
                }
                (true, false) => {}
                _ if image.places.contains(&place) => {}
                _ => image.places.push(place),
            }
        }
    }
}
