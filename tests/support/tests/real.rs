//! Each shape of the real registry works, seen through skopeo.

use std::ffi::OsString;
use std::time::Duration;

use transload_test_support::image::{Family, samples};
use transload_test_support::push_plain;
use transload_test_support::real::{Auth, RealRegistry, Tls, USER, skopeo};

const LONG: Auth = Auth::Token {
    lifetime: Duration::from_secs(300),
};

fn panics(action: impl FnOnce() + Send) -> bool {
    std::thread::scope(|scope| scope.spawn(action).join().is_err())
}

#[test]
fn every_shape_takes_an_image_and_gives_its_exact_bytes() {
    let image = samples::multi_platform(Family::Oci, 1);
    for (tls, auth) in [
        (Tls::Off, Auth::Off),
        (Tls::Server, Auth::Off),
        (Tls::Mutual, Auth::Htpasswd),
        (Tls::Off, Auth::Htpasswd),
        (Tls::Off, LONG),
        (Tls::Server, LONG),
    ] {
        let registry = RealRegistry::start(tls, auth);
        registry.push("team/app", "v1", &image);
        let reference = format!("docker://{}/team/app:v1", registry.host());
        let bytes = skopeo::inspect_raw(&reference, &registry.access());
        assert_eq!(bytes, image.root.bytes, "{tls:?} {auth:?}");
        let held = registry.manifest("team/app", image.digest().as_str());
        assert_eq!(held.as_ref(), Some(&image.root), "{tls:?} {auth:?}");
        assert_eq!(registry.manifest("team/app", "v2"), None);
    }
}

#[test]
fn a_real_registry_takes_every_kind_of_image() {
    let registry = RealRegistry::plain();
    let single = samples::single(Family::Docker, "linux/amd64", 1);
    let images = [
        samples::multi_platform(Family::Docker, 1),
        samples::attested(1),
        samples::nested(1),
        samples::helm_chart("chart", "1.0.0"),
        samples::cosign_signature(&single),
        samples::unusual_layers(),
        samples::foreign("http://127.0.0.1:1/layer").0,
        single,
    ];
    for (position, image) in images.iter().enumerate() {
        let tag = format!("v{position}");
        push_plain(registry.host(), "all/kinds", &tag, image);
        assert!(registry.has_image("all/kinds", &tag, image), "{tag}");
    }
}

#[test]
fn skopeo_copies_between_registries() {
    let (from, to) = (
        RealRegistry::plain(),
        RealRegistry::start(Tls::Server, Auth::Htpasswd),
    );
    let image = samples::multi_platform(Family::Docker, 1);
    from.push("a", "1", &image);
    let mut args: Vec<OsString> = vec!["--all".into(), "--preserve-digests".into()];
    args.extend(from.access().options("src-"));
    args.extend(to.access().options("dest-"));
    args.push(format!("docker://{}/a:1", from.host()).into());
    args.push(format!("docker://{}/b:2", to.host()).into());
    skopeo::copy(&args);
    assert_eq!(to.manifest("b", "2"), Some(image.root));
}

#[test]
fn tokens_are_asked_for_and_end() {
    let registry = RealRegistry::start(Tls::Off, LONG);
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    registry.push("team/app", "v1", &image);
    assert!(registry.token_requests().is_empty(), "seeding leaves no trace");
    let reference = format!("docker://{}/team/app:v1", registry.host());
    skopeo::inspect_raw(&reference, &registry.access());
    skopeo::inspect_raw(&reference, &skopeo::Access::plain());
    let requests = registry.token_requests();
    let users: Vec<Option<&str>> = requests.iter().map(|request| request.user.as_deref()).collect();
    assert_eq!(users, [Some(USER), None]);
    assert!(requests.iter().all(|request| request.granted));
    assert_eq!(requests[0].scopes, ["repository:team/app:pull"]);

    let mut wrong = registry.access();
    wrong.credentials = Some((USER.to_owned(), "wrong".to_owned()));
    assert!(panics(|| drop(skopeo::inspect_raw(&reference, &wrong))));
    assert!(registry.token_requests().iter().any(|request| !request.granted));

    // A token that has already ended when it is given: the registry refuses it. Seeding has tokens of its own.
    let ended = Auth::Token {
        lifetime: Duration::ZERO,
    };
    let registry = RealRegistry::start(Tls::Off, ended);
    registry.push("team/app", "v1", &image);
    let reference = format!("docker://{}/team/app:v1", registry.host());
    assert!(panics(|| drop(skopeo::inspect_raw(
        &reference,
        &registry.access()
    ))));
}

#[test]
fn a_registry_is_gone_after_its_test() {
    let registry = RealRegistry::plain();
    let host = registry.host().to_owned();
    drop(registry);
    assert!(std::net::TcpStream::connect(host).is_err());
}
