//! What is in a report, and when it is written.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Authentication, Fault, Options, Reply, Request};

use super::*;

fn blobs(image: &Value, kind: &str) -> (u64, u64) {
    let count = &image["blobs"][kind];
    (
        count["blobs"].as_u64().expect("blobs"),
        count["bytes"].as_u64().expect("bytes"),
    )
}

#[test]
fn a_report_of_success_has_digests_platforms_bytes_and_times() {
    let registry = ScriptedRegistry::start();
    let app = samples::multi_platform(Family::Oci, 1);
    registry.put_image("team/app", "v1", &app);
    let desk = Desk::new();
    let image_name = name(&registry, "app");
    let pull = [
        "pull",
        &image_name,
        "--dest",
        "out",
        "--plain-http",
        "--platform",
        "linux/amd64",
        "--report",
        "r.json",
    ];
    desk.run(&pull, 0);
    let report = desk.report("r.json");
    assert_eq!(report["version"], 1);
    assert_eq!(report["status"], "done");
    assert_eq!(report["transload"], env!("CARGO_PKG_VERSION"));
    assert!(report["began"].as_str() <= report["ended"].as_str(), "{report}");
    let task = &report["tasks"][0];
    assert_eq!((&task["name"], &task["status"]), (&json!("pull"), &json!("done")));
    let image = &task["images"][0];
    assert_eq!(image["status"], "copied");
    assert_eq!(image["image"], json!(image_name));
    assert_eq!(image["destination"], json!(format!("{image_name} in out")));
    assert_eq!(image["source_digest"], json!(app.digest().to_string()));
    assert_ne!(image["digest"], image["source_digest"], "the index was cut down");
    assert_eq!(image["platforms"], json!(["linux/amd64"]));
    assert_eq!((&image["attempts"], &image["retries"]), (&json!(1), &json!(0)));
    let (count, bytes) = blobs(image, "moved");
    assert!(count > 1 && bytes > 0, "{image}");
    assert_eq!(report["totals"]["blobs"], image["blobs"]);
    assert_eq!(
        task["origins"],
        json!([{"from": registry.host(), "blobs": count, "bytes": bytes}])
    );

    // The second time, all of it is there.
    desk.run(&pull, 0);
    let report = desk.report("r.json");
    assert_eq!(statuses(&report), ["app:v1 there"]);
    let image = &report["tasks"][0]["images"][0];
    assert_eq!(
        (blobs(image, "moved"), blobs(image, "skipped")),
        ((0, 0), (count, bytes))
    );
}

#[test]
fn a_report_counts_the_requests_to_each_token_server() {
    let registry = ScriptedRegistry::with(Options::bearer(true));
    registry.put_image("team/app", "v1", &samples::multi_platform(Family::Oci, 1));
    let desk = Desk::new();
    let image_name = name(&registry, "app");
    let pull = [
        "pull",
        &image_name,
        "--dest",
        "out",
        "--plain-http",
        "--report",
        "r.json",
    ];
    desk.run(&pull, 0);
    let endpoint = format!("http://{}/token", registry.host());
    assert_eq!(
        desk.report("r.json")["tasks"][0]["token_requests"],
        json!([{"endpoint": endpoint, "requests": registry.log().count("GET", "/token")}])
    );
}

#[test]
fn a_report_of_a_partial_failure_has_each_error_with_its_chain_and_hint_and_what_was_tried_again() {
    let registry = registry(&["app", "web", "arm", "gone"], 1000);
    refuse(&registry, "gone");
    let single = samples::index_of(Family::Oci, &["linux/arm64"], 7);
    registry.put_image("team/arm", "v1", &single);
    let busy = Reply::status(503).header("Retry-After", "0");
    registry.fault(Fault::new("GET", one_layer(2, 1000).layer(), Action::Answer(busy)).first(2));
    let desk = Desk::new();
    let images = ["app", "web", "arm", "gone"].map(|image| name(&registry, image));
    let mut pull = vec![
        "pull",
        "--dest",
        "out",
        "--plain-http",
        "--platform",
        "linux/amd64",
        "--policy",
        "warn",
    ];
    pull.extend(["--report", "r.json", "--jobs", "2"]);
    pull.extend(images.iter().map(String::as_str));
    // Images of no index have their platform in their config: none of these has one, which is a warning and no failure.
    let output = desk.run(&pull, 1);
    let report = desk.report("r.json");
    assert_eq!(report["status"], "failed");
    assert_eq!(report["totals"]["images"]["failed"], 1, "{report:#}");
    assert_eq!(report["totals"]["images"]["total"], 4);
    let images = report["tasks"][0]["images"].as_array().expect("images");
    let gone = &images[3];
    assert_eq!(
        (&gone["status"], &gone["digest"]),
        (&json!("failed"), &Value::Null)
    );
    let error = &gone["error"];
    assert_eq!(error["side"], "source");
    let message = error["message"].as_str().expect("a message");
    assert!(
        message.starts_with("source: ") && message.contains("denied"),
        "{message}"
    );
    assert!(
        error["chain"][0]
            .as_str()
            .is_some_and(|first| message.contains(first)),
        "{error}"
    );
    let hint = error["hint"].as_str().expect("a hint");
    assert!(
        output.stderr.replace("\n", " ").contains(&hint[..20]),
        "{hint}\n{}",
        output.stderr
    );
    let web = &images[1];
    assert_eq!(web["retries"], 2, "{web:#}");
    let cause = web["retry_causes"][0].as_str().expect("a cause");
    assert!(cause.contains("503"), "{cause}");
    assert_eq!(report["totals"]["retries"], 2);
    let skipped: Vec<&Value> = images
        .iter()
        .filter(|image| image["status"] == "skipped")
        .collect();
    assert!(
        skipped
            .iter()
            .any(|image| image["image"] == json!(name(&registry, "arm"))),
        "{report:#}"
    );
}

#[test]
fn images_that_a_task_tries_again_count_their_attempts() {
    let registry = registry(&["app"], 1000);
    let busy = Reply::status(503).header("Retry-After", "0");
    registry.fault(Fault::new("GET", one_layer(1, 1000).layer(), Action::Answer(busy)).first(1));
    let desk = Desk::new();
    desk.write(
        "tasks.yaml",
        &format!(
            "- name: stubborn\n  retries: 2\n  image: {{manifests: ['team/app:v1'], src: '{}', dest: 'local://out', auths: [{{plain_http: true}}]}}\n",
            registry.host()
        ),
    );
    desk.run(&["run", "tasks.yaml", "--retries", "0", "--report", "r.json"], 0);
    let report = desk.report("r.json");
    let image = &report["tasks"][0]["images"][0];
    assert_eq!(
        (&image["status"], &image["attempts"]),
        (&json!("copied"), &json!(2))
    );
}

#[test]
fn blobs_are_told_apart_by_how_they_got_there() {
    let registry = ScriptedRegistry::start();
    let app = one_layer(1, 5000);
    registry.put_image("team/app", "v1", &app);
    registry.put_image("team/twin", "v1", &app);
    let desk = Desk::new();
    let (app_name, twin, host) = (
        name(&registry, "app"),
        name(&registry, "twin"),
        registry.host().to_owned(),
    );
    let pull = [
        "pull",
        &app_name,
        &twin,
        "--dest",
        "out",
        "--plain-http",
        "--jobs",
        "1",
        "--report",
        "r.json",
    ];
    desk.run(&pull, 0);
    let bytes = app.blob_bytes();
    let all = (app.blobs.len() as u64, bytes);
    let report = desk.report("r.json");
    let totals = &report["totals"];
    assert_eq!(
        (blobs(totals, "moved"), blobs(totals, "shared")),
        (all, all),
        "{totals:#}"
    );
    desk.run(
        &[
            "copy", "--src", "./out", "--dest", "./again", "--link", "--jobs", "1", "--report", "r.json",
        ],
        0,
    );
    let report = desk.report("r.json");
    assert_eq!(blobs(&report["totals"], "linked"), all);
    let mirror = format!("{host}/mirror");
    desk.run(
        &[
            "copy",
            &app_name,
            "--dest",
            &mirror,
            "--plain-http",
            "--report",
            "r.json",
        ],
        0,
    );
    let report = desk.report("r.json");
    assert_eq!(blobs(&report["totals"], "mounted"), all);
}

#[test]
fn a_run_that_is_stopped_reports_what_it_reached_and_the_next_what_it_resumed() {
    let registry = registry(&["app", "web", "db"], 3 * MIB);
    let fault = Fault::new("GET", one_layer(2, 3 * MIB).layer(), Action::Stall { after: MIB });
    registry.fault(fault.every());
    let desk = Desk::new();
    desk.write("r.json", "the older one");
    let task = |name: &str, image: &str| {
        format!(
            "- name: {name}\n  image: {{manifests: ['team/{image}:v1'], src: '{}', dest: 'local://out', auths: [{{plain_http: true}}]}}\n",
            registry.host()
        )
    };
    desk.write(
        "tasks.yaml",
        &(task("first", "app") + &task("second", "web") + &task("third", "db")),
    );
    let args = ["run", "tasks.yaml", "--report", "r.json", "--jobs", "1"];
    let running = desk.program(&args).spawn();
    registry.wait_until_stalled(1);
    // What was sent may still be on its way to the file.
    wait_for_bytes(&desk.path("out/.transload/partial"));
    assert_eq!(
        fs::read_to_string(desk.path("r.json")).expect("a file"),
        "the older one"
    );
    running.signal("INT");
    running.wait().expect_code(130);
    let report = desk.report("r.json");
    assert_eq!(report["status"], "interrupted");
    assert_eq!(
        statuses(&report),
        ["app:v1 copied", "web:v1 stopped", "db:v1 not_reached"]
    );
    let tasks: Vec<&str> = (0..3)
        .filter_map(|task| report["tasks"][task]["status"].as_str())
        .collect();
    assert_eq!(tasks, ["done", "stopped", "not_begun"]);
    assert_eq!(desk.leftovers(), 0);

    registry.clear_faults();
    registry.release();
    let output = desk.run(&args, 0);
    let report = desk.report("r.json");
    assert_eq!(
        statuses(&report),
        ["app:v1 there", "web:v1 copied", "db:v1 copied"]
    );
    let web = &report["tasks"][1]["images"][0];
    let (resumed, moved) = (blobs(web, "resumed"), blobs(web, "moved"));
    assert_eq!(resumed.0, 1, "{web:#}");
    assert!(resumed.1 > 0, "{web:#}");
    let there = blobs(web, "skipped");
    assert_eq!(there.1 + resumed.1 + moved.1, one_layer(2, 3 * MIB).blob_bytes());
    assert_eq!(report["tasks"][1]["origins"][0]["bytes"], json!(moved.1));
    assert!(
        output.stderr.contains(" kept from an earlier run\n"),
        "{}",
        output.stderr
    );
}

/// A glob is looked up: the registry doesn't answer, or asks for another try.
#[test]
fn a_run_that_is_stopped_while_it_prepares_reports_tasks_that_are_not_begun() {
    let busy = Reply::status(503);
    for action in [Action::Hold, Action::Answer(busy)] {
        let registry = registry(&["app"], 1000);
        registry.fault(Fault::new("GET", "/tags/list", action.clone()).every());
        let desk = Desk::new();
        let glob = format!("{}/team/app:v*", registry.host());
        let pull = [
            "pull",
            &glob,
            "--dest",
            "out",
            "--plain-http",
            "--retries",
            "50",
            "--report",
            "r.json",
        ];
        let running = desk.program(&pull).spawn();
        let is_asked = |requests: &[Request]| {
            let mut lists = requests.iter().filter(|request| request.is("GET", "/tags/list"));
            lists.any(|request| request.stalled || request.status == Some(503))
        };
        assert!(registry.log().wait_for(is_asked, Duration::from_secs(40)));
        running.signal("INT");
        running.wait().expect_code(130);
        let report = desk.report("r.json");
        assert_eq!(report["status"], "interrupted", "{action:?}");
        let task = &report["tasks"][0];
        assert_eq!(
            (&task["name"], &task["status"], &task["images"]),
            (&json!("pull"), &json!("not_begun"), &json!([])),
            "{action:?}"
        );
        // What wasn't begun is done as a whole.
        registry.clear_faults();
        registry.release();
        desk.run(&[&pull[..], &["--only-failed", "r.json"]].concat(), 0);
        assert_eq!(statuses(&desk.report("r.json")), ["app:v1 copied"]);
    }
}

#[test]
fn a_second_signal_leaves_a_report_too() {
    let registry = registry(&["app", "web"], 3 * MIB);
    registry.fault(Fault::new("GET", "/blobs/", Action::Stall { after: 5 }).every());
    let desk = Desk::new();
    let (app, web) = (name(&registry, "app"), name(&registry, "web"));
    let pull = [
        "pull",
        &app,
        &web,
        "--dest",
        "out",
        "--plain-http",
        "--report",
        "r.json",
        "--jobs",
        "1",
    ];
    let mut running = desk.program(&pull).spawn();
    registry.wait_until_stalled(1);
    running.signal("TERM");
    running.wait_for_stderr(|text| text.contains("stopping; once more to stop at once\n"));
    running.signal("INT");
    running.wait().expect_code(130);
    let report = desk.report("r.json");
    assert_eq!(report["status"], "interrupted");
    let open = statuses(&report);
    assert!(
        open.iter()
            .all(|status| status.ends_with("stopped") || status.ends_with("not_reached")),
        "{open:?}"
    );
    assert_eq!(open.len(), 2);
    assert_eq!(desk.leftovers(), 0);
}

#[test]
fn a_place_that_takes_no_report_is_refused_before_anything_moves() {
    let registry = registry(&["app"], 1000);
    let desk = Desk::new();
    fs::create_dir(desk.path("folder")).expect("a writable folder");
    let app = name(&registry, "app");
    for (place, words) in [
        ("folder", "is a directory"),
        ("no/such/report.json", "there is no directory"),
        ("/proc/report.json", "can't be written"),
    ] {
        let output = desk.run(
            &["pull", &app, "--dest", "out", "--plain-http", "--report", place],
            2,
        );
        assert!(
            output.stderr.starts_with("error: --report: "),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains(words), "{}", output.stderr);
        assert!(
            output.stderr.ends_with("\nNothing was moved.\n"),
            "{}",
            output.stderr
        );
    }
    assert_eq!(registry.log().requests().len(), 0);
    assert!(!desk.path("out").exists());
}

#[test]
fn a_report_that_cannot_be_written_at_the_end_is_told_and_fails_the_run() {
    let registry = registry(&["app"], MIB);
    registry.fault(Fault::new("GET", one_layer(1, MIB).layer(), Action::Stall { after: 5 }).every());
    let desk = Desk::new();
    fs::create_dir(desk.path("sub")).expect("a writable folder");
    let app = name(&registry, "app");
    let running = desk
        .program(&[
            "pull",
            &app,
            "--dest",
            "out",
            "--plain-http",
            "--report",
            "sub/r.json",
        ])
        .spawn();
    registry.wait_until_stalled(1);
    fs::remove_dir(desk.path("sub")).expect("an empty folder");
    registry.clear_faults();
    registry.release();
    let output = running.wait().expect_code(1);
    assert!(output.stderr.contains("error: the report: "), "{}", output.stderr);
    assert!(
        output.stderr.contains("sub/r.json can't be written: "),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("1 copied"), "{}", output.stderr);
}

#[test]
fn a_report_on_stdout_is_alone_there() {
    let registry = registry(&["app"], 1000);
    let desk = Desk::new();
    let app = name(&registry, "app");
    let output = desk.run(
        &["pull", &app, "--dest", "out", "--plain-http", "--report", "-"],
        0,
    );
    assert_eq!(statuses(&report_of(&output.stdout)), ["app:v1 copied"]);
    assert!(output.stderr.contains("copied   "), "{}", output.stderr);
}

#[test]
fn passwords_are_in_no_report() {
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let desk = Desk::new();
    let secret = "hunter2-and-more";
    desk.write(
        "auths.yaml",
        &format!(
            "- {{repo: '{}', username: somebody, password: {secret}, plain_http: true}}\n",
            registry.host()
        ),
    );
    fs::set_permissions(desk.path("auths.yaml"), fs::Permissions::from_mode(0o600))
        .expect("a file of this user");
    let leak = Reply::status(400).error("UNKNOWN", "what happened?");
    registry.fault(Fault::new("*", "/v2/", Action::Answer(leak)).after(1).every());
    let app = name(&registry, "app");
    desk.run(
        &[
            "pull",
            &app,
            "--dest",
            "out",
            "--auths",
            "auths.yaml",
            "--retries",
            "0",
            "--report",
            "r.json",
            "--progress",
            "json",
        ],
        1,
    );
    desk.report("r.json");
    let text = fs::read_to_string(desk.path("r.json")).expect("a report");
    let encoded = "c29tZWJvZHk6aHVudGVyMi1hbmQtbW9yZQ";
    assert!(!text.contains(secret) && !text.contains(encoded), "{text}");
}

/// The final words on stderr: failures first, each with its cause and what to do, then the totals.
#[test]
fn failures_come_first_in_the_summary() {
    let registry = registry(&["app", "gone"], 1000);
    refuse(&registry, "gone");
    let desk = Desk::new();
    let (app, gone) = (name(&registry, "app"), name(&registry, "gone"));
    let output = desk.run(&["pull", &app, &gone, "--dest", "out", "--plain-http"], 1);
    let at = |text: &str| {
        output
            .stderr
            .find(text)
            .unwrap_or_else(|| panic!("{text}\n{}", output.stderr))
    };
    let order = [
        at("\nFailed:\n"),
        at(&format!("  {gone} -> out\n")),
        at("    source: "),
        at("  hint: "),
        at("\npull: 2 images in "),
    ];
    assert!(order.is_sorted(), "{}", output.stderr);
}
