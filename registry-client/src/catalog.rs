//! Listing repositories ([Docker's registry API, "Listing Repositories"]), which the distribution specification leaves to registries.
//!
//! [Docker's registry API, "Listing Repositories"]: https://github.com/distribution/distribution/blob/v2.8.3/docs/spec/api.md#listing-repositories

use serde::Deserialize;
use transload_reference::Registry;

use crate::core::Core;
use crate::error::Error;
use crate::operation::Operation;
use crate::request::Call;
use crate::scope::Scopes;
use crate::tags::{MAX_PAGE, MAX_PAGES, Pages, next_page};

#[derive(Deserialize)]
struct Page {
    /// Some registries write `null` for none.
    repositories: Option<Vec<String>>,
}

impl Core {
    pub fn catalog(&self, registry: &Registry) -> Result<Vec<String>, Error> {
        let reach = self.reach(registry, None)?;
        let mut scopes = Scopes::default();
        scopes.add("registry:catalog:*");
        let mut call = Call::at(self, Operation::ListRepositories, reach, None, "GET", "/v2/_catalog")?
            .header("accept", "application/json")
            .scopes(scopes);
        let mut repositories = Vec::new();
        let mut pages = Pages::default();
        for _ in 0..MAX_PAGES {
            let answer = self.run(&mut call, None)?;
            if answer.status != 200 {
                return Err(answer.into_error(&call.place));
            }
            let next = next_page(&call, &answer)?;
            let bytes = answer.bytes(MAX_PAGE, &call.place)?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
                call.protocol(format!("the list of repositories isn't the expected JSON: {error}"))
            })?;
            let page = page.repositories.unwrap_or_default();
            pages.count(&call, bytes.len(), page.is_empty())?;
            repositories.extend(page);
            match next {
                Some(next) => call.url = next,
                None => return Ok(repositories),
            }
        }
        Err(call.protocol(format!("the list of repositories has more than {MAX_PAGES} pages")))
    }
}
