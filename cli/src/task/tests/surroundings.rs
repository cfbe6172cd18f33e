//! Plays, blocks and the keys around a module.

use super::*;
use crate::task::{SkipReason, Skipped};

const PLAYS: &str = include_str!("../../../tests/data/tasks/plays.yaml");

fn skipped(name: &str, reason: SkipReason) -> Skipped {
    Skipped {
        name: name.to_owned(),
        reason,
    }
}

#[test]
fn plays_and_blocks_hand_down_what_they_say() {
    let only_images = LoadOptions {
        image_tasks_only: true,
        ..options(json!({"push": true}))
    };
    let both = loaded(PLAYS, &only_images);
    assert_eq!(names(&both), ["pull for hub.kubekey", "push"]);
    assert_eq!(both.jobs[0].destination.to_string(), "/var/lib/images");
    assert!(!both.jobs[0].ignore_errors);
    assert_eq!(both.jobs[1].destination.to_string(), "hub.kubekey/mirror");
    assert!(both.jobs[1].ignore_errors);
    assert_eq!(
        both.skipped,
        [
            skipped("make room", SkipReason::OtherModule("command".into())),
            skipped("task 3", SkipReason::OtherModule("debug".into())),
        ]
    );

    let no_push = LoadOptions {
        image_tasks_only: true,
        ..options(json!({"push": false}))
    };
    let one = loaded(PLAYS, &no_push);
    assert_eq!(names(&one), ["pull for hub.kubekey"]);
    assert!(
        one.skipped
            .contains(&skipped("push", SkipReason::When(Vec::new())))
    );

    let upload = LoadOptions {
        tags: vec!["upload".into()],
        ..only_images
    };
    let tagged = loaded(PLAYS, &upload);
    assert_eq!(names(&tagged), ["push"]);
    assert!(
        tagged
            .skipped
            .contains(&skipped("pull for {{ .registry }}", SkipReason::Tags))
    );
}

#[test]
fn the_command_lines_variables_win_over_the_files() {
    let variables = json!({"push": true, "registry": "other.example:5000"});
    let loaded = loaded(
        PLAYS,
        &LoadOptions {
            image_tasks_only: true,
            ..options(variables)
        },
    );
    assert_eq!(
        loaded.jobs[1].destination.to_string(),
        "other.example:5000/mirror"
    );
}

#[test]
fn tasks_of_other_modules_are_errors_that_name_them() {
    assert_eq!(
        messages(PLAYS, json!({"push": true})),
        [
            "10:7: this task uses the module `command`, and only `image` tasks run here (hint: take the task out, or leave out such tasks with --image-tasks-only)",
            "27:7: this task uses the module `debug`, and only `image` tasks run here (hint: take the task out, or leave out such tasks with --image-tasks-only)",
        ]
    );
    let cases = [
        (
            "- images: {dest: a}",
            "1:3: this task uses the module `images`, and only `image` tasks run here (hint: did you mean `image`?)",
        ),
        (
            "- push: {images_dir: /x}",
            "1:3: this task uses the module `push`, and only `image` tasks run here (hint: `push` stands under `image:`)",
        ),
        (
            "- dest: hub.kubekey",
            "1:3: this task uses the module `dest`, and only `image` tasks run here (hint: `dest` stands under `image:`)",
        ),
        (
            "- name: a",
            "1:3: this task has no `image` (hint: the module's keys (manifests, src, dest …) stand under `image:`)",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(messages(text, empty()), [expected], "{text}");
    }
}

#[test]
fn handlers_are_an_error_and_left_out_where_only_image_tasks_run() {
    let text = "- hosts: all\n  handlers: [a]\n  tasks:\n    - image: {manifests: a, dest: 'local:///x'}\n";
    assert_eq!(
        messages(text, empty()),
        ["2:3: `handlers` aren't supported (hint: put their image tasks among the tasks)"]
    );
    let loaded = loaded(
        text,
        &LoadOptions {
            image_tasks_only: true,
            ..LoadOptions::default()
        },
    );
    assert_eq!(loaded.jobs.len(), 1);
    assert_eq!(
        short(&loaded.warnings[0]),
        "2:3: `handlers` aren't supported: what they hold is left out"
    );
}

#[test]
fn conditions_hold_or_not() {
    let variables = json!({
        "yes": true, "no": false, "none": [], "text": "x", "empty": "", "zero": 0, "one": 1, "word": "false", "loud": "TRUE",
        "host": "{{ .text }}", "on": "{{ eq .text \"x\" }}",
    });
    // Whether it holds, and what a warning shows where it is neither true nor plainly false.
    let cases = [
        ("true", true, None),
        ("false", false, None),
        ("'TRUE'", true, None),
        ("'yes'", false, Some("yes")),
        ("'no'", false, None),
        ("'0'", false, None),
        ("''", false, None),
        ("", true, None),
        (".yes", true, None),
        (".no", false, None),
        (".none", false, None),
        (".missing", false, None),
        (".text", false, Some("x")),
        (".empty", false, None),
        (".zero", false, None),
        (".one", false, Some("1")),
        (".word", false, None),
        (".loud", true, None),
        (".host", false, Some("x")),
        (".on", true, None),
        ("list 1 2", false, Some("[1 2]")),
        ("not .no", true, None),
        (".none | empty | not", false, None),
        (".missing | default list | empty | not", false, None),
        ("'eq .text \"x\"'", true, None),
        ("'ne .text \"x\"'", false, None),
        ("'{{ .yes }}'", true, None),
        ("'{{ .no }}'", false, None),
        ("'{{ .word }}'", false, None),
        ("'{{ .loud }}'", true, None),
        ("'{{- .yes -}}'", true, None),
        ("'{{ .yes }} '", false, Some("true ")),
        ("' {{- .yes -}} '", true, None),
        ("'{{ if .yes }}true{{ end }}'", true, None),
        ("'{{ if .no }}true{{ end }}'", false, None),
        ("'{{ .empty }}{{ .yes }}'", true, None),
        ("'x{{ .yes }}'", false, Some("xtrue")),
        ("[.yes, 'not .no']", true, None),
        ("[.yes, .no]", false, None),
        ("[.yes, .text]", false, Some("x")),
        // The first that doesn't hold ends the list: what follows may need what isn't there.
        ("[.no, .missing]", false, None),
        ("[]", true, None),
    ];
    for (when, expected, shown) in cases {
        let text = format!("- image: {{manifests: a, dest: 'local:///x'}}\n  when: {when}\n");
        let loaded = loaded(&text, &options(variables.clone()));
        assert_eq!(loaded.jobs.len(), usize::from(expected), "{when}");
        let warnings: Vec<&str> = loaded.warnings.iter().map(|warning| warning.message()).collect();
        let told = shown
            .map(|text| format!("`when` gives \"{text}\", and only true runs a task: this one doesn't run"));
        assert_eq!(
            warnings,
            told.as_deref().into_iter().collect::<Vec<_>>(),
            "{when}"
        );
    }
}

#[test]
fn a_condition_that_may_be_meant_otherwise_is_warned_of_once_and_at_its_place() {
    let text = "- when: [.push, .registry]
  block:
    - image: {manifests: a, dest: 'local:///x'}
    - image: {manifests: b, dest: 'local:///x'}
";
    assert_eq!(
        warnings(text, json!({"push": true, "registry": "hub.kubekey"})),
        [
            "1:17: `when` gives \"hub.kubekey\", and only true runs a task: this one doesn't run (hint: write what is asked, such as `eq .name \"value\"` or `not (empty .name)`)"
        ]
    );
}

#[test]
fn variables_that_a_false_condition_lacks_are_told() {
    let variables = json!({"registry": {"host": "hub.kubekey"}, "no": false});
    let cases = [
        (
            ".registri",
            "its `when` is false, and there is no variable `.registri`",
        ),
        (
            "'{{ and .registry.name .no }}'",
            "its `when` is false, and there is no variable `.registry.name`",
        ),
        (
            "['not (empty .registry)', 'or .a .b.c .no', .d]",
            "its `when` is false, and there is no variable `.a`, `.b.c`",
        ),
        (".no", "its `when` is false"),
        ("not .registry.host", "its `when` is false"),
        ("false", "its `when` is false"),
    ];
    for (when, expected) in cases {
        let text = format!("- image: {{manifests: a, dest: 'local:///x'}}\n  when: {when}\n");
        let loaded = loaded(&text, &options(variables.clone()));
        assert_eq!(loaded.skipped[0].reason.to_string(), expected, "{when}");
    }
}

#[test]
fn a_task_that_does_not_run_is_not_rendered_but_its_keys_are_checked() {
    let text = "- image: {manifests: '{{ .nothing }}', dest: '{{ .nowhere }}'}\n  when: false\n";
    assert_eq!(loaded(text, &LoadOptions::default()).jobs.len(), 0);
    let text = "- image: {manifest: a}\n  when: false\n";
    assert_eq!(
        messages(text, empty()),
        ["1:11: `image` has no key `manifest` (hint: did you mean `manifests`?)"]
    );
}

#[test]
fn a_loop_is_one_task_for_each_item() {
    let text = "
- name: push {{ .item.name }}
  image:
    manifests: '{{ .item.images }}'
    dest: hub.kubekey/{{ .item.name }}
  loop:
    - {name: a, images: [x, y]}
    - {name: b, images: z}
    - {name: c, images: []}
  when: ne .item.name \"b\"
";
    let of_list = loaded(text, &LoadOptions::default());
    assert_eq!(names(&of_list), ["push a (1 of 3)"]);
    assert_eq!(images(&of_list.jobs[0]), ["x", "y"]);
    assert_eq!(of_list.jobs[0].destination.to_string(), "hub.kubekey/a");
    assert_eq!(
        of_list.skipped[1],
        skipped("push c (3 of 3)", SkipReason::NoImages)
    );

    let text = "- image: {manifests: '{{ .item }}', dest: 'local:///x'}\n  loop: '{{ .images }}'\n";
    let of_variable = loaded(text, &options(json!({"images": ["a:1", "b:2"]})));
    assert_eq!(names(&of_variable), ["task 1 (1 of 2)", "task 1 (2 of 2)"]);
    assert_eq!(images(&of_variable.jobs[1]), ["b:2"]);

    // Nothing that the command line says can stand in for the item.
    let shadowed = loaded(text, &options(json!({"images": ["a:1"], "item": "x"})));
    assert_eq!(images(&shadowed.jobs[0]), ["a:1"]);

    let none = loaded(text, &options(json!({"images": []})));
    assert_eq!(none.skipped, [skipped("task 1", SkipReason::EmptyLoop)]);
    assert_eq!(
        messages(text, json!({"images": 3})),
        ["2:9: `loop` must be a list, not the number 3"]
    );
}

#[test]
fn variables_of_a_task_may_use_those_before_them() {
    let text = "
- vars:
    registry: hub.kubekey
    home: \"{{ .registry }}/team\"
    list: [\"{{ .registry }}/a:1\"]
  image: {manifests: '{{ .list }}', dest: \"{{ .home }}/x\"}
";
    let job = job(text, empty());
    assert_eq!(images(&job), ["hub.kubekey/a:1"]);
    assert_eq!(job.destination.to_string(), "hub.kubekey/team/x");
}

#[test]
fn retries_and_ignore_errors_are_read_and_the_rest_is_accepted() {
    let text = "
- name: a
  image: {manifests: a, dest: 'local:///x'}
  retries: '{{ .n }}'
  ignore_errors: yes
  run_once: true
  delegate_to: localhost
  no_log: true
";
    let job = job(text, json!({"n": 3}));
    assert_eq!((job.retries, job.ignore_errors), (3, true));
    assert_eq!(warnings(text, json!({"n": 3})), [""; 0]);
    let text = "- image: {manifests: a, dest: 'local:///x'}\n  retries: 2\n  delay: 10\n  until: .result\n";
    assert_eq!(
        warnings(text, empty()),
        [
            "3:3: `delay` has no effect on an image task here",
            "4:3: `until` has no effect on an image task here"
        ]
    );
}

#[test]
fn mistakes_around_a_module() {
    let around = |keys: &str| format!("- image: {{manifests: a, dest: 'local:///x'}}\n  {keys}\n");
    let cases = [
        (
            "retrys: 1",
            "2:3: a task has no key `retrys` (hint: did you mean `retries`?)",
        ),
        (
            "command: ls",
            "2:3: a task has no key `command` (hint: the keys are name, when, tags, retries, ignore_errors, vars, loop, with_items, register, register_type, image)",
        ),
        (
            "retries: -1",
            "2:12: `retries` must be a whole number from 0 up, not the number -1",
        ),
        (
            "retries: many",
            "2:12: `retries` must be a whole number from 0 up, not the text \"many\"",
        ),
        (
            "retries: 1.5",
            "2:12: `retries` must be a whole number from 0 up, not the number 1.5",
        ),
        (
            "ignore_errors: maybe",
            "2:18: `ignore_errors` must be true or false, not the text \"maybe\"",
        ),
        (
            "when: 3",
            "2:9: `when` must be a condition or a list of them, not the number 3",
        ),
        (
            "tags: {a: b}",
            "2:9: `tags` must be a list of texts or one text, not a mapping",
        ),
        (
            "vars: [a]",
            "2:9: `vars` must be a mapping of names to values, not a list",
        ),
        ("loop: {a: b}", "2:9: `loop` must be a list, not a mapping"),
        ("name: [a]", "2:9: `name` must be text, not a list"),
    ];
    for (keys, expected) in cases {
        assert_eq!(messages(&around(keys), json!({"y": 1})), [expected], "{keys}");
    }
    let blocks = [
        (
            "- block: a",
            "1:10: `block` must be a list of tasks, not the text \"a\"",
        ),
        (
            "- block: []\n  rescue: a",
            "2:11: `rescue` must be a list of tasks, not the text \"a\"",
        ),
        (
            "- hosts: a\n  tasks: b",
            "2:10: `tasks` must be a list of tasks, not the text \"b\"",
        ),
        (
            "- hosts: a\n  taks: []",
            "2:3: a play has no key `taks` (hint: did you mean `tasks`?)",
        ),
        (
            "- hosts: a\n  handlers: []",
            "2:3: `handlers` aren't supported (hint: put their image tasks among the tasks)",
        ),
        (
            "hello",
            "1:1: a task file must be a list of tasks, not the text \"hello\" (hint: a task file is a list of tasks: - name: …)",
        ),
        (
            "[]",
            "1:1: this list has no task (hint: a task file is a list of tasks: - name: …)",
        ),
        (
            "- manifests: [a]\n  dest: local:///x",
            "1:3: this task uses the module `manifests`, and only `image` tasks run here (hint: `manifests` stands under `image:`)",
        ),
        (
            "- image: {manifests: a, dest: 'local:///x'}\n  platform: linux/amd64",
            "2:3: a task has no key `platform` (hint: `platform` stands under `image:`)",
        ),
        ("- hello", "1:3: a task must be a mapping, not the text \"hello\""),
        ("- [a]", "1:3: a task must be a mapping, not a list"),
    ];
    for (text, expected) in blocks {
        assert_eq!(messages(text, empty()), [expected], "{text}");
    }
}

#[test]
fn a_file_may_be_one_task_or_several_documents() {
    assert_eq!(
        loaded(
            "image: {manifests: a, dest: 'local:///x'}",
            &LoadOptions::default()
        )
        .jobs
        .len(),
        1
    );
    let text = "---\n- image: {manifests: a, dest: 'local:///x'}\n---\n- image: {manifests: b, dest: 'local:///x'}\n";
    assert_eq!(
        names(&loaded(text, &LoadOptions::default())),
        ["task 1", "task 2"]
    );
}

#[test]
fn a_task_without_a_name_is_named_by_its_number() {
    let text =
        "- image: {manifests: a, dest: 'local:///x'}\n- name:\n  image: {manifests: a, dest: 'local:///x'}\n";
    assert_eq!(
        names(&loaded(text, &LoadOptions::default())),
        ["task 1", "task 2"]
    );
}

#[test]
fn files_that_do_nothing_say_so() {
    for text in ["", "\n", "# a comment\n", "---\n", "---\n---\n"] {
        let errors = errors(text, &LoadOptions::default());
        assert_eq!(
            errors.to_string(),
            "t.yaml: there is nothing in this file\n  hint: a task file is a list of tasks: - name: …",
            "{text:?}"
        );
    }
    assert_eq!(
        messages("- block: []", empty()),
        ["1:1: there is no image task in this file (hint: only `image` tasks run here)"]
    );
    let others = "- debug: {msg: hello}\n  name: hello\n";
    let only_images = LoadOptions {
        image_tasks_only: true,
        ..LoadOptions::default()
    };
    assert_eq!(
        short(&errors(others, &only_images).problems()[0]),
        "1:1: there is no image task in this file (hint: only `image` tasks run here)"
    );
    let tagged = LoadOptions {
        tags: vec!["x".into(), "y".into()],
        ..LoadOptions::default()
    };
    let text = "- image: {manifests: a, dest: 'local:///x'}\n  tags: z\n";
    assert_eq!(
        short(&errors(text, &tagged).problems()[0]),
        "1:1: no image task has one of the tags x, y (hint: choose others with --tags)"
    );
    let never = "- image: {manifests: a, dest: 'local:///x'}\n  tags: never\n";
    assert_eq!(
        messages(never, empty()),
        [
            "1:1: all image tasks are tagged `never`, and no tags were asked for (hint: choose others with --tags)"
        ]
    );
    // One that `when` leaves out is told with its reason: see `Skipped`.
    let skipped = loaded(
        "- image: {manifests: a, dest: 'local:///x'}\n  when: false\n",
        &LoadOptions::default(),
    );
    assert_eq!(skipped.skipped[0].to_string(), "task 1: its `when` is false");
}
