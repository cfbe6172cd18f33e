//! Signatures of an image, looked up where the image comes from.

use transload_reference::{Descriptor, RawManifest, ReferrerTag, Repository};
use transload_signature::{
    MAX_SIGNATURE_SIZE, NotSigned, PublicKey, PublicKeys, Refusal, Signed, check as check_signature,
    may_be_signature, signature_layers,
};

use super::{Candidate, refused};
use crate::fault::Fault;
use crate::place::Source;

/// How many signatures of an image are looked at. Real images have a few.
const MAX_SIGNATURES: usize = 100;

/// How many keys a message names.
const MOST_NAMED: usize = 3;

const HINT: &str = "sign it with `cosign sign --key KEY IMAGE@DIGEST`, or give the public key of whoever signed it; signatures are looked \
                    for where the image comes from";

/// Returns the key that signed an image.
///
/// # Errors
/// Where none of the keys did, or the source can't be read.
pub(super) fn check(image: &Candidate<'_>, keys: &PublicKeys) -> Result<String, Fault> {
    let mut search = Search {
        source: image.source,
        repository: image.from.repository(),
        root: image.root,
        keys,
        looked_at: 0,
        not_signed: NotSigned::new(image.root.digest().clone()),
    };
    match search.run()? {
        Some(signed) => Ok(format!("key {}", signed.key)),
        None => {
            let (name, keys) = (image.name, names(keys));
            let message = format!("{name} isn't signed by {keys}: {}", search.not_signed);
            Err(refused(message).with_hint(HINT))
        }
    }
}

fn names(keys: &PublicKeys) -> String {
    let names: Vec<String> = keys.iter().map(PublicKey::to_string).collect();
    match names.as_slice() {
        [one] => format!("the key {one}"),
        some if some.len() <= MOST_NAMED => format!("one of the keys {}", some.join(", ")),
        many => format!(
            "one of the keys {} and {} more",
            many[..MOST_NAMED].join(", "),
            many.len() - MOST_NAMED
        ),
    }
}

struct Search<'a> {
    source: &'a dyn Source,
    repository: &'a Repository,
    root: &'a RawManifest,
    keys: &'a PublicKeys,
    looked_at: usize,
    not_signed: NotSigned,
}

impl Search<'_> {
    /// Looks under cosign's tag, then at the image's referrers, until a signature is valid.
    fn run(&mut self) -> Result<Option<Signed>, Fault> {
        let tag = ReferrerTag::Signature.of(self.root.digest());
        if let Some(digest) = self.source.find_tag(self.repository, &tag)?
            && let Some(manifest) = self.source.find_manifest(self.repository, &digest)?
            && let Some(signed) = self.manifest(&manifest)?
        {
            return Ok(Some(signed));
        }
        for referrer in self.source.referrers(self.repository, self.root.digest())? {
            if !may_be_signature(&referrer) {
                continue;
            }
            self.count()?;
            // A list may name what is gone.
            if let Some(manifest) = self.source.find_manifest(self.repository, &referrer.digest)?
                && let Some(signed) = self.manifest(&manifest)?
            {
                return Ok(Some(signed));
            }
        }
        Ok(None)
    }

    fn manifest(&mut self, manifest: &RawManifest) -> Result<Option<Signed>, Fault> {
        for layer in signature_layers(manifest) {
            self.count()?;
            match self.layer(layer)? {
                Ok(signed) => return Ok(Some(signed)),
                Err(why) => self.not_signed.refuse(layer.digest.clone(), why),
            }
        }
        Ok(None)
    }

    fn layer(&self, layer: &Descriptor) -> Result<Result<Signed, Refusal>, Fault> {
        if layer.size > MAX_SIGNATURE_SIZE {
            return Ok(Err(Refusal::TooLarge { size: layer.size }));
        }
        let blob = self.source.read_blob(self.repository, layer)?;
        Ok(check_signature(self.root, self.keys, layer, &blob))
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.looked_at += 1;
        if self.looked_at <= MAX_SIGNATURES {
            return Ok(());
        }
        let digest = self.root.digest();
        let message =
            format!("{digest} has more than {MAX_SIGNATURES} signatures, and none of the first is valid");
        Err(refused(message).with_hint("remove signatures that aren't needed from the repository"))
    }
}
