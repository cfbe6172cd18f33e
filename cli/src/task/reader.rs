//! Reading a task's values: templates rendered, types checked, and every mistake put where it is.

use std::borrow::Cow;
use std::sync::Arc;

use transload_template::{Template, Value};

use super::diagnostic::Sink;
use super::problem::Part;
use super::secret;
use super::yaml::{self, Id, Key, Node, Yaml};
use crate::endpoint;

/// A value as messages name it.
pub(crate) fn describe(node: &Node) -> String {
    match &node.value {
        Yaml::Null => "nothing".to_owned(),
        Yaml::Bool(value) => value.to_string(),
        Yaml::Number(value) => format!("the number {value}"),
        Yaml::Text(text) => format!("the text \"{}\"", shortened(text)),
        Yaml::List(_) => "a list".to_owned(),
        Yaml::Map(_) => "a mapping".to_owned(),
    }
}

fn describe_secretly(node: &Node) -> String {
    match &node.value {
        Yaml::Bool(_) => "true or false".to_owned(),
        Yaml::Number(_) => "a number: put it in quotes".to_owned(),
        Yaml::Text(_) => "this text".to_owned(),
        _ => describe(node),
    }
}

fn describe_value(value: &Value) -> String {
    describe(&Node::literal(0, value))
}

pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Reads values over one scope of variables.
pub(super) struct Reader<'s> {
    pub variables: Arc<Value>,
    pub sink: &'s mut Sink,
}

/// A text and where it is.
pub(super) type TextAt = (Id, String);

impl Reader<'_> {
    /// A text, rendered. `name` is the key.
    pub(super) fn text(&mut self, name: &str, node: &Node) -> Option<String> {
        match &node.value {
            Yaml::Text(text) if node.literal => Some(text.clone()),
            Yaml::Text(text) => self.render(name, node.id, text),
            _ => {
                let found = if secret::is_secret_key(name) {
                    describe_secretly(node)
                } else {
                    describe(node)
                };
                let note = self
                    .sink
                    .error(node.id, format!("`{name}` must be text, not {found}"));
                if matches!(node.value, Yaml::Number(_)) && !secret::is_secret_key(name) {
                    note.hint("put it in quotes");
                }
                None
            }
        }
    }

    pub(super) fn render(&mut self, name: &str, at: Id, text: &str) -> Option<String> {
        if !transload_template::has_actions(text) {
            return Some(text.to_owned());
        }
        let rendered =
            Template::parse(text).and_then(|template| template.render(&*template.resolve(&self.variables)?));
        match rendered {
            Ok(text) => self.without_braces(name, at, &text).map(|()| text),
            Err(error) => {
                self.template_error(name, at, &error);
                None
            }
        }
    }

    /// Refuses what is a template again: no braces get into a name or a path.
    fn without_braces(&mut self, name: &str, at: Id, rendered: &str) -> Option<()> {
        // A password may have braces: it gets into no name.
        if !transload_template::has_actions(rendered) || secret::is_secret_key(name) {
            return Some(());
        }
        let shown = shortened(rendered);
        let message = format!("the template in `{name}` gives \"{shown}\", which is a template again");
        let note = self.sink.error(at, message);
        note.hint("name the variable by itself, as in {{ .name }}: then its own templates are rendered, too");
        None
    }

    /// Whether a text is rendered for each image: it names `.module`, or variables that do.
    pub(super) fn is_for_each_image(&self, text: &str) -> bool {
        text.contains("module")
            || self.needs(text, "module")
            || !endpoint::short_names(text, &self.variables).is_empty()
    }

    /// Whether a template names this variable, or variables that are templates and do.
    fn needs(&self, text: &str, name: &str) -> bool {
        transload_template::has_actions(text)
            && Template::parse(text).is_ok_and(|template| {
                let paths = template.all_variables(&self.variables);
                paths.iter().any(|path| path.split('.').next() == Some(name))
            })
    }

    /// Reports a template that can't be read or rendered.
    pub(super) fn template_error(&mut self, name: &str, at: Id, error: &transload_template::Error) {
        let message = format!("the template in `{name}`: {}", error.message());
        let note = self.sink.error(at, message);
        if !secret::is_secret_key(name) {
            note.within(Part::of_template(error));
        }
        if let Some(hint) = error.hint() {
            note.hint(hint);
        }
    }

    /// True or false, or a text that renders to either.
    pub(super) fn flag(&mut self, name: &str, node: &Node) -> Option<bool> {
        self.flag_or(name, node, &[("true", true), ("false", false)])
    }

    /// True or false, which the first two of these words stand for, another of these words, or a text that renders to any.
    pub(super) fn flag_or<T: Copy>(&mut self, name: &str, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let of_flag = |value: bool| words.get(usize::from(!value)).map(|(_, meant)| *meant);
        let found = match &node.value {
            Yaml::Bool(value) => return of_flag(value.value),
            Yaml::Text(_) => {
                let text = self.text(name, node)?;
                if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text.trim()) {
                    return Some(*meant);
                }
                if let Some(value) = truth(&text) {
                    return of_flag(value);
                }
                describe_value(&Value::String(text))
            }
            _ => describe(node),
        };
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.sink.error(
            node.id,
            format!("`{name}` must be {}, not {found}", words.join(" or ")),
        );
        None
    }

    /// A whole number, or a text that renders to one.
    pub(super) fn count(&mut self, name: &str, node: &Node) -> Option<u32> {
        let found = match &node.value {
            Yaml::Number(number) => match number.value.as_u64().and_then(|count| u32::try_from(count).ok()) {
                Some(count) => return Some(count),
                None => describe(node),
            },
            Yaml::Text(_) => {
                let text = self.text(name, node)?;
                match text.trim().parse() {
                    Ok(count) => return Some(count),
                    Err(_) => describe_value(&Value::String(text)),
                }
            }
            _ => describe(node),
        };
        self.sink.error(
            node.id,
            format!("`{name}` must be a whole number from 0 up, not {found}"),
        );
        None
    }

    /// A list of texts: a list, one text, or a text that renders to a list. Texts in it that render to lists are lists in it.
    pub(super) fn list(&mut self, name: &str, node: &Node) -> Option<Vec<TextAt>> {
        let mut texts = Vec::new();
        let errors = self.sink.error_count();
        match &node.value {
            Yaml::Null => {}
            Yaml::Text(_) => self.add_texts(name, node, &mut texts)?,
            Yaml::List(items) => {
                for item in items {
                    match &item.value {
                        Yaml::Text(_) => {
                            self.add_texts(name, item, &mut texts);
                        }
                        _ => self.not_a_text(name, item.id, &describe(item)),
                    }
                }
            }
            _ => {
                let found = describe(node);
                self.sink.error(
                    node.id,
                    format!("`{name}` must be a list of texts or one text, not {found}"),
                );
            }
        }
        (self.sink.error_count() == errors).then_some(texts)
    }

    fn not_a_text(&mut self, name: &str, at: Id, found: &str) {
        let note = self
            .sink
            .error(at, format!("`{name}` must hold texts, not {found}"));
        if found.starts_with("the number") {
            note.hint("put it in quotes");
        }
    }

    fn add_texts(&mut self, name: &str, node: &Node, texts: &mut Vec<TextAt>) -> Option<()> {
        match self.value(name, node)? {
            Value::Null => {}
            Value::String(text) if text.trim().is_empty() => {}
            Value::String(text) => texts.push((node.id, text.trim().to_owned())),
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::String(text) => texts.push((node.id, text)),
                        other => self.not_a_text(name, node.id, &describe_value(&other)),
                    }
                }
            }
            other => self.not_a_text(name, node.id, &describe_value(&other)),
        }
        Some(())
    }

    /// What a node stands for where lists may come as texts: `"{{ .images }}"` is the variable itself, and a text that renders
    /// to JSON's or YAML's form of a list is that list. Other texts are themselves.
    pub(super) fn value(&mut self, name: &str, node: &Node) -> Option<Value> {
        let Yaml::Text(text) = &node.value else {
            return Some(node.to_value());
        };
        if node.literal {
            return Some(Value::String(text.clone()));
        }
        let value = self.evaluate(name, node.id, text)?;
        let Value::String(text) = &value else {
            return Some(value);
        };
        let trimmed = text.trim();
        if trimmed == "null" {
            return Some(Value::Null);
        }
        if !(trimmed.starts_with(['[', '{']) || trimmed.starts_with("- ")) {
            return Some(value);
        }
        match yaml::parse_value(trimmed) {
            Ok(value) => Some(value),
            Err(cause) => {
                // The cause names places of the rendered text, and the text may be secret.
                let message = format!("`{name}` holds a list as text, and it can't be read: {cause}");
                self.sink.error(node.id, message);
                None
            }
        }
    }

    /// The value that a text stands for: of one action the value with its type, else the rendered text.
    fn evaluate(&mut self, name: &str, at: Id, text: &str) -> Option<Value> {
        if !transload_template::has_actions(text) {
            return Some(Value::String(text.to_owned()));
        }
        let value = Template::parse(text)
            .and_then(|template| template.evaluate(&*template.resolve(&self.variables)?));
        match value {
            Ok(Value::String(text)) => self.without_braces(name, at, &text).map(|()| Value::String(text)),
            Ok(value) => Some(value),
            Err(error) => {
                self.template_error(name, at, &error);
                None
            }
        }
    }

    /// The value of one of the variables of a `vars`. It may use those around and above, and those `below` it.
    ///
    /// What needs an image's names or a loop's item stays a template, and is rendered where it is used.
    pub(super) fn own_variable(&mut self, key: &Key, node: &Node, below: &[(Key, Node)]) -> Option<Value> {
        let mut variables = (*self.variables).clone();
        if let Value::Object(all) = &mut variables {
            // Itself among them, so that one that needs itself is told so.
            let itself = (key, node);
            for (key, node) in below.iter().map(|(key, node)| (key, node)).chain([itself]) {
                all.entry(key.name.clone()).or_insert_with(|| node.to_value());
            }
        }
        let mut reader = Reader {
            variables: Arc::new(variables),
            sink: self.sink,
        };
        let has_item = reader.variables.get("item").is_some();
        if reader.any_text(node, |reader, text| {
            reader.needs(text, "module") || (!has_item && reader.needs(text, "item"))
        }) {
            return Some(node.to_value());
        }
        reader.variable(&key.name, node)
    }

    /// Whether a text in a value that may be a template is so.
    fn any_text(&self, node: &Node, is_so: impl Fn(&Self, &str) -> bool + Copy) -> bool {
        match &node.value {
            Yaml::Text(text) => !node.literal && is_so(self, text),
            Yaml::List(items) => items.iter().any(|item| self.any_text(item, is_so)),
            Yaml::Map(entries) => entries.iter().any(|(_, value)| self.any_text(value, is_so)),
            _ => false,
        }
    }

    /// A value for a variable: every text in it rendered.
    pub(super) fn variable(&mut self, name: &str, node: &Node) -> Option<Value> {
        match &node.value {
            Yaml::Text(text) if !node.literal => self.evaluate(name, node.id, text),
            Yaml::List(items) => items
                .iter()
                .map(|item| self.variable(name, item))
                .collect::<Option<_>>()
                .map(Value::Array),
            Yaml::Map(entries) => entries
                .iter()
                .map(|(key, value)| Some((key.name.clone(), self.variable(&key.name, value)?)))
                .collect::<Option<_>>()
                .map(Value::Object),
            _ => Some(node.to_value()),
        }
    }
}

/// The words for true and false.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The pipeline of a text that is one action and nothing else, such as `.images` of `{{ .images }}`.
pub(super) fn single_action(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix("- ").unwrap_or(inner);
    let inner = inner.strip_suffix(" -").unwrap_or(inner).trim();
    let first = inner.split(|c: char| c.is_whitespace() || c == '(').next()?;
    let is_keyword = [
        "if", "else", "end", "range", "with", "define", "block", "template", "break", "continue",
    ]
    .contains(&first);
    if inner.is_empty() || is_keyword || inner.starts_with("/*") || inner.contains(":=") {
        return None;
    }
    // Another action may begin in it, but then this one has ended before.
    let mut quote = None;
    let mut before = ' ';
    for letter in inner.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open && !(open == '"' && before == '\\') => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(letter),
            (None, '}') if before == '}' => return None,
            (None, _) => {}
        }
        // Two backslashes are one letter: the second doesn't escape what follows.
        before = if before == '\\' && letter == '\\' {
            ' '
        } else {
            letter
        };
    }
    Some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_one_action_is_told_from_others() {
        let cases = [
            ("{{ .a }}", Some(".a")),
            ("  {{- .a | toJson -}}\n", Some(".a | toJson")),
            (r#"{{ printf "}}" }}"#, Some(r#"printf "}}""#)),
            (r#"{{ printf "\"}}" }}"#, Some(r#"printf "\"}}""#)),
            ("{{ .a }}{{ .b }}", None),
            ("{{ .a }}/x", None),
            ("x {{ .a }}", None),
            ("{{ if .a }}true{{ end }}", None),
            ("{{ if .a }}", None),
            ("{{/* c */}}", None),
            ("{{}}", None),
            ("{{ $a := 1 }}", None),
            ("{{", None),
            ("", None),
        ];
        for (text, action) in cases {
            assert_eq!(single_action(text), action, "{text}");
        }
    }
}
