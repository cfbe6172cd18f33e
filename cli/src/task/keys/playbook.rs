//! The keys around the module: of tasks, blocks and plays.

use super::{IMAGE, Key, Kind, Table, key};

const NAME: Key = key(
    "name",
    Kind::Name,
    "its number",
    "pull images",
    "What messages call it.",
);
const OWN_NAME: Key = key(
    "name",
    Kind::Any,
    "none",
    "prepare",
    "For people; nothing is done with it.",
);
const WHEN: Key = key(
    "when",
    Kind::Condition,
    "true",
    "not (empty .registry)",
    "Runs only where this gives `true`, in capitals or not: a template or a bare expression; of a list, all must. What isn't defined is false. Where it gives neither `true` nor `false`, `no`, `0` or nothing, a warning says so.",
);
const TAGS: Key = key(
    "tags",
    Kind::Texts,
    "none",
    "[push, harbor]",
    "What `--tags` chooses by. `always` runs in any case, `never` only when it is asked for.",
);
const VARS: Key = key(
    "vars",
    Kind::Variables,
    "none",
    "{registry: hub.kubekey}",
    "Variables for templates. Those of the command line win over these, and these over those of blocks and plays around.",
);
const IGNORE_ERRORS: Key = key(
    "ignore_errors",
    Kind::Flag,
    "false",
    "true",
    "Whether images that fail leave the exit status alone.",
);

const LOOP: Key = key(
    "loop",
    Kind::Items,
    "once",
    "[amd64, arm64]",
    "Runs the task once for each item, which is `{{ .item }}` then.",
);
const WITH_ITEMS: Key = key(
    "with_items",
    Kind::Items,
    "once",
    "[amd64, arm64]",
    "As `loop`; lists in the list are part of it.",
);

/// A task: the keys that mean something here.
pub(in crate::task) static TASK: Table = Table {
    name: "task",
    keys: &[
        NAME,
        WHEN,
        TAGS,
        key(
            "retries",
            Kind::Count,
            "0",
            "3",
            "How often images that failed are tried again once the others are done.",
        ),
        IGNORE_ERRORS,
        VARS,
        LOOP,
        WITH_ITEMS,
        key(
            "register",
            Kind::Name,
            "none",
            "pulled",
            "The variable that takes the result, for tasks behind it: `.pulled.failed`, `.pulled.error`, and `.pulled.stdout`, the task's part of the \
             report as JSON. With `loop`, it is a list of these.",
        ),
        key(
            "register_type",
            Kind::Choice(&["string", "json", "yaml", "yml"]),
            "string",
            "json",
            "Whether `stdout` of the result is a text, or (`json`, `yaml`) the values in it, as in `.pulled.stdout.totals.images.copied`.",
        ),
        key("image", Kind::Map(&IMAGE), "", "", "What to move."),
    ],
    rules: r#"{"required": ["image"]}"#,
};

/// Keys of a task that say on which host it runs and who sees its result.
pub(in crate::task) static ACCEPTED: Table = Table {
    name: "accepted",
    keys: &[
        accepted("run_once"),
        accepted("delegate_to"),
        accepted("delegate_facts"),
        accepted("no_log"),
        accepted("become"),
        accepted("become_user"),
        accepted("any_errors_fatal"),
    ],
    rules: "{}",
};

/// Keys that would change what a task does, and can't here.
pub(in crate::task) static IGNORED: Table = Table {
    name: "ignored",
    keys: &[
        ignored("delay"),
        ignored("until"),
        ignored("failed_when"),
        ignored("changed_when"),
        ignored("notify"),
        ignored("timeout"),
        ignored("throttle"),
        ignored("environment"),
        ignored("connection"),
    ],
    rules: "{}",
};

/// Several tasks with something in common.
pub(in crate::task) static BLOCK: Table = Table {
    name: "block",
    keys: &[
        OWN_NAME,
        key("block", Kind::Tasks, "", "", "The tasks."),
        key(
            "rescue",
            Kind::Tasks,
            "none",
            "",
            "Tasks that run where an image task of `block` failed. That ends `block`, and the rescue's own outcome counts instead.",
        ),
        key(
            "always",
            Kind::Tasks,
            "none",
            "",
            "Tasks that run last, whatever happened.",
        ),
        WHEN,
        TAGS,
        VARS,
        IGNORE_ERRORS,
    ],
    rules: r#"{"required": ["block"]}"#,
};

/// A file of tasks in the place of a task.
pub(in crate::task) static INCLUDE: Table = Table {
    name: "include",
    keys: &[
        OWN_NAME,
        key(
            "include_tasks",
            Kind::Text,
            "",
            "pull.yaml",
            "A file of tasks: beside this one or in `tasks` beside it, or in the role's (the playbook's) folder or `tasks` in it.",
        ),
        key(
            "import_tasks",
            Kind::Text,
            "as `include_tasks`",
            "pull.yaml",
            "Another name for `include_tasks`.",
        ),
        WHEN,
        TAGS,
        VARS,
        IGNORE_ERRORS,
        LOOP,
        WITH_ITEMS,
    ],
    rules: r#"{"oneOf": [{"required": ["include_tasks"]}, {"required": ["import_tasks"]}]}"#,
};

/// A role of a play.
pub(in crate::task) static ROLE: Table = Table {
    name: "role",
    keys: &[
        key(
            "role",
            Kind::Text,
            "as `name`",
            "images/pull",
            "The role's folder under `roles`.",
        ),
        OWN_NAME,
        WHEN,
        TAGS,
        VARS,
        IGNORE_ERRORS,
        accepted("run_once"),
    ],
    rules: r#"{"anyOf": [{"required": ["role"]}, {"required": ["name"]}]}"#,
};

/// A play of a playbook.
pub(in crate::task) static PLAY: Table = Table {
    name: "play",
    keys: &[
        OWN_NAME,
        accepted("hosts"),
        key(
            "import_playbook",
            Kind::Text,
            "none",
            "hook/images.yaml",
            "Another playbook, whose plays stand here: beside this one, in `playbooks` beside it, or in the project's `playbooks`. An empty text is none.",
        ),
        key(
            "vars_files",
            Kind::Texts,
            "none",
            "[vars.yaml]",
            "Files of variables, beside the playbook. `vars` wins over them.",
        ),
        key("pre_tasks", Kind::Tasks, "none", "", "Tasks that run first."),
        key(
            "roles",
            Kind::Names(&ROLE),
            "none",
            "[images/pull]",
            "Roles, which run behind `pre_tasks`: names, or mappings. A role has `tasks/main.yaml` and, if it likes, `defaults/main.yaml` and \
             `meta/main.yaml` (or `.yml`).",
        ),
        key("tasks", Kind::Tasks, "none", "", "Tasks."),
        key("post_tasks", Kind::Tasks, "none", "", "Tasks that run last."),
        VARS,
        TAGS,
        WHEN,
        IGNORE_ERRORS,
        accepted("gather_facts"),
        accepted("serial"),
        accepted("strategy"),
        accepted("run_once"),
        accepted("any_errors_fatal"),
        accepted("become"),
    ],
    rules: "{}",
};

/// The keys of a play that have its tasks, in the order in which they run.
pub(in crate::task) const TASK_LISTS: [&str; 3] = ["pre_tasks", "tasks", "post_tasks"];

const fn accepted(name: &'static str) -> Key {
    key(
        name,
        Kind::Any,
        "none",
        "",
        "Accepted, and without effect: all runs here, once.",
    )
}

const fn ignored(name: &'static str) -> Key {
    key(
        name,
        Kind::Any,
        "none",
        "",
        "Accepted with a warning: it has no effect on an image task here.",
    )
}
