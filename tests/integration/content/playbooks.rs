//! Playbooks: what surrounds an image task, and what becomes of it.

use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Fault, Reply};

use super::{assert_holds, folder, held, run_tasks, within};

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
