//! Other files: tasks that are included, playbooks that are imported, and roles, found where KubeKey finds them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_template::Value;

use super::diagnostic::Sink;
use super::fields::{Fields, unknown_key};
use super::files::real_path;
use super::keys::{ACCEPTED, INCLUDE, ROLE};
use super::late::mentions;
use super::playbook::{Inherited, Playbook};
use super::reader::{Reader, describe, shortened};
use super::variables::merge;
use super::yaml::{Id, Key, Node, Yaml};
use super::{SkipReason, playbook};

/// The keys of a task that stand for a file of tasks.
pub(super) const KEYS: [&str; 2] = ["include_tasks", "import_tasks"];

/// How deep files may include files.
const MAX_DEPTH: usize = 32;
/// How often a file may be included in a run: loops multiply.
const MAX_INCLUDED: usize = 2000;

/// Where the file that is read is, and how it was reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Here {
    /// The folder of the file; none for a text without one, which can't include files.
    folder: Option<PathBuf>,
    /// The role's folder, or the playbook's.
    top: PathBuf,
    /// The folder of the playbook whose play this is.
    playbook: PathBuf,
    /// The folder of the first playbook, or the one above it where that is called `playbooks`.
    project: PathBuf,
    /// The files, or a role's folder, that led here, each with its real path.
    chain: Vec<(String, PathBuf)>,
}

impl Here {
    /// In the file that was named.
    pub(super) fn in_playbook(file: &Path) -> Here {
        let folder = folder_of(file);
        let project = match folder.file_name() {
            Some(name) if name == "playbooks" => folder_of(&folder),
            _ => folder.clone(),
        };
        Here {
            folder: Some(folder.clone()),
            top: folder.clone(),
            playbook: folder,
            project,
            chain: vec![(file.display().to_string(), real_path(file))],
        }
    }

    /// The file as a link of the chain that leads to it, or the chain that it closes or makes too long.
    fn step(&self, file: &Path) -> Result<Vec<(String, PathBuf)>, String> {
        let step = (file.display().to_string(), real_path(file));
        let mut chain = self.chain.clone();
        let is_cycle = chain.iter().any(|(_, path)| *path == step.1);
        chain.push(step);
        let names = || {
            chain
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(" -> ")
        };
        if is_cycle {
            return Err(format!("this file includes itself: {}", names()));
        }
        if chain.len() > MAX_DEPTH {
            return Err(format!("files include files {MAX_DEPTH} deep: {}", names()));
        }
        Ok(chain)
    }
}

/// The folder of a file or folder; `.` for a bare name.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    }
}

/// The same folder's parent, also for `.`.
fn above(folder: &Path) -> PathBuf {
    match folder.file_name() {
        Some(_) => folder_of(folder),
        None => folder.join(".."),
    }
}

impl Playbook<'_> {
    /// The tasks of another file.
    pub(super) fn include(&mut self, fields: &Fields<'_>, key: &Key, path: &Node, outer: &Inherited) {
        for (key, _) in fields.iter() {
            if !INCLUDE.has(&key.name) && !ACCEPTED.has(&key.name) {
                unknown_key("an include", key, &INCLUDE.names(), &mut self.sink);
            }
        }
        let Some(inherited) = self.inherit(fields, outer) else {
            return;
        };
        let pending = self.pending.iter();
        if let Some(name) = pending.clone().find(|name| mentions(path, name)) {
            let message = format!(
                "`{}` can't depend on `.{name}`, which a task registers when it runs",
                key.name
            );
            self.sink
                .error(path.id, message)
                .hint("name the file, and let `when` decide");
            return;
        }
        let needed = pending
            .clone()
            .find(|name| fields.iter().any(|(_, value)| mentions(value, name)));
        let needed = needed.cloned();
        let Some(rounds) = self.rounds(fields, &inherited, needed.as_deref()) else {
            return;
        };
        for item in rounds.map_or_else(|| vec![None], |items| items.into_iter().map(Some).collect()) {
            let mut inherited = inherited.clone();
            if item.is_some() {
                inherited.item = item;
            }
            self.include_once(key, path, &inherited);
        }
    }

    fn include_once(&mut self, key: &Key, path: &Node, inherited: &Inherited) {
        let known = |condition: &&Node| !self.pending.iter().any(|name| mentions(condition, name));
        let conditions: Vec<Node> = inherited.conditions.iter().filter(known).cloned().collect();
        if let Some(reason) = self.false_condition(&conditions, inherited) {
            let written = match &path.value {
                Yaml::Text(path) => shortened(path).into_owned(),
                _ => String::new(),
            };
            return self.skip(format!("{} {written}", key.name), reason);
        }
        let Some(written) = self.reader(inherited).text(&key.name, path) else {
            return;
        };
        let here = &inherited.here;
        let tasks = Path::new("tasks");
        let Some(folder) = self.folder(here, path.id) else {
            return;
        };
        let file = Path::new(written.trim());
        let places = [
            folder.join(file),
            folder.join(tasks).join(file),
            here.top.join(file),
            here.top.join(tasks).join(file),
        ];
        if let Some(found) = self.find(path.id, &format!("`{}`", key.name), written.trim(), &places) {
            self.tasks_of(path.id, &found, inherited);
        }
    }

    /// Reads a file's tasks.
    fn tasks_of(&mut self, at: Id, file: &Path, inherited: &Inherited) {
        let Some((documents, mut here)) = self.open(at, file, &inherited.here) else {
            return;
        };
        here.folder = Some(folder_of(file));
        let inherited = Inherited {
            here: Arc::new(here),
            ..inherited.clone()
        };
        for document in documents.iter() {
            match &document.value {
                Yaml::Null => {}
                Yaml::List(tasks) => tasks.iter().for_each(|task| self.inner(task, &inherited)),
                _ => {
                    let message = format!("a file of tasks must be a list, not {}", describe(document));
                    self.sink.error(document.id, message).hint(playbook::A_TASK_FILE);
                }
            }
        }
    }

    /// The plays of another playbook.
    pub(super) fn import_playbook(&mut self, fields: &Fields<'_>, path: &Node, inherited: &Inherited) {
        for (key, _) in fields.iter() {
            let stands = [
                "import_playbook",
                "name",
                "vars",
                "vars_files",
                "tags",
                "when",
                "ignore_errors",
            ];
            if !stands.contains(&key.name.as_str()) {
                let message = format!("`{}` can't stand beside `import_playbook`", key.name);
                self.sink
                    .error(key.id, message)
                    .hint("write it in a play of its own, or in the playbook that is imported");
            }
        }
        let Some(written) = self.reader(inherited).text("import_playbook", path) else {
            return;
        };
        let written = written.trim();
        if let Some(reason) = self.false_condition(&inherited.conditions, inherited) {
            return self.skip(format!("import_playbook {written}"), reason);
        }
        if written.is_empty() {
            // KubeKey's playbooks import hooks that are empty unless a user sets them.
            return self.skip("import_playbook".to_owned(), SkipReason::NoFile);
        }
        let here = Arc::clone(&inherited.here);
        let Some(folder) = self.folder(&here, path.id) else {
            return;
        };
        let places = [
            folder.join(written),
            folder.join("playbooks").join(written),
            here.project.join("playbooks").join(written),
        ];
        let Some(file) = self.find(path.id, "`import_playbook`", written, &places) else {
            return;
        };
        let Some((documents, mut here)) = self.open(path.id, &file, &here) else {
            return;
        };
        let folder = folder_of(&file);
        here.folder = Some(folder.clone());
        here.top.clone_from(&folder);
        here.playbook = folder;
        let inherited = Inherited {
            here: Arc::new(here),
            ..inherited.clone()
        };
        documents
            .iter()
            .for_each(|document| self.document(document, &inherited));
    }

    /// Adds the variables of a play's files.
    pub(super) fn vars_files(&mut self, list: &Node, inherited: &mut Inherited) {
        let files = self
            .reader(inherited)
            .list("vars_files", list)
            .unwrap_or_default();
        for (at, file) in files {
            let Some(folder) = self.folder(&Arc::clone(&inherited.here), at) else {
                return;
            };
            if let Some(found) = self.find(at, "`vars_files`", &file, &[folder.join(&file)]) {
                let mut variables = Value::Object(std::mem::take(&mut inherited.variables));
                self.variables_of(at, &found, inherited, &mut variables);
                inherited.variables = object(variables);
            }
        }
    }

    /// Merges the variables of a file into others.
    fn variables_of(&mut self, at: Id, file: &Path, inherited: &Inherited, into: &mut Value) {
        let Some((documents, _)) = self.open(at, file, &inherited.here) else {
            return;
        };
        for document in documents.iter() {
            match &document.value {
                Yaml::Null => {}
                Yaml::Map(entries) => {
                    for (key, value) in entries {
                        let value = self.default_value(&key.name, value, inherited, into);
                        merge(into, Value::Object([(key.name.clone(), value)].into()));
                    }
                }
                _ => {
                    let found = describe(document);
                    let message =
                        format!("a file of variables must be a mapping of names to values, not {found}");
                    self.sink.error(document.id, message);
                }
            }
        }
    }

    /// A variable that may use those above it. What can't be rendered stays a template: most of a role's defaults are for other modules,
    /// and need variables that image tasks don't.
    fn default_value(&mut self, name: &str, value: &Node, inherited: &Inherited, above: &Value) -> Value {
        let mut inherited = inherited.clone();
        inherited.variables.extend(object(above.clone()));
        let rendered = Reader {
            variables: self.reader(&inherited).variables,
            sink: &mut Sink::default(),
        }
        .variable(name, value);
        rendered.unwrap_or_else(|| value.to_value())
    }

    /// The tasks of a play's roles.
    pub(super) fn roles(&mut self, node: &Node, inherited: &Inherited) {
        match &node.value {
            Yaml::Null => {}
            Yaml::List(roles) => roles.iter().for_each(|role| self.role(role, inherited)),
            _ => {
                let message = format!("`roles` must be a list, not {}", describe(node));
                self.sink.error(node.id, message);
            }
        }
    }

    /// A role: a name, or a mapping with one and what surrounds its tasks.
    fn role(&mut self, node: &Node, outer: &Inherited) {
        let (name, fields) = match &node.value {
            Yaml::Text(_) => (node, None),
            _ => {
                let Some(fields) = Fields::of("a role", node, &mut self.sink) else {
                    return;
                };
                fields.check(&ROLE.names(), &mut self.sink);
                let Some(name) = fields.get("role").or_else(|| fields.get("name")) else {
                    self.sink
                        .error(node.id, "this role has no name")
                        .hint("write `role: NAME`");
                    return;
                };
                (name, Some(fields))
            }
        };
        let Some(name_text) = self.reader(outer).text("role", name) else {
            return;
        };
        let role = name_text.trim();
        let here = Arc::clone(&outer.here);
        if self.folder(&here, name.id).is_none() {
            return;
        }
        let beside = [above(&here.playbook), here.playbook.clone(), here.project.clone()];
        let places = beside.map(|folder| folder.join("roles").join(role));
        let Some(folder) = self.find(name.id, "the role", role, &places) else {
            return;
        };
        let chain = match here.step(&folder) {
            Ok(chain) => chain,
            Err(message) => {
                self.sink.error(name.id, message);
                return;
            }
        };
        let mut inherited = outer.clone();
        inherited.here = Arc::new(Here {
            folder: Some(folder.join("tasks")),
            top: folder.clone(),
            chain,
            ..(*here).clone()
        });
        let mut defaults = Value::Object(inherited.defaults.clone());
        for file in defaults_of(&folder) {
            self.variables_of(name.id, &file, &inherited, &mut defaults);
        }
        inherited.defaults = object(defaults);
        let inherited = match &fields {
            Some(fields) => self.inherit(fields, &inherited),
            None => Some(inherited),
        };
        let Some(inherited) = inherited else {
            return;
        };
        if let Some(meta) = main_file(&folder.join("meta")) {
            self.dependencies(name.id, &meta, &inherited);
        }
        if let Some(tasks) = main_file(&folder.join("tasks")) {
            self.tasks_of(name.id, &tasks, &inherited);
        }
    }

    /// The roles that a role's `meta/main.yaml` says have to come before it.
    fn dependencies(&mut self, at: Id, meta: &Path, inherited: &Inherited) {
        let Some((documents, _)) = self.open(at, meta, &inherited.here) else {
            return;
        };
        for document in documents.iter() {
            if let Yaml::Map(entries) = &document.value
                && let Some((_, roles)) = entries.iter().find(|(key, _)| key.name == "dependencies")
            {
                self.roles(roles, inherited);
            }
        }
    }

    /// The folder to look for files in. A text that came without one has none.
    fn folder(&mut self, here: &Here, at: Id) -> Option<PathBuf> {
        if here.folder.is_none() {
            let message =
                "other files can't be found from here: these tasks came without a file of their own";
            self.sink.error(at, message);
        }
        here.folder.clone()
    }

    /// The first of these that is there.
    fn find(&mut self, at: Id, what: &str, written: &str, places: &[PathBuf]) -> Option<PathBuf> {
        let found = places.iter().find(|place| place.exists()).cloned();
        if found.is_none() {
            let mut looked: Vec<String> = Vec::new();
            for place in places.iter().map(|place| place.display().to_string()) {
                if !looked.contains(&place) {
                    looked.push(place);
                }
            }
            let written = shortened(written);
            self.sink
                .error(at, format!("{what} \"{written}\" isn't there"))
                .hint(format!("looked for {}", looked.join(", ")));
        }
        found
    }

    /// A file's documents, and where it is.
    fn open(&mut self, at: Id, file: &Path, here: &Here) -> Option<(Arc<[Node]>, Here)> {
        let chain = match here.step(file) {
            Ok(chain) => chain,
            Err(message) => {
                self.sink.error(at, message);
                return None;
            }
        };
        self.included += 1;
        if self.included > MAX_INCLUDED {
            self.sink
                .error(at, format!("more than {MAX_INCLUDED} files are included"));
            return None;
        }
        match self.files.open(file, &mut self.sink) {
            Ok(documents) => Some((
                documents,
                Here {
                    chain,
                    ..here.clone()
                },
            )),
            Err(errors) => {
                self.sink.add_problems(errors);
                None
            }
        }
    }
}

/// `main.yaml` or `main.yml` of a role's folder.
fn main_file(folder: &Path) -> Option<PathBuf> {
    ["main.yaml", "main.yml"]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|file| file.is_file())
}

/// The files of a role's defaults: `defaults/main.yaml`, then those of the folder `defaults/main`, by name.
fn defaults_of(role: &Path) -> Vec<PathBuf> {
    let defaults = role.join("defaults");
    let mut files: Vec<PathBuf> = std::fs::read_dir(defaults.join("main"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    main_file(&defaults).into_iter().chain(files).collect()
}

fn object(value: Value) -> std::collections::BTreeMap<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Default::default(),
    }
}
