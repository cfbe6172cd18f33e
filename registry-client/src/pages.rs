//! Lists that come in pages: of tags ([distribution specification, "Listing Tags"]), and of repositories
//! ([Docker's registry API, "Listing Repositories"]), which the distribution specification leaves to registries.
//!
//! [distribution specification, "Listing Tags"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags
//! [Docker's registry API, "Listing Repositories"]: https://github.com/distribution/distribution/blob/v2.8.3/docs/spec/api.md#listing-repositories

use serde::Deserialize;
use transload_reference::{Registry, Repository};

use crate::answer::Answer;
use crate::core::Core;
use crate::error::Error;
use crate::operation::Operation;
use crate::request::Call;
use crate::scope::Scopes;
use crate::url::Url;

/// The largest page to read, in bytes.
const MAX_PAGE: u64 = 16 * 1024 * 1024;

/// The largest number of pages to read.
const MAX_PAGES: u32 = 10_000;

/// The largest list, in bytes.
const MAX_LIST: u64 = 64 * 1024 * 1024;

/// The largest number of empty pages in a row.
const MAX_EMPTY_PAGES: u32 = 10;

/// Counts a list's pages and bytes, and ends an endless one.
#[derive(Default)]
pub(crate) struct Pages {
    bytes: u64,
    empty: u32,
}

impl Pages {
    /// Counts a page.
    pub fn count(&mut self, call: &Call, bytes: usize, is_empty: bool) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.empty = if is_empty { self.empty + 1 } else { 0 };
        if self.bytes > MAX_LIST {
            return Err(call.protocol(format!("the list has more than {MAX_LIST} bytes")));
        }
        if self.empty > MAX_EMPTY_PAGES {
            let message = format!("the list doesn't end: its last {MAX_EMPTY_PAGES} pages were empty");
            return Err(call.protocol(message));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Document {
    /// Some registries write `null` for none.
    #[serde(alias = "tags", alias = "repositories")]
    names: Option<Vec<String>>,
}

/// A page of a list of tags or repositories.
pub(crate) struct Page {
    pub names: Vec<String>,
    /// Its size.
    bytes: usize,
    /// The URL of the next page.
    pub next: Option<Url>,
}

impl Page {
    /// Reads a page from an answer of at most `most` bytes.
    pub fn read(call: &Call, answer: Answer, most: u64) -> Result<Page, Error> {
        if answer.status != 200 {
            return Err(answer.into_error(&call.place));
        }
        let next = next_page(call, &answer)?;
        let bytes = answer.bytes(most, &call.place)?;
        let document: Document = serde_json::from_slice(&bytes)
            .map_err(|error| call.protocol(format!("the list isn't the expected JSON: {error}")))?;
        Ok(Page {
            names: document.names.unwrap_or_default(),
            bytes: bytes.len(),
            next,
        })
    }
}

impl Core {
    pub fn tags(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        self.list(Call::new(
            self,
            Operation::ListTags,
            repository,
            "GET",
            "/tags/list",
        )?)
    }

    pub fn catalog(&self, registry: &Registry) -> Result<Vec<String>, Error> {
        let reach = self.reach(registry, None)?;
        let mut scopes = Scopes::default();
        scopes.add("registry:catalog:*");
        let call = Call::at(
            self,
            Operation::ListRepositories,
            reach,
            None,
            "GET",
            "/v2/_catalog",
        )?;
        self.list(call.scopes(scopes))
    }

    /// Reads all pages of a list of names.
    fn list(&self, call: Call) -> Result<Vec<String>, Error> {
        let mut call = call.header("accept", "application/json");
        let mut names = Vec::new();
        let mut pages = Pages::default();
        for _ in 0..MAX_PAGES {
            let answer = self.run(&mut call, None)?;
            let page = Page::read(&call, answer, MAX_PAGE)?;
            pages.count(&call, page.bytes, page.names.is_empty())?;
            names.extend(page.names);
            match page.next {
                Some(next) => call.url = next,
                None => return Ok(names),
            }
        }
        Err(call.protocol(format!("the list has more than {MAX_PAGES} pages")))
    }
}

/// Returns the next page's URL, if there is one.
pub(crate) fn next_page(call: &Call, answer: &Answer) -> Result<Option<Url>, Error> {
    let links = answer.headers.get_all("link");
    let links = links.iter().filter_map(|value| value.to_str().ok());
    page_after(&call.url, links).map_err(|message| call.protocol(message))
}

/// Returns the next page's URL from `Link` headers: on the same host only, and never the same page.
pub(crate) fn page_after<'a>(
    page: &Url,
    links: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Url>, String> {
    let Some(next) = links.into_iter().find_map(next_link) else {
        return Ok(None);
    };
    let url = page
        .join(next)
        .map_err(|error| format!("the link to the next page: {error}"))?;
    // A registry behind a proxy may give the wrong scheme.
    let url = if url.host() == page.host() {
        url.at(page.scheme(), url.host().clone())
    } else {
        url
    };
    if !url.same_origin(page) {
        return Err(format!("the link to the next page leads to another host, {url}"));
    }
    if url == *page {
        return Err("the link to the next page leads to the same page".to_owned());
    }
    Ok(Some(url))
}

/// Returns the target of the link with `rel="next"` in a `Link` header (RFC 8288).
fn next_link(value: &str) -> Option<&str> {
    let mut rest = value;
    loop {
        let start = rest.find('<')?;
        let after = &rest[start + 1..];
        let end = after.find('>')?;
        let (target, parameters) = (&after[..end], &after[end + 1..]);
        let until = parameters.find(['<']).unwrap_or(parameters.len());
        let is_next = parameters[..until].split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = &parameters[until..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_next_page_is_found_in_every_form_of_link() {
        let table = [
            (
                r#"</v2/a/tags/list?n=2&last=b>; rel="next""#,
                Some("/v2/a/tags/list?n=2&last=b"),
            ),
            ("<x>;rel=next", Some("x")),
            (r#"<p>; rel="prev", <n>; title="a, b"; REL="Next""#, Some("n")),
            (r#"<x>; rel="prev next""#, Some("x")),
            (r#"<x>; rel="prev""#, None),
            ("x; rel=next", None),
            ("<x", None),
            ("", None),
        ];
        for (value, expected) in table {
            assert_eq!(next_link(value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_link_panics_or_loops(value in "\\PC*") {
            let _ = next_link(&value);
        }
    }
}
