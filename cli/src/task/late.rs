//! Tasks that need the registered result of an earlier one: they are checked as far as they can be, and read in their turn.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use transload_template::{Template, Value};
use transload_transfer::job::{Job, Location};

use super::course::{Bind, Bound, Course, Results};
use super::diagnostic::Sink;
use super::fields::Fields;
use super::files::Files;
use super::image::{self, Places};
use super::playbook::{Inherited, Playbook, Step};
use super::steps::{Round, Task, name_of, with_round};
use super::yaml::{Node, Yaml};
use super::{LoadOptions, SkipReason};

/// A task, with all that is needed to read it later.
struct Late {
    node: Node,
    outer: Inherited,
    number: usize,
    round: Round,
    options: LoadOptions,
    /// Results of tasks that didn't run, known when the file was read.
    known: BTreeMap<String, Value>,
    files: Arc<OnceLock<Files>>,
}

/// Without the variables: some of them are secret.
impl std::fmt::Debug for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Late")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Playbook<'_> {
    /// Returns a registered variable that has no value yet and that a task uses, itself or through inherited variables.
    pub(super) fn pending_in(&self, node: &Node, outer: &Inherited) -> Option<String> {
        if self.pending.is_empty() {
            return None;
        }
        let handed_down = [&outer.variables, &outer.defaults].map(|values| Value::Object(values.clone()));
        let is_needed = |name: &&String| {
            mentions(node, name)
                || outer.conditions.iter().any(|condition| mentions(condition, name))
                || outer.ignore_errors.iter().any(|flag| mentions(flag, name))
                || handed_down
                    .iter()
                    .any(|value| mentions(&Node::literal(0, value), name))
                || mentions(&Node::literal(0, &self.options.variables), name)
        };
        self.pending.iter().find(is_needed).cloned()
    }

    /// Keeps a task for its turn, with everything checked that can be now. `inherited` is what it has but for its `vars`, `outer` what is
    /// handed down to it.
    pub(super) fn later(
        &mut self,
        node: &Node,
        task: Task<'_>,
        inherited: &Inherited,
        outer: &Inherited,
        round: Round,
    ) {
        let Task {
            fields,
            image,
            number,
        } = task;
        image::check_keys(image, &mut self.reader(inherited));
        self.check_templates(image, "image");
        let is_known = |condition: &&Node| !self.pending.iter().any(|name| mentions(condition, name));
        let has_vars = fields.get("vars").is_some();
        let known: Vec<Node> = inherited.conditions.iter().filter(is_known).cloned().collect();
        // Without its own variables a condition may be told wrongly.
        if let (false, Some(reason)) = (has_vars, self.false_condition(&known, inherited)) {
            return self.skip(name_of(fields, number), reason);
        }
        let nowhere = Location::directory(Path::new(""));
        let mut job = Job::new(with_round(name_of(fields, number), round), nowhere.into());
        job.is_late = true;
        let mut course = Course::within(inherited.within.clone());
        course.late = Some(Arc::new(Late {
            node: node.clone(),
            outer: outer.clone(),
            number,
            round,
            options: self.options.clone(),
            known: self.results.clone(),
            files: Arc::clone(&self.files_later),
        }));
        let places = Places {
            task: node.id,
            src: None,
            dest: node.id,
            globs: Vec::new(),
            item: round.and(inherited.item.clone()),
        };
        self.add(job, course, places);
    }

    /// Checks that every text can be read as a template.
    fn check_templates(&mut self, node: &Node, name: &str) {
        match &node.value {
            Yaml::Text(text) if transload_template::has_actions(text) => {
                if let Err(error) = Template::parse(text) {
                    self.reader(&Inherited::default())
                        .template_error(name, node.id, &error);
                }
            }
            Yaml::List(items) => items.iter().for_each(|item| self.check_templates(item, name)),
            Yaml::Map(entries) => entries
                .iter()
                .for_each(|(key, value)| self.check_templates(value, &key.name)),
            _ => {}
        }
    }
}

impl Bind for Late {
    fn bind(&self, results: &Results) -> Bound {
        let files = self.files.get().cloned().unwrap_or_default();
        let mut playbook = Playbook::new(&self.options, Sink::default(), files);
        playbook.results.clone_from(&self.known);
        playbook.results.extend(results.clone());
        self.read(&mut playbook);
        let Playbook {
            steps,
            skipped,
            sink,
            files,
            ..
        } = playbook;
        let warnings = match files.close(sink, &self.options.variables) {
            Ok(warnings) => warnings,
            Err(errors) => {
                let told = errors.problems().iter().map(|problem| {
                    let place = match (problem.line(), problem.column()) {
                        (Some(line), Some(column)) => format!("{}:{line}:{column}: ", problem.file()),
                        _ => String::new(),
                    };
                    let hint = problem.hint().map(str::to_owned);
                    (format!("{place}{}", problem.message()), hint)
                });
                return Bound::Wrong(told.collect());
            }
        };
        match (steps.into_iter().next(), skipped.into_iter().next()) {
            (Some(Step { mut job, places, .. }), _) => {
                places.mark_globs(&mut job, &files);
                Bound::Job(Box::new(job), warnings.iter().map(ToString::to_string).collect())
            }
            (None, Some(skipped)) => Bound::Skipped(skipped.reason.to_string()),
            (None, None) => Bound::Skipped(SkipReason::NoImages.to_string()),
        }
    }
}

impl Late {
    fn read(&self, playbook: &mut Playbook<'_>) {
        let Some(fields) = Fields::of("a task", &self.node, &mut playbook.sink) else {
            return;
        };
        let Some(image) = fields.get("image") else {
            return;
        };
        if let Some(inherited) = playbook.inherit(&fields, &self.outer) {
            let task = Task {
                fields: &fields,
                image,
                number: self.number,
            };
            playbook.round(task, &inherited, self.round);
        }
    }
}

/// Whether a template or condition in a value names a variable: `.name`, or `"name"` as `index` takes it.
pub(super) fn mentions(node: &Node, name: &str) -> bool {
    match &node.value {
        Yaml::Text(text) => names(text, name),
        Yaml::List(items) => items.iter().any(|item| mentions(item, name)),
        Yaml::Map(entries) => entries.iter().any(|(_, value)| mentions(value, name)),
        _ => false,
    }
}

fn names(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        let ends = !after.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        ends && matches!(before, Some('.' | '"' | '`'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_by_a_dot_or_in_quotes() {
        for (text, is_named) in [
            ("{{ .pull.stdout }}", true),
            ("not .pull.failed", true),
            ("{{ index . \"pull\" }}", true),
            ("{{ $.pull }}", true),
            ("pull images", false),
            ("{{ .pulled }}", false),
            ("{{ .pull_2 }}", false),
            ("{{ .my_pull }}", false),
        ] {
            assert_eq!(names(text, "pull"), is_named, "{text}");
        }
    }
}
