//! Credentials and tokens that are refused.

use super::*;

#[test]
fn wrong_and_missing_credentials_are_told_apart_and_never_shown() {
    for authentication in [
        Authentication::Basic,
        Authentication::Bearer {
            anonymous: false,
            oauth2: false,
        },
    ] {
        let registry = registry(authentication);
        let repository = repository(&registry, "team/app");
        let wrong = client_of(Credential::new("tester", "hunter2-wrong"), &registry);
        let error = wrong.manifest(&repository, &tag("v1")).unwrap_err();
        assert!(error.is_denied() && !error.is_retryable(), "{error}");
        assert!(error.hint().unwrap().contains("refused"), "{:?}", error.hint());
        for shown in [
            error.to_string(),
            format!("{error:?}"),
            format!("{wrong:?}"),
            error.hint().unwrap(),
        ] {
            assert!(
                !shown.contains("hunter2") && !shown.contains("Basic dG") && !shown.contains(PASSWORD),
                "{shown}"
            );
        }
        let error = client().manifest(&repository, &tag("v1")).unwrap_err();
        assert!(
            error.is_denied() && error.hint().unwrap().contains("no credentials"),
            "{error}: {:?}",
            error.hint()
        );
    }
}

#[test]
fn a_token_that_grants_too_little_fails_with_a_message_that_says_so() {
    let registry = registry(TOKENS);
    let push = |client: Client| {
        let opened = &mut Vec::new();
        let mut bytes = opener(b"x", opened);
        let pushed = client.push_blob(&repository(&registry, "to"), &descriptor(b"x"), &mut bytes);
        let error = pushed.unwrap_err();
        assert!(
            error.is_denied() && error.to_string().contains("repository:to:pull,push"),
            "{error}"
        );
        error.hint().unwrap()
    };
    // Anonymous users get tokens for pull only, whatever they ask for.
    let hint = push(client());
    assert!(hint.starts_with("no credentials for"), "{hint}");
    assert!(registry.log().count("GET", "/token") <= 3);
    // So do users without the right to push: their password is right.
    let limited = Reply::status(200).body(r#"{"token":"for-pull-only"}"#);
    registry.fault(Fault::new("GET", "/token", Action::Answer(limited)).every());
    let hint = push(client_of(user(), &registry));
    assert!(
        hint.starts_with("the user may log in, but not push to to:"),
        "{hint}"
    );
}

#[test]
fn a_refusal_without_a_challenge_is_cleared_up_by_a_ping() {
    let registry = registry(TOKENS);
    registry.fault(Fault::new(
        "HEAD",
        "/manifests/",
        Action::Answer(Reply::status(401)),
    ));
    client()
        .resolve(&repository(&registry, "team/app"), &tag("v1"))
        .unwrap();
}

/// Lets workers find out together that a password is wrong; returns their errors.
fn refused_together(client: &Client, registry: &ScriptedRegistry) -> Vec<transload_registry_client::Error> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..40)
            .map(|number| {
                let repository = repository(registry, &format!("team/app{number}"));
                scope.spawn(move || client.resolve(&repository, &tag("v1")).unwrap_err())
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    })
}

#[test]
fn a_wrong_password_is_sent_once_or_to_a_token_server_twice_however_many_images_want_it() {
    let wrong = || Credential::new("tester", "hunter2-wrong");
    for (authentication, times) in [(Authentication::Basic, 1), (TOKENS, 2)] {
        let registry = registry(authentication);
        let mut rule = HostRule::new(registry.host());
        rule.credential = Some(wrong());
        let by_rule = builder().hosts(vec![rule]);
        // Credentials in files are unknown before the first request for them.
        let by_source = builder().credentials(Arc::new(Counting(wrong(), Mutex::new(0))));
        for builder in [by_rule, by_source] {
            let client = builder.jobs(40).build().unwrap();
            let before = registry.log().requests().len();
            let mut errors = refused_together(&client, &registry);
            let asked = registry.log().requests().len();
            errors.push(client.tags(&repository(&registry, "team/app")).unwrap_err());
            let requests = registry.log().requests().split_off(before);
            let sent = requests
                .iter()
                .filter(|request| request.header("authorization").is_some());
            assert_eq!(sent.count(), times, "{authentication:?}");
            assert_eq!(
                before + requests.len(),
                asked,
                "asked once more after all was known"
            );
            let hints: std::collections::HashSet<_> = errors.iter().map(|error| error.hint()).collect();
            assert_eq!(hints.len(), 1, "{hints:?}");
            for error in &errors {
                assert_eq!(error.status(), Some(401), "{error}");
                assert!(
                    error
                        .hint()
                        .unwrap()
                        .contains("refused the user name or the password")
                );
            }
        }
    }
}

#[test]
fn a_missing_right_to_one_repository_leaves_the_others_readable() {
    let lacking =
        r#"{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized to access repository: team/secret"}]}"#;
    for (authentication, fault) in [
        (
            Authentication::Basic,
            Fault::new(
                "*",
                "/team/secret/",
                Action::Answer(
                    Reply::status(401)
                        .header("WWW-Authenticate", "Basic realm=\"x\"")
                        .body(lacking),
                ),
            ),
        ),
        (
            TOKENS,
            Fault::new(
                "GET",
                "scope=repository%3Ateam%2Fsecret",
                Action::Answer(Reply::status(403).error("DENIED", "access forbidden")),
            ),
        ),
    ] {
        let registry = registry(authentication);
        registry.fault(fault.every());
        let client = client_of(user(), &registry);
        let secret = repository(&registry, "team/secret");
        assert!(client.manifest(&secret, &tag("v1")).unwrap_err().is_denied());
        client
            .resolve(&repository(&registry, "team/app"), &tag("v1"))
            .unwrap();
    }
}
