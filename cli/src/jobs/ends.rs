//! `--src` and `--dest`: reading them, and telling what was meant where they are something else.

use std::path::Path;

use transload_transfer::job::{Endpoint, EndpointError, Location};

use super::{Wrong, no_variables};
use crate::endpoint;
use crate::task::{self, Problem};

/// A directory, with or without `local://`.
pub(super) fn directory(argument: &str, text: &str, wrong: &mut Wrong) -> Option<Location> {
    let error = match Location::parse_directory(text) {
        Ok(location) if location.place().path().is_some() => return Some(location),
        Ok(_) => return not_a_directory(argument, text, wrong),
        Err(EndpointError::NoPath { .. }) if text.is_empty() => {
            wrong.note_with_hint(
                argument,
                "it is empty",
                "give the directory's path, such as ./images",
            );
            return None;
        }
        Err(EndpointError::Scheme { scheme, .. })
            if ["http", "https", "docker"].contains(&scheme.as_str()) =>
        {
            return not_a_directory(argument, text, wrong);
        }
        Err(error) => error,
    };
    wrong.note_with_hint(argument, error.to_string(), error.hint().unwrap_or_default());
    None
}

fn not_a_directory(argument: &str, text: &str, wrong: &mut Wrong) -> Option<Location> {
    let hint = "a directory or an archive is written as a path, such as ./images; `transload copy` copies between registries";
    wrong.note_with_hint(
        argument,
        format!("{text} is neither a directory nor an archive"),
        hint,
    );
    None
}

/// A directory to pull into. A registry's name would silently become a folder of that name.
pub(super) fn new_directory(text: &str, wrong: &mut Wrong) -> Option<Location> {
    if is_registry(text) {
        wrong.note_with_hint(
            "--dest",
            format!("{text} looks like a registry, and images are pulled into a directory or an archive"),
            if text.contains("://") {
                "`transload copy` copies between registries".to_owned()
            } else {
                format!(
                    "write ./{text} for a directory of that name; `transload copy` copies between registries"
                )
            },
        );
        return None;
    }
    directory("--dest", text, wrong)
}

/// Whether a text is the name of a registry or of an image in one, and not a directory's.
pub(super) fn is_registry(text: &str) -> bool {
    Location::parse_argument(text).is_ok_and(|location| location.place().registry().is_some())
}

/// Whether a text is written as a directory, or is the name of one that is there.
pub(super) fn is_directory(text: &str) -> bool {
    Location::parse_argument(text).is_ok_and(|location| location.place().path().is_some())
}

/// What to say where a source and a destination stand in each other's place; one of them is a registry, the other a directory.
pub(super) fn swapped(src: &str, dest: &str) -> Problem {
    let (src_is, dest_is) = match is_directory(src) {
        true => ("a directory", "a registry"),
        false => ("a registry", "a directory"),
    };
    let (directory, registry) = if is_directory(src) {
        (src, dest)
    } else {
        (dest, src)
    };
    let hint = format!(
        "`transload push --src {directory} --dest {registry}` pushes a directory's images; `transload pull IMAGE… --src {registry} \
         --dest {directory}` pulls images"
    );
    let message = format!("{src} is {src_is} and --dest {dest} {dest_is}: they look swapped");
    Problem::of_file("--src", message).with_hint(hint)
}

/// Whether the text given as an image is a directory that holds images.
pub(super) fn holds_images(text: &str) -> bool {
    let path = Path::new(text);
    path.is_dir() && transload_layout_store::Store::looks_like_one(path)
}

/// What to say of a directory of images that stands where an image's name should.
pub(super) fn directory_as_image(text: &str) -> Problem {
    let hint = if text.starts_with(['/', '.']) {
        format!("`--src {text}` of push or copy takes its images")
    } else {
        format!(
            "`--src ./{text}` of push or copy takes its images; Docker Hub's image of that name is docker.io/library/{text}"
        )
    };
    Problem::of_file("IMAGE", format!("{text} is a directory of images")).with_hint(hint)
}

/// A registry, whatever folders there are.
pub(super) fn registry(argument: &str, text: &str, wrong: &mut Wrong) -> Option<Endpoint> {
    let parsed = Location::parse(text);
    let is_path = match &parsed {
        Ok(location) => location.place().path().is_some(),
        Err(error) => matches!(error, EndpointError::Path { .. }),
    };
    if is_path {
        wrong.note_with_hint(
            argument,
            format!("{text} is a directory, and a registry is wanted"),
            "`transload copy` copies between directories",
        );
        return None;
    }
    endpoint(argument, text, parsed.map(Endpoint::Fixed), wrong)
}

/// The places of `--dest`: the first, and the others. Each has to be another one.
pub(super) fn destinations(
    texts: &[String],
    wrong: &mut Wrong,
    read: impl Fn(&str, &mut Wrong) -> Option<Endpoint>,
) -> Option<(Endpoint, Vec<Endpoint>)> {
    let mut found: Vec<Endpoint> = Vec::new();
    for text in texts {
        let destination = read(text, wrong)?;
        let text = destination.to_string();
        if found.iter().any(|known| known.to_string() == text) {
            wrong.note("--dest", format!("{text} is given twice"));
        }
        found.push(destination);
    }
    let others = found.split_off(1.min(found.len()));
    Some((found.pop()?, others))
}

/// What a text without a template was read as, or the template that it is.
pub(super) fn endpoint(
    argument: &str,
    text: &str,
    parsed: Result<Endpoint, EndpointError>,
    wrong: &mut Wrong,
) -> Option<Endpoint> {
    let parsed = if transload_template::has_actions(text) {
        endpoint::parse(text, &no_variables())
            .and_then(|endpoint| task::try_samples(&endpoint).map(|()| endpoint))
    } else {
        parsed
    };
    match parsed {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            wrong.0.push(match endpoint::template_error(&error) {
                Some(error) => Problem::of_template(argument, error),
                None => Problem::of_file(argument, error.to_string()).maybe_hint(error.hint()),
            });
            None
        }
    }
}
