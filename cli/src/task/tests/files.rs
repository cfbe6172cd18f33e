//! Tasks that stand in other files: includes, playbooks, roles.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::task::{SkipReason, load};

/// A folder with these files.
fn project(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// A task that pulls this image.
fn pull(image: &str) -> String {
    format!("- name: '{image}'\n  image: {{manifests: '{image}', dest: 'local:///x'}}\n")
}

fn load_in(dir: &TempDir, file: &str, variables: Value) -> Result<Loaded, TaskErrors> {
    load(&dir.path().join(file), &options(variables))
}

fn loaded_in(dir: &TempDir, file: &str, variables: Value) -> Loaded {
    load_in(dir, file, variables).unwrap_or_else(|errors| panic!("{errors}"))
}

/// All problems, with the paths from the folder: `file:line:column: message (hint: hint)`.
fn problems(dir: &TempDir, file: &str, variables: Value) -> Vec<String> {
    let errors = load_in(dir, file, variables).expect_err("it is wrong");
    let folder = format!("{}/", dir.path().display());
    let told = errors
        .problems()
        .iter()
        .map(|problem| format!("{}:{}", problem.file(), short(problem)).replace(&folder, ""));
    told.collect()
}

#[test]
fn a_play_runs_its_roles_between_pre_tasks_and_tasks_with_their_dependencies_first() {
    let role = |name: &str| pull(&format!("{name}:{{{{ .tag }}}}"));
    let (app, base, near) = (role("app"), role("base"), role("near"));
    let play = format!(
        "- hosts: all\n  vars: {{tag: '2'}}\n  pre_tasks:\n{}\n  roles:\n    - near\n    - {{role: images/app, vars: {{tag: '3'}}, tags: app}}\n    - {{name: off, when: .push}}\n  tasks:\n{}\n",
        indented(&pull("before")),
        indented(&pull("after")),
    );
    let dir = project(&[
        ("playbooks/site.yaml", &play),
        ("roles/images/app/tasks/main.yml", &app),
        (
            "roles/images/app/meta/main.yaml",
            "dependencies: [{role: base}]\n",
        ),
        ("roles/base/tasks/main.yaml", &base),
        (
            "roles/base/defaults/main.yaml",
            "tag: '1'\nother: '{{ .nowhere.at_all }}'\n",
        ),
        ("playbooks/roles/near/tasks/main.yaml", &near),
        ("roles/off/tasks/main.yaml", &pull("off")),
    ]);
    let loaded = loaded_in(&dir, "playbooks/site.yaml", json!({"push": false}));
    // The dependency has the variables of the role that asks for it.
    assert_eq!(
        all_images(&loaded),
        ["before", "near:2", "base:3", "app:3", "after"]
    );
    assert_eq!(loaded.skipped[0].name, "off");
    let others = loaded_in(&dir, "playbooks/site.yaml", json!({"push": false, "tag": "9"}));
    assert_eq!(all_images(&others)[2], "base:9");
}

/// The text four spaces further in.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

fn all_images(loaded: &Loaded) -> Vec<&str> {
    loaded.jobs.iter().flat_map(images).collect()
}

#[test]
fn a_roles_defaults_are_variables_that_all_others_win_over() {
    let play = "- roles: [r]\n  vars: {b: play}\n";
    let task = pull("i/{{ .a }}/{{ .b }}/{{ .c }}/{{ .d.x }}:1");
    let dir = project(&[
        ("site.yaml", play),
        ("roles/r/tasks/main.yaml", &task),
        (
            "roles/r/defaults/main.yml",
            "a: default\nb: default\nc: '{{ .a }}'\nd: {x: one}\n",
        ),
        ("roles/r/defaults/main/more.yaml", "d: {x: two}\n"),
    ]);
    assert_eq!(
        all_images(&loaded_in(&dir, "site.yaml", empty())),
        ["i/default/play/default/two:1"]
    );
    assert_eq!(
        all_images(&loaded_in(&dir, "site.yaml", json!({"c": "set"}))),
        ["i/default/play/set/two:1"]
    );
}

#[test]
fn included_tasks_are_found_beside_the_file_and_in_the_role() {
    let dir = project(&[
        ("site.yaml", "- include_tasks: more.yaml\n- roles: [r]\n"),
        ("tasks/more.yaml", &pull("more")),
        (
            "roles/r/tasks/main.yaml",
            "- include_tasks: sub/one.yaml\n- import_tasks: shared.yaml\n- include_tasks: '{{ .kind }}.yaml'\n",
        ),
        (
            "roles/r/tasks/sub/one.yaml",
            "- include_tasks: beside.yaml\n- include_tasks: other.yaml\n",
        ),
        ("roles/r/tasks/sub/beside.yaml", &pull("beside")),
        ("roles/r/tasks/other.yaml", &pull("other")),
        ("roles/r/shared.yaml", &pull("shared")),
        ("roles/r/tasks/docker.yaml", &pull("docker")),
    ]);
    let loaded = loaded_in(&dir, "site.yaml", json!({"kind": "docker"}));
    assert_eq!(
        all_images(&loaded),
        ["more", "beside", "other", "shared", "docker"]
    );
}

#[test]
fn an_include_hands_down_what_it_says_and_has_a_round_for_each_item() {
    let text = "
- include_tasks: '{{ .item }}.yaml'
  loop: [a, b]
  vars: {tag: '1'}
  tags: some
  ignore_errors: true
- include_tasks: '{{ .not.there }}.yaml'
  when: .never
";
    let dir = project(&[
        ("t.yaml", text),
        ("a.yaml", &pull("a/{{ .item }}:{{ .tag }}")),
        (
            "b.yaml",
            "- block:\n    - image: {manifests: 'b:{{ .tag }}', dest: 'local:///x'}\n      loop: [x]\n",
        ),
    ]);
    let loaded = loaded_in(&dir, "t.yaml", json!({"never": false}));
    assert_eq!(all_images(&loaded), ["a/a:1", "b:1"]);
    assert!(loaded.jobs.iter().all(|job| job.ignore_errors));
    assert_eq!(loaded.skipped[0].name, "include_tasks {{ .not.there }}.yaml");
    assert_eq!(loaded.skipped[0].reason, SkipReason::When(Vec::new()));
    let others = LoadOptions {
        tags: vec!["other".into()],
        ..options(json!({"never": false}))
    };
    let chosen = load(&dir.path().join("t.yaml"), &others).unwrap();
    assert_eq!(chosen.jobs.len(), 0);
    assert_eq!(chosen.skipped[0].reason, SkipReason::Tags);
}

#[test]
fn a_playbook_is_imported_from_beside_or_from_the_project() {
    let site = "- import_playbook: hook/first.yaml\n- import_playbook: '{{ .hook | default \"\" }}'\n- import_playbook: last.yaml\n  vars: {tag: '2'}\n";
    let dir = project(&[
        ("playbooks/site.yaml", site),
        (
            "playbooks/hook/first.yaml",
            "- import_playbook: more.yaml\n- hosts: all\n  roles: [r]\n",
        ),
        ("playbooks/more.yaml", &pull("more")),
        (
            "playbooks/playbooks/last.yaml",
            &format!("- hosts: all\n  tasks:\n{}", indented(&pull("last:{{ .tag }}"))),
        ),
        ("roles/r/tasks/main.yaml", &pull("r")),
    ]);
    let loaded = loaded_in(&dir, "playbooks/site.yaml", empty());
    assert_eq!(all_images(&loaded), ["more", "r", "last:2"]);
    assert_eq!(loaded.skipped[0].reason, SkipReason::NoFile);
}

#[test]
fn variables_of_files_stand_below_those_of_the_play() {
    let text = "- hosts: all\n  vars_files: [v/a.yaml, v/b.yaml]\n  vars: {c: play}\n  tasks:\n";
    let dir = project(&[
        (
            "t.yaml",
            &(text.to_owned() + &indented(&pull("{{ .a }}/{{ .b }}/{{ .c }}:1"))),
        ),
        ("v/a.yaml", "a: a\nb: a\nc: a\n"),
        ("v/b.yaml", "b: b\n"),
    ]);
    assert_eq!(all_images(&loaded_in(&dir, "t.yaml", empty())), ["a/b/play:1"]);
}

#[test]
fn files_in_a_circle_are_an_error_that_names_it() {
    let dir = project(&[
        ("a.yaml", "- include_tasks: b.yaml\n"),
        ("b.yaml", "- include_tasks: a.yaml\n"),
        ("site.yaml", "- import_playbook: site.yaml\n"),
        ("roles.yaml", "- roles: [r]\n"),
        ("roles/r/meta/main.yaml", "dependencies: [s]\n"),
        ("roles/s/meta/main.yaml", "dependencies: [r]\n"),
    ]);
    assert_eq!(
        problems(&dir, "a.yaml", empty()),
        ["b.yaml:1:18: this file includes itself: a.yaml -> b.yaml -> a.yaml"]
    );
    assert_eq!(
        problems(&dir, "site.yaml", empty()),
        ["site.yaml:1:20: this file includes itself: site.yaml -> site.yaml"]
    );
    let of_roles = problems(&dir, "roles.yaml", empty());
    assert!(
        of_roles[0].starts_with("roles/s/meta/main.yaml:1:16: this file includes itself: roles.yaml -> "),
        "{of_roles:?}"
    );
}

#[test]
fn deep_and_many_includes_are_refused() {
    let mut files: Vec<(String, String)> = (0..40)
        .map(|at| {
            (
                format!("f{at}.yaml"),
                format!("- include_tasks: f{}.yaml\n", at + 1),
            )
        })
        .collect();
    files.push(("f40.yaml".to_owned(), pull("a")));
    files.push((
        "many.yaml".to_owned(),
        "- include_tasks: one.yaml\n  loop: '{{ .list }}'\n".to_owned(),
    ));
    files.push(("one.yaml".to_owned(), pull("{{ .item }}")));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let dir = project(&files);
    let deep = problems(&dir, "f0.yaml", empty());
    assert!(
        deep[0].contains("files include files 32 deep: f0.yaml -> f1.yaml"),
        "{deep:?}"
    );
    let list: Vec<String> = (0..2001).map(|at| format!("i{at}")).collect();
    assert_eq!(
        problems(&dir, "many.yaml", json!({"list": list})),
        ["many.yaml:1:18: more than 2000 files are included"]
    );
}

#[test]
fn mistakes_are_told_in_the_file_that_has_them() {
    let dir = project(&[
        (
            "t.yaml",
            "- include_tasks: a.yaml\n- include_tasks: a.yaml\n- include_tasks: b.yaml\n- include_tasks: c.yaml\n",
        ),
        (
            "a.yaml",
            "# a comment\n- image: {manifests: x, polcy: warn, dest: 'local:///x'}\n",
        ),
        ("b.yaml", "- image: [\n"),
        ("c.yaml", "tasks: none\n"),
    ]);
    let told = problems(&dir, "t.yaml", empty());
    assert_eq!(
        told[..2],
        [
            "a.yaml:2:25: `image` has no key `polcy` (hint: did you mean `policy`?)",
            "c.yaml:1:1: a file of tasks must be a list, not a mapping (hint: a task file is a list of tasks: - name: …)",
        ]
    );
    assert!(
        told[2].starts_with("b.yaml:2:1: this isn't valid YAML"),
        "{told:?}"
    );
    assert_eq!(told.len(), 3);
    let dir = project(&[(
        "t.yaml",
        "- include_tasks: no.yaml\n- roles: [r]\n- hosts: x\n  import_playbook: no.yaml\n- include_tasks: a.yaml\n  image: {}\n",
    )]);
    let told = problems(&dir, "t.yaml", empty());
    assert_eq!(
        told[0],
        "t.yaml:1:18: `include_tasks` \"no.yaml\" isn't there (hint: looked for no.yaml, tasks/no.yaml)"
    );
    assert!(
        told[1].starts_with("t.yaml:2:11: the role \"r\" isn't there (hint: looked for /"),
        "{told:?}"
    );
    assert_eq!(
        told[2],
        "t.yaml:3:3: `hosts` can't stand beside `import_playbook` (hint: write it in a play of its own, or in the playbook that is imported)"
    );
    assert!(
        told[5].starts_with("t.yaml:6:3: an include has no key `image`"),
        "{told:?}"
    );
}

#[test]
fn secrets_of_other_files_are_not_shown() {
    let dir = project(&[
        (
            "t.yaml",
            "- hosts: x\n  vars_files: [secret.yaml]\n  tasks:\n    - image: {manifests: '{{ .hub_password }}', dest: 'local:///x', pattern: 'hunter2hunter2['}\n",
        ),
        ("secret.yaml", "hub_password: hunter2hunter2\n"),
    ]);
    let errors = load_in(&dir, "t.yaml", empty())
        .expect_err("a bad pattern")
        .to_string();
    assert!(!errors.contains("hunter2"), "{errors}");
}

#[test]
fn a_text_without_a_file_includes_none() {
    assert_eq!(
        messages("- include_tasks: a.yaml", empty()),
        ["1:18: other files can't be found from here: these tasks came without a file of their own"]
    );
}
