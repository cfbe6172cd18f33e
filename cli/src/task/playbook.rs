//! The file around the tasks: lists of tasks, plays, blocks, and the keys that surround a module.

use std::collections::BTreeMap;
use std::sync::Arc;

use transload_template::Value;

use super::diagnostic::Sink;
use super::image::{self, Outcome, Places, Surroundings};
use super::keys::{ACCEPTED, BLOCK, IGNORED, PLAY, TASK, TASK_LISTS, Table};
use super::reader::{Fields, Reader, describe, shortened, unknown_key};
use super::tags::is_chosen;
use super::variables::merge;
use super::yaml::{Id, Key, Node, Yaml};
use super::{LoadOptions, SkipReason, Skipped, suggest};
use crate::job::Job;

/// What to say where a file is something else.
pub(super) const A_TASK_FILE: &str = "a task file is a list of tasks: - name: …";

/// Whether this key of a task means something here.
pub(super) fn is_honoured(name: &str) -> bool {
    TASK.has(name)
}

/// A file's tasks while they are read.
pub(super) struct Playbook<'o> {
    options: &'o LoadOptions,
    pub sink: Sink,
    pub jobs: Vec<(Job, Places)>,
    pub skipped: Vec<Skipped>,
    /// How many image tasks were seen: what unnamed ones are named by.
    seen: usize,
}

/// What plays and blocks hand down to their tasks.
#[derive(Clone, Default)]
struct Inherited<'n> {
    conditions: Vec<&'n Node>,
    tags: Vec<String>,
    /// Variables of plays, blocks and tasks, without those of the command line.
    variables: BTreeMap<String, Value>,
    ignore_errors: Option<&'n Node>,
    /// A loop's item.
    item: Option<Value>,
}

impl<'o> Playbook<'o> {
    pub(super) fn new(options: &'o LoadOptions, sink: Sink) -> Playbook<'o> {
        Playbook {
            options,
            sink,
            jobs: Vec::new(),
            skipped: Vec::new(),
            seen: 0,
        }
    }

    /// Reads a document: a list of tasks or plays, or one of them.
    pub(super) fn document(&mut self, node: &Node) {
        let inherited = Inherited::default();
        match &node.value {
            Yaml::Null => {}
            Yaml::List(entries) if entries.is_empty() => {
                self.sink
                    .error(node.id, "this list has no task")
                    .hint(A_TASK_FILE);
            }
            Yaml::List(entries) => entries.iter().for_each(|entry| self.entry(entry, &inherited)),
            Yaml::Map(_) => self.entry(node, &inherited),
            _ => {
                let message = format!("a task file must be a list of tasks, not {}", describe(node));
                self.sink.error(node.id, message).hint(A_TASK_FILE);
            }
        }
    }

    /// After the last document: what only all tasks together show.
    pub(super) fn finish(&mut self, at: Id) {
        if self.seen == 0 && self.sink.error_count() == 0 {
            self.sink.warn(at, "there is no image task in this file");
        } else if self.jobs.is_empty() && !self.options.tags.is_empty() && self.sink.error_count() == 0 {
            let tags = self.options.tags.join(", ");
            self.sink.warn(
                at,
                format!("no image task that would run has one of the tags {tags}"),
            );
        }
    }

    fn entry<'n>(&mut self, node: &'n Node, inherited: &Inherited<'n>) {
        let Some(fields) = Fields::of("a task", node, &mut self.sink) else {
            return;
        };
        let is_play = fields.get("image").is_none()
            && fields.get("block").is_none()
            && (TASK_LISTS
                .iter()
                .chain(&["roles", "hosts"])
                .any(|key| fields.get(key).is_some()));
        if is_play {
            self.play(node, inherited);
        } else {
            self.task(&fields, inherited);
        }
    }

    fn play<'n>(&mut self, node: &'n Node, inherited: &Inherited<'n>) {
        let Some(fields) = Fields::of("a play", node, &mut self.sink) else {
            return;
        };
        for (key, _) in fields.iter() {
            match key.name.as_str() {
                "roles" | "vars_files" | "handlers" => self.unsupported_in_play(key),
                name if PLAY.has(name) => {}
                _ => {
                    unknown_key("a play", key, &PLAY.names(), &mut self.sink);
                }
            }
        }
        let Some(inherited) = self.inherit(&fields, inherited) else {
            return;
        };
        for name in TASK_LISTS {
            match fields.get(name).map(|node| (node, &node.value)) {
                None | Some((_, Yaml::Null)) => {}
                Some((_, Yaml::List(tasks))) => tasks.iter().for_each(|task| self.inner(task, &inherited)),
                Some((node, _)) => {
                    let message = format!("`{name}` must be a list of tasks, not {}", describe(node));
                    self.sink.error(node.id, message);
                }
            }
        }
    }

    fn unsupported_in_play(&mut self, key: &Key) {
        let (message, hint) = match key.name.as_str() {
            "vars_files" => ("`vars_files` isn't supported", "give the files with --vars"),
            "handlers" => (
                "`handlers` aren't supported",
                "put their image tasks among the tasks",
            ),
            _ => (
                "`roles` aren't supported",
                "run the role's task file itself, such as roles/NAME/tasks/main.yaml",
            ),
        };
        if self.options.image_tasks_only {
            self.sink
                .warn(key.id, format!("{message}: what they hold is left out"));
        } else {
            self.sink.error(key.id, message).hint(hint);
        }
    }

    fn inner<'n>(&mut self, node: &'n Node, inherited: &Inherited<'n>) {
        if let Some(fields) = Fields::of("a task", node, &mut self.sink) {
            self.task(&fields, inherited);
        }
    }

    /// Adds what a play, block or task hands down: `when`, `tags`, `vars`, `ignore_errors`.
    fn inherit<'n>(&mut self, fields: &Fields<'n>, outer: &Inherited<'n>) -> Option<Inherited<'n>> {
        let mut inherited = outer.clone();
        inherited.conditions.extend(fields.get("when"));
        inherited.ignore_errors = fields.get("ignore_errors").or(outer.ignore_errors);
        let mut reader = self.reader(outer);
        if let Some(node) = fields.get("tags") {
            let tags = reader.list("tags", node).unwrap_or_default();
            let tags = tags
                .iter()
                .flat_map(|(_, tags)| tags.split(','))
                .map(|tag| tag.trim().to_owned());
            inherited.tags.extend(tags.filter(|tag| !tag.is_empty()));
        }
        let Some(node) = fields.get("vars") else {
            return Some(inherited);
        };
        match &node.value {
            Yaml::Null => {}
            Yaml::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    let below = &entries[at + 1..];
                    let value = self.reader(&inherited).own_variable(key, value, below)?;
                    inherited.variables.insert(key.name.clone(), value);
                }
            }
            _ => {
                let message = format!(
                    "`vars` must be a mapping of names to values, not {}",
                    describe(node)
                );
                self.sink.error(node.id, message);
                return None;
            }
        }
        Some(inherited)
    }

    /// A reader over all variables: a loop's item before those of the command line, and these before those of the file.
    fn reader(&mut self, inherited: &Inherited<'_>) -> Reader<'_> {
        let variables = if inherited.variables.is_empty() && inherited.item.is_none() {
            Arc::clone(&self.options.variables)
        } else {
            let mut all = Value::Object(inherited.variables.clone());
            merge(&mut all, (*self.options.variables).clone());
            if let (Value::Object(all), Some(item)) = (&mut all, &inherited.item) {
                all.insert("item".to_owned(), item.clone());
            }
            Arc::new(all)
        };
        Reader {
            variables,
            sink: &mut self.sink,
        }
    }

    fn task<'n>(&mut self, fields: &Fields<'n>, outer: &Inherited<'n>) {
        if let Some(block) = fields.get("block") {
            return self.block(fields, block, outer);
        }
        let Some(image) = fields.get("image") else {
            return self.other_module(fields);
        };
        self.seen += 1;
        let number = self.seen;
        self.check_keys(fields);
        let Some(inherited) = self.inherit(fields, outer) else {
            return;
        };
        if !is_chosen(&self.options.tags, &inherited.tags) {
            image::check_keys(image, &mut self.reader(&inherited));
            return self.skip(name_of(fields, number), SkipReason::Tags);
        }
        match fields.get("loop") {
            None => self.round(fields, image, &inherited, number, None),
            Some(list) => {
                let Some(items) = self.items(list, &inherited) else {
                    return;
                };
                if items.is_empty() {
                    return self.skip(name_of(fields, number), SkipReason::EmptyLoop);
                }
                let count = items.len();
                for (i, item) in items.into_iter().enumerate() {
                    let mut inherited = inherited.clone();
                    inherited.item = Some(item);
                    self.round(fields, image, &inherited, number, Some((i + 1, count)));
                }
            }
        }
    }

    /// One task, or one round of a task with a loop.
    fn round<'n>(
        &mut self,
        fields: &Fields<'n>,
        image: &'n Node,
        inherited: &Inherited<'n>,
        number: usize,
        round: Option<(usize, usize)>,
    ) {
        let mut reader = self.reader(inherited);
        for condition in &inherited.conditions {
            match reader.condition(condition) {
                // Where it can't be told, the rest is checked all the same.
                Some(true) | None => {}
                Some(false) => {
                    image::check_keys(image, &mut reader);
                    let missing = reader.missing_in(condition);
                    return self.skip(name_of(fields, number), SkipReason::When(missing));
                }
            }
        }
        let name = fields
            .get("name")
            .filter(|node| !matches!(node.value, Yaml::Null))
            .and_then(|node| reader.text("name", node))
            .map(|name| name.trim().to_owned());
        let mut name = name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| format!("task {number}"));
        if let Some((round, count)) = round {
            name = format!("{name} ({round} of {count})");
        }
        let retries = fields
            .get("retries")
            .and_then(|node| reader.count("retries", node))
            .unwrap_or(0);
        let ignore_errors = inherited
            .ignore_errors
            .and_then(|node| reader.flag("ignore_errors", node))
            .unwrap_or(false);
        let around = Surroundings {
            name: name.clone(),
            retries,
            ignore_errors,
        };
        match image::read(image, around, &mut reader) {
            Some(Outcome::Job(job, places)) => self.jobs.push((*job, places)),
            Some(Outcome::NoImages) => self.skip(name, SkipReason::NoImages),
            None => {}
        }
    }

    fn items(&mut self, list: &Node, inherited: &Inherited<'_>) -> Option<Vec<Value>> {
        let mut reader = self.reader(inherited);
        let value = match &list.value {
            Yaml::Text(_) => reader.value("loop", list)?,
            _ => reader.variable("loop", list)?,
        };
        match value {
            Value::Array(items) => Some(items),
            Value::Null => Some(Vec::new()),
            Value::String(text) if text.trim().is_empty() => Some(Vec::new()),
            _ => {
                let found = describe(&Node::literal(list.id, &value));
                self.sink
                    .error(list.id, format!("`loop` must be a list, not {found}"));
                None
            }
        }
    }

    fn block<'n>(&mut self, fields: &Fields<'n>, block: &'n Node, outer: &Inherited<'n>) {
        for (key, _) in fields.iter() {
            match key.name.as_str() {
                "rescue" | "always" => {
                    let note = self
                        .sink
                        .error(key.id, format!("a block's `{}` isn't supported", key.name));
                    note.hint(
                        "write its tasks behind the block; `ignore_errors: true` lets the run go on to them",
                    );
                }
                name if BLOCK.has(name) || ACCEPTED.has(name) => {}
                _ => {
                    unknown_key("a block", key, &BLOCK.names(), &mut self.sink);
                }
            }
        }
        let Some(inherited) = self.inherit(fields, outer) else {
            return;
        };
        match &block.value {
            Yaml::List(tasks) => tasks.iter().for_each(|task| self.inner(task, &inherited)),
            Yaml::Null => {}
            _ => {
                self.sink.error(
                    block.id,
                    format!("`block` must be a list of tasks, not {}", describe(block)),
                );
            }
        }
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
            let known = match suggest::nearest(name, all.iter().copied()) {
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
            typed if suggest::nearest(typed, ["image"]).is_some() => note.hint("did you mean `image`?"),
            _ => note.hint("take the task out, or leave out such tasks with --image-tasks-only"),
        }
    }

    fn skip(&mut self, name: String, reason: SkipReason) {
        self.skipped.push(Skipped { name, reason });
    }
}

/// A task's name where its templates aren't rendered, since it doesn't run.
fn name_of(fields: &Fields<'_>, number: usize) -> String {
    match fields.get("name").map(|node| &node.value) {
        Some(Yaml::Text(name)) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => format!("task {number}"),
    }
}
