//! Playbooks: what surrounds an image task, and what becomes of it.

use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Fault, Reply};

use super::{assert_holds, folder, held, run_tasks, transload, within};

#[test]
fn of_a_playbook_the_image_tasks_that_are_asked_for_run() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let [one, other] = [1, 2].map(|seed| samples::multi_platform(Family::Oci, seed));
    registry.put_image("team/one", "v1", &one);
    registry.put_image("team/other", "v1", &other);
    let (first, second) = (within(&dirs, "first"), within(&dirs, "second"));
    let playbook = format!(
        "
- name: prepare
  hosts: localhost
  gather_facts: false
  vars: {{registry: replaced.example.com, wanted: true}}
  pre_tasks:
    - name: make room
      command: rm -rf /tmp/images
  tasks:
    - name: pull one
      tags: [images, pull]
      register: pulled
      run_once: true
      delegate_to: localhost
      when: [.wanted, 'ne .registry \"\"']
      vars: {{list: ['{{{{ .registry }}}}/team/one:v1']}}
      image:
        manifests: '{{{{ .list | toJson }}}}'
        dest: local://{first}
    - name: not wanted
      tags: images
      when: not .wanted
      image: {{manifests: '{{{{ .registry }}}}/team/other:v1', dest: 'local://{second}'}}
    - name: not asked for
      tags: [other]
      image: {{manifests: '{{{{ .registry }}}}/team/other:v1', dest: 'local://{second}'}}
"
    );
    let host = format!("registry={}", registry.host());
    let options = ["--set", &host, "--image-tasks-only", "--tags", "images"];
    let output = run_tasks(&playbook, &options, 0);
    let name = format!("{}/team/one:v1", registry.host());
    assert_holds(&first, &[held(&name, &one)]);
    assert!(!std::path::Path::new(&second).exists());
    for told in [
        "skipped make room: it is a task of the module `command`\n",
        "skipped not wanted: its `when` is false\n",
        "skipped not asked for: it has none of the tags\n",
        "pull one: 1 image\n",
    ] {
        assert!(output.stderr.contains(told), "{told}{}", output.stderr);
    }

    let refused = run_tasks(&playbook, &["--set", &host], 2);
    assert!(
        refused.stderr.contains("uses the module `command`"),
        "{}",
        refused.stderr
    );
    assert!(!std::path::Path::new(&second).exists());
}

#[test]
fn a_task_tries_its_failed_images_again_as_often_as_it_says() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    registry.put_image("app", "v1", &image);
    let name = format!("{}/app:v1", registry.host());
    for (number, (failures, retries, code)) in [(2, 1, 1), (2, 2, 0)].into_iter().enumerate() {
        registry.clear_faults();
        let down = Action::Answer(Reply::status(503));
        registry.fault(Fault::new("*", "/manifests/", down).first(failures));
        let before = registry.log().count("GET", "/manifests/");
        let dest = within(&dirs, &number.to_string());
        let task =
            format!("- image: {{manifests: '{name}', dest: 'local://{dest}'}}\n  retries: {retries}\n");
        run_tasks(&task, &["--retries", "0"], code);
        assert_eq!(registry.log().count("GET", "/manifests/"), before + retries + 1);
        let there = held(&name, &image);
        assert_holds(
            &dest,
            if code == 0 {
                std::slice::from_ref(&there)
            } else {
                &[]
            },
        );
    }
}

#[test]
fn a_rescue_brings_what_its_block_could_not_and_answers_for_it() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    registry.put_image("backup/app", "v1", &image);
    let (dest, copy, report) = (
        within(&dirs, "images"),
        within(&dirs, "copy"),
        within(&dirs, "report.json"),
    );
    let host = registry.host();
    let tasks = |rescue: &str| {
        format!(
            "
- block:
    - name: pull
      image: {{manifests: 'hub.example.com/app:v1', src: '{host}/mirror', dest: 'local://{dest}'}}
    - name: behind it
      image: {{manifests: 'hub.example.com/app:v1', src: '{host}/mirror', dest: 'local://{copy}'}}
  rescue:
    - name: pull again
      image: {{manifests: 'hub.example.com/app:v1', src: '{host}/{rescue}', dest: 'local://{dest}'}}
  always:
    - name: copy
      image: {{manifests: 'hub.example.com/app:v1', src: 'local://{dest}', dest: 'local://{copy}'}}
"
        )
    };
    let file = within(&dirs, "tasks.yaml");
    std::fs::write(&file, tasks("backup")).expect("a writable folder");
    let run = [
        "run",
        file.as_str(),
        "--retries",
        "0",
        "--report",
        report.as_str(),
    ];
    let output = transload(&run, 0);
    let there = held("hub.example.com/app:v1", &image);
    assert_holds(&dest, std::slice::from_ref(&there));
    assert_holds(&copy, &[there]);
    assert!(
        output
            .stderr
            .contains("skipped behind it: a task before it in its block failed\n"),
        "{}",
        output.stderr
    );
    let told = |report: &str| -> Vec<(String, String, bool)> {
        let text = std::fs::read_to_string(report).expect("a report");
        let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let tasks = report["tasks"].as_array().expect("tasks").iter();
        tasks
            .map(|task| {
                (
                    task["name"].as_str().unwrap_or_default().to_owned(),
                    task["status"].as_str().unwrap_or_default().to_owned(),
                    task["ignore_errors"].as_bool().unwrap_or_default(),
                )
            })
            .collect()
    };
    let row = |name: &str, status: &str, ignored| (name.to_owned(), status.to_owned(), ignored);
    assert_eq!(
        told(&report),
        [
            row("pull", "done", true),
            row("behind it", "skipped", false),
            row("pull again", "done", false),
            row("copy", "done", false),
        ]
    );
    // The rest of such a run is the image that failed, and the rescue if it fails again.
    let rest = [&run[..], &["--only-failed", report.as_str()]].concat();
    transload(&rest, 0);

    // Where the rescue fails, too, the run has failed.
    std::fs::remove_dir_all(&dest).expect("the directory");
    std::fs::write(&file, tasks("nowhere")).expect("a writable folder");
    let output = transload(&run, 1);
    assert!(output.stderr.contains("Failed (pull again)"), "{}", output.stderr);

    // Where nothing fails, the rescue isn't needed.
    registry.put_image("mirror/app", "v1", &image);
    let output = transload(&run, 0);
    assert!(
        output
            .stderr
            .contains("skipped pull again: nothing failed in its block\n"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_registered_result_decides_what_later_tasks_do() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    registry.put_image("app", "v1", &image);
    let (dest, copy) = (within(&dirs, "images"), within(&dirs, "copy"));
    let host = registry.host();
    let tasks = |tag: &str| {
        format!(
            "
- name: pull
  image: {{manifests: '{host}/app:{tag}', dest: 'local://{dest}'}}
  ignore_errors: true
  register: pulled
- name: copy what came
  image:
    manifests: '{{{{ (index (fromJson .pulled.stdout).images 0).image }}}}'
    src: local://{dest}
    dest: local://{copy}
  when: not .pulled.failed
- name: pull the other
  image: {{manifests: '{host}/app:v1', dest: 'local://{copy}'}}
  when: .pulled.failed
"
        )
    };
    let output = run_tasks(&tasks("v2"), &["--retries", "0"], 0);
    for told in [
        "skipped copy what came: its `when` is false\n",
        "pull the other: 1 image\n",
    ] {
        assert!(output.stderr.contains(told), "{told}{}", output.stderr);
    }
    let there = held(format!("{host}/app:v1"), &image);
    assert_holds(&copy, std::slice::from_ref(&there));
    std::fs::remove_dir_all(&copy).expect("the directory");

    let plan = run_tasks(&tasks("v1"), &["--dry-run"], 0);
    assert!(
        plan.stdout
            .contains("copy what came: its images are known once the task before it is done"),
        "{}",
        plan.stdout
    );
    run_tasks(&tasks("v1"), &[], 0);
    assert_holds(&copy, &[there]);
}

#[test]
fn what_is_wrong_with_a_task_that_is_read_late_fails_it_with_its_place() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    registry.put_image("app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let (host, dest) = (registry.host(), within(&dirs, "images"));
    let tasks = format!(
        "- image: {{manifests: '{host}/app:v1', dest: 'local://{dest}'}}\n  register: r\n- name: late\n  image: {{manifests: 'a:1', dest: '{{{{ .r.nothing }}}}'}}\n"
    );
    let output = run_tasks(&tasks, &[], 1);
    assert!(output.stderr.contains("standard input:4:"), "{}", output.stderr);
    assert!(output.stderr.contains("Failed (late)"), "{}", output.stderr);
}

#[test]
fn a_project_with_roles_runs_from_its_playbook() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let [app, base] = [1, 2].map(|seed| samples::single(Family::Oci, "linux/amd64", seed));
    registry.put_image("team/app", "v1", &app);
    registry.put_image("team/base", "v1", &base);
    for (path, text) in [
        (
            "playbooks/site.yaml",
            "- import_playbook: images.yaml\n  vars: {team: team}\n",
        ),
        (
            "playbooks/images.yaml",
            "- hosts: all\n  roles:\n    - role: images\n      vars: {names: [app, base]}\n",
        ),
        ("roles/images/defaults/main.yaml", "tag: v1\nnames: []\n"),
        (
            "roles/images/tasks/main.yaml",
            "- debug: {msg: hello}\n- include_tasks: pull.yaml\n  loop: '{{ .names | toJson }}'\n",
        ),
        (
            "roles/images/tasks/pull.yaml",
            "- name: pull {{ .item }}\n  image: {manifests: '{{ .host }}/{{ .team }}/{{ .item }}:{{ .tag }}', dest: 'local://{{ .dir }}'}\n",
        ),
    ] {
        let path = dirs.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        std::fs::write(path, text).expect("a writable folder");
    }
    let (site, dest) = (within(&dirs, "playbooks/site.yaml"), within(&dirs, "images"));
    let (host, dir) = (format!("host={}", registry.host()), format!("dir={dest}"));
    let run = [
        "run",
        site.as_str(),
        "--set",
        host.as_str(),
        "--set",
        dir.as_str(),
    ];
    let refused = transload(&run, 2);
    assert!(
        refused
            .stderr
            .contains("roles/images/tasks/main.yaml:1:3: this task uses the module `debug`")
            && refused.stderr.contains("--image-tasks-only"),
        "{}",
        refused.stderr
    );
    let output = transload(&[&run[..], &["--image-tasks-only"]].concat(), 0);
    assert!(
        output
            .stderr
            .contains("skipped task 1: it is a task of the module `debug`\n"),
        "{}",
        output.stderr
    );
    let name = |name: &str| format!("{}/team/{name}:v1", registry.host());
    assert_holds(&dest, &[held(name("app"), &app), held(name("base"), &base)]);
}

#[test]
fn a_run_without_an_image_task_is_an_error_that_says_why() {
    let task = "- name: push\n  image: {manifests: a, dest: 'local:///nowhere'}\n";
    for (more, options, told) in [
        (
            "  when: .push\n",
            &[][..],
            "no image task of this file runs\n  hint: push: its `when` is false, and there is no variable `.push`",
        ),
        (
            "  loop: []\n",
            &[],
            "no image task of this file runs\n  hint: push: its `loop` is empty",
        ),
        (
            "  tags: a\n",
            &["--tags", "b"],
            "no image task has one of the tags b",
        ),
    ] {
        let output = run_tasks(&format!("{task}{more}"), options, 2);
        assert!(output.stderr.contains(told), "{told}\n{}", output.stderr);
    }
    let others = run_tasks(
        "- name: hello\n  debug: {msg: hello}\n",
        &["--image-tasks-only"],
        2,
    );
    assert!(
        others.stderr.contains("there is no image task in this file"),
        "{}",
        others.stderr
    );
}
