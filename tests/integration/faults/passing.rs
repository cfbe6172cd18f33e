//! Faults of a registry that pass: one after the other at many images of one run, and all arrive.

use std::time::Duration;

use transload_test_support::ScriptedRegistry;
use transload_test_support::image::Image;
use transload_test_support::scripted::{Action, Fault, Options, Reply};

use super::{all_at_once, assert_pulled, folder, one_layer, store, transload, within};

const SIZE: usize = 200_000;

/// How long a connection may go without a byte in these tests, in seconds.
const TIMEOUT: &str = "1";

fn page(status: u16) -> Action {
    let reply = Reply::status(status).header("Content-Type", "text/html");
    Action::Answer(reply.body("<html><body>Oops</body></html>"))
}

fn status(status: u16) -> Action {
    Action::Answer(Reply::status(status))
}

fn busy(status: u16, retry_after: &str) -> Action {
    Action::Answer(Reply::status(status).header("Retry-After", retry_after))
}

fn length(bytes: usize) -> Action {
    Action::Headers(vec![("Content-Length".to_owned(), bytes.to_string())])
}

/// What becomes of the first requests for a layer, and how many of them.
fn faults_of_pulls() -> Vec<(Action, usize)> {
    vec![
        (Action::Reset { after: None }, 2),
        (Action::Reset { after: Some(50_000) }, 2),
        (Action::Truncate { after: 50_000 }, 2),
        (Action::Truncate { after: SIZE - 1 }, 1),
        (Action::Close, 2),
        (Action::Stall { after: 50_000 }, 1),
        (busy(429, "1"), 1),
        (busy(503, "Sun, 06 Nov 1994 08:49:37 GMT"), 1),
        (status(408), 2),
        (status(500), 2),
        (page(502), 2),
        (status(503), 2),
        (page(504), 2),
        (Action::Corrupt { at: 70_000 }, 1),
        (length(SIZE - 5), 1),
        (length(SIZE + 5), 1),
        (Action::Answer(Reply::status(200).body(vec![0; SIZE + 1])), 1),
        (Action::Hold, 1),
    ]
}

#[test]
fn a_pull_outlives_what_passes() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let faults = faults_of_pulls();
    let images: Vec<Image> = (0..=faults.len() as u64)
        .map(|seed| one_layer(seed, SIZE))
        .collect();
    let mut names = Vec::new();
    for (number, image) in images.iter().enumerate() {
        registry.put_image(&format!("app{number}"), "v1", image);
        names.push(format!("{}/app{number}:v1", registry.host()));
    }
    for ((action, count), image) in faults.iter().zip(&images) {
        registry.fault(Fault::new("GET", image.layer(), action.clone()).first(*count));
    }
    // It takes longer than a connection may be silent, and never is silent for long.
    let slow = &images[faults.len()];
    let piece = SIZE / 10 + 1;
    let pause = Duration::from_millis(270);
    registry.fault(Fault::new("GET", slow.layer(), Action::Trickle { piece, pause }).first(1));
    let dir = within(&dirs, "images");
    let args = ["pull", "--dest", &dir, "--timeout", "2", "--jobs", "16"];
    transload(args.into_iter().chain(names.iter().map(String::as_str)), 0);

    for (number, image) in images.iter().enumerate() {
        assert_pulled(&dir, registry.host(), &format!("app{number}"), image);
    }
    let asked = |image: &Image| registry.log().count("GET", image.layer());
    for ((action, count), image) in faults.iter().zip(&images) {
        assert_eq!(asked(image), count + 1, "{action:?}");
    }
    assert_eq!(asked(slow), 1, "a slow transfer is left alone");
}

/// Where a push is struck, by what, and how often.
fn faults_of_pushes(repository: &str, image: &Image) -> Vec<Vec<Fault>> {
    let (begin, blobs) = (format!("/v2/{repository}/blobs/uploads/"), image.layer());
    let upload = blobs.trim_start_matches("sha256:").to_owned();
    let manifest = format!("/v2/{repository}/manifests/");
    let wrong = Reply::status(400).error("DIGEST_INVALID", "provided digest did not match uploaded content");
    let fault = |method: &str, path: &str, action| Fault::new(method, path, action);
    vec![
        vec![fault("POST", &begin, Action::Reset { after: None }).first(2)],
        vec![fault("POST", &begin, busy(429, "1"))],
        vec![fault("POST", &begin, page(503)).first(2)],
        vec![fault("POST", &begin, Action::LoseAnswer).first(2)],
        vec![fault("PUT", &upload, Action::Close).first(2)],
        vec![fault("PUT", &upload, Action::Reset { after: None }).first(2)],
        vec![fault("PUT", &upload, Action::CutUpload { after: 70_000 }).first(2)],
        vec![fault("PUT", &upload, Action::StallUpload { after: 70_000 })],
        vec![fault("PUT", &upload, Action::LoseAnswer)],
        vec![fault("PUT", &upload, Action::LoseSession)],
        vec![fault("PUT", &upload, busy(503, "1"))],
        vec![fault("PUT", &upload, status(500)).first(2)],
        vec![fault("PUT", &upload, page(502)).first(2)],
        vec![fault("PUT", &upload, status(504)).first(2)],
        vec![fault("PUT", &upload, Action::Early(Reply::status(503)))],
        vec![fault("PUT", &upload, Action::Early(Reply::status(401)))],
        vec![fault("PUT", &upload, Action::Answer(wrong)).first(2)],
        vec![
            fault("PUT", &upload, Action::CutUpload { after: 70_000 }),
            fault("GET", &begin, status(500)).first(2),
        ],
        vec![fault("HEAD", blobs, status(500)).first(2)],
        vec![fault("PUT", &manifest, Action::LoseAnswer)],
        vec![fault("PUT", &manifest, page(502)).first(2)],
        vec![fault("PUT", &manifest, Action::Hold)],
    ]
}

#[test]
fn a_push_outlives_what_passes() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let dir = within(&dirs, "images");
    let count = faults_of_pushes("", &one_layer(0, 1)).len();
    let images: Vec<Image> = (0..count as u64).map(|seed| one_layer(seed, SIZE)).collect();
    for (number, image) in images.iter().enumerate() {
        let repository = format!("app{number}");
        store(&dir, &repository, image);
        for fault in faults_of_pushes(&repository, image).swap_remove(number) {
            registry.fault(fault);
        }
    }
    let args = ["push", "--src", &dir, "--dest", registry.host()];
    transload(args.into_iter().chain(["--timeout", TIMEOUT, "--jobs", "16"]), 0);
    for (number, image) in images.iter().enumerate() {
        let name = format!("app{number}");
        assert!(registry.has_image(&name, "v1", image), "{number}");
    }
}

#[test]
fn a_copy_between_registries_outlives_what_passes_on_both_sides() {
    let (from, to) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    let cases = [
        (
            Action::Truncate { after: 90_000 },
            Action::CutUpload { after: 50_000 },
        ),
        (Action::Reset { after: Some(90_000) }, Action::LoseAnswer),
        (Action::Corrupt { at: 90_000 }, status(502)),
        (Action::Stall { after: 90_000 }, Action::Close),
        (busy(429, "1"), busy(503, "1")),
        (page(504), Action::StallUpload { after: 50_000 }),
        (length(5), Action::Early(Reply::status(401))),
    ];
    let mut names = Vec::new();
    let images: Vec<Image> = (0..cases.len() as u64)
        .map(|seed| one_layer(seed, SIZE))
        .collect();
    for (number, ((source, destination), image)) in cases.into_iter().zip(&images).enumerate() {
        from.put_image(&format!("app{number}"), "v1", image);
        names.push(format!("{}/app{number}:v1", from.host()));
        let layer = image.layer();
        from.fault(Fault::new("GET", layer, source));
        let upload = layer.trim_start_matches("sha256:");
        to.fault(Fault::new("PUT", upload, destination));
    }
    let args = ["copy", "--dest", to.host(), "--timeout", TIMEOUT, "--jobs", "8"];
    transload(args.into_iter().chain(names.iter().map(String::as_str)), 0);
    for (number, image) in images.iter().enumerate() {
        assert!(to.has_image(&format!("app{number}"), "v1", image), "{number}");
    }
}

#[test]
fn a_config_that_was_damaged_on_its_way_is_fetched_again() {
    let (registry, dirs) = (ScriptedRegistry::start(), folder());
    let image = one_layer(1, 1000);
    registry.put_image("app", "v1", &image);
    let config = image.blobs[0].0.digest.to_string();
    registry.fault(Fault::new("GET", &config, Action::Corrupt { at: 3 }));
    let (dir, name) = (within(&dirs, "images"), format!("{}/app:v1", registry.host()));
    // Its platform is in the config, which is read before anything moves.
    transload(["pull", &name, "--dest", &dir, "--platform", "linux/amd64"], 0);
    assert_pulled(&dir, registry.host(), "app", &image);
    assert_eq!(registry.log().count("GET", &config), 2);
}

#[test]
fn a_signed_address_that_ran_out_is_asked_for_anew() {
    // Storages differ in how they say it.
    all_at_once(&[400, 401, 403, 404, 410], |&refusal| {
        let registry = ScriptedRegistry::with(Options {
            redirect_blobs: true,
            ..Options::default()
        });
        let (dirs, image) = (folder(), one_layer(1, SIZE));
        registry.put_image("app", "v1", &image);
        let content = format!("/content/app/{}", image.layer());
        registry.fault(Fault::new("GET", &content, Action::Truncate { after: 120_000 }));
        registry.fault(Fault::new("GET", &content, status(refusal)).nth(2));
        let (dir, name) = (within(&dirs, "images"), format!("{}/app:v1", registry.host()));
        transload(["pull", &name, "--dest", &dir], 0);
        assert_pulled(&dir, registry.host(), "app", &image);
        let requests = registry.log().requests();
        let ranges: Vec<_> = requests
            .iter()
            .filter(|request| request.is("GET", &content))
            .map(|request| request.header("range"))
            .collect();
        assert_eq!(
            ranges,
            [None, Some("bytes=120000-"), Some("bytes=120000-")],
            "{refusal}"
        );
        let asked = registry
            .log()
            .count("GET", &format!("/v2/app/blobs/{}", image.layer()));
        assert_eq!(asked, 3, "the registry signs each time");
    });
}

#[test]
fn an_upload_whose_signed_address_ran_out_begins_anew() {
    let registry = ScriptedRegistry::with(Options {
        uploads_elsewhere: true,
        ..Options::default()
    });
    let (dirs, image) = (folder(), one_layer(1, SIZE));
    let dir = within(&dirs, "images");
    store(&dir, "app", &image);
    let layer = image.layer();
    let upload = layer.trim_start_matches("sha256:");
    registry.fault(Fault::new("PUT", upload, Action::Early(Reply::status(403))));
    registry.fault(Fault::new("GET", "/blobs/uploads/", status(403)));
    transload(["push", "--src", &dir, "--dest", registry.host()], 0);
    assert!(registry.has_image("app", "v1", &image));
}
