//! What has changed since an image was locked.

use std::collections::BTreeSet;

use transload_reference::{Digest, Manifest, Platform, RawManifest, Reference};
use transload_transfer::job::{ImageName, Pins};
use transload_transfer::{Fault, Side};

use super::{Entry, Lock, described};

/// How many images that a lock file lacks are told by name.
const MOST_LACKING: usize = 5;

impl Pins for Lock {
    fn check_listed(&self, images: &[&ImageName]) -> Result<(), Fault> {
        let is_missing = |image: &&&ImageName| !self.entries.contains_key(image.reference());
        let lacking: Vec<&str> = images
            .iter()
            .filter(is_missing)
            .map(|image| image.written())
            .collect();
        let message = match lacking.as_slice() {
            [] => return Ok(()),
            [name] => format!("{name} isn't in {}", self.file),
            names => {
                let told = &names[..names.len().min(MOST_LACKING)];
                let more = if names.len() > told.len() { " …" } else { "" };
                format!(
                    "{} images aren't in {}: {}{more}",
                    names.len(),
                    self.file,
                    told.join(", ")
                )
            }
        };
        Err(Fault::refused(None, message).with_hint(self.accept()))
    }

    fn check_source(&self, image: &ImageName, found: &Digest) -> Result<(), Fault> {
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

    fn check_result(
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

    fn check_referrers(
        &self,
        image: &ImageName,
        source: &Digest,
        referrers: &BTreeSet<Digest>,
    ) -> Result<(), Fault> {
        let entries = self.of(image)?.iter();
        let locked: Vec<&BTreeSet<Digest>> = entries
            .filter(|entry| entry.digest == *source || entry.written == *source)
            .map(|entry| &entry.referrers)
            .collect();
        let Some(first) = locked.first().filter(|_| !locked.contains(&referrers)) else {
            return Ok(());
        };
        let gone = first.difference(referrers).next();
        let message = match (gone, referrers.difference(first).next()) {
            (Some(gone), _) => format!("came with the referrer {gone}, and would come without it now"),
            (None, Some(new)) => format!("came without the referrer {new}, and would come with it now"),
            (None, None) => return Ok(()),
        };
        let fault = Fault::refused(Some(Side::Source), format!("{} {message}", image.reference()));
        Err(fault.with_hint(format!(
            "ask for the referrers that are locked; {}",
            self.accept()
        )))
    }

    fn check_skipped(&self, image: &ImageName, reason: &str) -> Result<(), Fault> {
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
}

impl Lock {
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
    fn accept(&self) -> String {
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
