//! The kinds of scripted registries.

use super::{Harbor, HarborProjects, HarborTokens, Tls};

/// The authentication of a scripted registry. The user is [`USER`](crate::real::USER), with [`PASSWORD`](crate::real::PASSWORD).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Everybody.
    #[default]
    Off,
    /// The user, with Basic credentials.
    Basic,
    /// Bearer tokens of the endpoint `/token`, which last until they are revoked, or as [`Options::tokens`] says.
    Bearer {
        /// Whether the endpoint gives tokens for `pull` to everybody.
        anonymous: bool,
        /// Whether the endpoint knows OAuth2's POST; else it answers that with 405.
        oauth2: bool,
    },
}

/// The form of the addresses in `Location` and `Link`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Locations {
    /// `http://host:port/path`
    #[default]
    Absolute,
    /// `/path`
    Relative,
    /// `//host:port/path`
    WithoutScheme,
}

/// The referrers API of a registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Referrers {
    /// Not at all: 404, as registries older than the API answer.
    #[default]
    Off,
    /// In full, whatever type is asked for. Manifests with a subject are acknowledged with `OCI-Subject`.
    Unfiltered,
    /// The same, with filtering by type.
    Filtered,
}

/// The token endpoint's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenAnswers {
    /// The field with the token.
    pub field: TokenField,
    /// `expires_in` in seconds; `None` omits the field. The registry itself uses no clock.
    pub expires_in: Option<u64>,
    /// What `expires_in` says in place of a number.
    pub expires_in_text: Option<&'static str>,
    /// How many requests a token is good for; `None` is any number.
    pub uses: Option<usize>,
}

impl Default for TokenAnswers {
    /// The usual fields, five minutes, and tokens that last.
    fn default() -> TokenAnswers {
        TokenAnswers {
            field: TokenField::default(),
            expires_in: Some(300),
            expires_in_text: None,
            uses: None,
        }
    }
}

/// The name of the field with the token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenField {
    /// `token` in the answer to GET, `access_token` in the one to POST.
    #[default]
    ByMethod,
    /// `token` always.
    Token,
    /// `access_token` always.
    AccessToken,
}

/// The kind of registry. The default one does everything right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// How it is reached, the listener that blobs are redirected to included.
    pub tls: Tls,
    /// The authentication.
    pub authentication: Authentication,
    /// The token endpoint's answers.
    pub tokens: TokenAnswers,
    /// Whether its token endpoint is like Harbor's. Of [`TokenAnswers`], only `uses` counts then.
    pub harbor_tokens: Option<HarborTokens>,
    /// Blobs are redirected to a second listener, which refuses requests with credentials.
    pub redirect_blobs: bool,
    /// HEAD of manifests and blobs is answered with 405.
    pub no_head: bool,
    /// The form of addresses.
    pub locations: Locations,
    /// Blobs are always sent whole.
    pub ignore_range: bool,
    /// A mount begins an upload.
    pub refuse_mount: bool,
    /// No answer has `Docker-Content-Digest`.
    pub no_content_digest: bool,
    /// The most tags on one page.
    pub page_size: Option<usize>,
    /// Answers come in chunks, without a length.
    pub chunked_answers: bool,
    /// An index may name manifests that aren't there.
    pub sparse_indexes: bool,
    /// What `OCI-Chunk-Min-Length` says, in bytes. A chunk after a smaller one is refused.
    pub chunk_min_length: Option<u64>,
    /// Upload sessions have addresses at the second listener, which refuses requests with credentials.
    pub uploads_elsewhere: bool,
    /// Whether there is a referrers API.
    pub referrers: Referrers,
    /// Whether a manifest is refused whose subject isn't there, as Harbor does.
    pub subjects_first: bool,
    /// It is a Harbor with projects, none at first, and with the part of Harbor's API that is about them.
    pub harbor_projects: Option<HarborProjects>,
    /// Larger bodies, in bytes, are refused with 413 and a page of HTML before they are read, as a proxy does.
    pub max_body: Option<u64>,
    /// Whether it answers as a Harbor with these projects.
    pub harbor: Option<Harbor>,
}

impl Options {
    /// A registry that serves its user with bearer tokens, as Harbor does, and everybody where `anonymous` is set.
    pub fn bearer(anonymous: bool) -> Options {
        Options {
            authentication: Authentication::Bearer {
                anonymous,
                oauth2: false,
            },
            ..Options::default()
        }
    }
}
