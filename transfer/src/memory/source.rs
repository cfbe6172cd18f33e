//! The place in memory as a source.

use std::io::{Cursor, Read};

use transload_reference::{Descriptor, Digest, RawManifest, Reference, ReferrersIndex, Repository, Tag};

use super::{Call, Memory, Trouble};
use crate::fault::{Fault, Side};
use crate::place::{Absent, Offers, Sink, Source};

impl Source for Memory {
    fn find_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        Ok(self.stored(repository, digest).ok())
    }

    fn describe(&self) -> String {
        self.0.name.to_string()
    }

    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, Fault> {
        self.call(Call::Referrers, subject.as_str())?;
        let contents = self.contents();
        let listed = contents.referrers.get(subject);
        let own = contents.manifests.iter().filter(|((of, digest), manifest)| {
            let about = manifest.view().subject();
            let is_listed = listed.is_some_and(|listed| listed.contains(digest));
            of == repository && (is_listed || about.is_some_and(|about| about.digest == *subject))
        });
        let found: ReferrersIndex = own.filter_map(|(_, manifest)| manifest.referrer()).collect();
        Ok(found.referrers().to_vec())
    }

    fn find_tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Fault> {
        self.call(Call::FindTag, tag.as_str())?;
        let key = (repository.clone(), tag.clone());
        Ok(self.contents().tags.get(&key).cloned())
    }

    fn resolve(&self, image: &Reference) -> Result<Digest, Fault> {
        self.call(Call::Resolve, &image.to_string())?;
        let missing = || Fault::refused(Some(Side::Source), format!("{image} isn't there"));
        self.digest(image).ok_or_else(missing)
    }

    fn root(&self, image: &Reference) -> Result<RawManifest, Fault> {
        self.call(Call::Root, &image.to_string())?;
        let missing = || Fault::refused(Some(Side::Source), format!("{image} isn't there"));
        self.stored(image.repository(), &self.digest(image).ok_or_else(missing)?)
    }

    fn manifest(&self, repository: &Repository, part: &Descriptor) -> Result<RawManifest, Fault> {
        self.call(Call::Manifest, part.digest.as_str())?;
        self.stored(repository, &part.digest)
    }

    fn open_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        let trouble = self.call(Call::OpenBlob, blob.digest.as_str())?;
        let key = (self.scope(repository), blob.digest.clone());
        let found = self.contents().blobs.get(&key).cloned();
        let missing = || Fault::refused(Some(Side::Source), format!("{} isn't there", blob.digest));
        let mut bytes = found.ok_or_else(missing)?.split_off(offset as usize);
        match trouble {
            Some(Trouble::Cut) => bytes.truncate(bytes.len() / 2),
            Some(Trouble::Damage) => bytes[0] ^= 1,
            Some(Trouble::Lengthen) => bytes.push(b'!'),
            _ => {}
        }
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        Sink::has_blob(self, repository, blob)
    }

    fn is_partial(&self) -> bool {
        !self.contents().left_out.is_empty()
    }

    fn absent(&self, blob: &Descriptor) -> Option<Absent> {
        let contents = self.contents();
        let lender = contents.left_out.get(&blob.digest)?;
        Some(Absent {
            reason: "left out".to_owned(),
            repository: Some(lender.clone()),
            base: None,
        })
    }

    fn offers(&self) -> Offers<'_> {
        Offers {
            mount_from: Some(&self.0.name),
            is_remote: true,
            ..Offers::default()
        }
    }
}
