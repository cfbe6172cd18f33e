//! What is wrong with what an OCI layout's names stand for, and mending it.

use transload_reference::{Digest, Repository};

use super::{Oci, json};
use crate::folders::{Kind, kind};
use crate::layout::Mending;
use crate::repair::{OldTagFile, TagFlaw};
use crate::{Error, Flaw};

impl Mending for Oci {
    fn check_tags(&self, repository: &Repository) -> Result<Vec<TagFlaw>, Error> {
        let reasons = self.reasons(repository)?.into_iter();
        let flaw = |reason| TagFlaw {
            path: self.path(),
            flaw: Flaw::Damaged(reason),
        };
        Ok(reasons.map(flaw).collect())
    }

    fn renew_tag_files(&self, _: &Repository) -> Result<Vec<OldTagFile>, Error> {
        Ok(Vec::new())
    }

    /// Corrects sizes. What an entry stands for that can't be used, or that has another's name, no file tells.
    fn mend_tags(&self, repository: &Repository) -> Result<(), Error> {
        let descriptor = |digest: &Digest| Some(self.found(digest).ok()??.descriptor());
        self.change(|contents| {
            let corrected = contents.correct(repository, descriptor);
            corrected.map_err(|error| json(&self.path(), error))
        })?;
        match self.reasons(repository)?.into_iter().next() {
            Some(reason) => Err(Error::damaged(&self.path(), reason)),
            None => Ok(()),
        }
    }
}

impl Oci {
    /// What is wrong with what a repository's names stand for.
    fn reasons(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        let contents = self.contents()?;
        let flaws = contents.flaws(&self.names).into_iter();
        let mut reasons: Vec<String> = flaws
            .filter(|(of, _)| of.as_ref() == Some(repository))
            .map(|(_, reason)| reason)
            .collect();
        for (name, image) in contents.images() {
            if name.repository() == repository
                && let Ok(Kind::File(size)) = kind(&self.blob(&image.digest))
                && size != image.size
            {
                let said = image.size;
                reasons.push(format!(
                    "it says {said} bytes of the manifest of {name}, which has {size}"
                ));
            }
        }
        Ok(reasons)
    }
}
