//! A client that survives in the wild (skopeo) gets along with every kind of scripted registry.

use std::ffi::OsString;

use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, Image, samples};
use transload_test_support::real::{PASSWORD, USER, skopeo};
use transload_test_support::scripted::{Authentication, Listener, Locations, Options, Tls};

const BEARER: Authentication = Authentication::Bearer {
    anonymous: false,
    oauth2: false,
};

fn user() -> skopeo::Access {
    skopeo::Access {
        credentials: Some((USER.to_owned(), PASSWORD.to_owned())),
        ..skopeo::Access::plain()
    }
}

fn copy(from: &ScriptedRegistry, to: &ScriptedRegistry) {
    let mut args: Vec<OsString> = vec!["--all".into(), "--preserve-digests".into()];
    args.extend(user().options("src-"));
    args.extend(user().options("dest-"));
    args.push(format!("docker://{}/from/app:v1", from.host()).into());
    args.push(format!("docker://{}/to/app:v2", to.host()).into());
    skopeo::copy(&args);
}

fn kinds() -> Vec<Options> {
    let default = Options::default;
    vec![
        default(),
        Options {
            authentication: Authentication::Basic,
            ..default()
        },
        Options {
            authentication: BEARER,
            ..default()
        },
        Options {
            redirect_blobs: true,
            authentication: BEARER,
            ..default()
        },
        Options {
            locations: Locations::Relative,
            refuse_mount: true,
            ..default()
        },
        Options {
            locations: Locations::WithoutScheme,
            ignore_range: true,
            ..default()
        },
        Options {
            no_content_digest: true,
            chunked_answers: true,
            ..default()
        },
    ]
}

fn image() -> Image {
    samples::multi_platform(Family::Oci, 1)
}

#[test]
fn skopeo_pulls_from_every_kind_and_pushes_to_it() {
    let image = image();
    for options in kinds() {
        let (from, to) = (
            ScriptedRegistry::with(options.clone()),
            ScriptedRegistry::with(options.clone()),
        );
        from.put_image("from/app", "v1", &image);
        copy(&from, &to);
        assert!(to.has_image("to/app", "v2", &image), "{options:?}");
        assert_eq!(to.open_sessions(), 0, "{options:?}");
        let redirected = from
            .log()
            .requests()
            .iter()
            .any(|request| request.listener == Listener::Content);
        assert_eq!(redirected, options.redirect_blobs, "{options:?}");
    }
}

#[test]
fn credentials_are_needed_where_they_are_asked_for() {
    for authentication in [Authentication::Basic, BEARER] {
        let registry = ScriptedRegistry::with(Options {
            authentication,
            ..Options::default()
        });
        registry.put_image("a", "v1", &image());
        let reference = format!("docker://{}/a:v1", registry.host());
        let refused = std::thread::scope(|scope| {
            scope
                .spawn(|| skopeo::inspect_raw(&reference, &skopeo::Access::plain()))
                .join()
                .is_err()
        });
        assert!(refused, "{authentication:?}");
        assert_eq!(skopeo::inspect_raw(&reference, &user()), image().root.bytes);
    }
}

#[test]
fn an_anonymous_token_pulls_but_does_not_push() {
    let authentication = Authentication::Bearer {
        anonymous: true,
        oauth2: true,
    };
    let registry = ScriptedRegistry::with(Options {
        authentication,
        ..Options::default()
    });
    registry.put_image("a", "v1", &image());
    let reference = format!("docker://{}/a:v1", registry.host());
    let anonymous = skopeo::Access::plain();
    assert_eq!(skopeo::inspect_raw(&reference, &anonymous), image().root.bytes);
    let mut args = anonymous.options("src-");
    args.extend(anonymous.options("dest-"));
    args.push(reference.into());
    args.push(format!("docker://{}/b:v1", registry.host()).into());
    let refused = std::thread::scope(|scope| scope.spawn(|| skopeo::copy(&args)).join().is_err());
    assert!(refused);
    assert!(registry.tags("b").is_empty());
}

#[test]
fn skopeo_trusts_the_authority_and_shows_its_certificate() {
    for tls in [Tls::Server, Tls::Mutual] {
        let registry = ScriptedRegistry::with(Options {
            tls,
            authentication: BEARER,
            redirect_blobs: true,
            ..Options::default()
        });
        registry.put_image("a", "v1", &image());
        let reference = format!("docker://{}/a:v1", registry.host());
        assert_eq!(
            skopeo::inspect_raw(&reference, &registry.access()),
            image().root.bytes
        );
        let refused = |access: &skopeo::Access| {
            let inspect = || drop(skopeo::inspect_raw(&reference, access));
            std::thread::scope(|scope| scope.spawn(inspect).join().is_err())
        };
        let trusting_others = skopeo::Access {
            cert_dir: None,
            ..registry.access()
        };
        assert!(refused(&trusting_others), "{tls:?}");
        let without_certificate = skopeo::Access {
            insecure: true,
            ..trusting_others
        };
        assert_eq!(refused(&without_certificate), tls == Tls::Mutual, "{tls:?}");
    }
}
