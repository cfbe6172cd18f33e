//! `src` and `dest` with templates in them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::json;
use transload_reference::Registry;
use transload_template::{Template, Value};
use transload_transfer::job::{Endpoint, EndpointError, ImageName, LOCAL, Location, OCI, PlaceTemplate};

/// A template for `src` or `dest`, with the variables that it is rendered over.
#[derive(Clone)]
struct ImageTemplate {
    text: String,
    template: Template,
    variables: Arc<Value>,
    /// Which of [`SHORT_NAMES`] it takes from the image.
    short: Vec<&'static str>,
}

/// An image's names at the root of a template's variables, unless a variable has the name.
const SHORT_NAMES: [&str; 3] = ["registry", "repository", "tag"];

/// Reads a `src` or `dest`. One with `{{ … }}` is rendered later, for each image, over `variables` and the image's own names.
///
/// # Errors
/// See [`EndpointError`].
pub(crate) fn parse(text: &str, variables: &Arc<Value>) -> Result<Endpoint, EndpointError> {
    if !transload_template::has_actions(text) {
        return Location::parse(text).map(Endpoint::Fixed);
    }
    Ok(Endpoint::Template(Arc::new(ImageTemplate {
        text: text.trim().to_owned(),
        short: short_names(text, variables),
        template: Template::parse(text).map_err(wrong)?,
        variables: Arc::clone(variables),
    })))
}

/// The short names that a template takes from each image.
///
/// In the host's place, `registry` is never the image's own: a variable that was forgotten would send images back where they came from.
pub(crate) fn short_names(text: &str, variables: &Value) -> Vec<&'static str> {
    let Ok(template) = Template::parse(text) else {
        return Vec::new();
    };
    let used = template.all_variables(variables);
    let host = text.trim().strip_prefix(OCI).unwrap_or(text.trim());
    let host = host.split('/').next().unwrap_or_default();
    let is_taken = |name: &str| matches!(variables, Value::Object(root) if root.contains_key(name));
    let is_short = |name: &&str| {
        let is_used = used.iter().any(|path| path.split('.').next() == Some(name));
        is_used && !is_taken(name) && !(*name == "registry" && host.contains(".registry"))
    };
    SHORT_NAMES.into_iter().filter(is_short).collect()
}

fn wrong(error: transload_template::Error) -> EndpointError {
    EndpointError::Template {
        message: error.message().to_owned(),
        hint: error.hint().map(str::to_owned),
        cause: Box::new(error),
    }
}

/// Returns the template's error that a place's error is about.
pub(crate) fn template_error(error: &EndpointError) -> Option<&transload_template::Error> {
    match error {
        EndpointError::Template { cause, .. } => cause.downcast_ref(),
        _ => None,
    }
}

/// Without the variables: some of them are secret.
impl fmt::Debug for ImageTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ImageTemplate").field(&self.text).finish()
    }
}

impl fmt::Display for ImageTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PlaceTemplate for ImageTemplate {
    fn locate(&self, image: &ImageName) -> Result<Location, EndpointError> {
        let variables = with_image(&self.variables, image, &self.short);
        let resolved = self.template.resolve(&variables).map_err(wrong)?;
        let rendered = self.template.render(&resolved).map_err(wrong)?;
        Location::parse(&rendered).map_err(|cause| EndpointError::Rendered {
            image: image.written().to_owned(),
            rendered: rendered.trim().to_owned(),
            cause: Box::new(cause),
        })
    }

    fn named_registry(&self) -> Option<Registry> {
        let text = self.text.strip_prefix(OCI).unwrap_or(&self.text);
        let (host, _) = text.split_once('/')?;
        if host.contains("{{") || self.text.starts_with(LOCAL) {
            return None;
        }
        host.parse().ok()
    }
}

/// The variables with the image's names at the root where `short` has them, at `.module.image.src.reference` (the documentation's place) and
/// `.module.image.reference` (where KubeKey's own roles look).
fn with_image(variables: &Value, image: &ImageName, short: &[&str]) -> Value {
    let reference = image.reference();
    let repository = reference.repository();
    let tag = reference.tag().map(ToString::to_string);
    let tag = tag.or_else(|| reference.digest().map(ToString::to_string));
    let (registry, path) = (repository.registry().as_str(), repository.path());
    let names = Value::from(json!({"registry": registry, "repository": path, "reference": tag}));
    let mut root = match variables {
        Value::Object(root) => root.clone(),
        _ => BTreeMap::new(),
    };
    for name in short {
        let value = match *name {
            "registry" => json!(registry),
            "repository" => json!(path),
            _ => json!(tag),
        };
        root.insert((*name).to_owned(), Value::from(value));
    }
    let mut module = taken_object(&mut root, "module");
    let mut of_image = taken_object(&mut module, "image");
    let mut source = taken_object(&mut of_image, "src");
    source.insert("reference".into(), names.clone());
    of_image.insert("src".into(), Value::Object(source));
    of_image.insert("reference".into(), names);
    module.insert("image".into(), Value::Object(of_image));
    root.insert("module".into(), Value::Object(module));
    Value::Object(root)
}

fn taken_object(parent: &mut BTreeMap<String, Value>, key: &str) -> BTreeMap<String, Value> {
    match parent.remove(key) {
        Some(Value::Object(object)) => object,
        _ => BTreeMap::new(),
    }
}
