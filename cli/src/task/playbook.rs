//! The file around the tasks: lists of tasks, plays, blocks, and what they hand down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use transload_template::Value;
use transload_transfer::job::Job;

use super::course::{Course, Part, Within};
use super::diagnostic::Sink;
use super::fields::{Fields, unknown_key};
use super::files::Files;
use super::image::Places;
use super::includes::Here;
use super::keys::{ACCEPTED, BLOCK, PLAY, TASK, TASK_LISTS};
use super::reader::{Reader, describe};
use super::variables::merge;
use super::yaml::{Id, Key, Node, Yaml};
use super::{LoadOptions, SkipReason, Skipped};

/// What to say where a file is something else.
pub(super) const A_TASK_FILE: &str = "a task file is a list of tasks: - name: …";

/// Whether this key of a task means something here.
pub(super) fn is_honoured(name: &str) -> bool {
    TASK.has(name)
}

/// A file's tasks while they are read.
pub(super) struct Playbook<'o> {
    pub options: &'o LoadOptions,
    pub sink: Sink,
    pub steps: Vec<Step>,
    pub skipped: Vec<Skipped>,
    /// The files that tasks were read from.
    pub files: Files,
    /// The same for tasks that are read in their turn, once all files are known.
    pub files_later: Arc<OnceLock<Files>>,
    /// Registered results that are known: those of tasks that don't run or, for a task that is read in its turn, of those before it.
    pub results: BTreeMap<String, Value>,
    /// Variables that tasks register when they run.
    pub pending: BTreeSet<String>,
    /// How many image tasks were seen: what unnamed ones are named by.
    pub seen: usize,
    /// How many blocks were numbered.
    blocks: usize,
    /// How many files were included.
    pub included: usize,
}

/// A task that runs, or one round of it.
pub(super) struct Step {
    pub job: Job,
    pub course: Course,
    /// Where it was written.
    pub places: Places,
}

/// What plays, roles, blocks and includes hand down to their tasks.
#[derive(Clone, Default)]
pub(super) struct Inherited {
    pub conditions: Vec<Node>,
    pub tags: Vec<String>,
    /// The `defaults` of roles, which everything else wins over.
    pub defaults: BTreeMap<String, Value>,
    /// Variables of plays, roles, blocks and tasks, without those of the command line.
    pub variables: BTreeMap<String, Value>,
    pub ignore_errors: Option<Node>,
    /// A loop's item.
    pub item: Option<Value>,
    /// The blocks around a task that have a `rescue` or an `always`.
    pub within: Vec<Within>,
    /// Where other files are looked for.
    pub here: Arc<Here>,
}

impl<'o> Playbook<'o> {
    pub(super) fn new(options: &'o LoadOptions, sink: Sink, files: Files) -> Playbook<'o> {
        Playbook {
            options,
            sink,
            steps: Vec::new(),
            skipped: Vec::new(),
            files,
            files_later: Arc::default(),
            results: BTreeMap::new(),
            pending: BTreeSet::new(),
            seen: 0,
            blocks: 0,
            included: 0,
        }
    }

    /// Reads a document: a list of tasks or plays, or one of them.
    pub(super) fn document(&mut self, node: &Node, inherited: &Inherited) {
        match &node.value {
            Yaml::Null => {}
            Yaml::List(entries) if entries.is_empty() => {
                self.sink
                    .error(node.id, "this list has no task")
                    .hint(A_TASK_FILE);
            }
            Yaml::List(entries) => entries.iter().for_each(|entry| self.entry(entry, inherited)),
            Yaml::Map(_) => self.entry(node, inherited),
            _ => {
                let message = format!("a task file must be a list of tasks, not {}", describe(node));
                self.sink.error(node.id, message).hint(A_TASK_FILE);
            }
        }
    }

    /// After the last document: what only all tasks together show.
    pub(super) fn finish(&mut self, at: Id) {
        if !self.steps.is_empty() || self.sink.error_count() > 0 {
            return;
        }
        let were_chosen = self
            .skipped
            .iter()
            .any(|skipped| !matches!(skipped.reason, SkipReason::Tags | SkipReason::OtherModule(_)));
        if self.seen == 0 && !were_chosen {
            self.sink
                .error(at, "there is no image task in this file")
                .hint("only `image` tasks run here");
        } else if !were_chosen {
            let tags = self.options.tags.join(", ");
            let message = match self.options.tags.is_empty() {
                true => "all image tasks are tagged `never`, and no tags were asked for".to_owned(),
                false => format!("no image task has one of the tags {tags}"),
            };
            self.sink.error(at, message).hint("choose others with --tags");
        }
    }

    fn entry(&mut self, node: &Node, inherited: &Inherited) {
        let Some(fields) = Fields::of("a task", node, &mut self.sink) else {
            return;
        };
        let is_play = fields.get("image").is_none()
            && fields.get("block").is_none()
            && (TASK_LISTS
                .iter()
                .chain(&["roles", "hosts", "import_playbook"])
                .any(|key| fields.get(key).is_some()));
        if is_play {
            self.play(node, inherited);
        } else {
            self.task(node, &fields, inherited);
        }
    }

    fn play(&mut self, node: &Node, inherited: &Inherited) {
        let Some(fields) = Fields::of("a play", node, &mut self.sink) else {
            return;
        };
        for (key, _) in fields.iter() {
            match key.name.as_str() {
                "handlers" => self.handlers(key),
                name if PLAY.has(name) => {}
                _ => {
                    unknown_key("a play", key, &PLAY.names(), &mut self.sink);
                }
            }
        }
        let mut outer = inherited.clone();
        if let Some(list) = fields.get("vars_files") {
            self.vars_files(list, &mut outer);
        }
        let Some(inherited) = self.inherit(&fields, &outer) else {
            return;
        };
        if let Some(path) = fields.get("import_playbook") {
            return self.import_playbook(&fields, path, &inherited);
        }
        for name in TASK_LISTS {
            if name == "tasks"
                && let Some(roles) = fields.get("roles")
            {
                self.roles(roles, &inherited);
            }
            if let Some(tasks) = fields.get(name) {
                self.tasks(name, tasks, &inherited);
            }
        }
    }

    fn handlers(&mut self, key: &Key) {
        let message = "`handlers` aren't supported";
        if self.options.image_tasks_only {
            self.sink
                .warn(key.id, format!("{message}: what they hold is left out"));
        } else {
            self.sink
                .error(key.id, message)
                .hint("put their image tasks among the tasks");
        }
    }

    /// The tasks under a key.
    fn tasks(&mut self, name: &str, node: &Node, inherited: &Inherited) {
        match &node.value {
            Yaml::List(tasks) => tasks.iter().for_each(|task| self.inner(task, inherited)),
            Yaml::Null => {}
            _ => {
                let message = format!("`{name}` must be a list of tasks, not {}", describe(node));
                self.sink.error(node.id, message);
            }
        }
    }

    pub(super) fn inner(&mut self, node: &Node, inherited: &Inherited) {
        if let Some(fields) = Fields::of("a task", node, &mut self.sink) {
            self.task(node, &fields, inherited);
        }
    }

    /// Adds what a play, role, block, include or task hands down: `when`, `tags`, `vars`, `ignore_errors`.
    pub(super) fn inherit(&mut self, fields: &Fields<'_>, outer: &Inherited) -> Option<Inherited> {
        let mut inherited = self.inherit_but_vars(fields, outer);
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

    pub(super) fn inherit_but_vars(&mut self, fields: &Fields<'_>, outer: &Inherited) -> Inherited {
        let mut inherited = outer.clone();
        match fields.get("when").map(|when| (when, &when.value)) {
            // One by one, so that those that can be told are told before the others.
            Some((_, Yaml::List(conditions))) => inherited.conditions.extend(conditions.iter().cloned()),
            Some((when, _)) => inherited.conditions.push(when.clone()),
            None => {}
        }
        if let Some(given) = fields.get("ignore_errors") {
            inherited.ignore_errors = Some(given.clone());
        }
        if let Some(node) = fields.get("tags") {
            let tags = self.reader(outer).list("tags", node).unwrap_or_default();
            let tags = tags
                .iter()
                .flat_map(|(_, tags)| tags.split(','))
                .map(|tag| tag.trim().to_owned());
            inherited.tags.extend(tags.filter(|tag| !tag.is_empty()));
        }
        inherited
    }

    /// A reader over all variables: a loop's item before registered results, these before those of the command line, and these before
    /// those of the files.
    pub(super) fn reader(&mut self, inherited: &Inherited) -> Reader<'_> {
        let is_plain = inherited.variables.is_empty() && inherited.defaults.is_empty();
        let variables = if is_plain && inherited.item.is_none() && self.results.is_empty() {
            Arc::clone(&self.options.variables)
        } else {
            let mut all = Value::Object(inherited.defaults.clone());
            merge(&mut all, Value::Object(inherited.variables.clone()));
            merge(&mut all, (*self.options.variables).clone());
            if let Value::Object(all) = &mut all {
                all.extend(self.results.clone());
                if let Some(item) = &inherited.item {
                    all.insert("item".to_owned(), item.clone());
                }
            }
            Arc::new(all)
        };
        Reader {
            variables,
            sink: &mut self.sink,
        }
    }

    pub(super) fn block(&mut self, fields: &Fields<'_>, block: &Node, outer: &Inherited) {
        for (key, _) in fields.iter() {
            if !BLOCK.has(&key.name) && !ACCEPTED.has(&key.name) {
                unknown_key("a block", key, &BLOCK.names(), &mut self.sink);
            }
        }
        let Some(inherited) = self.inherit(fields, outer) else {
            return;
        };
        let (rescue, always) = (fields.get("rescue"), fields.get("always"));
        if rescue.is_none() && always.is_none() {
            return self.tasks("block", block, &inherited);
        }
        self.blocks += 1;
        let number = self.blocks;
        let (first_job, before) = (self.steps.len(), self.seen);
        let part = |part| {
            let mut inherited = inherited.clone();
            inherited.within.push(Within {
                block: number,
                part,
                is_rescued: false,
            });
            inherited
        };
        self.tasks("block", block, &part(Part::Tasks));
        let has_tasks = self.seen > before;
        let before = self.seen;
        if let Some(rescue) = rescue {
            self.tasks("rescue", rescue, &part(Part::Rescue));
        }
        if has_tasks && self.seen > before {
            let within = self.steps[first_job..]
                .iter_mut()
                .flat_map(|step| &mut step.course.within);
            within
                .filter(|within| within.block == number)
                .for_each(|within| within.is_rescued = true);
        }
        if let Some(always) = always {
            self.tasks("always", always, &part(Part::Always));
        }
    }

    /// Adds a task that runs.
    pub(super) fn add(&mut self, mut job: Job, course: Course, places: Places) {
        job.is_fallback = course.is_in_a_rescue();
        self.steps.push(Step { job, course, places });
    }

    pub(super) fn skip(&mut self, name: String, reason: SkipReason) {
        self.skipped.push(Skipped { name, reason });
    }
}
