//! Filesystems that lack something: colons in names, locks, modes, flushes, large files. Which they are is told before anything moves,
//! or the work is done all the same.

use std::fs;
use std::path::Path;

use transload_test_support::{ExfatImage, Output, ScriptedRegistry, Transload, may_mount};

use super::disk::{folders, with_disk};
use super::power::may_trace;
use super::whole::{assert_sound, partials};
use super::{folder, one_layer, registry, text};

const MIB: usize = 1 << 20;

/// The program under strace, where these calls fail so; where a path is given, those alone that are about it.
fn with_failing(calls: &str, error: &str, path: Option<&Path>) -> Transload {
    let trace = format!("trace={calls}");
    let inject = format!("inject={calls}:error={error}");
    let mut args = vec!["-f", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let path = path.map(text);
    if let Some(path) = &path {
        args.extend(["-P", path]);
    }
    Transload::new().under("strace", args)
}

fn pull(program: Transload, store: &Path, names: &[String]) -> Output {
    pull_with(program, store, names, &[])
}

fn pull_with(program: Transload, store: &Path, names: &[String], more: &[&str]) -> Output {
    program
        .args(["pull", "--plain-http", "--dest", &text(store)])
        .args(names)
        .args(more)
        .run()
}

#[track_caller]
fn assert_warned_once(output: &Output, warning: &str) {
    let told = output.stderr.matches("warning: ").count();
    assert!(told == 1 && output.stderr.contains(warning), "{}", output.stderr);
}

#[test]
fn a_disk_that_takes_no_colon_is_refused_before_anything_moves() {
    let dir = folder();
    let (file, disk) = (dir.path().join("exfat"), dir.path().join("disk"));
    fs::create_dir(&disk).expect("a writable folder");
    let Some(exfat) = ExfatImage::make(&file) else {
        return;
    };
    let (registry, names) = registry(&[1000, 2000]);
    let store = dir.path().join("store");
    pull(Transload::new(), &store, &names).expect_code(0);
    registry.log().clear();

    let write = |name: &str, tasks: String| {
        let file = dir.path().join(name);
        fs::write(&file, tasks).expect("a writable folder");
        text(file)
    };
    let manifests = format!(
        "manifests: ['{}'], auths: [{{repo: '{}', plain_http: true}}]",
        names[0],
        registry.host()
    );
    // The second task's images are known once the first is done, and its disk at once.
    let in_turn = write(
        "in-turn.yaml",
        format!(
            "- name: gather\n  image: {{{manifests}, dest: 'local://{0}'}}\n\
             - name: carry\n  image: {{src: 'local://{0}', dest: 'local://{1}'}}\n",
            text(dir.path().join("gathered")),
            text(disk.join("carried")),
        ),
    );
    let by_template = write(
        "by-template.yaml",
        format!(
            "- name: by template\n  image: {{{manifests}, dest: 'local://{}/{{{{ .module.image.reference.reference }}}}'}}\n",
            text(&disk)
        ),
    );
    let images = text(disk.join("deep/images"));
    let pull = ["pull", "--plain-http", &names[0], &names[1], "--dest"];
    for args in [
        [&pull[..], &[&images]].concat(),
        [&pull[..], &[&images, "--dry-run"]].concat(),
        [&pull[..], &[&text(&disk)]].concat(),
        vec!["copy", "--src", &text(&store), "--dest", &images, "--dry-run"],
        vec!["run", &in_turn],
        vec!["run", &by_template, "--dry-run"],
    ] {
        let script = "\"$@\"; code=$?; ls -A \"$DISK\"; exit $code";
        let output = exfat
            .with(Transload::new(), &disk, script)
            .args(&args)
            .run()
            .expect_code(1);
        for part in [
            "its filesystem (fuseblk) allows no colon in file names, which an image directory needs",
            "hint: choose a directory on ext4, xfs or btrfs (not exFAT, FAT or NTFS)",
            "Nothing was moved",
        ] {
            let told = output.stderr.matches(part).count();
            assert_eq!(told, 1, "{args:?}\n{}", output.stderr);
        }
        assert!(
            output.stderr.contains(&text(&disk)),
            "{args:?}\n{}",
            output.stderr
        );
        assert_eq!(output.stdout, "", "{args:?}: something is left on the disk");
    }
    assert!(!dir.path().join("gathered").exists());
    assert_eq!(registry.log().count("GET", "/v2/team/"), 0);
}

#[test]
fn an_oci_layout_on_a_disk_that_takes_no_colon_is_written_read_pulled_into_and_pruned() {
    let dir = folder();
    let (file, disk, store) = (
        dir.path().join("exfat"),
        dir.path().join("disk"),
        dir.path().join("images"),
    );
    fs::create_dir(&disk).expect("a writable folder");
    let Some(exfat) = ExfatImage::make(&file) else {
        return;
    };
    let (_registry, names) = registry(&[1000, 300_000]);
    pull(Transload::new(), &store, &names[..1]).expect_code(0);
    let layout = text(disk.join("layout"));
    for program in [
        Transload::example("to_oci").args([&text(&store), &layout]),
        Transload::new().args(["pull", "--plain-http", "--dest", &layout, &names[0], &names[1]]),
        Transload::new().args(["verify", &layout]),
        Transload::example("check_store").args([&layout]),
        Transload::new().args([
            "prune",
            &layout,
            "--yes",
            "--keep-pattern",
            &format!("^{}$", names[1]),
        ]),
        Transload::new().args(["verify", &layout]),
        Transload::new().args(["copy", "--src", &layout, "--dest", &text(dir.path().join("back"))]),
    ] {
        exfat.with(program, &disk, "\"$@\"").run().expect_code(0);
    }
    let listed = Transload::new()
        .args(["list", &text(dir.path().join("back"))])
        .run()
        .expect_code(0);
    assert!(listed.stdout.contains(&names[1]), "{}", listed.stdout);
    assert!(!listed.stdout.contains(&names[0]), "{}", listed.stdout);
}

#[test]
fn an_archive_on_a_disk_that_takes_no_colon_is_written_verified_and_read() {
    let dir = folder();
    let (file, disk) = (dir.path().join("exfat"), dir.path().join("disk"));
    fs::create_dir(&disk).expect("a writable folder");
    let Some(exfat) = ExfatImage::make(&file) else {
        return;
    };
    let (_registry, names) = registry(&[3 * MIB, 1000, 2 * MIB]);
    let store = dir.path().join("store");
    pull(Transload::new(), &store, &names).expect_code(0);
    let on_disk = |args: &[&str]| {
        let program = exfat.with(Transload::new(), &disk, "\"$@\"");
        program.args(args).run().expect_code(0)
    };
    let carried = format!("oci-archive:{}", text(disk.join("images.tar")));
    on_disk(&["copy", "--src", &text(&store), "--dest", &carried]);
    // Each time the disk is another mount of it.
    on_disk(&["verify", &carried]);
    let back = dir.path().join("back");
    on_disk(&["copy", "--src", &carried, "--dest", &text(&back)]);
    let diff = ["diff", &text(&store), &text(&back)];
    Transload::new().args(diff).run().expect_code(0);
    assert_eq!(
        assert_sound(&back),
        ["team/app0:v1", "team/app1:v1", "team/app2:v1"]
    );
    let again = on_disk(&["copy", "--src", &text(&store), "--dest", &carried]);
    assert!(again.stderr.contains("3 there already"), "{}", again.stderr);
}

#[test]
fn a_folder_of_blobs_on_a_disk_that_takes_no_colon_is_told_so_too() {
    let dir = folder();
    let (file, store) = (dir.path().join("exfat"), dir.path().join("images"));
    let blobs = store.join("blobs");
    fs::create_dir_all(&blobs).expect("a writable folder");
    let Some(exfat) = ExfatImage::make(&file) else {
        return;
    };
    let (_registry, names) = registry(&[1000]);
    let own = store.join(".transload");
    fs::create_dir(&own).expect("a writable folder");
    let output = exfat
        .with(Transload::new(), &own, "\"$@\"")
        .args(["pull", "--plain-http", "--dest", &text(&store), &names[0]])
        .run()
        .expect_code(1);
    let told = "destination: ";
    assert!(
        output.stderr.contains(told) && output.stderr.contains("allows no colon in file names"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_filesystem_without_locks_is_written_to_with_one_warning() {
    if !may_trace() {
        return;
    }
    // NFS and FUSE may have locks of folders all the same.
    for (error, is_of_files) in [
        ("ENOLCK", true),
        ("ENOLCK", false),
        ("EOPNOTSUPP", false),
        ("ENOSYS", false),
    ] {
        let (_registry, names) = registry(&[1000, 2000, 3000]);
        let dir = folder();
        let store = dir.path().join("images");
        let file = is_of_files.then(|| store.join(".transload/lock"));
        let program = with_failing("flock", error, file.as_deref());
        let output = pull(program, &store, &names).expect_code(0);
        assert_warned_once(
            &output,
            &format!(
                "warning: {}: its filesystem has no locks: let one transload at a time write there\n",
                text(&store)
            ),
        );
        assert_eq!(assert_sound(&store).len(), 3);

        let prune = ["prune", &text(&store), "--yes", "--keep-pattern", "app[01]"];
        let output = with_failing("flock", error, None)
            .args(prune)
            .run()
            .expect_code(0);
        let told = output.stderr.matches("its filesystem has no locks").count();
        assert_eq!(told, 1, "{}", output.stderr);
        assert_eq!(assert_sound(&store).len(), 2);
    }
}

#[test]
fn a_lock_that_fails_ends_what_would_read() {
    if !may_trace() {
        return;
    }
    let (_registry, names) = registry(&[1000]);
    let dir = folder();
    let store = dir.path().join("images");
    pull(Transload::new(), &store, &names).expect_code(0);
    for command in ["list", "verify"] {
        let program = with_failing("flock", "EIO", None).args([command, &text(&store)]);
        let output = program.run().expect_code(2);
        assert!(output.stderr.contains("locking "), "{}", output.stderr);
    }
}

#[test]
fn a_filesystem_without_modes_is_written_to_without_a_word() {
    if !may_trace() {
        return;
    }
    let (_registry, names) = registry(&[1000]);
    let dir = folder();
    let store = dir.path().join("images");
    let output = pull(
        with_failing("?chmod,fchmod,fchmodat", "EPERM", None),
        &store,
        &names,
    )
    .expect_code(0);
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    assert_eq!(assert_sound(&store), ["team/app0:v1"]);
}

#[test]
fn a_filesystem_without_flushes_is_written_to_with_one_warning() {
    if !may_trace() {
        return;
    }
    for error in ["EINVAL", "ENOSYS", "EOPNOTSUPP"] {
        let (_registry, names) = registry(&[1000, 2000]);
        let dir = folder();
        let (store, report) = (dir.path().join("images"), dir.path().join("report.json"));
        let program = with_failing("fdatasync", error, None);
        let output = pull_with(program, &store, &names, &["--report", &text(&report)]).expect_code(0);
        let warning = format!(
            "{}: its filesystem can't flush a file to the disk: after a power cut, check it with transload verify",
            text(&store)
        );
        assert_warned_once(&output, &format!("warning: {warning}\n"));
        let report = fs::read_to_string(&report).expect("a report");
        assert!(report.contains(&warning), "{report}");
        assert_eq!(assert_sound(&store).len(), 2);
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_told_with_what_to_do_and_a_rerun_goes_on() {
    let (registry, names) = registry(&[3 * MIB, 1000]);
    let dir = folder();
    let store = dir.path().join("images");
    // The unit is 512 or 1024 bytes, by the shell.
    let limited = Transload::new().under("sh", ["-c", "ulimit -f 2000; exec \"$@\"", "sh"]);
    let output = pull(limited, &store, &names).expect_code(1);
    for part in [
        "destination: writing ",
        "File too large",
        "hint: files can't be that large here: raise the limit (ulimit -f shows it)",
    ] {
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
    assert_eq!(assert_sound(&store), ["team/app1:v1"]);
    assert!(partials(&store).into_values().any(|size| size > 0));
    pull(Transload::new(), &store, &names).expect_code(0);
    assert_eq!(assert_sound(&store), ["team/app0:v1", "team/app1:v1"]);
    drop(registry);
}

#[test]
fn a_process_that_is_killed_before_a_file_has_its_name_leaves_nothing_after_the_next_run() {
    if !may_trace() {
        return;
    }
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &one_layer(0, 1000));
    let names = [format!("{}/team/app:v1", registry.host())];
    let dir = folder();
    let store = dir.path().join("images");
    // Two blobs get their names, then a manifest would.
    let killed = Transload::new().under(
        "strace",
        [
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=?rename,?renameat,renameat2",
            "-e",
            "inject=?rename,?renameat,renameat2:signal=KILL:when=3",
        ],
    );
    let output = pull_with(killed, &store, &names, &["--jobs", "1"]);
    assert_ne!(output.code, Some(0), "{}", output.stderr);
    let temporary = || {
        let own = fs::read_dir(store.join(".transload")).expect("the program's folder");
        own.flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(".tmp"))
            .count()
    };
    assert_eq!(temporary(), 1, "the kill came at another moment");
    pull(Transload::new(), &store, &names).expect_code(0);
    assert_eq!(temporary(), 0);
    assert_eq!(assert_sound(&store), ["team/app:v1"]);
}

/// Two directories on one disk, each of which has room enough alone.
#[test]
fn directories_on_one_disk_share_its_space() {
    if !may_mount() {
        return;
    }
    let (registry, names) = registry(&[5 * MIB, 5 * MIB + 1]);
    let (dir, disk, out) = folders();
    let tasks = format!(
        "- name: both\n  image:\n    manifests: ['{}', '{}']\n    auths: [{{repo: '{}', plain_http: true}}]\n    \
         dest: 'local://{}/{{{{ .module.image.reference.repository | base }}}}'\n",
        names[0],
        names[1],
        registry.host(),
        text(&disk)
    );
    let file = dir.path().join("tasks.yaml");
    fs::write(&file, tasks).expect("a writable folder");
    let run = |more: &[&str]| {
        with_disk(
            &disk,
            "8m",
            "\"$@\"; code=$?; cp -a \"$DISK\" \"$OUT/\"; exit $code",
            &out,
        )
        .args([&["run", &text(&file), "--jobs", "1"], more].concat())
        .run()
        .expect_code(1)
    };
    let output = run(&["--dry-run"]);
    let told = ", 8.00 MiB free, of which 5.00 MiB are for earlier images on the same filesystem: 2.00 MiB too few, \
                so some images would fail\n";
    assert!(output.stdout.contains(told), "{}", output.stdout);
    let output = run(&["--dry-run", "--output", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    let missing: Vec<u64> = plan["tasks"][0]["disks"]
        .as_array()
        .expect("the directories")
        .iter()
        .filter_map(|disk| disk["bytes_missing"].as_u64())
        .collect();
    assert!(
        missing.len() == 2 && missing[0] == 0 && missing[1] > MIB as u64,
        "{plan}"
    );

    let output = run(&[]);
    assert!(
        output
            .stderr
            .contains("destination: the disk is too full: the image needs 5.00 MiB, and "),
        "{}",
        output.stderr
    );
    let kept = ["app0", "app1"].map(|name| assert_sound(&out.join("disk").join(name)));
    assert_eq!(kept.concat().len(), 1, "{kept:?}");
    let short = ["app0", "app1"].map(|name| partials(&out.join("disk").join(name)).len());
    assert_eq!(short, [0, 0], "something of what doesn't fit was written");
}
