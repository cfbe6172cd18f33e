//! Runs that do the rest of an earlier one.

use std::fs;

use serde_json::Value;
use transload_test_support::scripted::{Action, Fault};

use super::*;

#[test]
fn only_what_failed_is_done_again() {
    let registry = registry(&["app", "web", "db"], 1000);
    refuse(&registry, "web");
    let desk = Desk::new();
    let images = ["app", "web", "db"].map(|image| name(&registry, image));
    let pull = [
        "pull",
        &images[0],
        &images[1],
        &images[2],
        "--dest",
        "out",
        "--plain-http",
    ];
    desk.run(&[&pull[..], &["--report", "r.json"]].concat(), 1);
    assert_eq!(
        statuses(&desk.report("r.json")),
        ["app:v1 copied", "web:v1 failed", "db:v1 copied"]
    );

    // It fails again: the rest is the same.
    let rest = [&pull[..], &["--only-failed", "r.json", "--report", "r.json"]].concat();
    registry.log().clear();
    desk.run(&rest, 1);
    assert_eq!(statuses(&desk.report("r.json")), ["web:v1 failed"]);
    assert!(!was_asked(&registry, "app") && was_asked(&registry, "web") && !was_asked(&registry, "db"));

    // What would be done can be looked at.
    let shown = desk
        .run(
            &[&pull[..], &["--only-failed", "r.json", "--dry-run"]].concat(),
            1,
        )
        .stdout;
    assert!(
        shown.contains("team/web:v1") && !shown.contains("team/app:v1"),
        "{shown}"
    );

    registry.clear_faults();
    desk.run(&rest, 0);
    assert_eq!(statuses(&desk.report("r.json")), ["web:v1 copied"]);

    // Nothing is left.
    registry.log().clear();
    let output = desk.run(&[&pull[..], &["--only-failed", "r.json"]].concat(), 0);
    assert_eq!(
        output.stderr,
        "r.json: nothing failed, and nothing is left to do\n"
    );
    assert_eq!((output.stdout.as_str(), registry.log().requests().len()), ("", 0));
    desk.run(&rest, 0);
    let report = desk.report("r.json");
    assert_eq!(
        (statuses(&report), &report["status"]),
        (Vec::new(), &Value::from("done"))
    );
}

#[test]
fn what_a_stopped_run_did_not_reach_is_done_too() {
    let registry = registry(&["app", "web", "db", "cache"], MIB);
    registry.fault(Fault::new("GET", one_layer(2, MIB).layer(), Action::Stall { after: 5 }).every());
    let desk = Desk::new();
    let task = |name: &str, images: &str, more: &str| {
        format!("- name: {name}\n  image: {{{images}, auths: [{{plain_http: true}}], {more}}}\n")
    };
    let host = registry.host().to_owned();
    // The third task pushes what the first two brought: which images those are isn't known before its turn.
    let file = task(
        "first",
        "manifests: ['team/app:v1']",
        &format!("src: '{host}', dest: 'local://out'"),
    ) + &task(
        "second",
        "manifests: ['team/web:v1', 'team/db:v1']",
        &format!("src: '{host}', dest: 'local://out'"),
    ) + &task("third", "src: 'local://out'", &format!("dest: '{host}/mirror'"));
    desk.write("tasks.yaml", &file);
    let args = ["run", "tasks.yaml", "--jobs", "1", "--report", "r.json"];
    let running = desk.program(&args).spawn();
    registry.wait_until_stalled(1);
    running.signal("INT");
    running.wait().expect_code(130);
    let report = desk.report("r.json");
    assert!(
        statuses(&report).contains(&"app:v1 copied".to_owned()),
        "{report:#}"
    );
    assert_eq!(report["tasks"][2]["follows_a_task"], true);

    registry.clear_faults();
    registry.release();
    registry.log().clear();
    desk.run(&[&args[..], &["--only-failed", "r.json"]].concat(), 0);
    let report = desk.report("r.json");
    let done = statuses(&report);
    assert_eq!(
        done.iter().filter(|status| status.ends_with("copied")).count(),
        5,
        "{done:?}"
    );
    assert!(
        report["tasks"][0]["images"].as_array().is_some_and(Vec::is_empty),
        "the first task was done"
    );
    assert!(
        !was_asked(&registry, "app"),
        "the first task's image isn't looked at again"
    );
    for (seed, image_name) in ["app", "web", "db"].iter().enumerate() {
        let mirrored = format!("mirror/team/{image_name}");
        assert!(
            registry.has_image(&mirrored, "v1", &one_layer(seed as u64 + 1, MIB)),
            "{mirrored}"
        );
    }
}

/// What the first task brings now goes on to the second, which didn't know it.
#[test]
fn a_task_that_follows_takes_what_its_forerunner_brings_now() {
    let registry = registry(&["app", "web"], 1000);
    refuse(&registry, "web");
    let desk = Desk::new();
    let host = registry.host().to_owned();
    desk.write(
        "tasks.yaml",
        &format!(
            "- name: fetch\n  ignore_errors: true\n  image: {{manifests: ['team/app:v1', 'team/web:v1'], src: '{host}', dest: 'local://out', auths: [{{plain_http: true}}]}}\n\
             - name: carry\n  image: {{src: 'local://out', dest: '{host}/mirror', auths: [{{plain_http: true}}]}}\n"
        ),
    );
    let args = ["run", "tasks.yaml", "--report", "r.json"];
    desk.run(&args, 0);
    assert_eq!(
        statuses(&desk.report("r.json")),
        ["app:v1 copied", "web:v1 failed", "app:v1 copied"]
    );
    registry.clear_faults();
    desk.run(&[&args[..], &["--only-failed", "r.json"]].concat(), 0);
    assert_eq!(
        statuses(&desk.report("r.json")),
        ["web:v1 copied", "web:v1 copied"]
    );
    assert!(registry.has_image("mirror/team/web", "v1", &one_layer(2, 1000)));
}

#[test]
fn push_and_copy_do_the_rest_too() {
    let registry = registry(&["app", "web"], 1000);
    let desk = Desk::new();
    let (app, web) = (name(&registry, "app"), name(&registry, "web"));
    desk.run(&["pull", &app, &web, "--dest", "out", "--plain-http"], 0);
    let dest = format!("{}/mirror", registry.host());
    for command in ["push", "copy"] {
        let dest = format!("{dest}/{command}");
        let args = [
            command,
            "--src",
            "./out",
            "--dest",
            &dest,
            "--plain-http",
            "--retries",
            "0",
        ];
        let denied = Reply::status(403).error("DENIED", "no");
        let path = format!("/mirror/{command}/team/web/");
        registry.fault(Fault::new("*", &path, Action::Answer(denied)).every());
        desk.run(&[&args[..], &["--report", "r.json"]].concat(), 1);
        assert_eq!(
            statuses(&desk.report("r.json")),
            ["app:v1 copied", "web:v1 failed"]
        );
        registry.clear_faults();
        desk.run(
            &[&args[..], &["--only-failed", "r.json", "--report", "r.json"]].concat(),
            0,
        );
        assert_eq!(statuses(&desk.report("r.json")), ["web:v1 copied"]);
    }
}

#[test]
fn a_report_that_does_not_fit_is_refused() {
    let registry = registry(&["app", "web"], 1000);
    refuse(&registry, "web");
    let desk = Desk::new();
    let (app, web) = (name(&registry, "app"), name(&registry, "web"));
    desk.run(
        &[
            "pull",
            &app,
            &web,
            "--dest",
            "out",
            "--plain-http",
            "--report",
            "r.json",
        ],
        1,
    );
    let newer = fs::read_to_string(desk.path("r.json")).expect("a report");
    desk.write(
        "newer.json",
        &newer.replacen("\"version\": 1", "\"version\": 7", 1),
    );
    desk.write("text.json", "images:\n");
    desk.write("other.json", "[1, 2]");
    desk.write("cut.json", "{\"version\": 1}");
    registry.log().clear();
    let other_folder = [
        "pull",
        app.as_str(),
        web.as_str(),
        "--dest",
        "elsewhere",
        "--plain-http",
    ];
    let other_images = ["pull", app.as_str(), "--dest", "out", "--plain-http"];
    let other_command = [
        "copy",
        app.as_str(),
        web.as_str(),
        "--dest",
        "./out",
        "--plain-http",
    ];
    let same = [
        "pull",
        app.as_str(),
        web.as_str(),
        "--dest",
        "out",
        "--plain-http",
    ];
    let cases: [(&[&str], &str, &str); 8] = [
        (&other_folder, "r.json", "the report doesn't fit: "),
        (&other_images, "r.json", "the report doesn't fit: "),
        (
            &other_command,
            "r.json",
            "this report doesn't fit: it is of \"pull\", and the run has \"copy\"",
        ),
        (
            &same,
            "newer.json",
            "this report has the form 7, and this transload reads 1",
        ),
        (&same, "text.json", "this isn't a report: it isn't JSON"),
        (&same, "other.json", "this isn't a report: it has no version"),
        (&same, "cut.json", "this isn't a report: missing field"),
        (&same, "nowhere.json", "nowhere.json"),
    ];
    for (args, report, words) in cases {
        let output = desk.run(&[args, &["--only-failed", report]].concat(), 2);
        assert!(output.stderr.contains(words), "{words}\n{}", output.stderr);
        assert!(
            output.stderr.contains("hint: ") || report == "nowhere.json",
            "{}",
            output.stderr
        );
        assert!(
            output.stderr.ends_with("\nNothing was moved.\n"),
            "{}",
            output.stderr
        );
    }
    assert_eq!(registry.log().requests().len(), 0);
}
