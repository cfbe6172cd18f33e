//! Lists: repositories, tags and referrers, page by page.

use std::collections::BTreeSet;

use serde_json::json;
use transload_reference::{Descriptor, Digest, MediaType, Repository};

use super::{Registry, json as json_response};
use crate::http::{Payload, Response};
use crate::names::Asked;
use crate::problem::{Code, Problem};
use crate::query::{Query, encode};

/// The most entries that one answer has.
const PAGE: usize = 10_000;
/// The most descriptors that one answer has: clients read 4 MiB of an index.
const REFERRERS: usize = 2000;

/// The entries of one page, and how to ask for the next.
struct Page<T> {
    entries: Vec<T>,
    link: Option<String>,
}

/// Cuts the page out of sorted entries that a query's `n` and `last` ask for.
fn page<T: ToString>(
    entries: impl Iterator<Item = T>,
    most: usize,
    path: &str,
    query: &Query,
    kept: &[&str],
) -> Result<Page<T>, Problem> {
    let count = match query.get("n") {
        None => most,
        Some(number) => number
            .parse::<usize>()
            .map_err(|_| Problem::new(Code::Unsupported, "the parameter n isn't a number").with_status(400))?
            .min(most),
    };
    let last = query.get("last").unwrap_or_default();
    let mut rest = entries.skip_while(|entry| !last.is_empty() && entry.to_string().as_str() <= last);
    let entries: Vec<T> = rest.by_ref().take(count).collect();
    let link = entries.last().filter(|_| rest.next().is_some()).map(|last| {
        let mut next = format!("{}?n={count}&last={}", encode(path), encode(&last.to_string()));
        for name in kept {
            if let Some(value) = query.get(name) {
                next.push_str(&format!("&{name}={}", encode(value)));
            }
        }
        format!("<{next}>; rel=\"next\"")
    });
    Ok(Page { entries, link })
}

fn with_link(mut response: Response, link: Option<String>) -> Response {
    response.headers.extend(link.map(|link| ("Link", link)));
    response
}

impl Registry {
    /// Lists the repositories by their full names, by which they are pulled, too.
    pub(super) fn catalog(&self, query: &Query) -> Result<Response, Problem> {
        let all = self.all(false)?;
        // Sorted as texts, which is what `last` is compared with.
        let names: BTreeSet<String> = all.iter().map(Repository::to_string).collect();
        let page = page(names.into_iter(), PAGE, "/v2/_catalog", query, &[])?;
        let response = json_response(&json!({"repositories": page.entries}));
        Ok(with_link(response, page.link))
    }

    /// Lists a repository's tags.
    pub(super) fn tags(&self, asked: &Asked<'_>, query: &Query) -> Result<Response, Problem> {
        let repository = self.find(asked)?;
        let mut tags = BTreeSet::new();
        for content in &self.contents {
            tags.extend(content.tags(&repository)?.into_iter().map(|tag| tag.to_string()));
        }
        let path = format!("/v2/{}/tags/list", asked.name);
        let page = page(tags.into_iter(), PAGE, &path, query, &["ns"])?;
        let response = json_response(&json!({"name": asked.name, "tags": page.entries}));
        Ok(with_link(response, page.link))
    }

    /// Lists what refers to a manifest. To nothing, nothing refers: that is no error, whichever the repository.
    pub(super) fn referrers(
        &self,
        asked: &Asked<'_>,
        subject: &Digest,
        query: &Query,
    ) -> Result<Response, Problem> {
        let mut found: Vec<Descriptor> = Vec::new();
        match self.find(asked) {
            Ok(repository) => {
                for content in &self.contents {
                    found.extend(content.referrers(&repository, subject)?);
                }
            }
            Err(problem) if problem.is(Code::NameUnknown) => {}
            Err(problem) => return Err(problem),
        }
        found.sort_by(|one, other| one.digest.cmp(&other.digest));
        found.dedup_by(|one, other| one.digest == other.digest);
        let filter = query.get("artifactType").filter(|wanted| !wanted.is_empty());
        if let Some(wanted) = filter {
            let is_wanted = |descriptor: &Descriptor| descriptor.artifact_type.as_deref() == Some(wanted);
            found.retain(is_wanted);
        }
        let path = format!("/v2/{}/referrers/{subject}", asked.name);
        let listed = found.into_iter().map(Listed);
        let page = page(listed, REFERRERS, &path, query, &["ns", "artifactType"])?;
        let manifests: Vec<Descriptor> = page.entries.into_iter().map(|listed| listed.0).collect();
        let index = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_INDEX.as_str(),
            "manifests": manifests,
        });
        let mut headers = vec![("Content-Type", MediaType::OCI_INDEX.to_string())];
        headers.extend(filter.map(|_| ("OCI-Filters-Applied", "artifactType".to_owned())));
        let response = Response {
            status: 200,
            headers,
            body: Payload::Bytes(index.to_string().into_bytes()),
        };
        Ok(with_link(response, page.link))
    }
}

/// A descriptor, listed by its digest.
struct Listed(Descriptor);

impl std::fmt::Display for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.digest.fmt(f)
    }
}
