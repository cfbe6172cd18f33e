//! Paths of requests: which of the API's questions one is.

use std::str::FromStr;

use transload_reference::{Digest, Tag};

use crate::problem::{Code, Problem};
use crate::query::decode;

/// The longest path that is looked at, in bytes. A repository's name has at most 255.
const LONGEST: usize = 2048;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/`: the page for people.
    Page,
    /// `/v2/`: whether this is a registry.
    Base,
    /// `/v2/_catalog`.
    Catalog,
    /// `/v2/NAME/…`.
    In {
        /// The repository as the client calls it, which isn't checked yet.
        name: String,
        what: What,
    },
}

/// What of a repository a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Tags,
    Manifest(Wanted),
    Blob(Digest),
    Uploads,
    Upload(String),
    Referrers(Digest),
}

/// How a manifest is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Tag(Tag),
    Digest(Digest),
}

impl Route {
    /// Reads a path as it was sent. The last components tell what it is: a repository may be called `blobs`.
    pub fn parse(path: &str) -> Result<Route, Problem> {
        if path.len() > LONGEST {
            return Err(Problem::new(Code::NameInvalid, "the path is too long"));
        }
        let path =
            decode(path).ok_or_else(|| Problem::new(Code::NameInvalid, "the path can't be decoded"))?;
        if path == "/" {
            return Ok(Route::Page);
        }
        let Some(rest) = path
            .strip_prefix("/v2")
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        else {
            return Err(Problem::not_found());
        };
        if rest.is_empty() || rest == "/" {
            return Ok(Route::Base);
        }
        let components: Vec<&str> = rest[1..].split('/').collect();
        let (name, what) = match components[..] {
            ["_catalog"] => return Ok(Route::Catalog),
            [ref name @ .., "tags", "list"] => (name, What::Tags),
            [ref name @ .., "manifests", wanted] => (name, What::Manifest(wanted.parse()?)),
            [ref name @ .., "blobs", "uploads", ""] | [ref name @ .., "blobs", "uploads"] => {
                (name, What::Uploads)
            }
            [ref name @ .., "blobs", "uploads", upload] => (name, What::Upload(upload.to_owned())),
            [ref name @ .., "blobs", digest] => (name, What::Blob(parse_digest(digest)?)),
            [ref name @ .., "referrers", digest] => (name, What::Referrers(parse_digest(digest)?)),
            _ => return Err(Problem::not_found()),
        };
        let name = name.join("/");
        Ok(Route::In { name, what })
    }
}

impl FromStr for Wanted {
    type Err = Problem;

    /// A tag has no colon, and a digest has one.
    fn from_str(text: &str) -> Result<Wanted, Problem> {
        if text.contains(':') {
            return parse_digest(text).map(Wanted::Digest);
        }
        text.parse()
            .map(Wanted::Tag)
            .map_err(|error| Problem::new(Code::TagInvalid, format!("the tag is invalid: {error}")))
    }
}

pub(crate) fn parse_digest(text: &str) -> Result<Digest, Problem> {
    text.parse()
        .map_err(|error| Problem::new(Code::DigestInvalid, format!("the digest is invalid: {error}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn within(name: &str, what: What) -> Route {
        let name = name.to_owned();
        Route::In { name, what }
    }

    #[test]
    fn each_question_has_its_path() {
        let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
        for (path, expected) in [
            ("/", Route::Page),
            ("/v2", Route::Base),
            ("/v2/", Route::Base),
            ("/v2/_catalog", Route::Catalog),
            (
                "/v2/library/alpine/tags/list",
                within("library/alpine", What::Tags),
            ),
            (
                "/v2/a.b:5000/app/manifests/v1",
                within("a.b:5000/app", What::Manifest(Wanted::Tag("v1".parse().unwrap()))),
            ),
            (
                &format!("/v2/app/manifests/sha256%3A{HEX}"),
                within("app", What::Manifest(Wanted::Digest(digest.clone()))),
            ),
            (
                &format!("/v2/app/blobs/sha256:{HEX}"),
                within("app", What::Blob(digest.clone())),
            ),
            (
                &format!("/v2/blobs/blobs/sha256:{HEX}"),
                within("blobs", What::Blob(digest.clone())),
            ),
            ("/v2/tags/list/tags/list", within("tags/list", What::Tags)),
            ("/v2/app/blobs/uploads/", within("app", What::Uploads)),
            ("/v2/app/blobs/uploads", within("app", What::Uploads)),
            (
                "/v2/app/blobs/uploads/xyz",
                within("app", What::Upload("xyz".to_owned())),
            ),
            (
                &format!("/v2/app/referrers/sha256:{HEX}"),
                within("app", What::Referrers(digest)),
            ),
        ] {
            assert_eq!(Route::parse(path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn other_paths_are_refused_each_by_its_code() {
        for (path, status) in [
            ("/v1/", 404),
            ("/v2x/", 404),
            ("/v2/app", 404),
            ("/v2/app/manifests/", 400),
            ("/v2/app/manifests/-bad", 400),
            ("/v2/app/manifests/sha256:bad", 400),
            ("/v2/app/blobs/sha256:bad", 400),
            ("/v2/app/blobs/..", 400),
            ("/v2/app/manifests/%00", 400),
            (&format!("/v2/{}/tags/list", "a/".repeat(2000)), 400),
        ] {
            assert_eq!(Route::parse(path).unwrap_err().status(), status, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_read_without_a_panic(path in "/[a-z0-9/._:%-]{0,60}") {
            let _ = Route::parse(&path);
        }
    }
}
