//! Text from registries and manifests that would talk to the terminal: it is shown escaped, on the line that it belongs to.

use serde_json::json;
use transload_reference::MediaType;
use transload_test_support::image::{Document, ImageBuilder};
use transload_test_support::scripted::{Action, Fault, Reply};

use super::*;

/// It clears the screen, sets the title, and writes a line of its own, some of it backwards.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\nerror: all is well\u{202e}\u{9b}31m";
const SHOWN: &str = "\\u{1b}[2J\\u{1b}]0;owned\\u{7}";

/// Every way of asking for more.
const TALK: [(&[&str], &str); 3] = [(&[], ""), (&["-vvv"], ""), (&[], "trace")];

#[test]
fn nothing_of_a_registrys_or_a_manifests_text_reaches_the_terminal_as_it_is() {
    let registry = ScriptedRegistry::start();
    let config = descriptor("application/vnd.oci.image.config.v1+json", b"{}");
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let mut names = Vec::new();
    let mut document = |name: &str, text: String| {
        let document = Document::new(text.into_bytes(), MediaType::OCI_MANIFEST);
        registry.put_manifest(&format!("evil/{name}"), Some("v1"), &document);
        names.push(format!("{}/evil/{name}:v1", registry.host()));
    };
    let evil = json!(EVIL);
    let long = json!(format!("{EVIL}{}", "x".repeat(1 << 20)));
    let child = descriptor("application/vnd.oci.image.manifest.v1+json", b"x");
    let platform = |os: &serde_json::Value| {
        format!(
            r#"{},"platform":{{"os":{os},"architecture":{os}}}}}"#,
            &child[..child.len() - 1]
        )
    };
    document(
        "type",
        format!(r#"{{"schemaVersion":2,"mediaType":{evil},"config":{config},"layers":[]}}"#),
    );
    document("longtype", format!(r#"{{"schemaVersion":2,"mediaType":{long}}}"#));
    document("field", format!(r#"{{"schemaVersion":{long}}}"#));
    document(
        "digest",
        format!(r#"{{"schemaVersion":2,"config":{{"digest":{evil},"size":2}},"layers":[]}}"#),
    );
    document(
        "platform",
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, platform(&evil)),
    );
    document(
        "longplatform",
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, platform(&long)),
    );
    for (name, reply) in [
        ("code", Reply::status(403).error(EVIL, EVIL)),
        ("html", Reply::status(502).body(format!("<html>{EVIL}</html>"))),
        (
            "encoding",
            Reply::status(200)
                .header("Content-Encoding", &"x".repeat(30_000))
                .body("{}"),
        ),
        (
            "location",
            Reply::status(307).header("Location", &format!("http://127.0.0.1:1/{}", "x".repeat(30_000))),
        ),
        (
            "scheme",
            Reply::status(307).header("Location", &format!("{}:x", "x".repeat(30_000))),
        ),
    ] {
        let path = format!("/evil/{name}/");
        registry.fault(Fault::new("*", &path, Action::Answer(reply)).every());
        names.push(format!("{}/evil/{name}:v1", registry.host()));
    }
    // These are no failures: layers of an unknown kind, annotations, foreign layers with addresses of any form.
    let foreign = samples::single_builder(Family::Oci, "linux/amd64", 1)
        .foreign_layer(
            b"elsewhere",
            &[
                EVIL,
                "file:///etc/passwd",
                "http://169.254.169.254/",
                &"x".repeat(1 << 20),
            ],
        )
        .annotation("note", &format!("{EVIL}{}", "x".repeat(1 << 20)))
        .build();
    registry.put_image("evil/foreign", "v1", &foreign);
    names.push(format!("{}/evil/foreign:v1", registry.host()));
    let mut odd = image.blobs[0].0.clone();
    odd.media_type = MediaType::new(EVIL);
    let odd = ImageBuilder::new(Family::Oci)
        .described_layer(odd, &image.blobs[0].1)
        .build();
    registry.put_image("evil/layer", "v1", &odd);
    names.push(format!("{}/evil/layer:v1", registry.host()));
    let mut many = samples::single_builder(Family::Oci, "linux/amd64", 1);
    for number in 0..1000u32 {
        many = many.foreign_layer(&number.to_le_bytes(), &["https://elsewhere.example/"]);
    }
    registry.put_image("evil/many", "v1", &many.build());
    names.push(format!("{}/evil/many:v1", registry.host()));

    let arena = Arena::new();
    for (number, (more, rust_log)) in TALK.into_iter().enumerate() {
        let store = format!("images{number}");
        for dry_run in [&["--dry-run"][..], &[]] {
            let mut args = vec!["pull", "--dest", &store, "--platform", "linux/amd64"];
            args.extend(names.iter().map(String::as_str));
            args.extend(more.iter().chain(dry_run));
            let program = arena.program(&args);
            let program = if rust_log.is_empty() {
                program
            } else {
                program.env("RUST_LOG", rust_log)
            };
            let output = program.run().expect_code(1);
            arena.check_text(&output, &format!("{more:?} {rust_log} {dry_run:?}"));
            assert!(output.stdout.contains(SHOWN), "{}", output.stdout);
            assert!(
                output.stdout.contains("990 more foreign layers aren't copied"),
                "{}",
                output.stdout
            );
            for stream in [&output.stdout, &output.stderr] {
                assert!(
                    stream.lines().all(|line| !line.starts_with("error: all is well")),
                    "{stream}"
                );
            }
        }
    }
    // Nobody asked the addresses of foreign layers.
    assert!(
        registry
            .log()
            .requests()
            .iter()
            .all(|request| request.path.starts_with("/v2/"))
    );
}

#[test]
fn json_holds_such_text_escaped_and_means_the_same() {
    let registry = ScriptedRegistry::start();
    let image = samples::single_builder(Family::Oci, "linux/amd64", 1)
        .annotation("org.opencontainers.image.title", EVIL)
        .annotation(EVIL, "key")
        .foreign_layer(b"elsewhere", &[EVIL])
        .build();
    registry.put_image("evil/app", "v1", &image);
    let name = format!("{}/evil/app:v1", registry.host());
    let arena = Arena::new();
    let (mut shown, mut all) = (0, 0);
    let commands: [(&[&str], i32); 9] = [
        (&["inspect", &name, "--plain-http", "--output", "json"], 0),
        (
            &[
                "pull",
                &name,
                "--plain-http",
                "--dest",
                "new",
                "--dry-run",
                "--output",
                "json",
            ],
            0,
        ),
        (
            &[
                "pull",
                &name,
                "--plain-http",
                "--dest",
                "out",
                "--report",
                "-",
                "--progress",
                "json",
            ],
            0,
        ),
        (&["inspect", &name, "--src", "out", "--output", "json"], 0),
        (&["list", "out", "--output", "json"], 0),
        (&["diff", "out", "out", "--output", "json"], 0),
        (&["verify", "out", "--output", "json", "--progress", "json"], 0),
        (&["prune", "out", "--yes", "--output", "json"], 0),
        (&["check", registry.host(), "--plain-http", "--output", "json"], 0),
    ];
    for (args, code) in commands {
        let program = Transload::new().args(args).current_dir(arena.here());
        let output = program.run().expect_code(code);
        for text in [&output.stdout, &output.stderr] {
            let is_obeyed = |c: char| c != '\n' && transload_reference::is_unprintable(c);
            assert!(!text.contains(is_obeyed), "{args:?}: {text:?}");
        }
        let json: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
        all += 1;
        shown += usize::from(json.to_string().contains('\u{202e}'));
    }
    // What no form shows can't be escaped in it.
    assert!(shown >= 2 && all == 9, "{shown} of {all}");
}
