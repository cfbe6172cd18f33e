//! More than any image has: bytes, children, headers, levels, redirects.

use serde_json::json;
use transload_reference::MediaType;
use transload_test_support::image::{Document, ImageBuilder, gzip};
use transload_test_support::scripted::{Action, Authentication, Fault, Options, Raw, Reply};

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\n";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A registry whose repositories each play another attack, and what must be said of each.
struct Stage {
    registry: ScriptedRegistry,
    expected: Vec<(String, &'static str)>,
}

impl Stage {
    fn new() -> Stage {
        Stage {
            registry: ScriptedRegistry::start(),
            expected: Vec::new(),
        }
    }

    fn expect(&mut self, attack: &str, said: &'static str) {
        let name = format!("{}/evil/{attack}:v1", self.registry.host());
        self.expected.push((name, said));
    }

    /// Every request for the manifest is answered so.
    fn answer(&mut self, attack: &str, action: Action, said: &'static str) {
        let path = format!("/evil/{attack}/manifests/v1");
        self.registry.fault(Fault::new("GET", &path, action).every());
        self.expect(attack, said);
    }

    /// A manifest that is served as it is.
    fn document(&mut self, attack: &str, text: String, media_type: &str, said: &'static str) {
        let document = Document::new(text.into_bytes(), MediaType::new(media_type));
        self.registry
            .put_manifest(&format!("evil/{attack}"), Some("v1"), &document);
        self.expect(attack, said);
    }

    /// A manifest below the root; how an index names it.
    fn put(&self, attack: &str, text: &str, media_type: &str) -> String {
        let document = Document::new(text.as_bytes().to_vec(), MediaType::new(media_type));
        self.registry
            .put_manifest(&format!("evil/{attack}"), None, &document);
        descriptor(media_type, text.as_bytes())
    }

    fn put_blob(&self, attack: &str, content: &[u8]) {
        let repository = format!("evil/{attack}");
        self.registry.put_blob(&repository, &Digest::of(content), content);
    }
}

fn index(children: &str) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{children}]}}"#)
}

fn image(config: &str, layers: &str) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layers}]}}"#)
}

fn raw(start: impl Into<Vec<u8>>, forever: impl Into<Vec<u8>>) -> Action {
    Action::Raw(Raw::new(start).forever(forever))
}

fn bomb() -> Action {
    let body = gzip(&vec![b' '; 32 << 20]);
    Action::Answer(Reply::status(200).header("Content-Encoding", "gzip").body(body))
}

fn answers(stage: &mut Stage) {
    let spaces = " ".repeat(16 << 10);
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("4000\r\n{spaces}\r\n");
    let too_large = "larger than the 8388608 bytes";
    stage.answer("endless", raw(chunked.clone(), chunk.clone()), too_large);
    let announced = format!("{OK}Content-Length: 8589934592\r\n\r\n");
    stage.answer(
        "announced",
        raw(announced, spaces),
        "the manifest has 8589934592 bytes",
    );
    let child = descriptor(MANIFEST, b"x");
    let start = format!("{OK}\r\n{{\"schemaVersion\":2,\"manifests\":[{child}");
    stage.answer("million", raw(start, format!(",{child}").repeat(100)), too_large);
    let headers = "X-A: a\r\n".repeat(1000);
    stage.answer(
        "headers",
        raw("HTTP/1.1 200 OK\r\n", headers.clone()),
        "too many headers",
    );
    let header = raw("HTTP/1.1 200 OK\r\nX-A: ", "a".repeat(1 << 20));
    stage.answer("header", header, "the answer's head has more than");
    let long = Reply::status(200).header("X-A", &"a".repeat(1 << 20));
    stage.answer(
        "longheader",
        Action::Answer(long),
        "the answer's head has more than",
    );
    stage.answer(
        "trailers",
        raw(format!("{chunked}0\r\n"), headers),
        "keeps sending bytes",
    );
    stage.answer("bomb", bomb(), "is encoded as gzip");
    let refusal = chunked.replace("200 OK", "403 Forbidden");
    stage.answer("error", raw(refusal, chunk), "403 Forbidden");
    let circle = Reply::status(307).header("Location", "/v2/evil/circle/manifests/v1");
    stage.answer("circle", Action::Answer(circle), "more than 10 redirects");
    let deep = format!(
        "{OK}\r\n{{\"schemaVersion\":2,\"manifests\":{}",
        "[".repeat(1 << 20)
    );
    stage.answer(
        "brackets",
        Action::Raw(Raw::new(deep)),
        "the manifest can't be read",
    );
}

fn documents(stage: &mut Stage) {
    // As small as children can be, which is still too many of them.
    let child = format!(r#"{{"digest":"{}","size":1}}"#, Digest::of(b"x"));
    let children = |count: usize| vec![child.as_str(); count].join(",");
    let too_many = "fields and list entries; at most 100000 are read";
    stage.document("wide", index(&children(80_000)), INDEX, too_many);
    let too_many = "the image has more than 4096 manifests";
    stage.document("broad", index(&children(5000)), INDEX, too_many);
    // A thousand indexes, one in the other.
    let mut child = descriptor(MANIFEST, b"never asked for");
    for _ in 0..1000 {
        child = stage.put("deep", &index(&child), INDEX);
    }
    stage.document("deep", index(&child), INDEX, "nested more than 8 indexes deep");
    // Each may be as large, and all of them together may not.
    let config = descriptor(CONFIG, b"{}");
    for attack in ["heavy", "layers"] {
        stage.put_blob(attack, b"{}");
    }
    let children: Vec<String> = (0..7)
        .map(|number| {
            let padding = format!(r#"{{"x":"{number}{}","#, "x".repeat(3 << 20));
            stage.put("heavy", &image(&config, "").replacen('{', &padding, 1), MANIFEST)
        })
        .collect();
    let too_heavy = "manifests have more than 16777216 bytes together";
    stage.document("heavy", index(&children.join(",")), INDEX, too_heavy);
    let layers: Vec<String> = (0..20_001)
        .map(|number: u32| descriptor("l", &number.to_le_bytes()))
        .collect();
    let too_many = "the image has more than 20000 blobs";
    stage.document("layers", image(&config, &layers.join(",")), MANIFEST, too_many);
    let huge = format!(
        r#"{{"mediaType":"{CONFIG}","digest":"{}","size":9000000}}"#,
        Digest::of(b"x")
    );
    let too_large = "has 9000000 bytes; at most 8388608 are read";
    stage.document("config", image(&huge, ""), MANIFEST, too_large);
}

/// Blobs that have no end, or another than was announced.
fn blobs(stage: &mut Stage) {
    let spaces = " ".repeat(16 << 10);
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    let chunks = raw(chunked, format!("4000\r\n{spaces}\r\n"));
    let content = b"endless";
    let (good, endless) = (descriptor(CONFIG, b"{}"), descriptor(CONFIG, content));
    for (attack, manifest, action) in [
        ("endlessconfig", image(&endless, ""), chunks),
        (
            "endlessblob",
            image(&good, &endless),
            raw(format!("{OK}\r\n"), spaces),
        ),
    ] {
        stage.put_blob(attack, b"{}");
        stage.document(attack, manifest, MANIFEST, "has 8 bytes where 7 are expected");
        let path = format!("/evil/{attack}/blobs/{}", Digest::of(content));
        stage.registry.fault(Fault::new("GET", &path, action).every());
    }
    let largest = |content: &[u8]| {
        let digest = Digest::of(content);
        format!(r#"{{"mediaType":"l","digest":"{digest}","size":{}}}"#, u64::MAX)
    };
    for content in [&b"{}"[..], b"x", b"y"] {
        stage.put_blob("largest", content);
    }
    let manifest = image(&good, &format!("{},{}", largest(b"x"), largest(b"y")));
    stage.document("largest", manifest, MANIFEST, "the disk is too full");
}

/// What was said of an image that failed.
#[track_caller]
fn failure<'a>(output: &'a Output, name: &str) -> &'a str {
    output
        .cause_of(name)
        .unwrap_or_else(|| panic!("{name} didn't fail\n{}{}", output.stdout, output.stderr))
}

#[test]
fn a_registry_that_floods_its_reader_fails_its_images_and_no_others() {
    let (_good, image, name) = good();
    let mut stage = Stage::new();
    answers(&mut stage);
    documents(&mut stage);
    blobs(&mut stage);
    let arena = Arena::new();
    let mut args = vec![
        "pull",
        "--dest",
        "images",
        "--platform",
        "linux/amd64,linux/arm64",
        &name,
    ];
    args.extend(stage.expected.iter().map(|(name, _)| name.as_str()));
    let output = arena.fails(&args);
    for (name, said) in &stage.expected {
        let line = failure(&output, name);
        assert!(line.contains(said), "{name}: {line}");
    }
    assert!(
        output.stdout.contains(&format!("copied   {name} -> images")),
        "{}",
        output.stdout
    );
    assert!(arena.holds("images", &image));
    let own = image.blobs.iter().map(|(blob, _)| blob.digest.clone());
    let own: Vec<String> = own
        .chain([Digest::of(b"{}")])
        .map(|digest| digest.to_string())
        .collect();
    let held = files(&arena.here().join("images/blobs"));
    assert!(held.iter().all(|blob| own.contains(blob)), "{held:?}");
}

#[test]
fn a_preview_is_flooded_as_little() {
    let mut stage = Stage::new();
    documents(&mut stage);
    let arena = Arena::new();
    let mut args = vec![
        "pull",
        "--dest",
        "images",
        "--dry-run",
        "--platform",
        "linux/amd64",
    ];
    args.extend(stage.expected.iter().map(|(name, _)| name.as_str()));
    let output = arena.fails(&args);
    for (_, said) in &stage.expected {
        assert!(output.stdout.contains(said), "{said}\n{}", output.stdout);
    }
    assert!(!arena.here().join("images").exists());
}

/// 80^6 ways lead to the last one.
#[test]
fn indexes_that_name_the_same_parts_again_and_again_are_walked_once() {
    let mut stage = Stage::new();
    let config = descriptor(CONFIG, b"{}");
    stage.put_blob("again", b"{}");
    let mut child = stage.put("again", &image(&config, ""), MANIFEST);
    for _ in 0..6 {
        child = stage.put("again", &index(&vec![child; 80].join(",")), INDEX);
    }
    stage.document("again", index(&child), INDEX, "");
    let arena = Arena::new();
    let (name, _) = &stage.expected[0];
    for platforms in [&[][..], &["--platform", "linux/amd64"]] {
        let output = arena
            .program(&[&["pull", "--dest", "images", name], platforms].concat())
            .run();
        arena.check(&output, name);
    }
    let asked = stage.registry.log().count("GET", "/manifests/sha256:");
    assert!(asked <= 2 * 7, "{asked} requests");
}

/// What a registry asks before it answers is a flood's way in as well.
#[test]
fn token_servers_without_end_fail_their_registries_images_and_no_others() {
    let (_good, image, name) = good();
    let spaces = " ".repeat(16 << 10);
    let chunk = format!("4000\r\n{spaces}\r\n");
    let refusal = "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    let headers = "X-A: a\r\n".repeat(1000);
    let broken = json!({"token": "a\r\nX: b"}).to_string();
    let circle = Reply::status(302).header("Location", "/token");
    let answers = [
        (raw(chunked, chunk.clone()), "larger than the 1048576 bytes"),
        (raw(refusal, chunk), "the token server answered 401"),
        (raw("HTTP/1.1 200 OK\r\n", headers), "too many headers"),
        (bomb(), "is encoded as gzip"),
        (Action::Answer(circle), "more than 10 redirects"),
        (
            Action::Answer(Reply::status(200).body(broken)),
            "characters that no header can carry",
        ),
        (
            Action::Answer(Reply::status(200).body(r#"{"token":"t","expires_in":-1e308}"#)),
            "401",
        ),
    ];
    let authentication = Authentication::Bearer {
        anonymous: true,
        oauth2: false,
    };
    let stages = answers.map(|(action, said)| {
        let registry = ScriptedRegistry::with(Options {
            authentication,
            ..Options::default()
        });
        registry.fault(Fault::new("GET", "/token", action).every());
        (evil(&registry), registry, said)
    });
    let arena = Arena::new();
    let mut args = vec!["pull", "--dest", "images", &name];
    args.extend(stages.iter().map(|(name, ..)| name.as_str()));
    let output = arena.fails(&args);
    for (name, _, said) in &stages {
        let line = failure(&output, name);
        assert!(line.contains(said), "{said}: {line}");
    }
    assert!(arena.holds("images", &image));
}

/// Two registries, one digest: whoever lies about its size or its bytes spoils only its own image.
#[test]
fn a_blob_that_another_registry_lies_about_reaches_the_image_that_it_belongs_to() {
    let (_good, image, name) = good();
    let liar = ScriptedRegistry::start();
    let (shared, bytes) = image.blobs.last().expect("an image with blobs").clone();
    let mut larger = shared.clone();
    larger.size += 1;
    // Data that stands in the manifest itself is as good as its digest.
    let mut inline = shared.clone();
    inline.data = Some("bGllcw==".to_owned());
    let mut names = Vec::new();
    for (repository, lie, content) in [
        ("evil/size", larger, bytes.clone()),
        ("evil/bytes", shared.clone(), vec![0; bytes.len()]),
        ("evil/inline", inline, bytes.clone()),
    ] {
        let evil = ImageBuilder::new(Family::Oci)
            .described_layer(lie, &content)
            .build();
        liar.put_image(repository, "v1", &evil);
        names.push(format!("{}/{repository}:v1", liar.host()));
    }
    let arena = Arena::new();
    for jobs in ["1", "8"] {
        let store = format!("images-{jobs}");
        let mut args = vec!["pull", "--dest", &store, "--jobs", jobs];
        args.extend(names.iter().chain([&name]).map(String::as_str));
        let output = arena.program(&args).run();
        arena.check(&output, jobs);
        assert!(arena.holds(&store, &image), "{}{}", output.stdout, output.stderr);
        assert!(
            output.stdout.contains(&format!("copied   {name}")),
            "{}",
            output.stdout
        );
    }
}
