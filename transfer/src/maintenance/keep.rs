//! Which images of a store stay when it is pruned.

use std::collections::HashSet;

use transload_layout_store::StoredImage;
use transload_policy::ImagePattern;
use transload_reference::Reference;

use crate::job::ImageEntry;

/// Which images stay.
#[derive(Debug, Clone)]
pub enum Keep {
    /// All.
    All,
    /// Those that are named: by tag, by digest, by both, or by a glob for tags.
    Named(Vec<ImageEntry>),
    /// Those whose name matches.
    Matching(ImagePattern),
}

/// The images that stay.
#[derive(Debug, Default)]
pub struct Kept {
    /// Their names in the store.
    pub images: HashSet<Reference>,
    /// What was named and isn't in the store, as it was written.
    pub unknown: Vec<String>,
}

impl Keep {
    /// Those of a store's images that stay.
    pub fn choose(&self, images: &[StoredImage]) -> Kept {
        let those = |is_kept: &dyn Fn(&StoredImage) -> bool| -> HashSet<Reference> {
            let kept = images.iter().filter(|image| is_kept(image));
            kept.map(|image| image.reference.clone()).collect()
        };
        match self {
            Keep::All => Kept {
                images: those(&|_| true),
                unknown: Vec::new(),
            },
            Keep::Matching(pattern) => Kept {
                images: those(&|image| pattern.matches(&image.reference.to_string(), &image.reference)),
                unknown: Vec::new(),
            },
            Keep::Named(names) => {
                let mut kept = Kept::default();
                for name in names {
                    let of_name = those(&|image| match name {
                        ImageEntry::Name(name) => is_meant(name.reference(), image),
                        ImageEntry::Glob(glob) => {
                            glob.repository() == image.reference.repository()
                                && image.reference.tag().is_some_and(|tag| glob.matches(tag))
                        }
                    });
                    if of_name.is_empty() {
                        kept.unknown.push(name.written().to_owned());
                    }
                    kept.images.extend(of_name);
                }
                kept
            }
        }
    }
}

/// Whether a name is that of an image. A name with a digest alone is that of every tag with this digest, too.
fn is_meant(name: &Reference, image: &StoredImage) -> bool {
    name.repository() == image.reference.repository()
        && name.digest().is_none_or(|digest| *digest == image.digest)
        && name.tag().is_none_or(|tag| image.reference.tag() == Some(tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use transload_reference::Digest;

    #[test]
    fn a_name_keeps_the_images_that_have_its_tag_and_its_digest() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let image = |name: &str, digest: &Digest| StoredImage::new(name.parse().unwrap(), digest.clone());
        let untagged = format!("docker.io/library/app@{two}");
        let images = [
            image("docker.io/library/app:latest", &one),
            image("docker.io/library/app:v1", &one),
            image(&untagged, &two),
            image("quay.io/library/app:latest", &one),
        ];
        let cases: [(String, &[usize]); 10] = [
            ("app".into(), &[0]),
            ("app:v1".into(), &[1]),
            ("quay.io/library/app".into(), &[3]),
            (format!("app@{one}"), &[0, 1]),
            (format!("app@{two}"), &[2]),
            (format!("app:v1@{one}"), &[1]),
            (format!("app:v1@{two}"), &[]),
            ("app:v2".into(), &[]),
            ("app:*".into(), &[0, 1]),
            ("app:v2*".into(), &[]),
        ];
        for (name, expected) in cases {
            let kept = Keep::Named(vec![name.parse().unwrap()]).choose(&images);
            let expected: HashSet<Reference> =
                expected.iter().map(|at| images[*at].reference.clone()).collect();
            assert_eq!(kept.images, expected, "{name}");
            assert_eq!(kept.unknown.is_empty(), !expected.is_empty(), "{name}");
        }
    }
}
