//! New names for images on their way.

use regex::Regex;
use transload_reference::{ParseError, Reference, Registry, Repository};

use crate::{ImagePattern, PatternError};

/// How images' names change on their way: by rules, then without the registry, then behind a prefix.
#[derive(Debug, Clone, Default)]
pub struct Renaming {
    rules: Vec<Rule>,
    strip_registry: bool,
    prefix: Option<String>,
}

/// What matches becomes something else.
#[derive(Debug, Clone)]
struct Rule {
    from: Regex,
    to: String,
}

/// Why a rule can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// There is no `=` in it.
    #[error("\"{0}\" has no =: a rule is FROM=TO")]
    NoTarget(String),
    /// There is nothing before `=`.
    #[error("\"{0}\" replaces nothing: a regular expression belongs before =")]
    NoPattern(String),
    /// What stands before `=` isn't a regular expression.
    #[error("not a regular expression: {0}")]
    Pattern(PatternError),
    /// What stands after `=` names a group that the expression doesn't have.
    #[error("\"{to}\" names the group {group}, which the expression doesn't have")]
    Group {
        /// What stands after `=`.
        to: String,
        /// The group, as it is written.
        group: String,
    },
    /// The prefix can't stand before a name.
    #[error("\"{0}\" can't be the prefix of an image's name: {1}")]
    Prefix(String, ParseError),
}

/// A name that an image would get, and that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{image} would be renamed to \"{renamed}\": {cause}")]
pub struct RenamedError {
    image: String,
    renamed: String,
    #[source]
    cause: ParseError,
}

impl Renaming {
    /// Reads rules of the form `FROM=TO`, which apply in this order, and a prefix: a path, or a registry and a path.
    ///
    /// # Errors
    /// All rules that can't be read, and the prefix if it can't stand before a name.
    pub fn new<T: AsRef<str>>(
        rules: &[T],
        strip_registry: bool,
        prefix: Option<&str>,
    ) -> Result<Renaming, Vec<RenameError>> {
        let mut errors = Vec::new();
        let mut read = Vec::new();
        for rule in rules {
            match Rule::parse(rule.as_ref()) {
                Ok(rule) => read.push(rule),
                Err(error) => errors.push(error),
            }
        }
        let prefix = prefix
            .map(|prefix| prefix.trim_matches('/'))
            .filter(|prefix| !prefix.is_empty());
        if let Some(prefix) = prefix
            && let Err(error) = format!("{prefix}/name").parse::<Repository>()
        {
            errors.push(RenameError::Prefix(prefix.to_owned(), error));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Renaming {
            rules: read,
            strip_registry,
            prefix: prefix.map(str::to_owned),
        })
    }

    /// Whether every name stays as it is.
    pub fn is_none(&self) -> bool {
        self.rules.is_empty() && !self.strip_registry && self.prefix.is_none()
    }

    /// Returns an image's new name. Rules see its full name without the digest, such as `docker.io/library/alpine:3.19`; the digest stays.
    ///
    /// # Errors
    /// Where the new name is none.
    pub fn apply(&self, image: &Reference) -> Result<Reference, RenamedError> {
        if self.is_none() {
            return Ok(image.clone());
        }
        let without_digest = Reference::new(image.repository().clone(), image.tag().cloned(), None);
        let mut name = without_digest.to_string();
        for rule in &self.rules {
            name = rule.from.replace_all(&name, rule.to.as_str()).into_owned();
        }
        let read = |name: &str| {
            name.parse::<Reference>().map_err(|cause| RenamedError {
                image: image.to_string(),
                renamed: name.to_owned(),
                cause,
            })
        };
        let mut renamed = read(&name)?;
        if self.strip_registry {
            let stripped = renamed.repository().in_registry(Registry::docker_hub());
            renamed = stripped
                .map(|stripped| renamed.in_repository(stripped))
                .or_else(|_| read(&name))?;
        }
        if let Some(prefix) = &self.prefix {
            let repository = renamed.repository();
            let below = match prefix.split_once('/').map_or(prefix.as_str(), |(host, _)| host) {
                // A prefix with a registry takes the place of the image's.
                host if is_registry(host) => format!("{prefix}/{}", repository.path()),
                _ => format!("{}/{prefix}/{}", repository.registry(), repository.path()),
            };
            let tag = renamed.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
            renamed = read(&format!("{below}{tag}"))?;
        }
        let digest = image.digest().cloned().or_else(|| renamed.digest().cloned());
        Ok(Reference::new(
            renamed.repository().clone(),
            renamed.tag().cloned(),
            digest,
        ))
    }
}

/// Whether a name's first part is a registry, by the rule for names of images.
fn is_registry(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|byte| byte.is_ascii_uppercase())
}

impl Rule {
    fn parse(text: &str) -> Result<Rule, RenameError> {
        let (from, to) = text
            .split_once('=')
            .ok_or_else(|| RenameError::NoTarget(text.to_owned()))?;
        if from.is_empty() {
            return Err(RenameError::NoPattern(text.to_owned()));
        }
        let from = ImagePattern::new(from)
            .map_err(RenameError::Pattern)?
            .into_regex();
        for group in groups(to) {
            let exists = match group.parse::<usize>() {
                Ok(number) => number < from.captures_len(),
                Err(_) => from.capture_names().flatten().any(|name| name == group),
            };
            if !exists {
                return Err(RenameError::Group {
                    to: to.to_owned(),
                    group: format!("${group}"),
                });
            }
        }
        Ok(Rule {
            from,
            to: to.to_owned(),
        })
    }
}

/// The groups that a replacement names, as the regex crate reads them: `$1`, `$name`, `${name}`; `$$` is a dollar.
fn groups(to: &str) -> Vec<&str> {
    let mut groups = Vec::new();
    let mut rest = to;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        if let Some((name, after)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            groups.push(name);
            rest = after;
            continue;
        }
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        if !name.is_empty() {
            groups.push(name);
        }
        rest = after;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(image: &str, rules: &[&str], strip: bool, prefix: Option<&str>) -> String {
        let image: Reference = image.parse::<Reference>().unwrap().or_latest();
        match Renaming::new(rules, strip, prefix).unwrap().apply(&image) {
            Ok(renamed) => renamed.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn names_change_by_rules_then_lose_the_registry_then_get_a_prefix() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let of_digest = format!("quay.io/a/b:v1@{digest}");
        let expected = format!("quay.io/x/b:v1@{digest}");
        for (image, rules, strip, prefix, name) in [
            (
                "alpine:3.19",
                &[][..],
                false,
                None,
                "docker.io/library/alpine:3.19",
            ),
            (
                "quay.io/calico/node:v3",
                &[],
                true,
                None,
                "docker.io/calico/node:v3",
            ),
            ("quay.io/node:v3", &[], true, None, "docker.io/library/node:v3"),
            (
                "quay.io/calico/node:v3",
                &[],
                false,
                Some("team/"),
                "quay.io/team/calico/node:v3",
            ),
            (
                "quay.io/calico/node:v3",
                &[],
                false,
                Some("hub.local"),
                "hub.local/calico/node:v3",
            ),
            (
                "quay.io/calico/node:v3",
                &[],
                false,
                Some("/hub.local:5000/x/"),
                "hub.local:5000/x/calico/node:v3",
            ),
            (
                "quay.io/calico/node:v3",
                &[],
                true,
                Some("x"),
                "docker.io/x/calico/node:v3",
            ),
            (
                "alpine",
                &["^docker.io/library/=hub.local/base/"],
                false,
                None,
                "hub.local/base/alpine:latest",
            ),
            (
                "quay.io/a/b:v1",
                &["a/b=c", ":v(.*)$=:${1}-x"],
                false,
                None,
                "quay.io/c:1-x",
            ),
            (
                "quay.io/a/b:v1",
                &["(?P<who>a)/(b)=$2/$who"],
                true,
                Some("z"),
                "docker.io/z/b/a:v1",
            ),
            (&of_digest, &["/a/=/x/"], false, None, &expected),
            ("quay.io/a/b:v1", &["nothing=else"], false, None, "quay.io/a/b:v1"),
        ] {
            assert_eq!(
                renamed(image, rules, strip, prefix),
                name,
                "{image} {rules:?} {strip} {prefix:?}"
            );
        }
    }

    #[test]
    fn a_new_name_that_is_none_tells_of_the_image() {
        let said = renamed("quay.io/a/b:v1", &["/a/=/A b/"], false, None);
        assert!(
            said.starts_with("quay.io/a/b:v1 would be renamed to \"quay.io/A b/b:v1\": "),
            "{said}"
        );
        let said = renamed("quay.io/a/b:v1", &[".*="], false, None);
        assert!(said.contains("would be renamed to \"\""), "{said}");
    }

    #[test]
    fn rules_that_cannot_be_read_say_why() {
        for (rule, why) in [
            ("abc", "has no =: a rule is FROM=TO"),
            ("=x", "replaces nothing"),
            ("(=x", "unclosed group"),
            ("a=$1", "the group $1, which"),
            ("(?P<x>a)=${y}", "the group $y, which"),
        ] {
            let errors = Renaming::new(&[rule], false, None).unwrap_err();
            assert!(errors[0].to_string().contains(why), "{rule}: {}", errors[0]);
        }
        let errors = Renaming::new(&["a", "b"], false, Some("A B")).unwrap_err();
        assert_eq!(errors.len(), 3, "each mistake is told");
        assert!(
            Renaming::new(&["a=$$1"], false, None).is_ok(),
            "a dollar may be meant"
        );
    }
}
