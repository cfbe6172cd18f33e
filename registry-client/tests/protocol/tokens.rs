//! Tokens for many repositories, at a registry with a token server like Harbor's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use transload_reference::{Registry, Repository};
use transload_registry_client::{
    Client, ClientBuilder, Credential, CredentialError, CredentialSource, Error, HostRule, Need, RetryPolicy,
};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Fault, HarborTokens, Options, Reply, Request};

use crate::help::*;

const IMAGES: usize = 40;

fn harbor(tokens: HarborTokens) -> ScriptedRegistry {
    let registry = ScriptedRegistry::with(Options {
        harbor_tokens: Some(tokens),
        ..Options::bearer(true)
    });
    let image = samples::multi_platform(Family::Oci, 1);
    for number in 0..IMAGES {
        registry.put_image(&format!("team/app{number}"), "v1", &image);
    }
    registry
}

fn builder_of(credential: Credential, registry: &ScriptedRegistry) -> ClientBuilder {
    let mut rule = HostRule::new(registry.host());
    rule.credential = Some(credential);
    builder().hosts(vec![rule]).jobs(IMAGES)
}

fn wrong() -> Credential {
    Credential::new("tester", "hunter2-wrong")
}

fn repositories(registry: &ScriptedRegistry, project: &str) -> Vec<Repository> {
    let named = |number| repository(registry, &format!("{project}/app{number}"));
    (0..IMAGES).map(named).collect()
}

fn expect(client: &Client, repositories: &[Repository], need: Need) {
    client.expect(repositories.iter().map(|repository| (repository.clone(), need)));
}

/// Reads a tag of each repository, all at once; the errors.
fn resolve_all(client: &Client, repositories: &[Repository]) -> Vec<Error> {
    thread::scope(|scope| {
        let ask = |repository| move || client.resolve(repository, &tag("v1")).err();
        let workers: Vec<_> = repositories.iter().map(|one| scope.spawn(ask(one))).collect();
        workers
            .into_iter()
            .filter_map(|worker| worker.join().unwrap())
            .collect()
    })
}

fn tokens(registry: &ScriptedRegistry) -> Vec<Request> {
    let mut requests = registry.log().requests();
    requests.retain(|request| request.path == "/token");
    requests
}

fn logins(registry: &ScriptedRegistry) -> usize {
    let tokens = tokens(registry);
    tokens
        .iter()
        .filter(|request| !request.query.contains("scope="))
        .count()
}

fn scopes(request: &Request) -> usize {
    request.query.matches("scope=").count()
}

#[test]
fn one_token_serves_twenty_repositories_and_says_whose_it_is() {
    let registry = harbor(HarborTokens::default());
    let client = builder_of(user(), &registry).build().unwrap();
    let repositories = repositories(&registry, "team");
    expect(&client, &repositories, Need::Push);
    for _ in 0..2 {
        assert!(resolve_all(&client, &repositories).is_empty());
    }
    let asked: Vec<_> = tokens(&registry).iter().map(scopes).collect();
    assert_eq!(asked, [20, 20]);
    let endpoint = format!("http://{}/token", registry.host());
    assert_eq!(
        client.take_token_requests().into_iter().collect::<Vec<_>>(),
        [(endpoint, 2)]
    );
}

#[test]
fn a_mounts_token_is_for_the_batches_of_both_repositories_and_serves_them_all() {
    let registry = harbor(HarborTokens::default());
    let client = builder_of(user(), &registry).build().unwrap();
    let (to, blob) = (
        repositories(&registry, "new"),
        put(&registry, "new/app0", b"shared"),
    );
    expect(&client, &to, Need::Push);
    for repository in &to[1..] {
        assert!(client.mount_blob(repository, &blob.digest, &to[0]).unwrap());
    }
    let asked: Vec<_> = tokens(&registry).iter().map(scopes).collect();
    assert_eq!(asked, [20, 40]);
}

#[test]
fn long_names_make_a_token_for_two_batches_no_longer_than_proxies_take() {
    let registry = harbor(HarborTokens::default());
    let client = builder_of(user(), &registry).build().unwrap();
    let to = repositories(&registry, &format!("new/{}x", "long-name/".repeat(6)));
    let blob = put(&registry, to[0].path(), b"shared");
    expect(&client, &to, Need::Push);
    for repository in &to[1..] {
        assert!(client.mount_blob(repository, &blob.digest, &to[0]).unwrap());
    }
    let asked: Vec<_> = tokens(&registry).iter().map(scopes).collect();
    assert!(matches!(asked[..], [20, 30..40]), "{asked:?}");
    let heads = registry.log().requests();
    let longest = heads
        .iter()
        .filter_map(|request| request.header("authorization"))
        .map(str::len)
        .max();
    assert!(longest.is_some_and(|longest| longest < 7700), "{longest:?}");
}

#[test]
fn without_credentials_a_batch_is_asked_for_too_and_no_login_is_made() {
    let registry = harbor(HarborTokens {
        public: &["team"],
        ..HarborTokens::default()
    });
    let repositories = repositories(&registry, "team");
    let client = builder().jobs(IMAGES).build().unwrap();
    expect(&client, &repositories, Need::Pull);
    assert!(resolve_all(&client, &repositories).is_empty());
    let asked: Vec<_> = tokens(&registry).iter().map(scopes).collect();
    assert_eq!(asked, [20, 20]);
}

#[test]
fn batches_end_where_tokens_say_nothing_of_themselves_or_are_for_the_first_scope_alone() {
    for (service, logins_made) in [
        (
            HarborTokens {
                opaque: true,
                ..HarborTokens::default()
            },
            1,
        ),
        (
            HarborTokens {
                first_scope_only: true,
                ..HarborTokens::default()
            },
            0,
        ),
    ] {
        let registry = harbor(service);
        let client = builder_of(user(), &registry).build().unwrap();
        let repositories = repositories(&registry, "team");
        expect(&client, &repositories, Need::Pull);
        for _ in 0..2 {
            assert!(resolve_all(&client, &repositories).is_empty());
        }
        let tokens = tokens(&registry);
        let batches = tokens.iter().filter(|request| scopes(request) > 1).count();
        assert!((1..=2).contains(&batches), "{batches}");
        assert_eq!(logins(&registry), logins_made);
        let single = tokens.len() - batches - logins_made;
        assert!((IMAGES - 2..=IMAGES).contains(&single), "{single}");
    }
}

#[test]
fn a_token_service_that_refuses_so_many_scopes_is_asked_for_fewer() {
    for status in [400, 401, 403, 414, 431, 500] {
        let registry = harbor(HarborTokens {
            most_scopes: Some((6, status)),
            ..HarborTokens::default()
        });
        let client = builder_of(user(), &registry).build().unwrap();
        let repositories = repositories(&registry, "team");
        expect(&client, &repositories, Need::Pull);
        for repository in &repositories {
            client.resolve(repository, &tag("v1")).unwrap();
        }
        let asked: Vec<_> = tokens(&registry)
            .iter()
            .map(scopes)
            .filter(|&number| number > 0)
            .collect();
        let refused: &[usize] = if matches!(status, 401 | 403) {
            &[20, 20, 10]
        } else {
            &[20, 10]
        };
        assert_eq!(asked, [refused, &[5; 8]].concat(), "{status}");
    }
}

#[test]
fn a_head_that_is_too_long_for_a_proxy_is_shortened() {
    for status in [400, 431] {
        let registry = harbor(HarborTokens {
            longest_header: Some((2200, status)),
            ..HarborTokens::default()
        });
        let client = builder_of(user(), &registry).build().unwrap();
        let repositories = repositories(&registry, "team");
        expect(&client, &repositories, Need::Push);
        for repository in &repositories {
            client.resolve(repository, &tag("v1")).unwrap();
        }
        let asked: Vec<_> = tokens(&registry).iter().map(scopes).collect();
        assert_eq!(asked, [20, 10, 10, 10, 10], "{status}");
    }
}

#[test]
fn a_token_too_long_for_a_proxy_is_not_used() {
    let registry = harbor(HarborTokens::default());
    let client = builder_of(user(), &registry).build().unwrap();
    // The estimate ignores a server's own additions.
    let access: Vec<_> = (0..20)
        .map(|number| format!(r#"{{"type":"repository","name":"team/app{number}","actions":["pull"]}}"#))
        .collect();
    let claims = format!(
        r#"{{"sub":"tester","groups":"{}","access":[{}]}}"#,
        "g".repeat(8000),
        access.join(",")
    );
    let token = format!("e30.{}.c2ln", base64(&claims));
    let long = Reply::status(200).body(format!(r#"{{"token":"{token}"}}"#));
    registry.fault(Fault::new("GET", "/token", Action::Answer(long)).nth(1));
    let repositories = repositories(&registry, "team");
    expect(&client, &repositories, Need::Pull);
    for repository in &repositories {
        client.resolve(repository, &tag("v1")).unwrap();
    }
    let asked: Vec<_> = tokens(&registry).iter().map(scopes).collect();
    assert_eq!(asked, [20, 10, 10, 10, 10]);
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn a_wrong_password_at_a_public_project_is_reported_at_once_and_sent_twice() {
    let registry = harbor(HarborTokens {
        public: &["team"],
        lockout: Duration::from_millis(1),
        ..HarborTokens::default()
    });
    for batched in [true, false] {
        registry.log().clear();
        let before = registry.failed_logins();
        let client = builder_of(wrong(), &registry).build().unwrap();
        let repositories = repositories(&registry, "team");
        if batched {
            expect(&client, &repositories, Need::Push);
        }
        let errors = resolve_all(&client, &repositories);
        assert_eq!(
            errors.len(),
            IMAGES,
            "public images can't be read with a wrong password"
        );
        let host = registry.host();
        let told = format!(
            "{host}: logging in: {host} refused tester's password (auths entry {host}): the token server answered 401"
        );
        for error in &errors {
            assert!(
                error.to_string().starts_with(&told) && error.is_denied(),
                "{error}"
            );
            assert!(!format!("{error:#}").contains("hunter2"));
        }
        assert_eq!(registry.failed_logins() - before, 2);
        assert_eq!(tokens(&registry).len(), 2);
    }
}

#[test]
fn a_right_password_beside_somebody_elses_mistake_is_tried_once_more() {
    for (locked, expected) in [(0, 2), (1, 4)] {
        let registry = harbor(HarborTokens::default());
        registry.lock_out(locked);
        let client = builder_of(user(), &registry).build().unwrap();
        let repositories = repositories(&registry, "team");
        expect(&client, &repositories, Need::Push);
        assert!(resolve_all(&client, &repositories).is_empty());
        assert_eq!(tokens(&registry).len(), expected, "{locked}");
    }
    // One that is locked for longer is blamed, and not asked again.
    let registry = harbor(HarborTokens::default());
    registry.lock_out(usize::MAX);
    let client = builder_of(user(), &registry).build().unwrap();
    assert_eq!(
        resolve_all(&client, &repositories(&registry, "team")).len(),
        IMAGES
    );
    assert_eq!(tokens(&registry).len(), 2);
}

#[test]
fn a_name_that_is_locked_during_the_run_is_waited_for() {
    let registry = harbor(HarborTokens::default());
    let (client, notices) = Notices::of(builder_of(user(), &registry));
    let repositories = repositories(&registry, "team");
    client.resolve(&repositories[0], &tag("v1")).unwrap();
    registry.lock_out(1);
    client.resolve(&repositories[1], &tag("v1")).unwrap();
    assert_eq!(tokens(&registry).len(), 3);
    let [notice] = &notices.all()[..] else {
        panic!("one notice")
    };
    assert!(notice.cause.contains("locked out"), "{notice}");
}

#[test]
fn the_second_login_comes_two_seconds_later_and_not_after_the_run_was_stopped() {
    assert_eq!(RetryPolicy::default().login_wait, Duration::from_secs(2));
    let registry = harbor(HarborTokens::default());
    let cancel = Arc::new(AtomicBool::new(false));
    let client = builder_of(wrong(), &registry)
        .retry(RetryPolicy::attempts(1).waits(Duration::ZERO, Duration::from_secs(3600)))
        .cancel(cancel.clone())
        .build()
        .unwrap();
    let repository = repository(&registry, "team/app0");
    thread::scope(|scope| {
        let asking = scope.spawn(|| client.resolve(&repository, &tag("v1")).unwrap_err());
        assert!(registry.log().wait_for(
            |requests| {
                requests
                    .iter()
                    .any(|request| request.path == "/token" && request.finished)
            },
            Duration::from_secs(30)
        ));
        cancel.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap().is_cancelled());
    });
    assert_eq!(tokens(&registry).len(), 1);
}

#[test]
fn a_user_without_membership_lacks_a_right_and_has_the_right_password() {
    let registry = harbor(HarborTokens {
        foreign: &["theirs"],
        ..HarborTokens::default()
    });
    let client = builder_of(user(), &registry).build().unwrap();
    let (mut own, theirs) = (
        repositories(&registry, "team"),
        repository(&registry, "theirs/app"),
    );
    own.truncate(10);
    expect(&client, &own, Need::Push);
    client.expect([(theirs.clone(), Need::Push)]);
    let mut opened = Vec::new();
    let pushed = client.push_blob(&theirs, &descriptor(b"x"), &mut opener(b"x", &mut opened));
    let error = pushed.unwrap_err();
    assert!(
        error
            .hint()
            .unwrap()
            .starts_with("the user may log in, but not push to theirs/app"),
        "{error:#}"
    );
    assert!(resolve_all(&client, &own).is_empty());
    let asked: Vec<_> = tokens(&registry).iter().map(scopes).collect();
    assert_eq!(asked, [11, 1], "the others go on with the batch's token");
}

#[test]
fn a_token_servers_refusal_of_a_known_user_is_about_a_right() {
    let registry = harbor(HarborTokens::default());
    let client = builder_of(user(), &registry).build().unwrap();
    let repositories = repositories(&registry, "team");
    client.resolve(&repositories[0], &tag("v1")).unwrap();
    let refusal = Reply::status(403).error("UNAUTHORIZED", "no");
    registry.fault(Fault::new("GET", "/token", Action::Answer(refusal)).every());
    let error = client.resolve(&repositories[1], &tag("v1")).unwrap_err();
    assert!(
        error
            .hint()
            .unwrap()
            .starts_with("the user may log in, but not pull team/app1"),
        "{error:#}"
    );
}

#[test]
fn tokens_that_ran_out_are_renewed_in_batches() {
    let registry = harbor(HarborTokens::default());
    let client = builder_of(user(), &registry).build().unwrap();
    let repositories = repositories(&registry, "team");
    expect(&client, &repositories, Need::Push);
    assert!(resolve_all(&client, &repositories).is_empty());
    registry.revoke_tokens();
    assert!(resolve_all(&client, &repositories).is_empty());
    let asked: Vec<_> = tokens(&registry).iter().map(scopes).collect();
    assert_eq!(asked, [20; 4]);
}

#[test]
fn a_pull_token_is_renewed_after_it_expired_and_not_for_a_push() {
    let registry = harbor(HarborTokens {
        foreign: &["team"],
        public: &["team"],
        ..HarborTokens::default()
    });
    let client = builder_of(user(), &registry).build().unwrap();
    let repository = repository(&registry, "team/app0");
    let look = || {
        assert!(
            client
                .find_manifest(&repository, &tag("v1"))
                .unwrap()
                .found()
                .is_some()
        )
    };
    look();
    registry.revoke_tokens();
    look();
    assert_eq!(tokens(&registry).len(), 2);
    for _ in 0..3 {
        let mut opened = Vec::new();
        let pushed = client.push_blob(&repository, &descriptor(b"x"), &mut opener(b"x", &mut opened));
        assert!(pushed.unwrap_err().is_denied());
    }
    assert_eq!(
        tokens(&registry).len(),
        3,
        "asked again once, and not for each push"
    );
}

#[test]
fn no_token_is_asked_for_repositories_of_two_rules() {
    let registry = harbor(HarborTokens::default());
    let rule = |path: &str| {
        let mut rule = HostRule::new(format!("{}{path}", registry.host()));
        rule.credential = Some(user());
        rule
    };
    let client = builder().hosts(vec![rule(""), rule("/other")]).build().unwrap();
    let (first, second) = (
        repository(&registry, "team/app0"),
        repository(&registry, "other/app0"),
    );
    registry.put_image("other/app0", "v1", &samples::multi_platform(Family::Oci, 1));
    client.expect([(first.clone(), Need::Pull), (second.clone(), Need::Pull)]);
    assert!(resolve_all(&client, &[first, second]).is_empty());
    let asked: Vec<_> = tokens(&registry).iter().map(scopes).collect();
    assert_eq!(asked, [1, 1]);
}

/// Knows the user of one project, and somebody else of all others.
struct ByProject;

impl CredentialSource for ByProject {
    fn credential(&self, _: &Registry, path: &str) -> Result<Option<Credential>, CredentialError> {
        Ok(Some(match path.starts_with("team/") {
            true => user(),
            false => wrong(),
        }))
    }
}

#[test]
fn each_users_tokens_are_for_that_users_repositories_at_that_registry() {
    let (first, second) = (harbor(HarborTokens::default()), harbor(HarborTokens::default()));
    let client = builder().credentials(Arc::new(ByProject)).build().unwrap();
    for registry in [&first, &second] {
        for path in ["team/app0", "other/app0", "team/app1", "other/app1"] {
            client.expect([(repository(registry, path), Need::Pull)]);
        }
    }
    for registry in [&first, &second] {
        client
            .resolve(&repository(registry, "team/app0"), &tag("v1"))
            .unwrap();
        let theirs = client.resolve(&repository(registry, "other/app0"), &tag("v1"));
        assert!(theirs.unwrap_err().to_string().contains("'s password"));
        client
            .resolve(&repository(registry, "team/app1"), &tag("v1"))
            .unwrap();
    }
    for registry in [&first, &second] {
        let asked: Vec<_> = tokens(registry)
            .iter()
            .map(|request| {
                (
                    request.query.matches("team").count(),
                    request.query.matches("other").count(),
                )
            })
            .collect();
        assert_eq!(
            asked,
            [(2, 0), (0, 2), (0, 0)],
            "the last is the wrong user's login"
        );
    }
}

#[test]
fn a_login_before_a_push_is_refused_where_a_password_is_wrong_and_asks_for_the_batch_where_it_is_right() {
    let registry = harbor(HarborTokens {
        public: &["team"],
        ..HarborTokens::default()
    });
    let repositories = repositories(&registry, "team");
    let error = builder_of(wrong(), &registry)
        .build()
        .unwrap()
        .check_login(&repositories[0], true)
        .unwrap_err();
    assert!(error.to_string().contains("'s password"), "{error}");
    registry.log().clear();
    let client = builder_of(user(), &registry).build().unwrap();
    expect(&client, &repositories[..20], Need::Push);
    client.check_login(&repositories[0], true).unwrap();
    assert!(resolve_all(&client, &repositories[..20]).is_empty());
    assert_eq!(tokens(&registry).iter().map(scopes).collect::<Vec<_>>(), [20]);
}
