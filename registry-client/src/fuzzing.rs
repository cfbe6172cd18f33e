//! Parsers of registries' answers, for the workspace's fuzz targets alone. URLs are text, with their queries.

use crate::challenge::{self, Challenge};
use crate::origin::{Nearness, check_target, nearness, redirected};
use crate::pages::page_after;
use crate::session::located;
use crate::url::Url;

/// A Bearer challenge: its realm, service, scope and error.
pub type Bearer = (String, Option<String>, Option<String>, Option<String>);

/// Returns the challenge to answer from all `WWW-Authenticate` headers: a Bearer challenge, or `Some(None)` for a Basic one.
pub fn challenge(values: &[&str]) -> Option<Option<Bearer>> {
    challenge::choose(values.iter().copied()).map(|challenge| match challenge {
        Challenge::Bearer {
            realm,
            service,
            scope,
            error,
        } => Some((realm, service, scope, error)),
        Challenge::Basic => None,
    })
}

/// Parses an absolute URL and returns it as the client would send it.
///
/// # Errors
/// If it isn't one.
pub fn url(text: &str) -> Result<String, String> {
    Url::parse(text)
        .map(|url| url.expose())
        .map_err(|error| error.to_string())
}

/// Returns the target of a redirect's `Location` in an answer from a URL.
///
/// # Errors
/// If the client doesn't follow it.
pub fn redirect(from: &str, location: &str) -> Result<String, String> {
    let from = base(from)?;
    let to = redirected(&from, location)?;
    checked(&from, to)
}

/// Returns an upload session's URL, by the `Location` of an answer from a URL.
///
/// # Errors
/// If the client sends no blob there.
pub fn upload(from: &str, location: &str) -> Result<String, String> {
    let from = base(from)?;
    let to = located(&from, location)?;
    checked(&from, to)
}

/// Returns the URL of the page after the one at a URL, by its `Link` headers.
///
/// # Errors
/// If the client doesn't ask for the next page.
pub fn next_page(page: &str, links: &[&str]) -> Result<Option<String>, String> {
    let next = page_after(&base(page)?, links.iter().copied())?;
    Ok(next.map(|next| next.expose()))
}

fn checked(from: &Url, to: Url) -> Result<String, String> {
    let from_is = || nearness(from.host()).unwrap_or(Nearness::World);
    check_target(from, &to, from_is)
        .map(|()| to.expose())
        .map_err(|refused| refused.message)
}

fn base(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| error.to_string())
}
