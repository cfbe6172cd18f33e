//! Harbor's projects: found, created and refused.

use transload_registry_client::{Client, Credential, HostRule, Secret, Topic, Verdict, Visibility};
use transload_test_support::ScriptedRegistry;
use transload_test_support::scripted::{
    Action, Authentication, Fault, HarborProjects, HarborUser, Options, Reply,
};

use crate::help::*;

fn harbor(projects: HarborProjects) -> ScriptedRegistry {
    ScriptedRegistry::with(Options {
        harbor_projects: Some(projects),
        ..Options::bearer(true)
    })
}

fn create(client: &Client, registry: &ScriptedRegistry) -> Result<bool, String> {
    let created = client.create_project(&repository(registry, "team/app"), Visibility::Private);
    created.map_err(|error| format!("{error:#}").replace(registry.host(), "hub.local"))
}

#[test]
fn a_project_is_created_once_private_or_public_and_is_then_there() {
    let registry = harbor(HarborProjects::default());
    let client = client_of(user(), &registry);
    let [private, public] = ["team/app", "open/a/b"].map(|path| repository(&registry, path));
    assert!(client.is_harbor(&private).unwrap());
    assert!(!client.has_project(&private).unwrap());
    assert!(client.create_project(&private, Visibility::Private).unwrap());
    assert!(client.create_project(&public, Visibility::Public).unwrap());
    assert!(client.has_project(&private).unwrap() && client.has_project(&public).unwrap());
    let expected = [("open".to_owned(), true), ("team".to_owned(), false)];
    assert_eq!(registry.projects(), expected);
    // Another run was quicker.
    assert!(!client.create_project(&private, Visibility::Public).unwrap());
    assert_eq!(registry.projects(), expected);
}

#[test]
fn projects_get_credentials_by_basic_and_the_detection_of_a_harbor_gets_none() {
    let registry = harbor(HarborProjects::default());
    let client = client_of(user(), &registry);
    let app = repository(&registry, "team/app");
    client.is_harbor(&app).unwrap();
    client.has_project(&app).unwrap();
    client.create_project(&app, Visibility::Private).unwrap();
    let requests = registry.log().requests();
    let shown: Vec<_> = requests
        .iter()
        .map(|request| {
            let scheme = request
                .header("authorization")
                .and_then(|value| value.split(' ').next());
            (
                request.method.as_str(),
                request.path.as_str(),
                request.query.as_str(),
                scheme,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("GET", "/api/v2.0/systeminfo", "", None),
            ("HEAD", "/api/v2.0/projects", "project_name=team", Some("Basic")),
            ("POST", "/api/v2.0/projects", "", Some("Basic")),
        ]
    );
}

#[test]
fn other_registries_are_distinguished_from_a_harbor() {
    let plain = ScriptedRegistry::start();
    let app = repository(&plain, "team/app");
    assert!(!client().is_harbor(&app).unwrap());
    let pages = [
        Reply::status(200)
            .header("Content-Type", "text/html")
            .body("<html>Welcome</html>"),
        Reply::status(200).body("{\"version\": 3}"),
        Reply::status(401),
        Reply::status(403).error("DENIED", "denied"),
    ];
    for page in pages {
        plain.clear_faults();
        plain.fault(Fault::new("GET", "/api/v2.0/", Action::Answer(page.clone())).every());
        assert!(!client().is_harbor(&app).unwrap(), "{page:?}");
    }
    // A registry that redirects or fails may be a Harbor.
    for (status, said) in [(308, "308"), (501, "501")] {
        plain.clear_faults();
        let reply = Reply::status(status).header("Location", "https://elsewhere.local/");
        plain.fault(Fault::new("GET", "/api/v2.0/", Action::Answer(reply)).every());
        let error = client().is_harbor(&app).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(plain.log().count("GET", "/"), 7, "no redirect is followed");
}

#[test]
fn harbors_own_message_is_shown_in_a_refusal() {
    for (projects, said) in [
        (
            HarborProjects {
                admin_only: true,
                user: HarborUser::Member,
            },
            "Only system admin can create project",
        ),
        (
            HarborProjects {
                admin_only: false,
                user: HarborUser::ProjectRobot,
            },
            "Only system level robot can create project",
        ),
    ] {
        let registry = harbor(projects);
        let told = create(&client_of(user(), &registry), &registry).unwrap_err();
        let begins = "hub.local: creating the project team: the registry answered 403";
        assert!(told.starts_with(begins) && told.contains(said), "{told}");
        assert!(
            told.contains("the user may log in to hub.local, but not create projects"),
            "{told}"
        );
        assert_eq!(registry.log().count("POST", "/api/v2.0/projects"), 1, "{said}");
    }
    let registry = harbor(HarborProjects::default());
    let client = client_of(user(), &registry);
    let error = client.create_project(&repository(&registry, "a__b/app"), Visibility::Private);
    let told = format!("{:#}", error.unwrap_err());
    assert!(
        told.contains("invalid project") && told.contains("is a name that"),
        "{told}"
    );
}

#[test]
fn a_wrong_password_is_sent_twice_and_reported_once() {
    let registry = harbor(HarborProjects::default());
    let client = client_of(Credential::new("admin", "hunter2"), &registry);
    let app = repository(&registry, "team/app");
    for _ in 0..3 {
        let told = format!("{:#}", client.has_project(&app).unwrap_err());
        assert!(
            told.contains("refused admin's password")
                && told.contains("refused the user name or the password"),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert!(create(&client, &registry).is_err());
    assert_eq!(registry.log().requests().len(), 2);
    assert!(registry.projects().is_empty());
}

#[test]
fn a_right_password_of_a_name_that_is_locked_is_sent_once_more() {
    let registry = harbor(HarborProjects::default());
    let client = client_of(user(), &registry);
    let locked = Reply::status(401).error("UNAUTHORIZED", "unauthorized");
    registry.fault(Fault::new("HEAD", "/api/v2.0/projects", Action::Answer(locked)));
    assert!(!client.has_project(&repository(&registry, "team/app")).unwrap());
    assert_eq!(registry.log().requests().len(), 2);
    create(&client, &registry).unwrap();
}

#[test]
fn projects_are_created_with_a_user_name_and_a_password_alone() {
    let registry = harbor(HarborProjects::default());
    for client in [
        client(),
        client_of(Credential::IdentityToken(Secret::new("s3cret")), &registry),
    ] {
        let told = create(&client, &registry).unwrap_err();
        assert!(
            told.contains("creating projects: ") && told.contains("transload login hub.local"),
            "{told}"
        );
        assert!(!told.contains("s3cret"), "{told}");
    }
    assert!(registry.log().requests().is_empty(), "nothing was asked");
}

#[test]
fn credentials_for_one_project_create_no_other_and_go_to_no_other_host() {
    let registry = harbor(HarborProjects::default());
    let elsewhere = ScriptedRegistry::start();
    let mut rule = HostRule::new(format!("{}/team", registry.host()));
    rule.credential = Some(user());
    rule.plain_http = Some(true);
    let client = builder().hosts(vec![rule]).build().unwrap();
    assert!(create(&client, &registry).unwrap());
    let other = repository(&registry, "other/app");
    let told = client
        .create_project(&other, Visibility::Private)
        .unwrap_err()
        .to_string();
    assert!(told.contains("there are no credentials"), "{told}");
    // A redirect is no answer.
    let away = Reply::status(307).header(
        "Location",
        &format!("http://{}/api/v2.0/projects", elsewhere.host()),
    );
    for method in ["GET", "HEAD", "POST"] {
        registry.fault(Fault::new(method, "/api/v2.0/", Action::Answer(away.clone())).every());
    }
    let team = repository(&registry, "team/app");
    assert!(client.is_harbor(&team).is_err());
    assert!(client.has_project(&team).is_err());
    assert!(client.create_project(&team, Visibility::Private).is_err());
    assert!(elsewhere.log().requests().is_empty());
}

#[test]
fn passing_failures_are_tried_again() {
    let registry = harbor(HarborProjects::default());
    let client = client_of(user(), &registry);
    let busy = Reply::status(503);
    registry.fault(Fault::new("POST", "/api/v2.0/projects", Action::Answer(busy)).first(2));
    let app = repository(&registry, "team/app");
    assert!(client.create_project(&app, Visibility::Private).unwrap());
    assert_eq!(registry.log().count("POST", "/api/v2.0/projects"), 3);
    registry.fault(Fault::new("HEAD", "/api/v2.0/projects", Action::LoseAnswer).first(1));
    assert!(client.has_project(&app).unwrap());
    // Whether it was this request that created the project isn't known.
    registry.fault(Fault::new("POST", "/api/v2.0/projects", Action::LoseAnswer).first(1));
    let other = repository(&registry, "other/app");
    assert!(!client.create_project(&other, Visibility::Private).unwrap());
    assert_eq!(registry.projects().len(), 2);
}

#[test]
fn the_first_questions_about_projects_leave_the_registrys_login_to_be_learnt() {
    let registry = harbor(HarborProjects::default());
    registry.create_project("team", false);
    let client = client_of(user(), &registry);
    let app = repository(&registry, "team/app");
    assert!(client.has_project(&app).unwrap());
    let blob = put(&registry, "team/app", b"some bytes");
    assert_eq!(client.has_blob(&app, &blob.digest).unwrap(), Some(10));
    assert_eq!(registry.log().count("GET", "/token"), 1);
}

#[test]
fn an_examination_tells_whether_the_user_may_create_projects() {
    let found = |projects: HarborProjects, credential: Option<Credential>| {
        let registry = harbor(projects);
        registry.create_project("team", false);
        let client = match credential {
            Some(credential) => client_of(credential, &registry),
            None => client(),
        };
        let app = repository(&registry, "team/app");
        let facts = client.examine(app.registry(), Some(&app), true);
        let fact = facts.into_iter().find(|fact| fact.topic == Topic::Projects)?;
        let value = fact.values.iter().find(|(name, _)| *name == "may_create");
        Some((fact.verdict, value?.1.clone(), fact.text))
    };
    let of = |admin_only, who| {
        let projects = HarborProjects {
            admin_only,
            user: who,
        };
        let (verdict, may_create, _) = found(projects, Some(user())).unwrap();
        (verdict, may_create)
    };
    let yes = || (Verdict::Good, "yes".to_owned());
    assert_eq!(of(false, HarborUser::Member), yes());
    assert_eq!(of(true, HarborUser::Administrator), yes());
    assert_eq!(of(false, HarborUser::SystemRobot), yes());
    assert_eq!(of(true, HarborUser::Member), (Verdict::Neutral, "no".to_owned()));
    assert_eq!(
        of(true, HarborUser::SystemRobot),
        (Verdict::Neutral, "unknown".to_owned())
    );
    let (verdict, may_create, text) = found(HarborProjects::default(), None).unwrap();
    assert_eq!((verdict, may_create.as_str()), (Verdict::Neutral, "unknown"));
    assert!(text.contains("there are no credentials"), "{text}");
    let plain = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let facts = client_of(user(), &plain).examine(repository(&plain, "a/b").registry(), None, true);
    assert!(
        facts
            .iter()
            .any(|fact| fact.topic == Topic::Credentials && fact.verdict == Verdict::Good)
    );
    assert!(facts.iter().all(|fact| fact.topic != Topic::Projects));
}
