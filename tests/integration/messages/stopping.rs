//! Ctrl-C: an end in order, exit status 130, and word of how to go on.

use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Fault, ScriptedRegistry};

use super::{Scene, assert_said};

#[test]
fn a_stopped_run_says_what_is_there_and_how_to_go_on() {
    let registry = ScriptedRegistry::start();
    for (name, seed) in [("app", 1), ("web", 2)] {
        registry.put_image(
            &format!("team/{name}"),
            "v1",
            &samples::single(Family::Oci, "linux/amd64", seed),
        );
    }
    let mut scene = Scene::new();
    scene.name(registry.host(), "hub.example.com");
    let task = |name: &str, image: &str| {
        format!(
            "- name: {name}\n  image: {{manifests: ['team/{image}:v1'], src: '{}', dest: 'local://out', auths: [{{plain_http: true}}]}}\n",
            registry.host()
        )
    };
    scene.write(
        "tasks.yaml",
        &(task("first", "app") + &task("second", "web") + &task("third", "app")),
    );
    registry.fault(Fault::new("GET", "/v2/team/web/blobs/", Action::Stall { after: 5 }).every());

    let args = ["run", "tasks.yaml", "--jobs", "1"];
    let running = scene.program(&args).spawn();
    registry.wait_until_stalled(1);
    running.signal("INT");
    let output = running.wait();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    assert_said!(scene.transcript(&args, &output));

    // The same command goes on: what the first task brought isn't asked for again.
    registry.clear_faults();
    registry.release();
    let before = registry.log().count("GET", "/v2/team/app/blobs/");
    let output = scene.run(&args, 0);
    let said = scene.shown(&output.stderr);
    for line in [
        "\nfirst: 1 image in TIME: 1 there already\n",
        "\nsecond: 1 image in TIME: 1 copied\n",
        "\nthird: 1 image in TIME: 1 there already\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(registry.log().count("GET", "/v2/team/app/blobs/"), before);
}

#[test]
fn a_look_that_is_stopped_shows_no_plan() {
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    registry.fault(Fault::new("*", "/manifests/", Action::Hold).every());
    let scene = Scene::new();
    let image = format!("{}/team/app:v1", registry.host());
    let running = scene
        .program(&["pull", &image, "--dest", "out", "--plain-http", "--dry-run"])
        .spawn();
    registry.wait_until_stalled(1);
    running.signal("INT");
    let output = running.wait();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    assert_eq!(output.stdout, "");
    assert_eq!(output.stderr, "stopping; once more to stop at once\n");
}

#[test]
fn a_second_signal_ends_at_once() {
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    registry.fault(Fault::new("GET", "/blobs/", Action::Stall { after: 5 }).every());
    let scene = Scene::new();
    let image = format!("{}/team/app:v1", registry.host());
    let mut running = scene
        .program(&["pull", &image, "--dest", "out", "--plain-http"])
        .spawn();
    registry.wait_until_stalled(1);
    running.signal("INT");
    running.wait_for_stderr(|text| text.contains("stopping; once more to stop at once\n"));
    running.signal("INT");
    assert_eq!(running.wait().code, Some(130));
}
