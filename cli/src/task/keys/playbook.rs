//! The keys around the module: of tasks, blocks and plays.

use super::{IMAGE, Key, Kind, Table, key};

const NAME: Key = key(
    "name",
    Kind::Name,
    "its number",
    "pull images",
    "The task's name in messages.",
);
const OWN_NAME: Key = key(
    "name",
    Kind::Any,
    "none",
    "prepare",
    "A description, without effect.",
);
const WHEN: Key = key(
    "when",
    Kind::Condition,
    "true",
    "not (empty .registry)",
    "A template or a bare expression. The task runs if it gives `true`, in any case of letters; in a list, all must. An undefined variable is false. A text other than `true`, `false`, `no`, `0` or nothing gives a warning.",
);
const TAGS: Key = key(
    "tags",
    Kind::Texts,
    "none",
    "[push, harbor]",
    "Labels for `--tags`. Tasks tagged `always` run in any case, those tagged `never` only if `--tags` names one of their tags.",
);
const VARS: Key = key(
    "vars",
    Kind::Variables,
    "none",
    "{registry: hub.kubekey}",
    "Variables for templates. The command line's win over these; these win over those of enclosing blocks and plays.",
);
const IGNORE_ERRORS: Key = key(
    "ignore_errors",
    Kind::Flag,
    "false",
    "true",
    "Whether failed images leave the exit status as it is.",
);

const LOOP: Key = key(
    "loop",
    Kind::Items,
    "once",
    "[amd64, arm64]",
    "Runs the task once for each item, as `{{ .item }}`.",
);
const WITH_ITEMS: Key = key(
    "with_items",
    Kind::Items,
    "once",
    "[amd64, arm64]",
    "As `loop`; lists in the list are flattened.",
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
            "How often to try failed images again, once the others are done.",
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
            "A variable for the result, for later tasks: `.pulled.failed`, `.pulled.error`, and `.pulled.stdout`, the task's part of the report as JSON. With `loop`, a list of these.",
        ),
        key(
            "register_type",
            Kind::Choice(&["string", "json", "yaml", "yml"]),
            "string",
            "json",
            "The form of the result's `stdout`: a text, or with `json` or `yaml` its values, as in `.pulled.stdout.totals.images.copied`.",
        ),
        key("image", Kind::Map(&IMAGE), "", "", "What to copy."),
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
            "Tasks that run if an image task of `block` fails. The failure ends `block`, and the outcome of `rescue` counts instead.",
        ),
        key(
            "always",
            Kind::Tasks,
            "none",
            "",
            "Tasks that run last, in any case.",
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
            "A file of tasks: beside this one, in `tasks` beside it, or in the role's (the playbook's) folder or its `tasks`.",
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
            "Another playbook, whose plays run in this place: beside this one, in `playbooks` beside it, or in the project's `playbooks`. An empty text means none.",
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
            "Roles, which run after `pre_tasks`: names or mappings. A role has `tasks/main.yaml`, and may have `defaults/main.yaml` and `meta/main.yaml` (or `.yml`).",
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
        "Accepted without effect: everything runs here, once.",
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
