//! Disks that are full, fill up, can't be written, or lose the store; clocks that jump.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use transload_reference::{Digest, MediaType};
use transload_test_support::image::{Document, noise};
use transload_test_support::scripted::{Action, Fault};
use transload_test_support::{Output, ScriptedRegistry, Transload, may_mount};

use super::whole::{assert_sound, blobs, partials};
use super::{folder, one_layer, registry, text};

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(40);

/// The digest of its layer.
fn layer(seed: u64, size: usize) -> Digest {
    Digest::of(&noise(seed, size))
}

/// The program in a namespace of its own with a small disk at `disk`, run by a script in which `"$@"` is its command line.
pub fn with_disk(disk: &Path, size: &str, script: &str, out: &Path) -> Transload {
    let script = format!("set -u; mount -t tmpfs -o size={size} none \"$DISK\" || exit 99; {script}");
    Transload::new()
        .env("DISK", disk)
        .env("OUT", out)
        .under("unshare", ["-m", "sh", "-c", &script, "sh"])
}

pub fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = folder();
    let (disk, out) = (dir.path().join("disk"), dir.path().join("out"));
    fs::create_dir(&disk).expect("a writable folder");
    fs::create_dir(&out).expect("a writable folder");
    (dir, disk, out)
}

#[test]
fn nothing_is_asked_for_of_an_image_that_does_not_fit_however_many_workers_wait() {
    let registry = ScriptedRegistry::start();
    let config = Digest::of(b"{}");
    let names: Vec<String> = (0..40u32)
        .map(|number| {
            let repository = format!("team/vast{number}");
            let layers: Vec<String> = (0..60u32)
                .map(|layer| {
                    let digest = Digest::of(format!("{number} {layer}").as_bytes());
                    format!(
                        r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{}}}"#,
                        1u64 << 60
                    )
                })
                .collect();
            let manifest = format!(
                r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{config}","size":2}},"layers":[{}]}}"#,
                MediaType::OCI_MANIFEST,
                MediaType::OCI_CONFIG,
                layers.join(",")
            );
            let manifest = Document::new(manifest.into_bytes(), MediaType::OCI_MANIFEST);
            registry.put_manifest(&repository, Some("v1"), &manifest);
            registry.put_blob(&repository, &config, b"{}");
            format!("{}/{repository}:v1", registry.host())
        })
        .collect();
    let dir = folder();
    let output = Transload::new()
        .args(["pull", "--plain-http", "--dest", &text(dir.path().join("images"))])
        .args(&names)
        .run()
        .expect_code(1);
    let failed = output.stdout.lines().filter(|line| line.starts_with("failed "));
    assert_eq!(failed.count(), names.len(), "{}{}", output.stdout, output.stderr);
    let told = "destination: the disk is too full: the image needs ";
    let causes = output.stdout.matches(told).count() + output.stdout.matches("(same cause as ").count();
    assert_eq!(causes, names.len(), "{}{}", output.stdout, output.stderr);
    let requests = registry.log().requests();
    let layers = requests
        .iter()
        .filter(|request| request.path.contains("/blobs/") && !request.path.ends_with(config.as_str()));
    assert_eq!(layers.count(), 0);
}

#[test]
fn an_image_that_does_not_fit_is_refused_before_any_of_it_moves_and_those_that_fit_are_moved() {
    if !may_mount() {
        return;
    }
    let (registry, names) = registry(&[2 * MIB, 9 * MIB, 3 * MIB]);
    let (_dir, disk, out) = folders();
    let script = "\"$@\"; code=$?; cp -a \"$DISK/images\" \"$OUT/first\"; mount -o remount,size=40m \"$DISK\"; \
                  \"$@\" || exit 98; cp -a \"$DISK/images\" \"$OUT/second\"; exit $code";
    let output = with_disk(&disk, "8m", script, &out)
        .args([
            "pull",
            "--plain-http",
            "--jobs",
            "1",
            "--dest",
            &text(disk.join("images")),
        ])
        .args(&names)
        .run()
        .expect_code(1);
    let told = "destination: the disk is too full: the image needs 9.00 MiB, and ";
    assert!(output.stderr.contains(told), "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("hint: make room or choose another directory"),
        "{}",
        output.stderr
    );
    assert_eq!(assert_sound(&out.join("first")), ["team/app0:v1", "team/app2:v1"]);
    assert_eq!(
        partials(&out.join("first")).len(),
        0,
        "something of what doesn't fit was written"
    );
    assert_eq!(
        assert_sound(&out.join("second")),
        ["team/app0:v1", "team/app1:v1", "team/app2:v1"]
    );
    assert_eq!(
        registry.log().count("GET", "/team/app1/blobs/"),
        2,
        "config and layer are fetched once"
    );
}

#[test]
fn a_plan_tells_what_the_disk_lacks() {
    if !may_mount() {
        return;
    }
    let (_registry, names) = registry(&[2 * MIB, 9 * MIB]);
    let (_dir, disk, out) = folders();
    let output = with_disk(&disk, "8m", "exec \"$@\"", &out)
        .args([
            "pull",
            "--plain-http",
            "--dry-run",
            "--dest",
            &text(disk.join("images")),
        ])
        .args(&names)
        .run()
        .expect_code(1);
    assert!(
        output.stdout.contains("  disk: 11.00 MiB to write in "),
        "{}",
        output.stdout
    );
    assert!(
        output
            .stdout
            .contains(", 8.00 MiB free: 3.00 MiB too few, so some images would fail\n"),
        "{}",
        output.stdout
    );
}

#[test]
fn a_disk_that_fills_up_meanwhile_leaves_nothing_short_and_a_rerun_goes_on() {
    if !may_mount() {
        return;
    }
    let (registry, names) = registry(&[6 * MIB]);
    registry.fault(
        Fault::new(
            "GET",
            layer(0, 6 * MIB).as_str(),
            Action::Stall { after: 2 * MIB },
        )
        .first(1),
    );
    let (_dir, disk, out) = folders();
    let script = "\"$@\" & pid=$!; \
                  while [ ! -e \"$OUT/fill\" ]; do sleep 0.01; done; \
                  head -c 5m /dev/zero >\"$DISK/others\"; touch \"$OUT/filled\"; \
                  wait $pid; code=$?; cp -a \"$DISK/images\" \"$OUT/first\"; rm \"$DISK/others\"; \
                  \"$@\" || exit 98; cp -a \"$DISK/images\" \"$OUT/second\"; exit $code";
    let running = with_disk(&disk, "8m", script, &out)
        .args(["pull", "--plain-http", "--dest", &text(disk.join("images"))])
        .args(&names)
        .spawn();
    registry.wait_until_stalled(1);
    fs::write(out.join("fill"), "").expect("a writable folder");
    wait_for_file(&out.join("filled"));
    registry.release();
    let output = running.wait().expect_code(1);
    assert!(
        output.stderr.contains("destination: writing ") && output.stderr.contains("No space left"),
        "{}",
        output.stderr
    );
    assert!(
        output
            .stderr
            .contains("hint: the disk is full: make room and run the same command again"),
        "{}",
        output.stderr
    );
    assert_eq!(assert_sound(&out.join("first")), [] as [&str; 0]);
    let kept = partials(&out.join("first"))
        .into_values()
        .max()
        .expect("what came is kept");
    assert!(kept >= MIB as u64, "{kept}");
    assert_eq!(assert_sound(&out.join("second")), ["team/app0:v1"]);
    let resumed = registry.log().requests().iter().any(|request| {
        request
            .header("range")
            .is_some_and(|range| range.starts_with(&format!("bytes={kept}-")))
    });
    assert!(resumed, "the rerun began anew");
}

fn wait_for_file(path: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} doesn't come", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_disk_that_is_mounted_read_only_is_told_and_serves_as_a_source() {
    if !may_mount() {
        return;
    }
    let (registry, names) = registry(&[1000]);
    let (_dir, disk, out) = folders();
    let target = ScriptedRegistry::start();
    let script = "\"$@\" || exit 97; mount -o remount,ro \"$DISK\"; \
                  \"$PROGRAM\" push --src \"$DISK/images\" --dest \"$TARGET\" --plain-http || exit 96; \
                  \"$PROGRAM\" copy --src \"$DISK/images\" --dest \"$OUT/copy\" || exit 95; \
                  \"$PROGRAM\" pull --plain-http --dest \"$DISK/other\" \"$IMAGE\"";
    let output = with_disk(&disk, "8m", script, &out)
        .env("PROGRAM", Transload::new().program())
        .env("TARGET", target.host())
        .env("IMAGE", &names[0])
        .args([
            "pull",
            "--plain-http",
            "--dest",
            &text(disk.join("images")),
            &names[0],
        ])
        .run();
    assert!(
        output.stderr.contains("Read-only file system"),
        "{}",
        output.stderr
    );
    assert!(
        output
            .stderr
            .contains("hint: the filesystem is mounted read-only"),
        "{}",
        output.stderr
    );
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(target.has_image("team/app0", "v1", &one_layer(0, 1000)));
    assert_eq!(assert_sound(&out.join("copy")), ["team/app0:v1"]);
    drop(registry);
}

/// The program without the rights that root has over other users' files.
fn without_rights(args: &[&str]) -> Output {
    Transload::new()
        .under("setpriv", ["--bounding-set=-all", "--inh-caps=-all"])
        .args(args)
        .run()
}

#[test]
fn what_may_not_be_written_or_read_is_told_with_its_path() {
    let (_registry, names) = registry(&[1000]);
    let dir = folder();
    let store = dir.path().join("images");
    let pull = ["pull", "--plain-http", "--dest", &text(&store), &names[0]];
    let set = |name: &str, mode: u32| {
        fs::set_permissions(store.join(name), fs::Permissions::from_mode(mode)).expect("a file of one's own");
    };
    fs::create_dir(&store).expect("a writable folder");
    set("", 0o555);
    let output = without_rights(&pull).expect_code(1);
    assert!(
        output.stderr.contains(&format!(
            "destination: making {}/blobs: Permission denied",
            text(&store)
        )),
        "{}",
        output.stderr
    );
    assert!(
        output
            .stderr
            .contains("hint: this user has no permission there: check owner and permissions"),
        "{}",
        output.stderr
    );

    set("", 0o755);
    without_rights(&pull).expect_code(0);
    let (_, blob) = blobs(&store)
        .into_iter()
        .max_by_key(|(_, path)| path.metadata().map_or(0, |blob| blob.len()))
        .expect("a blob");
    fs::set_permissions(&blob, fs::Permissions::from_mode(0o000)).expect("a file of one's own");
    let target = ScriptedRegistry::start();
    let push = [
        "push",
        "--plain-http",
        "--src",
        &text(&store),
        "--dest",
        target.host(),
    ];
    let output = without_rights(&push).expect_code(1);
    assert!(
        output
            .stderr
            .contains(&format!("source: opening {}: Permission denied", text(&blob))),
        "{}",
        output.stderr
    );
    assert_eq!(target.tags("team/app0"), [] as [&str; 0]);
    fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).expect("a file of one's own");
    without_rights(&push).expect_code(0);
}

#[test]
fn a_store_that_is_deleted_in_mid_run_is_told_and_a_rerun_completes() {
    let (registry, names) = registry(&[4 * MIB, 1000]);
    registry.fault(Fault::new(
        "GET",
        layer(0, 4 * MIB).as_str(),
        Action::Stall { after: MIB },
    ));
    let dir = folder();
    let store = dir.path().join("images");
    let pull = || {
        Transload::new()
            .args(["pull", "--plain-http", "--dest", &text(&store), "--jobs", "2"])
            .args(&names)
    };
    let running = pull().spawn();
    registry.wait_until_stalled(1);
    // Other threads may write into it at the same time.
    let deadline = Instant::now() + PATIENCE;
    while store.exists() && Instant::now() < deadline {
        fs::remove_dir_all(&store).ok();
    }
    registry.release();
    let output = running.wait().expect_code(1);
    for part in ["No such file or directory", "removed or unmounted"] {
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
    registry.clear_faults();
    pull().run().expect_code(0);
    assert_eq!(assert_sound(&store), ["team/app0:v1", "team/app1:v1"]);
}

#[test]
fn clocks_that_are_wrong_or_jump_change_nothing() {
    let lib = Command::new("faketime")
        .args(["-f", "+0", "printenv", "LD_PRELOAD"])
        .output();
    let lib = lib.unwrap_or_else(|error| panic!("no faketime (Debian package faketime): {error}"));
    let lib = String::from_utf8_lossy(&lib.stdout).trim().to_owned();
    let (registry, names) = registry(&[2 * MIB, MIB]);
    // In mid-run there is something to wait for by the clock of the wall.
    let busy = transload_test_support::scripted::Reply::status(429).header("Retry-After", "1");
    registry.fault(Fault::new("GET", "/blobs/", Action::Answer(busy)).nth(2));
    let dir = folder();
    let pull = |store: &Path, time: &str| {
        Transload::new()
            .env("LD_PRELOAD", &lib)
            .env("FAKETIME", time)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .args(["pull", "--plain-http", "--dest", &text(store), "--jobs", "2"])
            .args(&names)
            .run()
            .expect_code(0)
    };
    // Long ago, far ahead, a clock that runs a hundred thousand times too fast, and one that stands.
    for (number, time) in ["-30y", "+60y", "+0 x100000", "2026-01-01 00:00:00"]
        .iter()
        .enumerate()
    {
        let store = dir.path().join(format!("images{number}"));
        pull(&store, time);
        assert_eq!(assert_sound(&store), ["team/app0:v1", "team/app1:v1"], "{time}");
        let again = pull(&store, "+1y");
        assert!(
            again.stderr.contains("2 there already"),
            "{time}\n{}",
            again.stderr
        );
    }
}

/// The program with the command line `"$1" …` of a script, in a namespace of its own with a new filesystem at `disk`.
fn with_filesystem(make: &str, disk: &Path, image: &Path, script: &str) -> Transload {
    let file = fs::File::create(image).expect("a writable folder");
    file.set_len(512 << 20).expect("a sparse file");
    let made = Command::new("sh")
        .args(["-c", "PATH=\"$PATH:/usr/sbin:/sbin\"; \"$0\" -q \"$1\"", make])
        .arg(image)
        .output()
        .expect("a shell");
    assert!(
        made.status.success(),
        "{make} (Debian packages btrfs-progs, xfsprogs): {made:?}"
    );
    let script = format!("set -u; mount -o loop \"$IMAGE\" \"$DISK\" || exit 99; {script}");
    let program = Transload::new().env("DISK", disk).env("IMAGE", image);
    program.under("unshare", ["-m", "sh", "-c", &script, "sh"])
}

#[test]
fn where_the_filesystem_shares_blocks_a_copy_takes_no_room_and_is_a_copy_all_the_same() {
    if !may_mount() {
        return;
    }
    let (_registry, names) = registry(&[9 * MIB]);
    let layer = layer(0, 9 * MIB);
    for make in ["mkfs.btrfs", "mkfs.xfs"] {
        let (dir, disk, out) = folders();
        let script = "p=$1; export OUT BLOB; \
             \"$@\" && \"$p\" copy --src \"$DISK/one\" --dest \"$DISK/two\" --report \"$OUT/two.json\" && \
             \"$p\" copy --src \"$DISK/one\" --dest \"$DISK/three\" --link --report \"$OUT/three.json\" && \
             \"$p\" copy --src \"$DISK/two\" --dest \"$DISK/new\" --dry-run --output json > \"$OUT/plan.json\" && \
             printf x | dd of=\"$DISK/one/blobs/$BLOB\" conv=notrunc status=none && \
             cp -a \"$DISK/two\" \"$OUT/two\" && ! \"$p\" copy --src \"$DISK/one\" --dest \"$DISK/four\" 2> \"$OUT/told\" && \
             ls -R \"$DISK/four\" > \"$OUT/four\"";
        with_filesystem(make, &disk, &dir.path().join("image"), script)
            .env("OUT", &out)
            .env("BLOB", layer.as_str())
            .args(["pull", "--plain-http", "--dest", &text(disk.join("one"))])
            .args(&names)
            .run()
            .expect_code(0);
        let json = |name: &str| -> serde_json::Value {
            serde_json::from_slice(&fs::read(out.join(name)).expect("a file")).expect("JSON")
        };
        let blobs = |report: &str, how: &str| json(report)["totals"]["blobs"][how]["blobs"].clone();
        assert_eq!(
            (blobs("two.json", "cloned"), blobs("two.json", "moved")),
            (2.into(), 0.into()),
            "{make}"
        );
        assert_eq!(blobs("three.json", "linked"), 2, "{make}");
        assert!(
            json("plan.json").to_string().contains(r#""bytes_to_write":0"#),
            "{make}"
        );
        assert_eq!(assert_sound(&out.join("two")), ["team/app0:v1"], "{make}");
        let told = fs::read_to_string(out.join("told")).expect("a file");
        assert!(
            told.contains(&format!("one/blobs/{layer} is damaged")),
            "{make}: {told}"
        );
        let four = fs::read_to_string(out.join("four")).expect("a file");
        let named = four.lines().filter(|line| *line == layer.as_str());
        assert_eq!(named.count(), 0, "{make}: wrong bytes have a name: {four}");
    }
}

/// Trying again is for networks. The image fails once, with the file's name, and the others go on.
#[test]
fn an_error_of_a_disk_is_told_with_its_file_and_not_tried_again() {
    let (registry, names) = registry(&[MIB, MIB]);
    let dir = folder();
    let store = dir.path().join("images");
    Transload::new()
        .args(["pull", "--plain-http", "--dest", &text(&store)])
        .args(&names)
        .run()
        .expect_code(0);
    let layer = layer(0, MIB);
    let host = registry.host();
    let source = store.join("blobs").join(layer.as_str());
    let partial = dir.path().join("copy/.transload/partial").join(layer.as_str());
    let copy = format!("local://{}", dir.path().join("copy").display());
    let push = format!("{host}/target");
    for (dest, file, call, error, told) in [
        (&copy, &source, "read", "EIO", "source: reading"),
        (&push, &source, "read,pread64,sendfile", "EIO", "source: reading"),
        (&copy, &partial, "write", "EIO", "destination: writing"),
        (&copy, &partial, "write", "ENOSPC", "destination: writing"),
        (&copy, &partial, "write", "EDQUOT", "destination: writing"),
        (&copy, &partial, "write", "EROFS", "destination: writing"),
    ] {
        let _ = fs::remove_dir_all(dir.path().join("copy"));
        let task = format!(
            "- retries: 2\n  image: {{src: 'local://{}', dest: '{dest}', auths: [{{repo: '{host}', plain_http: true}}]}}",
            store.display()
        );
        let (file, trace, inject) = (
            text(file),
            format!("trace={call}"),
            format!("inject={call}:error={error}"),
        );
        let report = text(dir.path().join("report.json"));
        let output = Transload::new()
            .under(
                "strace",
                [
                    "-f",
                    "-qq",
                    "-o",
                    "/dev/null",
                    "-P",
                    &file,
                    "-e",
                    &trace,
                    "-e",
                    &inject,
                ],
            )
            .args(["run", "-", "--report", &report])
            .stdin(task)
            .run()
            .expect_code(1);
        let report: serde_json::Value =
            serde_json::from_slice(&fs::read(&report).expect("a report")).expect("JSON");
        let images = report["tasks"][0]["images"].as_array().expect("images").clone();
        let failed: Vec<_> = images
            .iter()
            .filter(|image| image["status"] == "failed")
            .collect();
        let [failed] = failed.as_slice() else {
            panic!("{call} {error}: {report:#}{}", output.stderr);
        };
        let message = failed["error"]["message"].as_str().expect("a message");
        assert!(
            message.starts_with(&format!("{told} {file}: ")),
            "{call} {error}: {message}"
        );
        assert_eq!(failed["attempts"], 1, "{call} {error}");
        assert_eq!(failed["error"]["retryable"], false, "{call} {error}");
        assert!(failed["error"]["hint"].is_string(), "{call} {error}: {failed:#}");
    }
}
