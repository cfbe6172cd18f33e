//! The example programs of the libraries, run as a reader of the crates would, against a real registry.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use transload_reference::{Digest, RawManifest};
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::real::{Auth, Tls, skopeo};
use transload_test_support::{Output, RealRegistry, Transload};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[track_caller]
fn run(example: &str, args: &[&str]) -> Output {
    let output = Transload::example(example).args(args).run();
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    output
}

#[track_caller]
fn run_well(example: &str, args: &[&str]) -> String {
    let output = run(example, args);
    assert_eq!(output.code, Some(0), "{example}: {output:?}");
    assert_eq!(output.stderr, "", "{example}");
    output.stdout
}

/// A registry that wants a password of who reads or writes.
fn closed_registry() -> RealRegistry {
    RealRegistry::start(Tls::Server, Auth::Htpasswd)
}

/// The user and password of [`closed_registry`] as `docker login` writes them.
const LOGIN: &str = "dGVzdGVyOmNvcnJlY3Q6aG9yc2U=";

/// An example that trusts the registry's authority.
fn trusting(example: &str, registry: &RealRegistry) -> Transload {
    Transload::example(example).env("SSL_CERT_FILE", registry.ca_file())
}

/// Leaves in a program's home what a login leaves.
fn log_in(program: &Transload, registry: &RealRegistry) {
    let auths = json!({"auths": {registry.host(): {"auth": LOGIN}}});
    fs::write(program.home().join("auth.json"), auths.to_string()).expect("a writable home");
}

/// skopeo reads the whole image back, which verifies every digest, and its root byte for byte.
fn assert_skopeo_reads(registry: &RealRegistry, name: &str, image: &Image) {
    let (access, name) = (registry.access(), format!("docker://{}/{name}", registry.host()));
    assert!(
        skopeo::inspect_raw(&name, &access) == image.root.bytes,
        "{name} has another root"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut args = vec!["--all".into()];
    args.extend(access.options("src-"));
    args.extend([
        name.into(),
        format!("dir:{}", folder.path().join("image").display()).into(),
    ]);
    skopeo::copy(&args);
}

#[test]
fn a_program_of_40_lines_mirrors_an_image_with_the_client_alone() {
    let source = fs::read_to_string(root().join("registry-client/examples/mirror_image.rs")).unwrap();
    assert!(source.lines().count() <= 40, "{}", source.lines().count());
    let uses: Vec<&str> = source.lines().filter(|line| line.starts_with("use ")).collect();
    let is_alone =
        |line: &&str| line.starts_with("use std::") || line.starts_with("use transload_registry_client::");
    assert!(uses.iter().all(is_alone), "{uses:?}");

    let (from, to) = (RealRegistry::plain(), closed_registry());
    let (foreign, _) = samples::foreign("https://publisher.example/layer");
    for (name, image) in [
        ("single", samples::single(Family::Docker, "linux/amd64", 1)),
        ("many", samples::multi_platform(Family::Oci, 2)),
        ("attested", samples::attested(3)),
        ("foreign", foreign),
    ] {
        from.push(&format!("team/{name}"), "v1", &image);
        let names = [
            format!("{}/team/{name}:v1", from.host()),
            format!("{}/mirror/{name}:v2", to.host()),
        ];
        let program = trusting("mirror_image", &to).args(&names);
        log_in(&program, &to);
        let output = program.run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{name}");
        assert_eq!(output.stdout.lines().last(), Some(names[1].as_str()), "{name}");
        assert!(
            to.has_image(&format!("mirror/{name}"), image.digest().as_str(), &image),
            "{name}"
        );
        if name != "foreign" {
            // skopeo would fetch the foreign layer from its publisher.
            assert_skopeo_reads(&to, &format!("mirror/{name}:v2"), &image);
        }
    }
}

#[test]
fn a_mirror_that_fails_says_where_and_what_to_do() {
    let (from, to) = (RealRegistry::plain(), closed_registry());
    from.push("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let here = |name: &str| format!("{}/team/{name}", from.host());
    let there = format!("{}/mirror/app:v1", to.host());
    for (args, cause, hint) in [
        (
            vec![here("app:v9"), there.clone()],
            "404 Not Found",
            "check the name and the tag",
        ),
        (
            vec![here("app:v1"), there.clone()],
            "401 Unauthorized",
            "no credentials",
        ),
        (
            vec![here("app:v1"), "Team/App".to_owned()],
            "invalid reference",
            "",
        ),
        (vec![here("app:v1")], "usage: mirror_image FROM TO", ""),
    ] {
        let output = trusting("mirror_image", &to).args(&args).run();
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{args:?}");
        let told = output.stderr;
        assert!(
            told.starts_with("error: ") && told.contains(cause),
            "{args:?}: {told}"
        );
        assert!(hint.is_empty() || told.contains("\nhint: "), "{args:?}: {told}");
        assert!(told.contains(hint), "{args:?}: {told}");
    }
}

#[test]
fn platforms_of_a_list_of_images_are_checked() {
    let registry = closed_registry();
    let images = [
        ("both", samples::attested(1)),
        ("four", samples::multi_platform(Family::Docker, 2)),
        ("one", samples::single(Family::Oci, "linux/amd64", 3)),
        ("arm", samples::index_of(Family::Oci, &["linux/arm64/v8"], 4)),
        ("nested", samples::nested(5)),
        ("chart", samples::helm_chart("chart", "1.0.0")),
    ];
    for (name, image) in &images {
        registry.push(name, "v1", image);
    }
    let name = |name: &str| format!("{}/{name}:v1", registry.host());
    let check = |args: &[String], lines: &[String]| {
        let program = trusting("check_platforms", &registry)
            .arg("linux/amd64,linux/arm64")
            .args(args)
            .stdin(lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        log_in(&program, &registry);
        program.run()
    };
    let whole = [name("both"), name("four"), name("chart")];
    let expected: String = whole.iter().map(|name| format!("{name} has all\n")).collect();
    for (args, lines) in [(&whole[..], &[][..]), (&[], &whole)] {
        let output = check(args, lines);
        assert_eq!(
            (output.code, output.stdout.as_str(), output.stderr.as_str()),
            (Some(0), expected.as_str(), "")
        );
    }
    let output = check(
        &[
            name("one"),
            name("gone"),
            name("arm"),
            "Not/AName".to_owned(),
            name("nested"),
        ],
        &[],
    );
    assert_eq!(output.code, Some(1));
    let expected = format!(
        "{} has no linux/arm64 (it has linux/amd64)\n{} has no linux/amd64 (it has linux/arm64)\n{} has all\n",
        name("one"),
        name("arm"),
        name("nested")
    );
    assert_eq!(output.stdout, expected, "{}", output.stderr);
    assert!(
        output.stderr.contains("404 Not Found") && output.stderr.contains("invalid reference"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_program_of_40_lines_copies_a_list_of_images_to_a_directory() {
    let source = fs::read_to_string(root().join("transfer/examples/copy_images.rs")).unwrap();
    assert!(source.lines().count() <= 40, "{}", source.lines().count());

    let registry = RealRegistry::plain();
    let image = samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64"], 1);
    let names: Vec<String> = ["a", "b", "c", "d", "e"]
        .map(|name| {
            registry.push(name, "v1", &image);
            format!("{}/{name}:v1", registry.host())
        })
        .to_vec();
    let dirs = tempfile::tempdir().unwrap();
    let folder = dirs.path().join("images");
    let destination = format!("local://{}", folder.display());
    let mut args = vec![destination.as_str()];
    args.extend(names.iter().map(String::as_str));
    let told = run_well("copy_images", &args);
    assert_eq!(told.lines().count(), names.len(), "{told}");
    for name in &names {
        assert!(told.contains(&format!("{name} is at {name} in ")), "{told}");
    }
    let checked = run_well("check_store", &[folder.to_str().unwrap()]);
    assert_eq!(checked, "5 images, 15 manifests\n");

    // One that isn't there fails alone.
    let gone = format!("{}/gone:v1", registry.host());
    let output = run("copy_images", &[&destination, &gone, &names[0]]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stdout.contains(&format!("{gone}: ")), "{}", output.stdout);
    assert!(output.stdout.contains("404 Not Found"), "{}", output.stdout);
    assert!(
        output.stdout.contains(&format!("{} is at ", names[0])),
        "{}",
        output.stdout
    );
    assert_eq!(run("copy_images", &["local://"]).code, Some(1));
}

/// An image that was pulled from a real registry into a directory.
fn pulled(folder: &Path, image: &Image) -> String {
    let registry = RealRegistry::plain();
    registry.push("team/app", "v1", image);
    registry.push("team/app", "v2", image);
    let name = format!("{}/team/app", registry.host());
    let images = [format!("{name}:v1"), format!("{name}:v2")];
    let pull = Transload::new()
        .arg("pull")
        .args(images)
        .arg("--dest")
        .arg(folder);
    let output = pull.run();
    assert_eq!(output.code, Some(0), "{output:?}");
    name
}

#[test]
fn a_program_lists_opens_and_verifies_what_a_directory_holds() {
    let image = samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64"], 1);
    let dirs = tempfile::tempdir().unwrap();
    let folder = dirs.path().join("images");
    let name = pulled(&folder, &image);
    let folder = folder.to_str().unwrap();
    let told = run_well("open_image", &[folder, &format!("{name}:v2")]);
    assert!(
        told.starts_with(&format!("tag v1\ntag v2\nmanifest {}", image.digest())),
        "{told}"
    );
    for (blob, bytes) in &image.blobs {
        assert!(
            told.contains(&format!("blob {} {} bytes\n", blob.digest, blob.size)),
            "{told}"
        );
        if blob.media_type.is_image_config() {
            let config = format!("config {}\n", String::from_utf8_lossy(bytes).trim_end());
            assert!(told.contains(&config), "{told}");
        }
    }
    let listed = run_well("list_store", &[folder]);
    let bytes = image.blob_bytes();
    assert_eq!(
        listed,
        format!(
            "{name}:v1  {bytes} bytes in {0} blobs\n{name}:v2  {bytes} bytes in {0} blobs\n",
            image.blobs.len()
        )
    );
    assert_eq!(run_well("check_store", &[folder]), "2 images, 3 manifests\n");

    // The same in an OCI layout.
    let layout = dirs.path().join("layout");
    let layout = layout.to_str().unwrap();
    for _ in 0..2 {
        let copied = run_well("to_oci", &[folder, layout]);
        assert_eq!(copied, format!("{name}:v1\n{name}:v2\n"));
    }
    assert_eq!(run_well("list_store", &[layout]), listed);
    assert_eq!(run_well("check_store", &[layout]), "2 images, 3 manifests\n");

    // Rot is found, and a file that is gone.
    let path = |at: usize| {
        Path::new(folder)
            .join("blobs")
            .join(image.blobs[at].0.digest.as_str())
    };
    let last = image.blobs.len() - 1;
    let mut bytes = fs::read(path(0)).unwrap();
    bytes[0] ^= 1;
    fs::write(path(0), bytes).unwrap();
    fs::remove_file(path(last)).unwrap();
    for (example, code) in [("open_image", 1), ("check_store", 0)] {
        let output = run(example, &[folder, &format!("{name}:v1")]);
        assert_eq!(output.code, Some(code), "{example}: {output:?}");
        for (at, flaw) in [(0, "doesn't match the digest in its name"), (last, "is missing")] {
            let line = format!("blob {} {flaw}\n", image.blobs[at].0.digest);
            assert!(output.stdout.contains(&line), "{example}: {}", output.stdout);
        }
    }
    let gone = run("open_image", &[folder, &format!("{name}:v9")]);
    assert_eq!(
        (gone.code, gone.stderr),
        (Some(1), format!("error: {name}:v9 isn't there\n"))
    );
}

#[test]
fn destinations_that_are_rendered_can_be_mirrored_to() {
    let registry = RealRegistry::plain();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    registry.push("team/app", "v1", &image);
    let name = format!("{}/team/app:v1", registry.host());
    let template = format!(
        "{}/mirror/{{{{ .module.image.reference.repository | base }}}}:{{{{ .reference | default \"latest\" }}}}",
        registry.host()
    );
    let pinned = format!("quay.io/other@{}", image.digest());
    let told = run_well("destinations", &[&template, &name, "alpine", &pinned]);
    let host = registry.host();
    let expected = format!(
        "{name} -> {host}/mirror/app:v1\n\
         docker.io/library/alpine:latest -> {host}/mirror/alpine:latest\n\
         {pinned} -> {host}/mirror/other:{}\n",
        image.digest()
    );
    assert_eq!(told, expected);
    let (from, to) = told.lines().next().unwrap().split_once(" -> ").unwrap();
    run_well("mirror_image", &[from, to]);
    assert!(registry.has_image("mirror/app", "v1", &image));
    assert_skopeo_reads(&registry, "mirror/app:v1", &image);

    let wrong = run("destinations", &["{{ .repositry }}", &name]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(1), ""));
    assert!(
        wrong.stderr.contains("did you mean `.repository`?"),
        "{}",
        wrong.stderr
    );
    let none = run("destinations", &["{{ .repository", &name]);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.stderr.starts_with("line 1, column "), "{}", none.stderr);
}

#[test]
fn an_index_of_a_registry_is_cut_and_names_are_read() {
    let registry = RealRegistry::plain();
    registry.push("team/app", "v1", &samples::attested(1));
    let index = registry.manifest("team/app", "v1").expect("it was pushed");
    let output = Transload::example("platforms")
        .arg("linux/arm64")
        .stdin(index.bytes.clone())
        .run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let raw = RawManifest::parse(index.bytes, None).unwrap();
    let marks: Vec<&str> = output
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(marks[..4], ["drop", "keep", "drop", "keep"], "{}", output.stdout);
    let (before, after) = output
        .stdout
        .lines()
        .last()
        .unwrap()
        .split_once(" becomes ")
        .unwrap();
    assert_eq!(before, raw.digest().as_str());
    assert!(after != before && after.parse::<Digest>().is_ok(), "{after}");

    let told = run_well(
        "normalise",
        &["alpine", &format!("{}/team/app", registry.host()), "A"],
    );
    let expected = format!(
        "alpine -> docker.io/library/alpine:latest\n{0}/team/app -> {0}/team/app:latest\n",
        registry.host()
    );
    assert!(
        told.starts_with(&expected) && told.lines().nth(2).unwrap().starts_with("A: invalid"),
        "{told}"
    );
}

#[test]
fn every_library_has_an_example_and_every_example_is_run_here() {
    for library in [
        "reference",
        "registry-client",
        "layout-store",
        "template",
        "policy",
        "transfer",
    ] {
        let entries = fs::read_dir(root().join(library).join("examples"));
        let mut count = 0;
        for entry in entries.unwrap_or_else(|error| panic!("{library}: {error}")) {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let is_run = include_str!("examples.rs").contains(&format!("\"{name}\""));
            assert!(is_run, "{library}: {name}");
            count += 1;
        }
        assert!(count > 0, "{library}");
    }
}
