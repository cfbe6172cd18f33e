//! Tokens: for whom, for what, and for how long.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use transload_test_support::image::{Family, Image, ImageBuilder};
use transload_test_support::real::{Tls, USER};
use transload_test_support::scripted::{Action, Fault, Request};
use transload_test_support::{Running, ScriptedRegistry, Transload};

use super::help::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// Every scope that a registry's clients asked for.
fn scopes(site: &Site) -> BTreeSet<String> {
    let requests = site.token_requests().into_iter();
    requests.flat_map(|request| request.scopes).collect()
}

fn set(scopes: &[&str]) -> BTreeSet<String> {
    scopes.iter().map(|&scope| scope.to_owned()).collect()
}

#[test]
fn a_pull_asks_to_pull_and_a_push_to_pull_and_push_in_its_repository_alone() {
    let (registry, folder) = (Site::with_images(TOKENS, "team/app"), folder());
    let auths = json!([registry.entry()]);
    let dir = format!("local://{}", text(folder.path().join("images")));
    let pull = json!({"manifests": registry.references("team/app"), "dest": dir, "auths": auths});
    task(&pull).run().expect_code(0);
    assert_eq!(scopes(&registry), set(&["repository:team/app:pull"]));

    let push = json!({"src": dir, "dest": format!("{}/new", registry.host()), "auths": auths});
    task(&push).run().expect_code(0);
    let asked = ["repository:team/app:pull", "repository:new/team/app:pull,push"];
    assert_eq!(scopes(&registry), set(&asked));
    let requests = registry.token_requests();
    assert!(
        requests
            .iter()
            .all(|request| request.granted && request.user.as_deref() == Some(USER))
    );
    assert_eq!(
        requests.len(),
        2,
        "one token serves all images and blobs of a repository: {requests:?}"
    );
}

/// Waits until a request of the scripted registry is held, lets the tokens end that were given until then, and lets it go on.
fn outlast_tokens(scripted: &ScriptedRegistry, running: Running, lifetime: Duration) {
    let held = |requests: &[Request]| requests.iter().any(|request| request.stalled);
    assert!(scripted.log().wait_for(held, PATIENCE), "nothing was held");
    // A token's end is time itself; nothing announces it. The registry counts in whole seconds.
    thread::sleep(lifetime + Duration::from_millis(1100));
    scripted.release();
    running.wait().expect_code(0);
}

fn copy(images: &[String], dest: &str, auths: &Value) -> Running {
    let image = json!({"manifests": images, "dest": dest, "auths": auths});
    task(&image).args(["--jobs", "1"]).spawn()
}

/// Images that share no blob.
fn unlike_images() -> [(&'static str, Image); 3] {
    ["one", "two", "three"].map(|tag| {
        let image = ImageBuilder::new(Family::Oci)
            .layer(&[("name", tag.as_bytes())])
            .build();
        (tag, image)
    })
}

#[test]
fn a_push_outlives_its_tokens() {
    let lifetime = Duration::from_secs(1);
    let (from, to) = (
        ScriptedRegistry::start(),
        Site::start(shape(Tls::Off, tokens(lifetime))),
    );
    let images = unlike_images();
    for (tag, image) in &images {
        from.put_image("team/app", tag, image);
    }
    // Every upload but one of a blob that is half there meets a token that has ended.
    let config = images[1].1.blobs[0].0.digest.to_string();
    from.fault(Fault::new("GET", &config, Action::Stall { after: 1 }));
    let names: Vec<String> = images
        .iter()
        .map(|(tag, _)| format!("{}/team/app:{tag}", from.host()))
        .collect();
    let running = copy(&names, to.host(), &json!([to.entry()]));
    outlast_tokens(&from, running, lifetime);
    assert_pushed(&to, "team/app", &images);
    let pushing = |scope: &String| scope == "repository:team/app:pull,push";
    let asked = to
        .token_requests()
        .iter()
        .filter(|request| request.scopes.iter().any(pushing))
        .count();
    assert!(asked > 1, "no token was renewed");
}

#[test]
fn a_pull_outlives_its_tokens() {
    let lifetime = Duration::from_secs(1);
    let (from, to) = (
        Site::start(shape(Tls::Off, tokens(lifetime))),
        ScriptedRegistry::start(),
    );
    let images = unlike_images();
    for (tag, image) in &images {
        from.push("team/app", tag, image);
    }
    to.fault(Fault::new("POST", "/blobs/uploads/", Action::Hold).nth(3));
    let names: Vec<String> = images
        .iter()
        .map(|(tag, _)| format!("{}/team/app:{tag}", from.host()))
        .collect();
    let running = copy(&names, to.host(), &json!([from.entry()]));
    outlast_tokens(&to, running, lifetime);
    for (tag, image) in &images {
        assert!(to.has_image("team/app", tag, image), "{tag}");
    }
    assert!(from.token_requests().len() > 1, "no token was renewed");
    assert_eq!(scopes(&from), set(&["repository:team/app:pull"]));
}

#[test]
fn a_password_is_not_sent_over_plain_http_for_a_registry_with_tls() {
    let registry = Site::with_images(shape(Tls::Server, tokens(Duration::from_secs(300))), "team/app");
    let folder = folder();
    let image = json!({
        "manifests": registry.references("team/app"),
        "dest": format!("local://{}", text(folder.path().join("images"))),
        "auths": [registry.entry()],
    });
    let told = told(&task(&image).run().expect_code(1));
    assert!(
        told.contains("would get the credentials over plain HTTP: refused"),
        "{told}"
    );
    assert_eq!(registry.token_requests(), []);
}

#[test]
fn tasks_that_ask_in_the_same_way_share_a_token_and_it_serves_no_other_task() {
    let (registry, folder) = (Site::with_images(TOKENS, "team/app"), folder());
    let task = |number: usize, auths: Value| {
        let dest = format!("local://{}", text(folder.path().join(number.to_string())));
        let image = json!({"manifests": registry.references("team/app"), "dest": dest, "auths": auths});
        json!({"name": format!("task {number}"), "image": image})
    };
    let own = json!([registry.entry()]);
    let mut stranger = registry.entry();
    stranger["password"] = json!("wrong");
    let tasks = json!([task(1, own.clone()), task(2, own), task(3, json!([stranger]))]);
    let output = Transload::new()
        .args(["run", "-"])
        .stdin(tasks.to_string())
        .run()
        .expect_code(1);
    let requests = registry.token_requests();
    let granted = requests.iter().filter(|request| request.granted).count();
    assert_eq!(granted, 1, "{requests:?}");
    assert!(requests.len() > 1, "the third task asks for one of its own");
    let [one, two, three] = ["1", "2", "3"].map(|name| folder.path().join(name).join("blobs"));
    let has_blobs = |path: &std::path::PathBuf| path.read_dir().is_ok_and(|mut blobs| blobs.next().is_some());
    assert!(
        has_blobs(&one) && has_blobs(&two) && !has_blobs(&three),
        "{}",
        output.stderr
    );
}
