//! The names of an OCI layout's images, as their entries' annotations give them.

use std::collections::BTreeMap;
use std::path::Path;

use transload_reference::{Digest, ParseError, Reference, Repository, Tag};

use crate::Error;

/// The full name, as containerd, buildkit and this crate write it.
pub(super) const FULL_NAME: &str = "io.containerd.image.name";
/// The tag, as the image specification has it. Some tools write a full name there.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// How long a repository that is called after its directory may be.
const LONGEST: usize = 100;

/// What an entry's annotations say of its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub repository: Option<Repository>,
    pub tag: Option<Tag>,
}

impl Said {
    /// What is to be said of an image of this name.
    pub fn that(repository: &Repository, tag: Option<&Tag>) -> Said {
        Said {
            repository: Some(repository.clone()),
            tag: tag.cloned(),
        }
    }

    /// Reads what the tools of the field write: a full name by containerd's annotation; else a full name or a bare tag by the
    /// specification's. A bare tag holds beside a full name with another one: programs that know no full names, such as umoci, keep
    /// it where they give an image a further tag. What is neither says nothing.
    pub fn of(annotations: &BTreeMap<String, String>) -> Said {
        let reference = |text: &String| text.parse::<Reference>().ok();
        let ref_name = annotations.get(REF_NAME);
        let bare_tag: Option<Tag> = ref_name.and_then(|text| text.parse().ok());
        let full = annotations.get(FULL_NAME).and_then(reference);
        match (full, bare_tag) {
            (Some(full), Some(tag)) => Said {
                repository: Some(full.repository().clone()),
                tag: Some(tag),
            },
            (Some(full), None) => Said::by(full),
            (None, Some(tag)) => Said {
                repository: None,
                tag: Some(tag),
            },
            (None, None) => ref_name.and_then(reference).map_or_else(Said::default, Said::by),
        }
    }

    fn by(name: Reference) -> Said {
        let name = name.or_latest();
        Said {
            repository: Some(name.repository().clone()),
            tag: name.tag().cloned(),
        }
    }

    /// The annotations that say so of an image.
    pub fn annotations(&self, digest: &Digest) -> BTreeMap<String, String> {
        let mut annotations = BTreeMap::new();
        if let Some(repository) = &self.repository {
            // An image without a tag is named by its digest.
            let by_digest = self.tag.is_none().then(|| digest.clone());
            let name = Reference::new(repository.clone(), self.tag.clone(), by_digest);
            annotations.insert(FULL_NAME.to_owned(), name.to_string());
        }
        if let Some(tag) = &self.tag {
            annotations.insert(REF_NAME.to_owned(), tag.to_string());
        }
        annotations
    }
}

/// How images are called whose annotations say less than a full name.
#[derive(Debug)]
pub(crate) struct Names {
    /// The name that the caller gave.
    given: Option<Reference>,
    /// The repository where there is no given one.
    fallback: Repository,
}

impl Names {
    /// Images without a repository are in that of the given name, else in `localhost/<name of the directory>`.
    pub fn new(root: &Path, given: Option<Reference>) -> Result<Names, Error> {
        Ok(Names {
            given,
            fallback: local_repository(root)?,
        })
    }

    /// The repository of images whose annotations have none.
    pub fn unnamed(&self) -> &Repository {
        let given = self.given.as_ref();
        given.map_or(&self.fallback, Reference::repository)
    }

    /// The names of images, by what is said of each and its digest. The only one of which nothing is said gets the given name, if no other
    /// has it.
    pub fn of(&self, images: &[(&Said, &Digest)]) -> Vec<Reference> {
        let name = |(said, digest): &(&Said, &Digest)| {
            let repository = said.repository.as_ref().unwrap_or(self.unnamed()).clone();
            let by_digest = said.tag.is_none().then(|| (*digest).clone());
            Reference::new(repository, said.tag.clone(), by_digest)
        };
        let mut names: Vec<Reference> = images.iter().map(name).collect();
        let mut nameless = (0..images.len()).filter(|at| *images[*at].0 == Said::default());
        if let Some(given) = self.given.as_ref().filter(|given| given.tag().is_some())
            && let (Some(only), None) = (nameless.next(), nameless.next())
            && !names.contains(given)
        {
            names[only] = given.clone();
        }
        names
    }
}

/// The repository of images without a name, in a directory or a file at this path: `localhost/<its name>`, as far as a repository can be
/// called so.
///
/// # Errors
/// Where no repository can be called so.
pub fn local_repository(root: &Path) -> Result<Repository, Error> {
    let whole = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    let mut path = String::new();
    for part in name.split(|letter: char| !letter.is_ascii_alphanumeric()) {
        if !part.is_empty() && path.len() + part.len() < LONGEST {
            path.extend((!path.is_empty()).then_some('-'));
            path.push_str(&part.to_ascii_lowercase());
        }
    }
    let path = if path.is_empty() { "image" } else { &path };
    let repository = format!("localhost/{path}").parse();
    repository.map_err(|error: ParseError| Error::damaged(root, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(annotations: &[(&str, &str)]) -> String {
        let annotations = annotations
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        let Said { repository, tag } = Said::of(&annotations);
        let text = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
        format!(
            "{} {}",
            text(repository.map(|repository| repository.to_string())),
            text(tag.map(|tag| tag.to_string()))
        )
    }

    #[test]
    fn names_are_read_as_each_tool_writes_them() {
        let digest = Digest::of(b"1");
        let by_digest = format!("quay.io/a/b@{digest}");
        let only_digest = format!("@{digest}");
        type Annotations<'a> = &'a [(&'a str, &'a str)];
        let cases: [(&str, Annotations<'_>, &str); 17] = [
            (
                "containerd, buildkit, docker 25, transload",
                &[(FULL_NAME, "docker.io/library/alpine:3.19"), (REF_NAME, "3.19")],
                "docker.io/library/alpine 3.19",
            ),
            (
                "containerd, by digest",
                &[(FULL_NAME, &by_digest), (REF_NAME, &only_digest)],
                "quay.io/a/b -",
            ),
            (
                "a full name without a tag, with one beside it",
                &[(FULL_NAME, "quay.io/a/b"), (REF_NAME, "v1")],
                "quay.io/a/b v1",
            ),
            (
                "transload, with a further tag of umoci's",
                &[(FULL_NAME, "quay.io/a/b:v1"), (REF_NAME, "v2")],
                "quay.io/a/b v2",
            ),
            (
                "a full name alone",
                &[(FULL_NAME, "quay.io/a/b")],
                "quay.io/a/b latest",
            ),
            ("umoci, oras, buildah", &[(REF_NAME, "v1")], "- v1"),
            (
                "skopeo, podman",
                &[(REF_NAME, "quay.io/a/b:v1")],
                "quay.io/a/b v1",
            ),
            (
                "skopeo, a short name",
                &[(REF_NAME, "alpine:3.19")],
                "docker.io/library/alpine 3.19",
            ),
            (
                "skopeo, without a tag",
                &[(REF_NAME, "quay.io/a/b")],
                "quay.io/a/b latest",
            ),
            ("a word is a tag", &[(REF_NAME, "alpine")], "- alpine"),
            ("kaniko, ko, crane", &[], "- -"),
            ("no name at all", &[(REF_NAME, "../../etc")], "- -"),
            (
                "a full name that is none",
                &[(FULL_NAME, "../x"), (REF_NAME, "v1")],
                "- v1",
            ),
            ("none of both", &[(FULL_NAME, ""), (REF_NAME, "")], "- -"),
            ("an address", &[(REF_NAME, "docker://quay.io/a/b:v1")], "- -"),
            ("a digest alone", &[(REF_NAME, digest.as_str())], "- -"),
            (
                "a control character",
                &[(FULL_NAME, "quay.io/a/b:v1\u{1b}[2J")],
                "- -",
            ),
        ];
        for (case, annotations, expected) in cases {
            assert_eq!(said(annotations), expected, "{case}");
        }
    }

    #[test]
    fn what_is_said_reads_back() {
        let digest = Digest::of(b"1");
        for (repository, tag) in [
            (Some("quay.io/a/b"), Some("v1")),
            (Some("docker.io/library/alpine"), None),
            (None, Some("v1")),
            (None, None),
        ] {
            let said = Said {
                repository: repository.map(|text| text.parse().unwrap()),
                tag: tag.map(|text| text.parse().unwrap()),
            };
            assert_eq!(Said::of(&said.annotations(&digest)), said);
        }
    }

    #[test]
    fn an_image_without_a_repository_is_called_after_its_directory() {
        for (directory, expected) in [
            ("/tmp/My App_1.2", "localhost/my-app-1-2"),
            ("/tmp/app", "localhost/app"),
            ("/tmp/镜像", "localhost/image"),
            ("/", "localhost/image"),
            ("/tmp/--", "localhost/image"),
        ] {
            let names = Names::new(Path::new(directory), None).unwrap();
            assert_eq!(names.unnamed().to_string(), expected);
        }
        let long = format!("/tmp/{}", "x".repeat(255));
        assert!(Names::new(Path::new(&long), None).is_ok());
    }

    #[test]
    fn the_only_nameless_image_gets_the_given_name() {
        let [one, two] = [b"1", b"2"].map(|bytes| Digest::of(bytes));
        let given: Reference = "hub.local/app:v1".parse().unwrap();
        let names = Names::new(Path::new("/tmp/dir"), Some(given.clone())).unwrap();
        let (nameless, bare) = (
            Said::default(),
            Said {
                repository: None,
                tag: Some("v1".parse().unwrap()),
            },
        );
        let by_digest =
            |digest: &Digest| Reference::new(given.repository().clone(), None, Some(digest.clone()));
        assert_eq!(names.of(&[(&nameless, &one)]), std::slice::from_ref(&given));
        assert_eq!(
            names.of(&[(&nameless, &one), (&nameless, &two)]),
            [by_digest(&one), by_digest(&two)]
        );
        assert_eq!(
            names.of(&[(&nameless, &one), (&bare, &two)]),
            [by_digest(&one), given.clone()],
            "another has it"
        );
    }
}
