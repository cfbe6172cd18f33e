use transload_transfer::{Fault, ImageOutcome, Route};

use super::*;
use crate::task::{LoadOptions, load_str};

/// What a run of these tasks does where those with these names fail: the tasks that had their turn, those whose failure counts, and the
/// others with their reasons.
fn run(text: &str, failing: &[&str]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let loaded = load_str("t.yaml", text, &LoadOptions::default()).unwrap();
    let mut course = CourseOfRun::new(&loaded.courses);
    let (mut done, mut failed, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for (number, job) in loaded.jobs.iter().enumerate() {
        let job = match course.turn(number, job) {
            Turn::Run => job.clone(),
            Turn::RunAs(job, _) => *job,
            Turn::Skip(reason) => {
                skipped.push(format!("{}: {reason}", job.name));
                continue;
            }
            Turn::Refuse(faults) => panic!("{faults:?}"),
        };
        let mut summary = summary(&job, failing.contains(&job.name.as_str()));
        course.done(number, &job, &mut summary);
        if !summary.ignore_errors && summary.failures().next().is_some() {
            failed.push(job.name.clone());
        }
        done.push(job.name);
    }
    (done, failed, skipped)
}

fn summary(job: &Job, fails: bool) -> JobSummary {
    let route = Route {
        image: job.images.first().map(ToString::to_string).unwrap_or_default(),
        label: job.images.first().map(ToString::to_string).unwrap_or_default(),
        source: String::new(),
        destination: String::new(),
    };
    let status = match fails {
        true => Status::Failed(Fault::refused(None, "no such image")),
        false => Status::Copied,
    };
    JobSummary {
        job: job.name.clone(),
        images: vec![ImageOutcome::blank(route, status)],
        warnings: Vec::new(),
        projects: Vec::new(),
        origins: BTreeMap::new(),
        token_requests: BTreeMap::new(),
        missing: transload_transfer::bundle::Holdings::default(),
        missing_file: None,
        bundles: std::collections::BTreeSet::new(),
        elapsed: std::time::Duration::ZERO,
        ignore_errors: job.ignore_errors,
        takes_all_platforms: false,
    }
}

/// A task of this name, with more keys.
fn task(name: &str, more: &str) -> String {
    format!("{{name: {name}, image: {{manifests: '{name}', dest: 'local:///x'}}{more}}}")
}

fn tasks(names: &str) -> String {
    let tasks: Vec<String> = names.split(' ').map(|name| task(name, "")).collect();
    format!("[{}]", tasks.join(", "))
}

#[test]
fn a_failure_ends_its_block_and_starts_the_rescue_which_answers_for_it() {
    let text = format!(
        "- block: {}\n  rescue: {}\n  always: {}\n- {}\n",
        tasks("a b"),
        tasks("c d"),
        tasks("e"),
        task("f", "")
    );
    let told = |failing: &[&str]| {
        let (done, failed, skipped) = run(&text, failing);
        format!(
            "{} / {} / {}",
            done.join(" "),
            failed.join(" "),
            skipped.join(", ")
        )
    };
    assert_eq!(
        told(&[]),
        "a b e f /  / c: nothing failed in its block, d: nothing failed in its block"
    );
    assert_eq!(
        told(&["a"]),
        "a c d e f /  / b: a task before it in its block failed"
    );
    assert_eq!(told(&["b"]), "a b c d e f /  / ");
    assert_eq!(
        told(&["a", "c"]),
        "a c d e f / c / b: a task before it in its block failed"
    );
    assert_eq!(
        told(&["e"]),
        "a b e f / e / c: nothing failed in its block, d: nothing failed in its block"
    );
}

#[test]
fn a_block_that_was_begun_comes_to_its_always_also_where_one_around_it_failed() {
    let inner = format!("{{block: {}, always: {}}}", tasks("b"), tasks("c"));
    let text = format!(
        "- block: [{}, {inner}, {}]\n  rescue: {}\n",
        task("a", ""),
        task("d", ""),
        tasks("e")
    );
    assert_eq!(run(&text, &["b"]).0.join(" "), "a b c e");
    assert_eq!(run(&text, &["a"]).0.join(" "), "a e");
    assert_eq!(run(&text, &["c"]).0.join(" "), "a b c e");
}

#[test]
fn without_a_rescue_a_failure_ends_nothing_and_an_ignored_one_rescues_nothing() {
    let text = format!("- block: {}\n  always: {}\n", tasks("a b"), tasks("c"));
    let (done, failed, _) = run(&text, &["a"]);
    assert_eq!(
        (done.join(" "), failed.join(" ")),
        ("a b c".to_owned(), "a".to_owned())
    );
    let ignored = task("a", ", ignore_errors: true");
    let text = format!(
        "- block: [{ignored}, {}]\n  rescue: {}\n",
        task("b", ""),
        tasks("c")
    );
    assert_eq!(run(&text, &["a"]).0.join(" "), "a b");
}

#[test]
fn later_tasks_read_what_earlier_ones_registered() {
    let text = format!(
        "- {}\n- {}\n- {}\n- {}\n",
        task("a", ", register: r, ignore_errors: true"),
        task("b", ", when: .r.failed"),
        task("c", ", when: not .r.failed, register: s"),
        task("d", ", when: 'eq .s.stdout \"skip\"'"),
    );
    let (done, _, skipped) = run(&text, &["a"]);
    assert_eq!(
        (done.join(" "), skipped.join(", ")),
        ("a b d".to_owned(), "c: its `when` is false".to_owned())
    );
    assert_eq!(run(&text, &[]).0.join(" "), "a c");
}

#[test]
fn a_result_has_the_report_and_the_errors_and_one_for_each_round_of_a_loop() {
    let text = format!(
        "- {}\n- {}\n",
        task("a", ", register: r, register_type: json, loop: [x, y]"),
        task("b", ", when: .r")
    );
    let loaded = load_str("t.yaml", &text, &LoadOptions::default()).unwrap();
    let mut course = CourseOfRun::new(&loaded.courses);
    for (number, (job, fails)) in loaded.jobs.iter().zip([false, true]).enumerate() {
        course.turn(number, job);
        course.done(number, job, &mut summary(job, fails));
    }
    let told = format!("{:?}", course.results["r"]);
    for part in [
        "\"item\": String(\"x\")",
        "\"item\": String(\"y\")",
        "\"status\": String(\"copied\")",
        "no such image",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
