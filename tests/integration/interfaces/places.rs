//! Places as arguments name them.

use super::Scene;

#[test]
fn oci_stands_before_a_registry_wherever_an_argument_names_one() {
    let scene = Scene::with_tags(&["v1"]);
    let host = scene.registry.host();
    let oci = |rest: &str| format!("oci://{host}{rest}");
    let run = |args: &[&str]| scene.program(args).run().expect_code(0);
    let (team, copied, pushed) = (oci("/team"), oci("/copied"), oci("/pushed"));
    run(&[
        "pull",
        "hub.example.com/app:v1",
        "--src",
        &team,
        "--dest",
        "out",
        "--plain-http",
    ]);
    assert_eq!(scene.held("out"), ["app:v1"]);
    run(&["push", "--src", "out", "--dest", &pushed, "--plain-http"]);
    run(&[
        "copy",
        "hub.example.com/app:v1",
        "--src",
        &team,
        "--dest",
        &copied,
        "--plain-http",
    ]);
    let template =
        oci("/named/{{ .module.image.reference.repository }}:{{ .module.image.reference.reference }}");
    run(&["copy", "--src", "out", "--dest", &template, "--plain-http"]);
    for repository in ["pushed/app", "copied/app", "named/app"] {
        assert!(
            scene.registry.manifest(repository, "v1").is_some(),
            "{repository}"
        );
    }
    run(&["diff", "out", &pushed, "--plain-http"]);
    run(&[
        "inspect",
        "hub.example.com/app:v1",
        "--src",
        &team,
        "--plain-http",
    ]);
    run(&["verify", "out", "--repair", "--src", &team, "--plain-http"]);
    run(&["check", &team, "--plain-http"]);
}
