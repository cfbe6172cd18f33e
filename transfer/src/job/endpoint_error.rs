//! What is wrong with a `src` or `dest`.

use std::error::Error;

use transload_policy::RenamedError;
use transload_reference::ParseError;

use super::endpoint::LOCAL;
use crate::place;

/// Why a `src` or `dest` is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Empty.
    #[error("it is empty")]
    Empty,
    /// A template that gave a template.
    #[error("it is still a template")]
    Braces,
    /// A bad template.
    #[error("the template: {message}")]
    Template {
        /// What is wrong with it.
        message: String,
        /// What to do about it, where that can be told.
        hint: Option<String>,
        /// The template's own error.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// A template that gave something that is no place.
    #[error("for {image} the template gives \"{rendered}\", which isn't a place: {cause}")]
    Rendered {
        /// The image.
        image: String,
        /// What it rendered to.
        rendered: String,
        /// Why that is no place.
        #[source]
        cause: Box<EndpointError>,
    },
    /// A scheme such as `local://` without a path.
    #[error("{scheme} needs {name} after it")]
    NoPath {
        /// The scheme.
        scheme: &'static str,
        /// What it stands for, such as `a directory`.
        name: &'static str,
        /// An example of one.
        example: &'static str,
    },
    /// A path that only a shell understands.
    #[error("\"{path}\": only a shell expands ~ to the home directory")]
    Home {
        /// The path.
        path: String,
    },
    /// A URL of another kind.
    #[error("{scheme}:// isn't a kind of place")]
    Scheme {
        /// The scheme.
        scheme: String,
        /// What follows it, without a user's name and password.
        rest: String,
    },
    /// A place in a form that other tools know.
    #[error("\"{text}\": unknown place `{prefix}`")]
    Transport {
        /// The text.
        text: String,
        /// The form's name, with its colon.
        prefix: String,
        /// What to write for what is meant, if that is a directory.
        directory: Option<String>,
    },
    /// A name that doesn't say whether it is a registry or a directory.
    #[error("\"{text}\" may be a registry, an image or a directory")]
    Unclear {
        /// The text.
        text: String,
    },
    /// A new name that is none.
    #[error("{0}")]
    Renamed(#[from] RenamedError),
    /// A bad name.
    #[error("{0}")]
    Name(#[from] ParseError),
    /// A text that is a path where only registries are.
    #[error("\"{text}\" looks like a directory")]
    Path {
        /// The text.
        text: String,
    },
}

impl EndpointError {
    /// What to do about it, where that can be told.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            EndpointError::Empty => {
                format!("give {LOCAL}/a/directory, a registry, or a registry and a repository")
            }
            EndpointError::Braces => {
                "name the variable by itself, as in {{ .name }}: then its own templates are rendered, too"
                    .to_owned()
            }
            EndpointError::Template { hint, .. } => return hint.clone(),
            EndpointError::Rendered { cause, .. } => return cause.hint(),
            EndpointError::NoPath { example, .. } => format!("write the path after it, as in {example}"),
            EndpointError::Home { path } => {
                let rest = path.trim_start_matches('~');
                format!("write it out, such as {LOCAL}/root{rest}; a folder of that name is ./{path}")
            }
            EndpointError::Scheme { scheme, rest } => match scheme.as_str() {
                "http" => {
                    format!("write {rest} alone, and set plain_http: true for it in auths (or --plain-http)")
                }
                "https" | "docker" => format!("write {rest} alone"),
                "file" | "dir" => format!("write {LOCAL}{rest}"),
                "oci-layout" => format!("write oci:{rest}"),
                _ => format!(
                    "places on disks are written {}, a registry without anything before it",
                    forms().join(", ")
                ),
            },
            EndpointError::Transport {
                text,
                directory: Some(directory),
                ..
            } => format!("write {directory}; a folder of that name is ./{text}"),
            EndpointError::Transport { text, .. } => format!(
                "places on disks are written {}; a folder of that name is ./{text}; for the storage of another tool, copy through one of these, \
                 such as with skopeo copy",
                forms().join(", ")
            ),
            EndpointError::Unclear { text } => {
                let host = text.split('/').next().unwrap_or(text);
                let port = text.replacen(host, &format!("{host}:443"), 1);
                format!(
                    "write {port} for a registry {host}, docker.io/{text} for Docker Hub, {LOCAL}/… for a directory (on the command \
                     line also ./{text})"
                )
            }
            EndpointError::Path { text } if text.starts_with('/') => format!("write {LOCAL}{text}"),
            EndpointError::Path { .. } => format!("write {LOCAL}/the/absolute/path"),
            EndpointError::Renamed(_) => {
                "rules see the full name, such as docker.io/library/alpine:3.19: --dry-run shows the new ones"
                    .to_owned()
            }
            EndpointError::Name(error) => return error.hint(),
        })
    }
}

/// How places on disks are written.
fn forms() -> Vec<&'static str> {
    place::schemes().map(|scheme| scheme.form).collect()
}
