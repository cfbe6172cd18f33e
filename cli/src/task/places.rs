//! `src` and `dest` of a task: reading them, and checking that every image has a way from one to the other.

use std::collections::HashMap;

use transload_policy::Renaming;
use transload_reference::Registry;
use transload_template::Value;
use transload_transfer::job::{Endpoint, EndpointError, ImageName, Target};

use super::reader::{Reader, describe};
use super::yaml::{Id, Node, Yaml};

use crate::endpoint;

/// A `src` or `dest` and where it is.
pub(super) struct Place {
    pub at: Id,
    name: String,
    pub endpoint: Endpoint,
}

impl Place {
    /// Reads the value of the key `name`, one place or a list of them, each another one.
    pub(super) fn read_list(name: &str, node: &Node, reader: &mut Reader<'_>) -> Vec<Place> {
        let nodes = match &node.value {
            Yaml::List(nodes) => nodes.clone(),
            // A template may give a list, unless it is one for each image.
            Yaml::Text(text) if !reader.is_for_each_image(text) => match reader.value(name, node) {
                Some(Value::Array(values)) => {
                    values.iter().map(|value| Node::literal(node.id, value)).collect()
                }
                Some(_) => vec![node.clone()],
                None => return Vec::new(),
            },
            _ => vec![node.clone()],
        };
        if nodes.is_empty() {
            reader.sink.error(node.id, format!("`{name}` is empty"));
        }
        let mut places: Vec<Place> = Vec::new();
        for node in &nodes {
            let Some(place) = Place::read(name, "", node, reader) else {
                continue;
            };
            let text = place.endpoint.to_string();
            if places.iter().any(|known| known.endpoint.to_string() == text) {
                reader.sink.error(place.at, format!("`{name}` has {text} twice"));
            }
            places.push(place);
        }
        places
    }

    /// Reads the value of the key `name`. `scheme` is what earlier forms leave out before a directory.
    pub(super) fn read(name: &str, scheme: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Place> {
        let text = match &node.value {
            // Without an image's names in it, a template is the same for all images and can be checked here and now.
            Yaml::Text(text) if !reader.is_for_each_image(text) => reader.render(name, node.id, text)?,
            Yaml::Text(text) => text.clone(),
            _ => {
                reader
                    .sink
                    .error(node.id, format!("`{name}` must be text, not {}", describe(node)));
                return None;
            }
        };
        let has_scheme = text.trim_start().starts_with("local://");
        let text = if has_scheme {
            text
        } else {
            format!("{scheme}{}", text.trim())
        };
        match endpoint::parse(&text, &reader.variables) {
            Ok(endpoint) => Some(Place {
                at: node.id,
                name: name.to_owned(),
                endpoint,
            }),
            Err(error) => {
                report(name, node.id, &error, reader);
                None
            }
        }
    }
}

fn report(name: &str, at: Id, error: &EndpointError, reader: &mut Reader<'_>) {
    match endpoint::template_error(error) {
        Some(error) => reader.template_error(name, at, error),
        None => {
            let note = reader.sink.error(at, format!("`{name}`: {error}"));
            if let Some(hint) = error.hint() {
                note.hint(hint);
            }
        }
    }
}

/// The image that a source names exactly, which then is the list.
pub(super) fn only_image_of(src: Option<&Place>) -> Vec<ImageName> {
    let image = src.and_then(|src| src.endpoint.image());
    image
        .map(|image| ImageName::from(image.reference().clone()))
        .into_iter()
        .collect()
}

/// Adds the one registry that a place is in, if it is in one and the same for all images.
pub(super) fn add_registry(
    mut named: Vec<Registry>,
    endpoint: &Endpoint,
    images: &[ImageName],
) -> Vec<Registry> {
    let registry = endpoint.named_registry().or_else(|| {
        // A registry that comes from variables shows once the template is rendered. The samples' registries differ, so that
        // a template that takes the image's own names none.
        let rendered: Vec<_> = samples()
            .iter()
            .chain(images)
            .map(|image| endpoint.target(image).ok()?.registry().cloned())
            .collect::<Option<_>>()?;
        let (first, others) = rendered.split_first()?;
        others.iter().all(|other| other == first).then(|| first.clone())
    });
    if let Some(registry) = registry.filter(|registry| !named.contains(registry)) {
        named.push(registry);
    }
    named
}

/// Images as different as they come.
fn samples() -> Vec<ImageName> {
    [
        "docker.io/library/example:1",
        "registry.example.com/group/team/example:v1.2.3",
    ]
    .iter()
    .filter_map(|name| name.parse().ok())
    .collect()
}

/// Checks that a source says which images by itself. `at` is where the task's values are.
pub(super) fn check_source_without_list(src: Option<&Place>, at: Id, reader: &mut Reader<'_>) {
    let hint = "list the images in `manifests`";
    match src {
        None => {
            let message = "without `manifests`, `src` must say which images: a directory, or one image";
            reader.sink.error(at, message).hint(hint);
        }
        Some(src) => match &src.endpoint {
            endpoint if endpoint.lists_images() => {}
            Endpoint::Fixed(_) => {
                reader
                    .sink
                    .error(src.at, "a registry's images can't be listed")
                    .hint(hint);
            }
            Endpoint::Template(_) => {
                let message = "this template needs an image's names, and no image is named";
                reader.sink.error(src.at, message).hint(hint);
            }
        },
    }
}

/// Checks that every image has a source and a destination of its own.
pub(super) fn check_ways(
    src: Option<&Place>,
    dest: &Place,
    images: &[ImageName],
    renaming: &Renaming,
    reader: &mut Reader<'_>,
) {
    let from = src.and_then(|src| src.endpoint.local());
    if from.is_some() && from == dest.endpoint.local() {
        reader.sink.error(dest.at, "src and dest are the same directory");
        return;
    }
    if let (Some((at, image)), [_, _, ..]) =
        (src.and_then(|src| Some((src.at, src.endpoint.image()?))), images)
    {
        let message = format!(
            "src is the one image {image}, and manifests names {}",
            images.len()
        );
        let hint = format!("give `src` as {} alone", image.place());
        reader.sink.error(at, message).hint(hint);
        return;
    }
    if images.is_empty() {
        check_sample(dest, reader);
        return;
    }
    let mut taken: HashMap<Target, &ImageName> = HashMap::new();
    for image in images {
        let renamed = image.renamed(renaming);
        let to = match renamed.and_then(|renamed| dest.endpoint.target(&renamed)) {
            Ok(target) => target,
            Err(error) => return report(&dest.name, dest.at, &error, reader),
        };
        let from = match src {
            None => Ok(Target::in_registry(image.reference().clone())),
            Some(src) => src.endpoint.target(image),
        };
        match (from, src) {
            (Ok(from), _) if from == to => {
                reader.sink.error(
                    dest.at,
                    format!("{} would be copied onto itself: {to}", image.written()),
                );
                return;
            }
            (Err(error), Some(src)) => return report(&src.name, src.at, &error, reader),
            _ => {}
        }
        if let Some(other) = taken.insert(to.clone(), image) {
            let message = format!(
                "{} and {} would both go to {to}",
                other.written(),
                image.written()
            );
            let note = reader.sink.error(dest.at, message);
            if dest.endpoint.image().is_some() {
                note.hint("give `dest` a registry or a namespace alone: each image's own name follows");
            }
            return;
        }
    }
}

/// Tries a template on samples where the images aren't known yet.
fn check_sample(dest: &Place, reader: &mut Reader<'_>) {
    if let Err(error) = try_samples(&dest.endpoint) {
        report(&dest.name, dest.at, &error, reader);
    }
}

/// What a place comes to for images that aren't known yet: what fails on all samples fails on every image.
///
/// # Errors
/// The first sample's failure, if all of them fail.
pub(crate) fn try_samples(endpoint: &Endpoint) -> Result<(), EndpointError> {
    let failures: Option<Vec<EndpointError>> = samples()
        .iter()
        .map(|image| endpoint.locate(image).err())
        .collect();
    match failures.and_then(|failures| failures.into_iter().next()) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
