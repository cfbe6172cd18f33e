//! Tokens: for whom, for what, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use transload_test_support::Transload;
use transload_test_support::real::{Tls, USER};

use super::help::*;

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
