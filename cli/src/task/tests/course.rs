//! Blocks with a rescue, and registered results.

use super::*;
use crate::task::{Bound, Course, Part, Results};

const BLOCK: &str = "
- block:
    - {name: one, image: {manifests: a, src: mirror.example.com, dest: 'local:///x'}}
    - block:
        - {name: two, image: {manifests: b, src: mirror.example.com, dest: 'local:///x'}}
      always:
        - {name: end, image: {manifests: c, dest: 'local:///x'}}
  rescue:
    - {name: again, image: {manifests: a, dest: 'local:///x'}}
  always:
    - {name: last, image: {manifests: d, dest: 'local:///x'}}
";

#[test]
fn a_job_knows_the_blocks_around_it() {
    let loaded = loaded(BLOCK, &LoadOptions::default());
    let within = |name: &str| -> Vec<(usize, Part, bool)> {
        let number = loaded.jobs.iter().position(|job| job.name == name).unwrap();
        let within = loaded.courses[number].within.iter();
        within
            .map(|within| (within.block, within.part, within.is_rescued))
            .collect()
    };
    assert_eq!(names(&loaded), ["one", "two", "end", "again", "last"]);
    assert_eq!(within("one"), [(1, Part::Tasks, true)]);
    assert_eq!(within("two"), [(1, Part::Tasks, true), (2, Part::Tasks, false)]);
    assert_eq!(within("end"), [(1, Part::Tasks, true), (2, Part::Always, false)]);
    assert_eq!(within("again"), [(1, Part::Rescue, true)]);
    assert_eq!(within("last"), [(1, Part::Always, false)]);
}

#[test]
fn a_rescue_without_an_image_task_rescues_nothing() {
    let text =
        "- block:\n    - image: {manifests: a, dest: 'local:///x'}\n  rescue:\n    - debug: {msg: sorry}\n";
    let only_images = LoadOptions {
        image_tasks_only: true,
        ..LoadOptions::default()
    };
    let loaded = loaded(text, &only_images);
    assert!(!loaded.courses[0].within[0].is_rescued);
    assert_eq!(loaded.skipped.len(), 1);
}

/// What a job that is read late comes to with these results.
fn bound(course: &Course, results: Value) -> Bound {
    let results: Results = match results.into() {
        transload_template::Value::Object(results) => results,
        other => panic!("{other:?}"),
    };
    course.late.as_ref().expect("a late job").bind(&results)
}

const LATE: &str = "
- name: pull
  image: {manifests: a, dest: 'local:///x'}
  register: pulled
- name: push what came
  image: {manifests: '{{ .pulled.images }}', src: 'local:///x', dest: hub.kubekey}
  when: not .pulled.failed
  retries: 2
- name: other
  image: {manifests: c, dest: 'local:///x'}
";

#[test]
fn a_task_that_needs_a_result_is_read_once_it_is_there() {
    let loaded = loaded(LATE, &LoadOptions::default());
    assert_eq!(names(&loaded), ["pull", "push what came", "other"]);
    let late: Vec<bool> = loaded.jobs.iter().map(|job| job.is_late).collect();
    assert_eq!(late, [false, true, false]);
    assert_eq!(loaded.courses[0].register.as_ref().unwrap().name, "pulled");
    let push = &loaded.courses[1];
    match bound(
        push,
        json!({"pulled": {"failed": false, "images": ["b:1", "b:v*"]}}),
    ) {
        Bound::Job(job, warnings) => {
            assert_eq!((images(&job), job.retries), (vec!["b:1"], 2));
            assert_eq!(job.globs[0].place(), "t.yaml:6:22");
            assert_eq!(warnings, [""; 0]);
        }
        other => panic!("{other:?}"),
    }
    match bound(push, json!({"pulled": {"failed": true}})) {
        Bound::Skipped(reason) => assert_eq!(reason, "its `when` is false"),
        other => panic!("{other:?}"),
    }
    match bound(push, json!({"pulled": {"failed": false, "images": ["B:1"]}})) {
        Bound::Wrong(told) => assert!(told[0].0.starts_with("t.yaml:6:22: `manifests`: "), "{told:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_can_be_checked_of_a_late_task_is_checked_before() {
    let with = |task: &str| format!("- image: {{manifests: a, dest: 'local:///x'}}\n  register: r\n{task}\n");
    let cases = [
        (
            "- image: {manifest: '{{ .r.stdout }}', dest: 'local:///x'}",
            "3:11: `image` has no key `manifest` (hint: did you mean `manifests`?)",
        ),
        (
            "- image: {manifests: a, dest: 'local:///x'}\n  loop: '{{ .r.list }}'",
            "4:9: `loop` can't depend on `.r`, which a task registers when it runs (hint: the rounds are counted before anything moves; use `when` for each round)",
        ),
        (
            "- include_tasks: '{{ .r.stdout }}.yaml'",
            "3:18: `include_tasks` can't depend on `.r`, which a task registers when it runs (hint: name the file, and let `when` decide)",
        ),
    ];
    for (task, expected) in cases {
        assert_eq!(messages(&with(task), empty()), [expected], "{task}");
    }
    let broken = messages(
        &with("- image: {manifests: '{{ .r.stdout ', dest: 'local:///x'}"),
        empty(),
    );
    assert!(
        broken[0].starts_with("3:23: the template in `manifests`: "),
        "{broken:?}"
    );
}

#[test]
fn a_condition_without_results_still_tells_before_whether_a_task_runs() {
    let text = "- image: {manifests: a, dest: 'local:///x'}\n  register: r\n- name: b\n  image: {manifests: b, dest: 'local:///x'}\n  when: ['.no', '.r.failed']\n";
    let loaded = loaded(text, &options(json!({"no": false})));
    assert_eq!((loaded.jobs.len(), loaded.skipped[0].name.as_str()), (1, "b"));
}

#[test]
fn a_result_of_a_task_that_does_not_run_is_known_at_once() {
    let text = "- image: {manifests: a, dest: 'local:///x'}\n  register: r\n  when: false\n- image: {manifests: 'b:{{ .r.stdout }}', dest: 'local:///x'}\n  when: not .r.failed\n";
    let job = job(text, empty());
    assert_eq!(images(&job), ["b:skip"]);
}

#[test]
fn each_round_of_a_loop_registers_its_item() {
    let text = "- image: {manifests: '{{ .item }}', dest: 'local:///x'}\n  with_items: [a, [b]]\n  register: r\n  register_type: json\n- image: {manifests: '{{ .item }}', dest: 'local:///y'}\n  loop: [c, d]\n  when: not (empty .r)\n";
    let loaded = loaded(text, &LoadOptions::default());
    let items: Vec<_> = loaded
        .courses
        .iter()
        .map(|course| course.register.clone().and_then(|register| register.item))
        .collect();
    assert_eq!(items, [Some("a".into()), Some("b".into()), None, None]);
    assert!(loaded.courses[0].register.as_ref().unwrap().is_parsed);
    assert_eq!(loaded.jobs[3].name, "task 2 (2 of 2)");
    match bound(&loaded.courses[3], json!({"r": [{"failed": false}]})) {
        Bound::Job(job, _) => assert_eq!(images(&job), ["d"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn mistakes_in_register_are_told() {
    let with = |keys: &str| format!("- image: {{manifests: a, dest: 'local:///x'}}\n  {keys}\n");
    let cases = [
        (
            "register: a.b",
            "2:13: `register`: \"a.b\" isn't a variable's name (hint: it has letters, digits and _)",
        ),
        ("register: [a]", "2:13: `register` must be text, not a list"),
        (
            "register: a\n  register_type: xml",
            "3:18: `register_type` must be string, json or yaml, not the text \"xml\"",
        ),
        (
            "loop: [a]\n  with_items: [b]",
            "3:3: `with_items` is another name for `loop`: give one of them",
        ),
    ];
    for (keys, expected) in cases {
        assert_eq!(messages(&with(keys), empty()), [expected], "{keys}");
    }
}

#[test]
fn a_text_is_a_loop_of_one_as_in_kubekey() {
    let job = job(
        "- image: {manifests: '{{ .item }}', dest: 'local:///x'}\n  loop: '{{ .one }}'\n",
        json!({"one": "a:1"}),
    );
    assert_eq!(images(&job), ["a:1"]);
}

#[test]
fn a_path_behind_registry_is_left_out_as_in_kubekey_and_the_first_entry_of_a_host_counts() {
    let text = "- image:\n    manifests: a\n    dest: hub.kubekey/team\n    auths:\n      - {registry: hub.kubekey/team, username: one, password: x1x1}\n      - {registry: hub.kubekey, username: two, password: x2x2}\n";
    let loaded = loaded(text, &LoadOptions::default());
    let [rule] = &loaded.jobs[0].hosts[..] else {
        panic!("{:?}", loaded.jobs[0].hosts)
    };
    assert_eq!(rule.repo, "hub.kubekey");
    assert_eq!(rule.credential.as_ref().unwrap().username(), Some("one"));
    let told: Vec<String> = loaded.warnings.iter().map(short).collect();
    assert_eq!(
        told,
        [
            "5:20: `registry: hub.kubekey/team` stands for all of hub.kubekey, as in KubeKey (hint: write `repo: hub.kubekey/team` for its repositories below this path alone)",
            "6:9: an entry before this one is for hub.kubekey: it is taken, as in KubeKey",
        ]
    );
}

#[test]
fn an_empty_policy_is_strict_and_single_reaches_the_job() {
    let with = |keys: &str| {
        job(
            &format!("- image: {{manifests: a, dest: 'local:///x', {keys}}}"),
            json!({"none": ""}),
        )
    };
    for policy in ["policy: ''", "policy: '{{ .none }}'", "platform: all"] {
        assert_eq!(with(policy).mode, transload_policy::Mode::Strict, "{policy}");
    }
    assert_eq!(with("single: accept").single, transload_policy::Single::Accept);
    assert_eq!(with("single: ''").single, transload_policy::Single::Refuse);
}
