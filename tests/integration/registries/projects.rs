//! Projects of a Harbor that a push creates.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Action, Fault, HarborProjects, HarborUser, Options, Reply};
use transload_test_support::{Output, ScriptedRegistry, Transload};

use super::help::*;

/// Where images go in these tests, and a directory with three images of two projects.
struct Push {
    hub: ScriptedRegistry,
    folder: TempDir,
    image: Image,
}

const IMAGES: [&str; 3] = ["apps/one", "apps/two", "tools/three"];

impl Push {
    fn to(harbor: Option<HarborProjects>) -> Push {
        let push = Push {
            hub: ScriptedRegistry::with(Options {
                harbor_projects: harbor,
                ..Options::bearer(false)
            }),
            folder: folder(),
            image: samples::single(Family::Oci, "linux/amd64", 1),
        };
        for repository in IMAGES {
            let store = push.folder.path().join("images");
            kubekey::write(
                &store,
                "source.local",
                repository,
                "v1",
                &push.image,
                Generation::Third,
            );
        }
        push
    }

    fn auths(&self) -> Value {
        json!([{"repo": self.hub.host(), "username": USER, "password": PASSWORD, "plain_http": true}])
    }

    fn command(&self, more: &[&str]) -> Transload {
        let auths = self.folder.path().join("auths.json");
        fs::write(&auths, self.auths().to_string()).expect("a writable folder");
        let program = Transload::new().current_dir(self.folder.path());
        let args = [
            "push",
            "--src",
            "images",
            "--dest",
            self.hub.host(),
            "--auths",
            "auths.json",
            "--retries",
            "1",
        ];
        program.args(args).args(more)
    }

    fn run(&self, more: &[&str], code: i32) -> Output {
        self.command(more).run().expect_code(code)
    }

    fn task(&self, create_projects: &Value) -> Value {
        json!({
            "src": format!("local://{}", text(self.folder.path().join("images"))),
            "dest": self.hub.host(),
            "auths": self.auths(),
            "create_projects": create_projects,
        })
    }

    /// How often a project was looked for, and how often one was to be created.
    fn asked(&self) -> (usize, usize) {
        let log = self.hub.log();
        let asked = (log.count("HEAD", "/projects"), log.count("POST", "/projects"));
        log.clear();
        asked
    }

    fn assert_there(&self) {
        for repository in IMAGES {
            assert!(self.hub.has_image(repository, "v1", &self.image), "{repository}");
        }
    }
}

fn names(projects: &[(&str, bool)]) -> Vec<(String, bool)> {
    projects
        .iter()
        .map(|(name, public)| ((*name).to_owned(), *public))
        .collect()
}

#[test]
fn a_push_creates_each_missing_project_once_and_the_next_one_none() {
    let push = Push::to(Some(HarborProjects::default()));
    push.run(&["--report", "report.json", "--create-projects"], 0);
    assert_eq!(push.asked(), (2, 2));
    assert_eq!(push.hub.projects(), names(&[("apps", false), ("tools", false)]));
    push.assert_there();
    let report = |name: &str| -> Value {
        let text = fs::read_to_string(push.folder.path().join(name)).expect("a report");
        serde_json::from_str(&text).expect("JSON")
    };
    let project = |name| json!({"registry": push.hub.host(), "project": name, "public": false});
    let projects = |report: &Value| report["tasks"][0]["projects"].clone();
    assert_eq!(
        projects(&report("report.json")),
        json!([project("apps"), project("tools")])
    );
    push.run(&["--report", "again.json", "--create-projects"], 0);
    assert_eq!(push.asked(), (2, 0));
    assert_eq!(projects(&report("again.json")), json!([]));
}

#[test]
fn only_projects_that_are_missing_are_created_and_others_stay_as_they_are() {
    let push = Push::to(Some(HarborProjects::default()));
    push.hub.create_project("apps", false);
    push.run(&["--create-projects", "public"], 0);
    assert_eq!(push.hub.projects(), names(&[("apps", false), ("tools", true)]));
    push.assert_there();
}

#[test]
fn nothing_is_asked_of_projects_and_none_is_created_unless_it_is_said() {
    for (flags, variable) in [(&[][..], None), (&[], Some("")), (&[], Some("false"))] {
        let push = Push::to(Some(HarborProjects::default()));
        let command = push.command(flags);
        match variable {
            Some(value) => command.env("TRANSLOAD_CREATE_PROJECTS", value).run(),
            None => command.run(),
        }
        .expect_code(1);
        let requests = push.hub.log().requests();
        assert!(requests.iter().all(|request| !request.path.starts_with("/api/")));
        assert!(push.hub.projects().is_empty());
    }
}

#[test]
fn the_variable_of_the_environment_says_it_as_the_flag_does() {
    for (value, public) in [
        ("true", false),
        ("1", false),
        ("private", false),
        ("public", true),
    ] {
        let push = Push::to(Some(HarborProjects::default()));
        push.command(&[])
            .env("TRANSLOAD_CREATE_PROJECTS", value)
            .run()
            .expect_code(0);
        assert_eq!(
            push.hub.projects(),
            names(&[("apps", public), ("tools", public)]),
            "{value}"
        );
    }
}

#[test]
fn tasks_of_one_run_ask_once_for_a_project_and_say_who_may_see_what_they_create() {
    for (said, public) in [
        (json!(true), false),
        (json!("private"), false),
        (json!("public"), true),
    ] {
        let push = Push::to(Some(HarborProjects::default()));
        let tasks = json!([{"image": push.task(&said)}, {"image": push.task(&said)}]);
        Transload::new()
            .args(["run", "-"])
            .stdin(tasks.to_string())
            .run()
            .expect_code(0);
        assert_eq!(push.asked(), (2, 2), "{said}");
        assert_eq!(
            push.hub.log().count("GET", "/systeminfo"),
            0,
            "the log was cleared"
        );
        assert_eq!(push.hub.projects(), names(&[("apps", public), ("tools", public)]));
        push.assert_there();
    }
    // What a task says goes before the command's word for all of them; false is no word.
    let push = Push::to(Some(HarborProjects::default()));
    let tasks = json!([{"image": push.task(&json!("public"))}]).to_string();
    let run = Transload::new().args(["run", "-", "--create-projects", "private"]);
    run.stdin(tasks).run().expect_code(0);
    assert_eq!(push.hub.projects(), names(&[("apps", true), ("tools", true)]));
}

#[test]
fn a_dry_run_creates_nothing_and_plans_as_if_the_projects_were_there_and_empty() {
    let push = Push::to(Some(HarborProjects::default()));
    push.hub.create_project("tools", false);
    let output = push.run(&["--create-projects", "--dry-run", "--output", "json"], 0);
    let plan: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let task = &plan["tasks"][0];
    let expected = json!([{"registry": push.hub.host(), "project": "apps", "public": false}]);
    assert_eq!(task["projects"], expected);
    assert_eq!(
        (&task["totals"]["move"], &task["totals"]["fail"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(push.asked(), (2, 0));
    assert_eq!(push.hub.projects(), names(&[("tools", false)]));
    // A later task finds what an earlier one would create.
    let tasks = json!([{"image": push.task(&json!(true))}, {"image": push.task(&json!(true))}]);
    let run = Transload::new()
        .args(["run", "-", "--dry-run"])
        .stdin(tasks.to_string());
    let output = run.run().expect_code(0);
    assert_eq!(
        output.stdout.matches("would create apps").count(),
        1,
        "{}",
        output.stdout
    );
    assert_eq!(push.asked(), (2, 0));
}

#[test]
fn who_may_not_create_projects_is_refused_once_for_all_images_and_projects() {
    let push = Push::to(Some(HarborProjects {
        admin_only: true,
        user: HarborUser::Member,
    }));
    let output = push.run(&["--create-projects"], 1);
    assert_eq!(push.asked(), (2, 1));
    assert_eq!(
        output
            .stderr
            .matches("Only system admin can create project")
            .count(),
        1,
        "{}",
        output.stderr
    );
    assert_eq!(output.stderr.matches("hint: ").count(), 1, "{}", output.stderr);
    assert!(push.hub.blobs().is_empty() && push.hub.open_sessions() == 0);
}

#[test]
fn a_project_that_is_there_needs_no_right_to_create_any() {
    let push = Push::to(Some(HarborProjects {
        admin_only: true,
        user: HarborUser::ProjectRobot,
    }));
    push.hub.create_project("apps", false);
    push.run(&["--create-projects"], 1);
    assert!(push.hub.has_image("apps/two", "v1", &push.image));
    assert!(!push.hub.has_image("tools/three", "v1", &push.image));
}

#[test]
fn where_no_harbor_is_nothing_moves() {
    let push = Push::to(None);
    let output = push.run(&["--create-projects"], 1);
    assert_eq!(
        output.stderr.matches("doesn't answer as a Harbor").count(),
        1,
        "{}",
        output.stderr
    );
    assert_eq!(push.asked(), (0, 0), "no credentials go there for it");
    assert!(push.hub.blobs().is_empty());
    push.run(&[], 0);
    push.assert_there();
}

#[test]
fn another_run_that_creates_the_project_meanwhile_is_no_failure() {
    let push = Push::to(Some(HarborProjects::default()));
    push.hub.create_project("apps", true);
    push.hub.create_project("tools", true);
    let not_yet = Reply::status(404);
    push.hub
        .fault(Fault::new("HEAD", "/projects", Action::Answer(not_yet)).every());
    let output = push.run(&["--create-projects"], 0);
    assert!(
        !output.stderr.contains("created the project"),
        "{}",
        output.stderr
    );
    assert_eq!(push.asked(), (2, 2));
    assert_eq!(push.hub.projects(), names(&[("apps", true), ("tools", true)]));
    push.assert_there();
}

#[test]
fn a_repository_of_one_part_is_in_no_project() {
    let push = Push::to(Some(HarborProjects::default()));
    let store = push.folder.path().join("images");
    kubekey::write(
        &store,
        "source.local",
        "alone",
        "v1",
        &push.image,
        Generation::Third,
    );
    push.run(&["--create-projects"], 1);
    assert_eq!(push.hub.projects(), names(&[("apps", false), ("tools", false)]));
    push.assert_there();
}
