//! The registry: each request of the API is answered from the contents.

mod blobs;
mod delete;
mod lists;
mod manifests;
mod page;
mod push;
mod sessions;
#[cfg(test)]
mod tests;
mod uploads;
mod writing;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use transload_reference::{Registry as RegistryName, Repository};

use crate::content::{Content, ContentError, DirectoryContent};
use crate::http::{Method, Payload, Request, Response, Service};
use crate::lock::lock;
use crate::names::Asked;
use crate::problem::{Code, Problem};
use crate::query::Query;
use crate::route::{Route, What};
pub use writing::WriteOptions;
use writing::Writing;

/// For how long a list of all repositories is taken for the current one, at least. It is made for lists and advice alone.
const FRESH: Duration = Duration::from_secs(1);
/// A list stays for this many times as long as it took to make.
const WORTH: u32 = 10;

/// How many candidates an unknown name is told.
const CANDIDATES: usize = 5;

/// What is served: one place or several, of which the first that has a tag or a manifest counts.
#[derive(Debug)]
pub struct Registry {
    contents: Vec<Arc<dyn Content>>,
    own: Option<RegistryName>,
    writing: Option<Writing>,
    all: Mutex<Option<All>>,
}

/// All repositories, as they were a moment ago.
#[derive(Debug)]
struct All {
    repositories: Arc<BTreeSet<Repository>>,
    until: Instant,
    /// Whether something was pushed or deleted since: the list is good for advice alone then.
    is_old: bool,
}

impl Registry {
    /// A registry that is read from.
    pub fn new(contents: Vec<Box<dyn Content>>) -> Registry {
        Registry {
            contents: contents.into_iter().map(Arc::from).collect(),
            own: None,
            writing: None,
            all: Mutex::default(),
        }
    }

    /// A registry that is pushed to, too. It is one directory: what is pushed must be whole there.
    ///
    /// # Errors
    /// Where the uploads that an earlier server left can't be read.
    pub fn writable(directory: DirectoryContent, options: WriteOptions) -> Result<Registry, ContentError> {
        let directory = Arc::new(directory);
        Ok(Registry {
            contents: vec![Arc::clone(&directory) as Arc<dyn Content>],
            own: None,
            writing: Some(Writing::new(directory, options)?),
            all: Mutex::default(),
        })
    }

    /// Sets the registry of names that come without one, in the place of the host that a client asks.
    #[must_use]
    pub fn with_own_name(mut self, registry: RegistryName) -> Registry {
        self.own = Some(registry);
        self
    }

    fn respond(&self, request: &mut Request<'_>) -> Result<Response, Problem> {
        let route = Route::parse(&request.path)?;
        let query = Query::parse(request.query.as_deref());
        let host = request.header("host").and_then(|host| host.parse().ok());
        let is_read = matches!(request.method, Method::Get | Method::Head);
        let (name, what) = match route {
            Route::In { name, what } => (name, what),
            _ if !is_read => return Err(not_allowed("GET, HEAD")),
            Route::Page => return self.page(&query, host.as_ref()),
            Route::Base => return Ok(json(&serde_json::json!({}))),
            Route::Catalog => return self.catalog(&query),
        };
        let own = self.own.clone().or(host);
        let asked = Asked {
            name: &name,
            namespace: query.get("ns"),
            own: own.as_ref(),
        };
        match (request.method, what) {
            (Method::Get | Method::Head, What::Tags) => self.tags(&asked, &query),
            (Method::Get | Method::Head, What::Manifest(wanted)) => self.manifest(&asked, &wanted, request),
            (Method::Get | Method::Head, What::Blob(digest)) => self.blob(&asked, &digest, request),
            (Method::Get | Method::Head, What::Referrers(subject)) => {
                self.referrers(&asked, &subject, &query)
            }
            (_, What::Tags | What::Referrers(_)) => Err(not_allowed("GET, HEAD")),
            (_, what) => self.change(&asked, what, request, &query),
        }
    }

    /// Answers what isn't a plain question.
    fn change(
        &self,
        asked: &Asked<'_>,
        what: What,
        request: &mut Request<'_>,
        query: &Query,
    ) -> Result<Response, Problem> {
        let Some(writing) = &self.writing else {
            let message = "this registry is read-only: its server takes pushes with --writable";
            return Err(Problem::new(Code::Unsupported, message).with_header("Allow", "GET, HEAD"));
        };
        let repository = asked.pushed()?;
        let response = match (request.method, what) {
            (Method::Put, What::Manifest(wanted)) => {
                writing.put_manifest(asked.name, &repository, &wanted, request, query)
            }
            (Method::Delete, What::Manifest(wanted)) => {
                // It may be known by another name than what is pushed gets.
                let repository = self.find(asked)?;
                writing.delete_manifest(&repository, &wanted)
            }
            (Method::Delete, What::Blob(digest)) => writing.delete_blob(&digest),
            (Method::Post, What::Uploads) => writing.begin(asked.name, request, query),
            (Method::Get | Method::Head, What::Upload(upload)) => writing.status(asked.name, &upload),
            (Method::Patch, What::Upload(upload)) => writing.append(asked.name, &upload, request),
            (Method::Put, What::Upload(upload)) => writing.finish(asked.name, &upload, request, query),
            (Method::Delete, What::Upload(upload)) => writing.cancel(&upload),
            (_, What::Manifest(_)) => Err(not_allowed("GET, HEAD, PUT, DELETE")),
            (_, What::Blob(_)) => Err(not_allowed("GET, HEAD, DELETE")),
            (_, What::Uploads) => Err(not_allowed("POST")),
            (_, _) => Err(not_allowed("GET, PATCH, PUT, DELETE")),
        };
        if let Some(all) = lock(&self.all).as_mut() {
            all.is_old = true;
        }
        response
    }

    /// Finds the repository that a request means.
    fn find(&self, asked: &Asked<'_>) -> Result<Repository, Problem> {
        let meanings = asked.meanings()?;
        for repository in meanings.repositories {
            for content in &self.contents {
                if content.has(&repository)? {
                    return Ok(repository);
                }
            }
        }
        let mut of_path = BTreeSet::new();
        if let Some(path) = &meanings.any_of_path {
            for content in &self.contents {
                of_path.extend(content.repositories_of(path)?);
            }
        }
        match of_path.len() {
            1 => of_path.pop_first().ok_or_else(|| self.unknown(asked)),
            0 => Err(self.unknown(asked)),
            _ => Err(unknown_name(
                asked,
                "several registries have it; name one",
                of_path.iter(),
            )),
        }
    }

    /// Says that a name is unknown, and which known ones are like it.
    fn unknown(&self, asked: &Asked<'_>) -> Problem {
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let wanted = last(asked.name);
        let all = self.all(true).unwrap_or_default();
        let alike = all.iter().filter(|repository| last(repository.path()) == wanted);
        unknown_name(asked, "there is no such repository here", alike)
    }

    /// All repositories, as they are now or were a moment ago; for advice, perhaps without what was pushed in that moment. To read them all
    /// takes long where there are thousands, and each image that is pushed is looked for first.
    fn all(&self, is_advice: bool) -> Result<Arc<BTreeSet<Repository>>, ContentError> {
        let mut known = lock(&self.all);
        let began = Instant::now();
        let is_good = |all: &&All| began < all.until && (is_advice || !all.is_old);
        if let Some(all) = known.as_ref().filter(is_good) {
            return Ok(Arc::clone(&all.repositories));
        }
        let mut repositories = BTreeSet::new();
        for content in &self.contents {
            repositories.append(&mut content.repositories()?);
        }
        let repositories = Arc::new(repositories);
        let fresh = FRESH.max(began.elapsed() * WORTH);
        *known = Some(All {
            repositories: Arc::clone(&repositories),
            until: Instant::now() + fresh,
            is_old: false,
        });
        Ok(repositories)
    }
}

impl Service for Registry {
    fn answer(&self, request: &mut Request<'_>) -> Response {
        let mut response = self.respond(request).unwrap_or_else(Problem::into_response);
        if request.path.starts_with("/v2") {
            let version = ("Docker-Distribution-Api-Version", "registry/2.0".to_owned());
            response.headers.push(version);
        }
        response
    }
}

fn not_allowed(allowed: &str) -> Problem {
    Problem::new(Code::Unsupported, format!("only {allowed} can be done here")).with_header("Allow", allowed)
}

fn unknown_name<'a>(
    asked: &Asked<'_>,
    reason: &str,
    candidates: impl Iterator<Item = &'a Repository>,
) -> Problem {
    let name = match asked.namespace {
        Some(namespace) => format!("{namespace}/{}", asked.name),
        None => asked.name.to_owned(),
    };
    let candidates: Vec<String> = candidates.take(CANDIDATES).map(Repository::to_string).collect();
    let candidates = match candidates.is_empty() {
        true => String::new(),
        false => format!(": {}", candidates.join(", ")),
    };
    Problem::new(Code::NameUnknown, format!("{name}: {reason}{candidates}"))
}

/// An answer in JSON.
fn json(value: &serde_json::Value) -> Response {
    Response {
        status: 200,
        headers: vec![("Content-Type", "application/json".to_owned())],
        body: Payload::Bytes(value.to_string().into_bytes()),
    }
}
