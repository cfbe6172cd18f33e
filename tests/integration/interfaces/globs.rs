//! Globs for tags.

use transload_test_support::image::{Document, Image};

use super::{Scene, image};

const TAGS: [&str; 7] = [
    "latest",
    "v1.3.0",
    "v1.3.10",
    "v1.3.2",
    "v1.3.2-rc.1",
    "v1.4.0",
    "v2",
];

/// The images of a plan, in its order.
fn planned(plan: &str) -> Vec<String> {
    let images = plan.lines().filter_map(|line| line.split_once("/team/app:"));
    let tag = |(_, rest): (&str, &str)| rest.split([' ', ',']).next().unwrap_or_default().to_owned();
    let mut tags: Vec<String> = images.map(tag).collect();
    tags.dedup();
    tags
}

#[test]
fn a_glob_takes_the_tags_that_match_in_the_order_of_their_versions() {
    let scene = Scene::with_tags(&TAGS);
    let cases: [(&[&str], &[&str]); 6] = [
        (
            &["team/app:v1.3*"],
            &["v1.3.0", "v1.3.2-rc.1", "v1.3.2", "v1.3.10"],
        ),
        (&["team/app:v1.3.?"], &["v1.3.0", "v1.3.2"]),
        (&["team/app:v1.[34].0"], &["v1.3.0", "v1.4.0"]),
        (
            &["team/app:*"],
            &[
                "latest",
                "v1.3.0",
                "v1.3.2-rc.1",
                "v1.3.2",
                "v1.3.10",
                "v1.4.0",
                "v2",
            ],
        ),
        // What is named comes first, and no image twice.
        (
            &["team/app:v2", "team/app:v[!1]*", "team/app:v1.4*"],
            &["v2", "v1.4.0"],
        ),
        (&["team/app:v1.3*", "--pattern", "rc"], &["v1.3.2-rc.1"]),
    ];
    for (args, expected) in cases {
        let args: Vec<String> = args
            .iter()
            .map(|arg| {
                if arg.starts_with("team/") {
                    scene.name(arg)
                } else {
                    (*arg).to_owned()
                }
            })
            .collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = scene.pull(&[&args[..], &["--dry-run"]].concat(), 0);
        assert_eq!(
            planned(&output.stdout),
            expected,
            "{args:?}\n{}{}",
            output.stdout,
            output.stderr
        );
    }
    scene.pull(&[&scene.name("team/app:v1.3*")], 0);
    assert_eq!(
        scene.held("out"),
        [
            "team/app:v1.3.0",
            "team/app:v1.3.10",
            "team/app:v1.3.2",
            "team/app:v1.3.2-rc.1"
        ]
    );
    assert!(
        scene.registry.log().count("GET", "/v2/team/app/tags/list") >= 3,
        "three tags a page"
    );
}

#[test]
fn globs_stand_in_task_files_and_are_resolved_at_the_source() {
    let scene = Scene::with_tags(&TAGS);
    let task = format!(
        "- image: {{manifests: ['hub.example.com/app:v1.[0-9].0'], src: '{}/team', dest: 'local://out', auths: [{{plain_http: true}}]}}\n",
        scene.registry.host()
    );
    scene.program(["run", "-"]).stdin(task).run().expect_code(0);
    assert_eq!(scene.held("out"), ["app:v1.3.0", "app:v1.4.0"]);
    // A directory's images; one of them is there already.
    let copy = |glob: &str, code| {
        scene
            .program(["copy", glob, "--src", "out", "--dest", "./other"])
            .run()
            .expect_code(code)
    };
    copy("hub.example.com/app:*.4.*", 0);
    assert_eq!(scene.held("other"), ["app:v1.4.0"]);
    let output = copy("hub.example.com/app:v3*", 1);
    assert!(
        output.stderr.contains(
            "source: IMAGE: hub.example.com/app:v3* doesn't match any of the 2 tags of hub.example.com/app in out\n  hint: it has v1.4.0, v1.3.0\n"
        ),
        "{}",
        output.stderr
    );
    // A task whose directory an earlier task fills.
    let tasks = format!(
        "- image: {{manifests: ['{host}/team/app:v2'], dest: 'local://third', auths: [{{repo: '{host}', plain_http: true}}]}}\n\
         - image: {{manifests: ['{host}/team/app:v*'], src: 'local://third', dest: 'local://fourth'}}\n",
        host = scene.registry.host()
    );
    scene.program(["run", "-"]).stdin(tasks).run().expect_code(0);
    assert_eq!(scene.held("fourth"), ["team/app:v2"]);
}

#[test]
fn what_a_glob_cannot_mean_is_told_before_anything_moves() {
    let scene = Scene::with_tags(&TAGS);
    let good = scene.name("team/app:v2");
    let refused = |args: &[&str], code| {
        let output = scene.pull(&[&[good.as_str()], args].concat(), code);
        assert!(
            output.stderr.ends_with("\nNothing was moved.\n"),
            "{}",
            output.stderr
        );
        assert!(!scene.path("out").exists());
        assert_eq!(scene.registry.log().count("GET", "/blobs/"), 0);
        output.stderr.replace(scene.registry.host(), "HOST")
    };
    let digest = format!("app:v*@{}", image().digest());
    for (glob, expected) in [
        (
            "team/*:v1",
            "error: IMAGE: team/*:v1: only a tag can have wildcards",
        ),
        (
            "*.example.com/app:v1",
            "error: IMAGE: *.example.com/app:v1: only a tag can have wildcards",
        ),
        ("app:v[1", "error: IMAGE: app:v[1: [ needs letters and ] after it"),
        (
            "app:{v1,v2}*",
            "error: IMAGE: app:{v1,v2}*: no tag has a '{' in it",
        ),
        (digest.as_str(), "error: IMAGE: app:v*@sha256:"),
    ] {
        let said = refused(&[glob], 2);
        assert!(said.starts_with(expected), "{said}");
    }
    let said = refused(
        &[&scene.name("team/app:v*"), "--src", &scene.name("team/app:v2")],
        2,
    );
    assert!(
        said.starts_with(
            "error: IMAGE: src is the one image HOST/team/app:v2, and HOST/team/app:v* may stand for several"
        ),
        "{said}"
    );
}

#[test]
fn a_glob_that_stands_for_no_image_fails_as_one_and_says_where_it_stands() {
    let scene = Scene::with_tags(&TAGS);
    let said = |output: &str| output.replace(scene.registry.host(), "HOST");
    let (good, bad, none) = (
        scene.name("team/app:v2"),
        scene.name("team/app:v1.9*"),
        scene.name("team/none:v*"),
    );
    let output = scene.pull(&[&good, &bad, &none, "--report", "report.json"], 1);
    let told = said(&output.stderr);
    assert!(
        told.contains(
            "IMAGE: HOST/team/app:v1.9* doesn't match any of the 7 tags of HOST/team/app\n  hint: it has v1.4.0, v1.3.10, v1.3.2, \
             v1.3.2-rc.1, v1.3.0 and others\n"
        ),
        "{told}"
    );
    assert!(
        told.contains("source: IMAGE: HOST/team/none: listing the tags"),
        "{told}"
    );
    assert!(!told.contains("--src"), "{told}");
    assert_eq!(scene.held("out"), ["team/app:v2"]);
    // Once the tag is there, what failed is all that is left.
    scene.registry.put_image("team/app", "v1.9.1", &image());
    scene.registry.put_image("team/none", "v1", &image());
    let again = [
        &good,
        &bad,
        &none,
        "--only-failed",
        "report.json",
        "--report",
        "report.json",
    ];
    scene.pull(&again, 0);
    assert_eq!(
        scene.held("out"),
        ["team/app:v1.9.1", "team/app:v2", "team/none:v1"]
    );

    // In files, the line.
    scene.write(
        "images.txt",
        format!("# tags\n{good}\n{}\n", scene.name("team/app:v8*")),
    );
    let output = scene.pull(&["--images-file", "images.txt"], 1);
    assert!(
        said(&output.stderr).contains("images.txt:3: HOST/team/app:v8* doesn't match"),
        "{}",
        output.stderr
    );
    let task = format!(
        "- image:\n    manifests:\n      - {good}\n      - {}\n    dest: local://out\n    auths: [{{repo: '{}', plain_http: true}}]\n",
        scene.name("team/app:v8*"),
        scene.registry.host()
    );
    scene.write("tasks.yaml", task);
    let output = scene.program(["run", "tasks.yaml"]).run().expect_code(1);
    assert!(
        said(&output.stderr).contains("tasks.yaml:4:9: HOST/team/app:v8* doesn't match"),
        "{}",
        output.stderr
    );
    let plan = scene
        .program(["run", "tasks.yaml", "--dry-run"])
        .run()
        .expect_code(1);
    assert!(
        said(&plan.stdout).contains("tasks.yaml:4:9: HOST/team/app:v8* doesn't match"),
        "{}",
        plan.stdout
    );
}

#[test]
fn a_registry_that_does_not_list_fails_the_glob_alone() {
    let scene = Scene::with_tags(&TAGS);
    let glob = scene.name("team/app:v*");
    let reply = transload_test_support::scripted::Reply::status(503);
    let action = transload_test_support::scripted::Action::Answer(reply);
    scene
        .registry
        .fault(transload_test_support::scripted::Fault::new("GET", "/tags/list", action).every());
    let output = scene.pull(&[&scene.name("team/app:v2"), &glob], 1);
    assert!(output.stderr.contains("listing the tags"), "{}", output.stderr);
    assert_eq!(scene.held("out"), ["team/app:v2"]);
}

#[test]
fn a_glob_of_too_many_images_is_refused() {
    let scene = Scene::with_tags(&[]);
    let Image { root, .. } = image();
    for number in 0..1001 {
        let document: &Document = &root;
        scene
            .registry
            .put_manifest("team/app", Some(&format!("v{number}")), document);
    }
    let output = scene.pull(&[&scene.name("team/app:v*")], 2);
    assert!(
        output.stderr.contains(
            "/team/app:v* stands for 1001 images, and at most 1000 are taken by one glob\n  hint: narrow it: "
        ),
        "{}",
        output.stderr
    );
}
