//! `when`: whether a task runs.

use transload_template::Template;

use super::problem::Part;
use super::reader::{Reader, describe, shortened, single_action, truth};
use super::yaml::{Id, Node, Yaml};

/// What makes a template of an expression.
const START: &str = "{{ if (";
const END: &str = ") }}true{{ end }}";

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
        let variables = Template::parse(&text).map(|template| template.variables().to_vec());
        let exists = |path: &str| {
            let mut parts = path.split('.').filter(|part| !part.is_empty());
            parts
                .try_fold(&*self.variables, |value, part| value.get(part))
                .is_some()
        };
        variables
            .into_iter()
            .flatten()
            .filter(|path| !exists(path))
            .collect()
    }

    fn expression_holds(&mut self, at: Id, expression: &str) -> Option<bool> {
        let text = format!("{START}{expression}{END}");
        match Template::parse(&text).and_then(|template| template.render(&self.variables)) {
            Ok(rendered) => Some(rendered == "true"),
            Err(error) => {
                let message = format!("the condition in `when`: {}", error.message());
                let mut part = Part::of_template(&error);
                if part.line == text {
                    // Shown as it was written, without what makes it a template.
                    part.line = expression.to_owned();
                    part.caret = part
                        .caret
                        .saturating_sub(START.len())
                        .min(expression.chars().count());
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
        if text.trim().is_empty() {
            return Some(true);
        }
        if let Some(value) = truth(text) {
            return Some(value);
        }
        let expression = if transload_template::has_actions(text) {
            single_action(text)
        } else {
            Some(text.trim())
        };
        if let Some(expression) = expression {
            return self.expression_holds(at, expression);
        }
        let rendered = self.render("when", at, text)?;
        match rendered.trim() {
            "" => Some(false),
            text => truth(text).or_else(|| {
                let found = shortened(text).into_owned();
                self.sink
                    .error(at, format!("`when` must give true or false, not \"{found}\""));
                None
            }),
        }
    }
}
