//! Lists a sample of a repository's tags, for a hint.

use transload_reference::{Repository, Tag};

use crate::client::Client;
use crate::core::Core;
use crate::error::Error;
use crate::operation::Operation;
use crate::pages::Page;
use crate::payload::Payload;
use crate::request::Call;

/// The number of tags to ask for at once; registries may give fewer.
const PAGE: usize = 1000;

/// The largest number of pages to read.
const MAX_SAMPLE_PAGES: usize = 3;

/// The largest page to read, in bytes.
const MAX_PAGE: u64 = 1024 * 1024;

impl Client {
    /// Lists the first valid tags of a repository, some thousands at most, without retries. Use it to suggest tags in place of a missing one.
    ///
    /// # Errors
    /// If the registry gives no usable answer.
    pub fn sample_tags(&self, repository: &Repository) -> Result<Vec<Tag>, Error> {
        self.core().sample_tags(repository)
    }
}

impl Core {
    fn sample_tags(&self, repository: &Repository) -> Result<Vec<Tag>, Error> {
        let path = format!("/tags/list?n={PAGE}");
        let mut call = Call::new(self, Operation::ListTags, repository, "GET", &path)?
            .header("accept", "application/json");
        let mut tags = Vec::new();
        for _ in 0..MAX_SAMPLE_PAGES {
            let answer = self.once(&mut call, &mut Payload::None)?;
            let page = Page::read(&call, answer, MAX_PAGE)?;
            tags.extend(page.names.iter().filter_map(|tag| tag.parse().ok()));
            match page.next {
                Some(next) => call.url = next,
                None => break,
            }
        }
        Ok(tags)
    }
}
