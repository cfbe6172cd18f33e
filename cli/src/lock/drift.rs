//! What has changed since an image was locked.

use transload_reference::{Digest, Manifest, Platform, RawManifest, Reference};

use super::{Entry, Lock, described};
use crate::job::ImageName;
use crate::transfer::{Fault, Side};

impl Lock {
    /// Those of the images that the file doesn't have.
    pub(crate) fn lacks<'i>(&self, images: impl IntoIterator<Item = &'i ImageName>) -> Vec<&'i ImageName> {
        let is_missing = |image: &&ImageName| !self.entries.contains_key(image.reference());
        images.into_iter().filter(is_missing).collect()
    }

    /// The file's name.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Checks that an image still stands for what it stood for. Of one that isn't in the file, it takes more to tell what is wrong: it may be left
    /// out by rule.
    ///
    /// # Errors
    /// Where it doesn't.
    pub(crate) fn check_source(&self, image: &ImageName, found: &Digest) -> Result<(), Fault> {
        let Some(entries) = self.entries.get(image.reference()) else {
            return Ok(());
        };
        if entries
            .iter()
            .any(|entry| entry.digest == *found || entry.written == *found)
        {
            return Ok(());
        }
        let stood: Vec<String> = entries
            .iter()
            .map(|entry| format!("{} on {}", entry.digest, entry.locked))
            .collect();
        let fault = Fault::refused(
            Some(Side::Source),
            format!(
                "{} stood for {}, and stands for {found} now",
                image.reference(),
                stood.join(", for ")
            ),
        );
        let pinned = entries
            .first()
            .map(|entry| pinned(image.reference(), &entry.digest));
        Err(fault.with_hint(format!(
            "{}; to move what is locked, name it {}",
            self.accept(),
            pinned.unwrap_or_default()
        )))
    }

    /// Checks that what would be written is what was written, platforms and all. `source` is what the image stands for.
    ///
    /// # Errors
    /// Where it is something else.
    pub(crate) fn check_result(
        &self,
        image: &ImageName,
        source: &Digest,
        root: &RawManifest,
        parts: &[(Platform, Digest)],
    ) -> Result<(), Fault> {
        let entries = self.of(image)?;
        let platforms = described(parts);
        let is_locked = |entry: &Entry| {
            let is_whole = entry.written == *source && root.digest() == source;
            let is_same = entry.digest == *source && entry.written == *root.digest();
            // An image's digest says all of it; an index that is kept whole (`index: original`) may come with any of its platforms.
            let is_index = matches!(root.view(), Manifest::Index(_));
            (is_whole || is_same) && (!is_index || entry.platforms == platforms)
        };
        if entries.iter().any(is_locked) {
            return Ok(());
        }
        let was: Vec<String> = entries
            .iter()
            .map(|entry| {
                format!(
                    "with {} ({}) on {}",
                    names(&entry.platforms),
                    entry.written,
                    entry.locked
                )
            })
            .collect();
        let message = format!(
            "{} was written {}, and would be written with {} ({}) now",
            image.reference(),
            was.join(", "),
            names(&platforms),
            root.digest()
        );
        Err(Fault::refused(None, message).with_hint(format!(
            "ask for the platforms that are locked; {}",
            self.accept()
        )))
    }

    /// Checks that an image which is left out by rule was so before.
    ///
    /// # Errors
    /// Where something of it was written.
    pub(crate) fn check_skipped(&self, image: &ImageName, reason: &str) -> Result<(), Fault> {
        let Some(entry) = self
            .entries
            .get(image.reference())
            .and_then(|entries| entries.first())
        else {
            return Ok(());
        };
        let message = format!(
            "{} was written with {} on {}, and nothing of it would be now: {reason}",
            image.reference(),
            names(&entry.platforms),
            entry.locked
        );
        Err(Fault::refused(None, message).with_hint("ask for the platforms that are locked"))
    }

    fn of(&self, image: &ImageName) -> Result<&[Entry], Fault> {
        match self.entries.get(image.reference()) {
            Some(entries) => Ok(entries),
            None => {
                let message = format!("{} isn't in {}", image.reference(), self.file);
                Err(Fault::refused(None, message).with_hint(self.accept()))
            }
        }
    }

    /// What to do where the change is meant.
    pub(crate) fn accept(&self) -> String {
        format!(
            "if that is meant, run once without --locked: {} takes it up, for review",
            self.file
        )
    }
}

fn pinned(image: &Reference, digest: &Digest) -> String {
    Reference::new(image.repository().clone(), None, Some(digest.clone())).to_string()
}

fn names(platforms: &[(String, Digest)]) -> String {
    let names: Vec<&str> = platforms.iter().map(|(name, _)| name.as_str()).collect();
    match names.as_slice() {
        [] => "no platform of its own".to_owned(),
        names => names.join(", "),
    }
}
