//! A look at a repository's tags, for a hint: bounded, and without patience.

use serde::Deserialize;
use transload_reference::{Repository, Tag};

use crate::client::Client;
use crate::core::Core;
use crate::error::Error;
use crate::request::{Call, Payload};
use crate::tags::next_page;

/// How many tags are asked for at once; registries may give fewer.
const PAGE: usize = 1000;

/// How many pages are looked at.
const MOST_PAGES: usize = 3;

/// The largest page that is read, in bytes.
const MAX_PAGE: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct Page {
    /// Some registries write `null` for none.
    tags: Option<Vec<String>>,
}

impl Client {
    /// The first tags of a repository, some thousands at most, each a valid one. Unlike [`Client::tags`] it asks once and gives up at
    /// the first failure: it is for telling what there is instead of something that isn't.
    ///
    /// # Errors
    /// Where the registry gives no usable answer.
    pub fn sample_tags(&self, repository: &Repository) -> Result<Vec<Tag>, Error> {
        self.core().sample_tags(repository)
    }
}

impl Core {
    fn sample_tags(&self, repository: &Repository) -> Result<Vec<Tag>, Error> {
        let path = format!("/tags/list?n={PAGE}");
        let mut call = Call::new(self, "listing the tags", repository, "GET", &path)?
            .header("accept", "application/json");
        let mut tags = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = self.once(&mut call, &mut Payload::None)?;
            if answer.status != 200 {
                return Err(answer.into_error(&call.place));
            }
            let next = next_page(&call, &answer)?;
            let bytes = answer.bytes(MAX_PAGE, &call.place)?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
                call.protocol(format!("the list of tags isn't the expected JSON: {error}"))
            })?;
            let found = page.tags.unwrap_or_default();
            tags.extend(found.iter().filter_map(|tag| tag.parse().ok()));
            match next {
                Some(next) => call.url = next,
                None => break,
            }
        }
        Ok(tags)
    }
}
