//! The distribution API of a scripted registry.

use transload_reference::{Digest, MAX_MANIFEST_SIZE, MediaType};

use super::auth::{Wanted, parameter};
use super::fault::Reply;
use super::harbor::Subject;
use super::log::Listener;
use super::store::{Refused, Store};
use super::{Locations, Referrers, State, referrers, upload};
use crate::http::find;
use crate::image::Document;

/// A request that was read whole.
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
}

impl Call<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(self.headers, name)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.query, name).next()
    }

    fn reads(&self) -> bool {
        matches!(self.method, "GET" | "HEAD")
    }
}

/// Obeys a request.
pub(super) fn answer(state: &State, listener: Listener, call: &Call<'_>) -> Reply {
    if listener == Listener::Content {
        return content(state, call);
    }
    if call.path == "/token" {
        let authorization = call.header("authorization");
        let authentication = state.options.authentication;
        return state
            .tokens
            .endpoint(authentication, call.method, call.query, authorization, call.body);
    }
    if let (Some(harbor), true) = (state.options.harbor_projects, call.path.starts_with("/api/v2.0/")) {
        return state.projects.answer(harbor, call);
    }
    let Some(rest) = call.path.strip_prefix("/v2/") else {
        return Reply::status(404);
    };
    let route = Route::of(rest);
    let harbor = state.options.harbor.as_ref().zip(route.repository());
    if let Some(refusal) = harbor.and_then(|(harbor, repository)| harbor.refuse_all(repository, call)) {
        return refusal;
    }
    if let Err(refusal) = state.tokens.check(
        state.options.authentication,
        &format!("{}://{}", state.scheme(), state.host),
        call.header("authorization"),
        &route.wanted(call),
    ) {
        return refusal;
    }
    if let (Some(_), Some(repository)) = (state.options.harbor_projects, route.repository())
        && let Some(missing) = state.projects.missing(repository)
    {
        return missing;
    }
    let mut store = state.store();
    let refused =
        harbor.and_then(|(harbor, repository)| harbor.refuse(repository, route.subject(&store), call));
    if let Some(refusal) = refused {
        return refusal;
    }
    match route {
        Route::Base => Reply::status(200).body("{}"),
        Route::Manifest(repository, identifier) => manifest(state, &mut store, repository, identifier, call),
        Route::Blob(repository, digest) => blob(state, &mut store, repository, digest, call),
        Route::Upload(repository, session) => upload::answer(state, &mut store, repository, session, call),
        Route::Tags(repository) => tags(state, &store, repository, call),
        Route::Referrers(repository, subject) => referrers::answer(state, &store, repository, subject, call),
        Route::Unknown => Reply::status(404).error("UNSUPPORTED", "no such route"),
    }
}

/// The subject of a path below `/v2/`.
enum Route<'a> {
    Base,
    Manifest(&'a str, &'a str),
    Blob(&'a str, &'a str),
    Upload(&'a str, &'a str),
    Tags(&'a str),
    Referrers(&'a str, &'a str),
    Unknown,
}

impl Route<'_> {
    fn of(rest: &str) -> Route<'_> {
        if rest.is_empty() {
            return Route::Base;
        }
        // From the end: a repository may be called like any of these folders.
        let Some((front, last)) = rest.rsplit_once('/') else {
            return Route::Unknown;
        };
        if let Some(repository) = front.strip_suffix("/blobs/uploads") {
            return Route::Upload(repository, last);
        }
        match front.rsplit_once('/') {
            Some((repository, "tags")) if last == "list" => Route::Tags(repository),
            Some((repository, "blobs")) => Route::Blob(repository, last),
            Some((repository, "manifests")) => Route::Manifest(repository, last),
            Some((repository, "referrers")) => Route::Referrers(repository, last),
            _ => Route::Unknown,
        }
    }

    fn repository(&self) -> Option<&str> {
        match self {
            Route::Base | Route::Unknown => None,
            Route::Manifest(repository, _)
            | Route::Blob(repository, _)
            | Route::Upload(repository, _)
            | Route::Tags(repository)
            | Route::Referrers(repository, _) => Some(repository),
        }
    }

    fn subject(&self, store: &Store) -> Subject {
        match self {
            Route::Manifest(repository, identifier) => Subject::Manifest {
                is_there: store.manifest(repository, identifier).is_some(),
                is_tag: identifier.parse::<Digest>().is_err(),
            },
            Route::Upload(..) => Subject::Upload,
            _ => Subject::Other,
        }
    }

    fn wanted(&self, call: &Call<'_>) -> Vec<Wanted> {
        let want = |repository: &str, action| Wanted {
            repository: repository.to_owned(),
            action,
        };
        match self {
            Route::Base | Route::Unknown => Vec::new(),
            Route::Upload(repository, _) => {
                let mut wanted = vec![want(repository, "pull"), want(repository, "push")];
                wanted.extend(call.parameter("from").map(|from| want(&from, "pull")));
                wanted
            }
            Route::Manifest(repository, _)
            | Route::Blob(repository, _)
            | Route::Tags(repository)
            | Route::Referrers(repository, _) => match call.method {
                "PUT" => vec![want(repository, "pull"), want(repository, "push")],
                "DELETE" => vec![want(repository, "delete")],
                _ => vec![want(repository, "pull")],
            },
        }
    }
}

fn manifest(state: &State, store: &mut Store, repository: &str, identifier: &str, call: &Call<'_>) -> Reply {
    match call.method {
        "HEAD" if state.options.no_head => Reply::status(405),
        "GET" | "HEAD" => {
            let Some(document) = store.manifest(repository, identifier) else {
                return Reply::status(404).error("MANIFEST_UNKNOWN", "manifest unknown");
            };
            let reply = Reply::status(200).header("Content-Type", document.media_type.as_str());
            with_digest(state, reply, &document.digest).body(document.bytes.clone())
        }
        "PUT" => put_manifest(state, store, repository, identifier, call),
        "DELETE" if store.remove_manifest(repository, identifier) => Reply::status(202),
        "DELETE" => Reply::status(404).error("MANIFEST_UNKNOWN", "manifest unknown"),
        _ => Reply::status(405),
    }
}

fn put_manifest(
    state: &State,
    store: &mut Store,
    repository: &str,
    identifier: &str,
    call: &Call<'_>,
) -> Reply {
    // Real registries accept half of the size that readers do.
    if call.body.len() as u64 > MAX_MANIFEST_SIZE / 2 {
        return Reply::status(413).error("MANIFEST_INVALID", "manifest too large");
    }
    let media_type = MediaType::new(call.header("content-type").unwrap_or_default());
    let mut document = Document::new(call.body.to_vec(), media_type);
    if let Ok(digest) = identifier.parse::<Digest>() {
        if Digest::with(digest.algorithm(), call.body) != digest {
            return Reply::status(400).error("DIGEST_INVALID", "the body has another digest");
        }
        document.digest = digest;
    }
    match store.check(repository, &document, state.options.sparse_indexes) {
        Ok(()) => {}
        Err(Refused::Invalid(why)) => return Reply::status(400).error("MANIFEST_INVALID", &why),
        Err(Refused::Missing(digest)) => {
            let why = format!("{digest} is unknown to the repository");
            return Reply::status(404).error("MANIFEST_BLOB_UNKNOWN", &why);
        }
    }
    let digest = document.digest.clone();
    let about = referrers::subject(&document).filter(|_| state.options.subjects_first);
    if let Some(subject) = about.filter(|subject| store.manifest(repository, subject.as_str()).is_none()) {
        let why = format!("the subject {subject} is unknown to the repository");
        return Reply::status(404).error("MANIFEST_UNKNOWN", &why);
    }
    let subject = referrers::subject(&document).filter(|_| state.options.referrers != Referrers::Off);
    let tag = (identifier.parse::<Digest>().is_err()).then_some(identifier);
    store.put_manifest(repository, tag, document);
    let location = state.location(&format!("/v2/{repository}/manifests/{digest}"));
    let reply = with_digest(state, Reply::status(201).header("Location", &location), &digest);
    match subject {
        Some(subject) => reply.header("OCI-Subject", subject.as_str()),
        None => reply,
    }
}

fn blob(state: &State, store: &mut Store, repository: &str, digest: &str, call: &Call<'_>) -> Reply {
    let Ok(digest) = digest.parse::<Digest>() else {
        return Reply::status(400).error("DIGEST_INVALID", "not a digest");
    };
    if call.method == "HEAD" && state.options.no_head {
        return Reply::status(405);
    }
    if call.method == "DELETE" && store.remove_blob(repository, &digest) {
        return Reply::status(202);
    }
    let Some(bytes) = store.blob(repository, &digest) else {
        return Reply::status(404).error("BLOB_UNKNOWN", "blob unknown to registry");
    };
    if !call.reads() {
        return Reply::status(405);
    }
    if let (Some(content_host), true) = (&state.content_host, state.options.redirect_blobs) {
        let target = format!("//{content_host}/content/{repository}/{digest}?signature=a%2Fb%3D");
        let location = match state.options.locations {
            Locations::WithoutScheme => target,
            _ => format!("{}:{target}", state.scheme()),
        };
        return Reply::status(307).header("Location", &location);
    }
    with_digest(state, ranged(state, &bytes, call), &digest)
}

/// The second listener: it knows signed addresses, and nobody's credentials.
fn content(state: &State, call: &Call<'_>) -> Reply {
    if call.header("authorization").is_some() {
        return Reply::status(400).body("only one authentication mechanism is allowed");
    }
    if let (true, Some((repository, session))) = (state.options.uploads_elsewhere, upload::session(call.path))
    {
        return upload::answer(state, &mut state.store(), repository, session, call);
    }
    if !call.reads() || call.query != "signature=a%2Fb%3D" {
        return Reply::status(403).body("the signature doesn't match");
    }
    let found = call
        .path
        .strip_prefix("/content/")
        .and_then(|path| path.rsplit_once('/'))
        .and_then(|(repository, digest)| state.store().blob(repository, &digest.parse().ok()?));
    match found {
        Some(bytes) => ranged(state, &bytes, call),
        None => Reply::status(404),
    }
}

/// The bytes, or the range of them that is asked for.
fn ranged(state: &State, bytes: &[u8], call: &Call<'_>) -> Reply {
    let whole = Reply::status(200).header("Content-Type", "application/octet-stream");
    let range = call.header("range").filter(|_| !state.options.ignore_range);
    let Some((first, last)) = range
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return whole.body(bytes);
    };
    let (Ok(first), last) = (first.parse::<usize>(), last.parse::<usize>().ok()) else {
        return whole.body(bytes);
    };
    let end = last.map_or(bytes.len(), |last| last.saturating_add(1).min(bytes.len()));
    match bytes.get(first..end) {
        Some(part) if !part.is_empty() => Reply::status(206)
            .header("Content-Type", "application/octet-stream")
            .header(
                "Content-Range",
                &format!("bytes {first}-{}/{}", end - 1, bytes.len()),
            )
            .body(part),
        _ => Reply::status(416).header("Content-Range", &format!("bytes */{}", bytes.len())),
    }
}

fn tags(state: &State, store: &Store, repository: &str, call: &Call<'_>) -> Reply {
    let Some(all) = store.tags(repository) else {
        return Reply::status(404).error("NAME_UNKNOWN", "repository name not known to registry");
    };
    let last = call.parameter("last").unwrap_or_default();
    let asked = call.parameter("n").and_then(|n| n.parse::<usize>().ok());
    let size = asked
        .into_iter()
        .chain(state.options.page_size)
        .min()
        .unwrap_or(usize::MAX);
    let after: Vec<&String> = all.iter().filter(|tag| **tag > last).collect();
    let page: Vec<&String> = after.iter().copied().take(size).collect();
    let body = serde_json::json!({"name": repository, "tags": page});
    let reply = Reply::status(200)
        .header("Content-Type", "application/json")
        .body(body.to_string());
    match page.last() {
        Some(last) if page.len() < after.len() => {
            let next = state.location(&format!("/v2/{repository}/tags/list?last={last}&n={size}"));
            reply.header("Link", &format!("<{next}>; rel=\"next\""))
        }
        _ => reply,
    }
}

pub(super) fn with_digest(state: &State, reply: Reply, digest: &Digest) -> Reply {
    if state.options.no_content_digest {
        return reply;
    }
    reply.header("Docker-Content-Digest", digest.as_str())
}
