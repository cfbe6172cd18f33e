//! Registries that keep to the protocol in ways of their own, moved through from end to end.

use serde_json::json;
use transload_test_support::ScriptedRegistry;
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Authentication, Listener, Locations, Options};

use super::help::*;

/// The kinds of registries, by what is unusual about them.
fn kinds() -> [(&'static str, Options); 8] {
    let usual = Options::default;
    [
        (
            "has no HEAD",
            Options {
                no_head: true,
                ..usual()
            },
        ),
        (
            "redirects blobs",
            Options {
                redirect_blobs: true,
                ..usual()
            },
        ),
        (
            "gives paths",
            Options {
                locations: Locations::Relative,
                ..usual()
            },
        ),
        (
            "gives no scheme",
            Options {
                locations: Locations::WithoutScheme,
                ..usual()
            },
        ),
        (
            "takes uploads elsewhere",
            Options {
                uploads_elsewhere: true,
                ..usual()
            },
        ),
        (
            "tells no digests",
            Options {
                no_content_digest: true,
                ..usual()
            },
        ),
        (
            "tells no lengths",
            Options {
                chunked_answers: true,
                ..usual()
            },
        ),
        (
            "refuses mounts",
            Options {
                refuse_mount: true,
                ..usual()
            },
        ),
    ]
}

#[test]
fn images_are_pushed_to_pulled_from_and_copied_between_registries_of_every_kind() {
    for (kind, options) in kinds() {
        let folder = folder();
        let [first, second] = [(); 2].map(|()| ScriptedRegistry::with(options.clone()));
        for (tag, image) in images() {
            first.put_image("team/app", tag, &image);
        }
        let names = images().map(|(tag, _)| format!("{}/team/app:{tag}", first.host()));
        let dir = text(folder.path().join("images"));
        let pushed = format!("{}/pushed", second.host());
        let copied = format!("{}/copied", second.host());
        let commands: [Vec<&str>; 3] = [
            vec!["pull", "--dest", &dir, &names[0], &names[1]],
            vec!["push", "--src", &dir, "--dest", &pushed],
            vec!["copy", "--dest", &copied, &names[0], &names[1]],
        ];
        for result in ["2 copied", "2 there already"] {
            for command in &commands {
                let told = told(&transload(command).expect_code(0));
                assert!(
                    told.contains(&format!(": 2 images: {result}\n")),
                    "{kind}: {told}"
                );
            }
        }
        for ((tag, image), name) in images().iter().zip(&names) {
            assert_stored(dir.as_ref(), name, image);
            for repository in ["pushed/team/app", "copied/team/app"] {
                assert!(
                    second.has_image(repository, tag, image),
                    "{kind}: {repository}:{tag}"
                );
            }
        }
        assert_eq!(second.open_sessions(), 0, "{kind}");
    }
}

#[test]
fn credentials_stay_with_their_registry_when_blobs_and_uploads_are_elsewhere() {
    let registry = |authentication| {
        ScriptedRegistry::with(Options {
            authentication,
            redirect_blobs: true,
            uploads_elsewhere: true,
            ..Options::default()
        })
    };
    let tokens = Authentication::Bearer {
        anonymous: false,
        oauth2: false,
    };
    let (first, second) = (registry(Authentication::Basic), registry(tokens));
    let [(tag, image), _] = images();
    first.put_image("team/app", tag, &image);
    let auths: Vec<_> = [&first, &second]
        .map(|registry| json!({"repo": registry.host(), "username": USER, "password": PASSWORD, "plain_http": true}))
        .into();
    let copy = json!({
        "manifests": [format!("{}/team/app:{tag}", first.host())],
        "dest": second.host(),
        "auths": auths,
    });
    task(&copy).run().expect_code(0);
    assert!(second.has_image("team/app", tag, &image));
    for (registry, method) in [(&first, "GET"), (&second, "PUT")] {
        let requests = registry.log().requests();
        let elsewhere = requests
            .iter()
            .filter(|request| request.listener == Listener::Content);
        let with = |name: &str| {
            elsewhere
                .clone()
                .filter(|request| request.header(name).is_some())
                .count()
        };
        assert_eq!(
            elsewhere
                .clone()
                .filter(|request| request.method == method)
                .count(),
            image.blobs.len()
        );
        assert_eq!((with("authorization"), with("cookie")), (0, 0));
    }
}
