//! `when`: whether a task runs. It does where the condition's text is `true`, and nowhere else, as in KubeKey.

use transload_template::{Snippet, Template, Value};

use super::problem::Part;
use super::reader::{Reader, describe, shortened, single_action};
use super::yaml::{Id, Node, Yaml};

/// What makes a template of an expression, in which what doesn't exist is false. It gives no text where the value is false.
const START: &str = "{{ with (";
const END: &str = ") }}{{ toString . }}{{ end }}";

impl Reader<'_> {
    /// Whether a condition holds: true or false, a bare expression, a template, or a list of which all must hold.
    pub(super) fn condition(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Yaml::Null => Some(true),
            Yaml::Bool(value) => Some(value.value),
            Yaml::List(items) => {
                for item in items {
                    if !self.condition(item)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            Yaml::Text(text) => self.text_condition(node.id, text),
            _ => {
                let found = describe(node);
                self.sink.error(
                    node.id,
                    format!("`when` must be a condition or a list of them, not {found}"),
                );
                None
            }
        }
    }

    /// The variables that a false condition reads and that don't exist.
    pub(super) fn missing_in(&mut self, condition: &Node) -> Vec<String> {
        let text = match &condition.value {
            Yaml::List(items) => {
                let first_false = items.iter().find(|item| self.condition(item) == Some(false));
                return first_false.map(|item| self.missing_in(item)).unwrap_or_default();
            }
            Yaml::Text(text) if transload_template::has_actions(text) => text.clone(),
            Yaml::Text(text) => format!("{START}{text}{END}"),
            _ => return Vec::new(),
        };
        let Ok(template) = Template::parse(&text) else {
            return Vec::new();
        };
        let variables = template
            .resolve(&self.variables)
            .unwrap_or(std::borrow::Cow::Borrowed(&self.variables));
        let exists = |path: &&String| {
            let mut parts = path.split('.').filter(|part| !part.is_empty());
            parts.try_fold(&*variables, Value::get).is_some()
        };
        let names = template.variables().iter();
        names.filter(|path| !exists(path)).cloned().collect()
    }

    fn expression(&mut self, at: Id, expression: &str) -> Option<String> {
        let text = format!("{START}{expression}{END}");
        let rendered =
            Template::parse(&text).and_then(|template| template.render(&*template.resolve(&self.variables)?));
        match rendered {
            Ok(rendered) => Some(rendered),
            Err(error) => {
                let message = format!("the condition in `when`: {}", error.message());
                let mut part = Part::of_template(&error);
                let shown = &mut part.snippet;
                if shown.text == text {
                    // Shown as it was written, without what makes it a template.
                    let caret = shown.caret.saturating_sub(START.len());
                    *shown = Snippet::new(expression, caret, shown.width);
                }
                let note = self.sink.error(at, message).within(part);
                if let Some(hint) = error.hint() {
                    note.hint(hint);
                }
                None
            }
        }
    }

    fn text_condition(&mut self, at: Id, text: &str) -> Option<bool> {
        let given = if is_word(text) {
            text.to_owned()
        } else if !transload_template::has_actions(text) {
            self.expression(at, text.trim())?
        } else if let Some(expression) = single_action(text) {
            // What stands around an action is part of the text, unless the action trims it.
            let (start, end) = (text.trim_start(), text.trim_end());
            let before = if start.starts_with("{{- ") {
                ""
            } else {
                &text[..text.len() - start.len()]
            };
            let after = if end.ends_with(" -}}") {
                ""
            } else {
                &text[end.len()..]
            };
            format!("{before}{}{after}", self.expression(at, expression)?)
        } else {
            self.render("when", at, text)?
        };
        if given.eq_ignore_ascii_case("true") {
            return Some(true);
        }
        let plain = given.trim().to_ascii_lowercase();
        if !matches!(plain.as_str(), "" | "false" | "no" | "0") {
            let message = format!(
                "`when` gives \"{}\", and only true runs a task: this one doesn't run",
                shortened(&given)
            );
            let hint = if plain == "true" {
                "remove the spaces and line breaks around it: write {{- … -}}"
            } else {
                "write what is asked, such as `eq .name \"value\"` or `not (empty .name)`"
            };
            self.sink.warn(at, message).hint(hint);
        }
        Some(false)
    }
}

/// Whether a condition is no expression but a word that stands for itself.
fn is_word(text: &str) -> bool {
    let words = ["", "true", "false", "yes", "no", "on", "off"];
    words.contains(&text.trim().to_ascii_lowercase().as_str())
}
