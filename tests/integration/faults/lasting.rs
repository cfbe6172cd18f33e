//! Faults that last: each ends its image with an error that names it, and no other image.

use std::net::Ipv4Addr;

use transload_test_support::image::{Family, Image, ImageBuilder};
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::scripted::{Action, Fault, Options, Reply};
use transload_test_support::{Output, ScriptedRegistry, Transload};

use super::{MIB, assert_pulled, folder, one_layer, store, transload, within};

const SIZE: usize = 50_000;

/// A closed link: nobody listens at its address, and nobody will.
fn nobody() -> Link {
    let link = Link::start_at(
        Ipv4Addr::new(127, 0, 0, 2),
        "127.0.0.1:9",
        LinkConditions::default(),
    );
    link.close();
    link
}

/// Checks that an image is said to have failed for this cause.
#[track_caller]
fn assert_told(output: &Output, image: &str, cause: &str) {
    assert!(
        output.cause_of(image).is_some_and(|line| line.contains(cause)),
        "{image}: {cause}\n{}{}",
        output.stdout,
        output.stderr
    );
}

#[test]
fn a_pull_that_cannot_be_helped_says_why() {
    let page = Reply::status(502)
        .header("Content-Type", "text/html")
        .body("<html>");
    let login = Reply::status(200)
        .header("Content-Type", "text/html")
        .body("<html>");
    let spent = Reply::status(429).header("ratelimit-remaining", "0;w=3600");
    let cases = [
        (Action::Reset { after: Some(10) }, "the connection was cut"),
        (Action::Close, "the connection was cut"),
        (Action::Truncate { after: 10 }, "the connection was cut"),
        (Action::Stall { after: 10 }, "no byte moved for too long"),
        (Action::Corrupt { at: 10 }, "content has digest sha256:"),
        (
            Action::Answer(Reply::status(200).body("short")),
            "the registry has 5 bytes where 50000 are expected",
        ),
        (Action::Answer(Reply::status(503)), "503 Service Unavailable"),
        (Action::Answer(login), "200 OK: the answer is a web page"),
        (Action::Answer(page), "502 Bad Gateway: the answer is a web page"),
        (Action::Answer(spent), "429 Too Many Requests"),
        (Action::Answer(Reply::status(404)), "404 Not Found"),
        (
            Action::Answer(
                Reply::status(200)
                    .header("Content-Encoding", "gzip")
                    .body("short"),
            ),
            "encoded as gzip",
        ),
    ];
    let (registry, nobody, dirs) = (ScriptedRegistry::start(), nobody(), folder());
    let images: Vec<Image> = (0..=cases.len() as u64)
        .map(|seed| one_layer(seed, SIZE))
        .collect();
    let mut names = vec![format!("{}/gone:v1", nobody.host())];
    for (number, image) in images.iter().enumerate() {
        registry.put_image(&format!("app{number}"), "v1", image);
        names.push(format!("{}/app{number}:v1", registry.host()));
    }
    for ((action, _), image) in cases.iter().zip(&images) {
        registry.fault(Fault::new("GET", image.layer(), action.clone()).every());
    }
    let dir = within(&dirs, "images");
    let args = [
        "pull",
        "--dest",
        &dir,
        "--timeout",
        "1",
        "--retries",
        "1",
        "--jobs",
        "16",
    ];
    // What speaks plain HTTP is found out on the loopback; there are two registries, one of which isn't there.
    let program = Transload::new().args(args.into_iter().chain(names.iter().map(String::as_str)));
    let output = program.run().expect_code(1);

    assert_told(&output, &names[0], "the connection was refused");
    for ((_, cause), name) in cases.iter().zip(&names[1..]) {
        assert_told(&output, name, cause);
    }
    let number = cases.len();
    assert_pulled(&dir, registry.host(), &format!("app{number}"), &images[number]);
    assert!(
        output.stderr.contains(&format!("{} failed", number + 1)),
        "{}",
        output.stderr
    );
}

#[test]
fn a_push_that_cannot_be_helped_says_why() {
    let wrong = Reply::status(400).error("DIGEST_INVALID", "provided digest did not match uploaded content");
    let denied = Reply::status(403).error("DENIED", "quota exceeded");
    let cases = [
        (Action::Reset { after: None }, "the connection was cut"),
        (Action::Close, "the connection was cut"),
        (Action::StallUpload { after: 0 }, "no byte moved for too long"),
        (Action::Answer(wrong), "400 Bad Request: DIGEST_INVALID"),
        (Action::Early(denied), "403 Forbidden: DENIED: quota exceeded"),
        (Action::Answer(Reply::status(507)), "507 Insufficient Storage"),
        (Action::Answer(Reply::status(504)), "504 Gateway Timeout"),
    ];
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let dir = within(&dirs, "images");
    let images: Vec<Image> = (0..=cases.len() as u64)
        .map(|seed| one_layer(seed, SIZE))
        .collect();
    for (number, image) in images.iter().enumerate() {
        store(&dir, &format!("app{number}"), image);
    }
    for ((action, _), image) in cases.iter().zip(&images) {
        let layer = image.layer();
        let upload = layer.trim_start_matches("sha256:");
        registry.fault(Fault::new("PUT", upload, action.clone()).every());
    }
    let args = ["push", "--src", &dir, "--dest", registry.host()];
    let more = ["--timeout", "1", "--retries", "1", "--jobs", "16"];
    let output = transload(args.into_iter().chain(more), 1);
    for (number, (_, cause)) in cases.iter().enumerate() {
        assert_told(&output, &format!("hub.local/app{number}:v1"), cause);
        assert_eq!(registry.tags(&format!("app{number}")), [""; 0]);
    }
    let number = cases.len();
    assert!(registry.has_image(&format!("app{number}"), "v1", &images[number]));
}

#[test]
fn a_storage_that_refuses_every_address_is_named() {
    let registry = ScriptedRegistry::with(Options {
        redirect_blobs: true,
        ..Options::default()
    });
    let (dirs, image) = (folder(), one_layer(1, SIZE));
    registry.put_image("app", "v1", &image);
    registry.fault(Fault::new("GET", "/content/", Action::Answer(Reply::status(403))).every());
    let (dir, name) = (within(&dirs, "images"), format!("{}/app:v1", registry.host()));
    let output = transload(["pull", &name, "--dest", &dir, "--retries", "1"], 1);
    assert_told(&output, &name, "403 Forbidden");
    let storage = format!("http://{}/content/", registry.content_host().unwrap());
    for part in [
        storage.as_str(),
        "?…",
        "tried 2 times",
        "refuses the address it signed",
    ] {
        assert!(output.stderr.contains(part), "{part}\n{}", output.stderr);
    }
}

#[test]
fn a_config_that_is_too_large_is_not_read() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let config = vec![b' '; 8 * MIB + 1];
    let image = ImageBuilder::new(Family::Oci)
        .config("application/vnd.oci.image.config.v1+json", &config)
        .noise_layer(1, 10)
        .build();
    registry.put_image("app", "v1", &image);
    let (dir, name) = (within(&dirs, "images"), format!("{}/app:v1", registry.host()));
    let output = transload(["pull", &name, "--dest", &dir, "--platform", "linux/amd64"], 1);
    assert_told(&output, &name, "has 8388609 bytes; at most 8388608 are read");
    assert_eq!(registry.log().count("GET", "/blobs/"), 0);
}
