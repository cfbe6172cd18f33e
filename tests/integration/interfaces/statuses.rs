//! Exit statuses, as docs/exit-status.md has them.

use transload_test_support::scripted::{Action, Fault};

use super::Scene;

#[test]
fn exit_statuses_are_those_of_the_page() {
    let page = include_str!("../../../docs/exit-status.md");
    let documented: Vec<i32> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(documented, [0, 1, 2, 130]);

    let scene = Scene::with_tags(&["v1"]);
    let (there, missing) = (scene.name("team/app:v1"), scene.name("team/app:v9"));
    scene.pull(&[&there], 0);
    scene.pull(&[&missing], 1);
    scene.pull(&[&missing, "--dry-run"], 1);
    scene.pull(&["ALPINE"], 2);
    scene.pull(&[&there, "--nonsense"], 2);
    scene.program(["verify", "out"]).run().expect_code(0);
    let task = |more: &str| {
        format!(
            "- {{image: {{manifests: ['{missing}'], dest: 'local://out', auths: [{{repo: '{}', plain_http: true}}]}}{more}}}\n",
            scene.registry.host()
        )
    };
    let run = |tasks: &str, code| scene.program(["run", "-"]).stdin(tasks).run().expect_code(code);
    run(&task(""), 1);
    run(&task(", ignore_errors: true"), 0);
    run(&(task(", ignore_errors: true") + &task("")), 1);
    run(&task(", retry: 3"), 2);

    for signal in ["INT", "TERM"] {
        scene.registry.clear_faults();
        scene.registry.log().clear();
        scene
            .registry
            .fault(Fault::new("GET", "/manifests/", Action::Stall { after: 0 }).every());
        let args = ["pull", &there, "--plain-http", "--dest", "elsewhere"];
        let running = scene.program(args).spawn();
        scene.registry.wait_until_stalled(1);
        running.signal(signal);
        running.wait().expect_code(130);
        scene.registry.release();
    }
}
