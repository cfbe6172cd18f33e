//! One task of a list: the keys around the module, its rounds, and tasks of other modules.

use transload_template::{Value, suggest};

use super::course::{Course, Register};
use super::fields::{Fields, unknown_key};
use super::image::{self, Outcome, Surroundings};
use super::keys::{ACCEPTED, IGNORED, TASK, Table};
use super::late::mentions;
use super::playbook::{Inherited, Playbook};
use super::reader::{describe, shortened};
use super::tags::is_chosen;
use super::yaml::{Node, Yaml};
use super::{SkipReason, includes};

/// An image task before its rounds.
#[derive(Clone, Copy)]
pub(super) struct Task<'t> {
    pub fields: &'t Fields<'t>,
    pub image: &'t Node,
    pub number: usize,
}

/// Which round of a loop: its number from 1, and of how many.
pub(super) type Round = Option<(usize, usize)>;

impl Playbook<'_> {
    pub(super) fn task(&mut self, node: &Node, fields: &Fields<'_>, outer: &Inherited) {
        if let Some(block) = fields.get("block") {
            return self.block(fields, block, outer);
        }
        if let Some((key, path)) = includes::KEYS.iter().find_map(|key| fields.entry(key)) {
            return self.include(fields, key, path, outer);
        }
        let Some(image) = fields.get("image") else {
            return self.other_module(fields);
        };
        self.seen += 1;
        let task = Task {
            fields,
            image,
            number: self.seen,
        };
        self.check_keys(fields);
        let register = self.register(fields);
        let needed = self.pending_in(node, outer);
        let inherited = match &needed {
            // Its variables may need what isn't there yet.
            Some(_) => Some(self.inherit_but_vars(fields, outer)),
            None => self.inherit(fields, outer),
        };
        let Some(inherited) = inherited else {
            return;
        };
        if !is_chosen(&self.options.tags, &inherited.tags) {
            image::check_keys(image, &mut self.reader(&inherited));
            return self.skip(name_of(fields, task.number), SkipReason::Tags);
        }
        let before = self.steps.len();
        let Some(rounds) = self.rounds(fields, &inherited, needed.as_deref()) else {
            return;
        };
        match rounds {
            None => match needed {
                Some(_) => self.later(node, task, &inherited, outer, None),
                None => self.round(task, &inherited, None),
            },
            Some(items) if items.is_empty() => self.skip(name_of(fields, task.number), SkipReason::EmptyLoop),
            Some(items) => {
                let count = items.len();
                for (i, item) in items.into_iter().enumerate() {
                    let round = Some((i + 1, count));
                    let mut inherited = inherited.clone();
                    inherited.item = Some(item.clone());
                    if needed.is_some() {
                        let mut outer = outer.clone();
                        outer.item = Some(item);
                        self.later(node, task, &inherited, &outer, round);
                    } else {
                        self.round(task, &inherited, round);
                    }
                }
            }
        }
        if let Some((name, is_parsed)) = register {
            self.registered(name, is_parsed, before);
        }
    }

    /// The variable that the task's result goes to, and whether its `stdout` is a mapping.
    fn register(&mut self, fields: &Fields<'_>) -> Option<(String, bool)> {
        let is_parsed = match fields.get("register_type").map(|node| (node, &node.value)) {
            None => false,
            Some((_, Yaml::Text(form))) if form == "string" || form.trim().is_empty() => false,
            Some((_, Yaml::Text(form))) if ["json", "yaml", "yml"].contains(&form.as_str()) => true,
            Some((node, _)) => {
                let message = format!(
                    "`register_type` must be string, json or yaml, not {}",
                    describe(node)
                );
                self.sink.error(node.id, message);
                false
            }
        };
        let node = fields.get("register")?;
        let name = match &node.value {
            Yaml::Null => return None,
            Yaml::Text(name) if name.trim().is_empty() => return None,
            Yaml::Text(name) => name.trim(),
            _ => {
                let found = describe(node);
                self.sink
                    .error(node.id, format!("`register` must be text, not {found}"));
                return None;
            }
        };
        let is_name = name
            .chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_')
            && name.starts_with(|first: char| first.is_alphabetic() || first == '_');
        if !is_name {
            let message = format!("`register`: \"{}\" isn't a variable's name", shortened(name));
            self.sink
                .error(node.id, message)
                .hint("it has letters, digits and _");
            return None;
        }
        Some((name.to_owned(), is_parsed))
    }

    /// Hands the result of the jobs from `first` on to a variable. Where there is none, the result is known.
    fn registered(&mut self, name: String, is_parsed: bool, first: usize) {
        if self.steps.len() == first {
            self.pending.remove(&name);
            self.results.insert(name, Value::Object(Register::of_nothing()));
            return;
        }
        for (round, step) in self.steps[first..].iter_mut().enumerate() {
            step.course.register = Some(Register {
                name: name.clone(),
                is_parsed,
                item: step.places.item.clone(),
                is_first: round == 0,
            });
        }
        self.results.remove(&name);
        self.pending.insert(name);
    }

    /// The items of a task's loop; none inside where it has no loop, none at all where that is wrong.
    pub(super) fn rounds(
        &mut self,
        fields: &Fields<'_>,
        inherited: &Inherited,
        needed: Option<&str>,
    ) -> Option<Option<Vec<Value>>> {
        let Some(list) = fields.either("loop", "with_items", &mut self.sink) else {
            return (fields.get("loop").is_none()).then_some(None);
        };
        if let Some(name) = needed.filter(|name| mentions(list, name)) {
            let message = format!("`loop` can't depend on `.{name}`, which a task registers when it runs");
            self.sink
                .error(list.id, message)
                .hint("the rounds are counted before anything moves; use `when` for each round");
            return None;
        }
        let mut items = self.items(list, inherited)?;
        if fields.get("with_items").is_some() {
            // As Ansible has it, lists in the list are part of it.
            items = items
                .into_iter()
                .flat_map(|item| match item {
                    Value::Array(items) => items,
                    item => vec![item],
                })
                .collect();
        }
        Some(Some(items))
    }

    fn items(&mut self, list: &Node, inherited: &Inherited) -> Option<Vec<Value>> {
        let mut reader = self.reader(inherited);
        let value = match &list.value {
            Yaml::Text(_) => reader.value("loop", list)?,
            _ => reader.variable("loop", list)?,
        };
        match value {
            Value::Array(items) => Some(items),
            Value::Null => Some(Vec::new()),
            Value::String(text) if text.trim().is_empty() => Some(Vec::new()),
            // One text is a list of one.
            Value::String(text) => Some(vec![Value::String(text)]),
            _ => {
                let found = describe(&Node::literal(list.id, &value));
                self.sink
                    .error(list.id, format!("`loop` must be a list, not {found}"));
                None
            }
        }
    }

    /// One task, or one round of a task with a loop.
    pub(super) fn round(&mut self, task: Task<'_>, inherited: &Inherited, round: Round) {
        let Task {
            fields,
            image,
            number,
        } = task;
        if let Some(reason) = self.false_condition(&inherited.conditions, inherited) {
            image::check_keys(image, &mut self.reader(inherited));
            return self.skip(name_of(fields, number), reason);
        }
        let mut reader = self.reader(inherited);
        let name = fields
            .get("name")
            .filter(|node| !matches!(node.value, Yaml::Null))
            .and_then(|node| reader.text("name", node))
            .map(|name| name.trim().to_owned());
        let name = name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| format!("task {number}"));
        let name = with_round(name, round);
        let retries = fields
            .get("retries")
            .and_then(|node| reader.count("retries", node))
            .unwrap_or(0);
        let ignore_errors = inherited
            .ignore_errors
            .as_ref()
            .and_then(|node| reader.flag("ignore_errors", node))
            .unwrap_or(false);
        let around = Surroundings {
            name: name.clone(),
            retries,
            ignore_errors,
        };
        match image::read(image, around, &mut reader) {
            Some(Outcome::Job(job, mut places)) => {
                places.item = round.and(inherited.item.clone());
                self.add(*job, Course::within(inherited.within.clone()), places);
            }
            Some(Outcome::NoImages) => self.skip(name, SkipReason::NoImages),
            None => {}
        }
    }

    /// Why one of these conditions keeps a task from running, if one does.
    pub(super) fn false_condition(
        &mut self,
        conditions: &[Node],
        inherited: &Inherited,
    ) -> Option<SkipReason> {
        let mut reader = self.reader(inherited);
        for condition in conditions {
            match reader.condition(condition) {
                // Where it can't be told, the rest is checked all the same.
                Some(true) | None => {}
                Some(false) => return Some(SkipReason::When(reader.missing_in(condition))),
            }
        }
        None
    }

    fn check_keys(&mut self, fields: &Fields<'_>) {
        for (key, _) in fields.iter() {
            let name = key.name.as_str();
            if TASK.has(name) || ACCEPTED.has(name) {
                continue;
            }
            if IGNORED.has(name) {
                self.sink
                    .warn(key.id, format!("`{name}` has no effect on an image task here"));
                continue;
            }
            let all = [&TASK, &ACCEPTED, &IGNORED].map(Table::names).concat();
            let known = match suggest(name, all.iter().copied()) {
                Some(_) => all,
                None => TASK.names(),
            };
            let note = unknown_key("a task", key, &known, &mut self.sink);
            if image::has_key(name) {
                note.hint(format!("`{name}` stands under `image:`"));
            }
        }
    }

    fn other_module(&mut self, fields: &Fields<'_>) {
        let surrounds =
            |name: &str| (TASK.has(name) || ACCEPTED.has(name) || IGNORED.has(name)) && name != "image";
        let module = fields
            .iter()
            .map(|(key, _)| key)
            .find(|key| !surrounds(&key.name));
        if self.options.image_tasks_only {
            let module = module.map_or_else(String::new, |key| key.name.clone());
            return self.skip(name_of(fields, self.seen + 1), SkipReason::OtherModule(module));
        }
        let Some(key) = module else {
            let note = self.sink.error(fields.at, "this task has no `image`");
            return note.hint("the module's keys (manifests, src, dest …) stand under `image:`");
        };
        let name = shortened(&key.name);
        let note = self.sink.error(
            key.id,
            format!("this task uses the module `{name}`, and only `image` tasks run here"),
        );
        match key.name.as_str() {
            typed if image::has_key(typed) && typed != "copy" => {
                note.hint(format!("`{name}` stands under `image:`"));
            }
            typed if suggest(typed, ["image"]).is_some() => note.hint("did you mean `image`?"),
            _ => note.hint("take the task out, or leave out such tasks with --image-tasks-only"),
        }
    }
}

/// A task's name where its templates aren't rendered, since it doesn't run yet.
pub(super) fn name_of(fields: &Fields<'_>, number: usize) -> String {
    match fields.get("name").map(|node| &node.value) {
        Some(Yaml::Text(name)) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => format!("task {number}"),
    }
}

pub(super) fn with_round(name: String, round: Round) -> String {
    match round {
        Some((round, count)) => format!("{name} ({round} of {count})"),
        None => name,
    }
}
