//! Authentication.

mod refused;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use transload_reference::Registry;
use transload_registry_client::{Client, Credential, ErrorKind, HostRule};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::real::PASSWORD;
use transload_test_support::scripted::{
    Action, Authentication, Fault, Options, REFRESH_TOKEN, Reply, Request, Tls, TokenAnswers, TokenField,
};

use crate::help::*;

fn registry(authentication: Authentication) -> ScriptedRegistry {
    let registry = ScriptedRegistry::with(Options {
        authentication,
        ..Options::default()
    });
    registry.put_image("team/app", "v1", &samples::multi_platform(Family::Oci, 1));
    registry
}

const TOKENS: Authentication = Authentication::Bearer {
    anonymous: true,
    oauth2: false,
};

#[test]
fn basic_credentials_are_sent_once_they_are_asked_for() {
    let registry = registry(Authentication::Basic);
    let (client, repository) = (client_of(user(), &registry), repository(&registry, "team/app"));
    for _ in 0..3 {
        client.resolve(&repository, &tag("v1")).unwrap();
    }
    let requests = registry.log().requests();
    let authorized: Vec<_> = requests
        .iter()
        .map(|request| request.header("authorization").is_some())
        .collect();
    assert_eq!(authorized, [false, true, true, true]);
}

#[test]
fn one_token_serves_all_requests_of_its_scope() {
    let registry = registry(TOKENS);
    let repository = repository(&registry, "team/app");
    // An opaque token doesn't say whose it is: a login does.
    for (client, most_refused, asked) in [(client_of(user(), &registry), 1, 2), (client(), 8, 1)] {
        let before = registry.log().requests().len();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| client.resolve(&repository, &tag("v1")).unwrap());
            }
        });
        let requests = registry.log().requests().split_off(before);
        let tokens = requests.iter().filter(|request| request.path == "/token");
        assert_eq!(tokens.count(), asked, "one worker asks for all");
        let refused = requests.iter().filter(|request| request.status == Some(401));
        let refused = refused.count();
        assert!(
            (1..=most_refused).contains(&refused),
            "with credentials, the others learn from the first one's refusal: {refused}"
        );
    }
}

#[test]
fn no_worker_waits_for_the_first_answer_of_a_plain_registry_without_credentials() {
    const AT_ONCE: usize = 3;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let registry: Registry = listener.local_addr().unwrap().to_string().parse().unwrap();
    let client = client();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| client.ping(&registry).unwrap());
        }
        // All are asked before one is answered.
        let mut sockets: Vec<TcpStream> = Vec::new();
        while sockets.len() < AT_ONCE {
            let (mut socket, _) = listener.accept().unwrap();
            assert!(socket.read(&mut [0; 4096]).unwrap() > 0);
            sockets.push(socket);
        }
        for mut socket in sockets {
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
}

#[test]
fn a_push_asks_for_both_rights_at_once_and_a_mount_for_the_lenders_too() {
    let registry = registry(TOKENS);
    let client = client_of(user(), &registry);
    let (to, from) = (repository(&registry, "to"), repository(&registry, "team/app"));
    let blob = put(&registry, "team/app", b"shared");
    assert_eq!(client.has_blob(&to, &blob.digest).unwrap(), None);
    client
        .push_blob(&to, &descriptor(b"other"), &mut opener(b"other", &mut Vec::new()))
        .unwrap();
    assert!(client.mount_blob(&to, &blob.digest, &from).unwrap());
    let queries: Vec<_> = registry
        .log()
        .requests()
        .into_iter()
        .filter(|request| request.is("GET", "/token"))
        .collect();
    let queries: Vec<_> = queries.iter().map(|request| request.query.as_str()).collect();
    assert_eq!(queries.len(), 3, "{queries:?}");
    assert!(
        queries[0].contains("scope=repository%3Ato%3Apull%2Cpush&"),
        "{queries:?}"
    );
    let both = "scope=repository%3Ateam%2Fapp%3Apull&scope=repository%3Ato%3Apull%2Cpush";
    assert!(
        queries[2].contains(both) && queries[2].contains("account="),
        "{queries:?}"
    );
}

#[test]
fn a_token_that_ran_out_is_renewed_once() {
    let registry = registry(TOKENS);
    let (client, repository) = (client(), repository(&registry, "team/app"));
    client.resolve(&repository, &tag("v1")).unwrap();
    registry.revoke_tokens();
    client.resolve(&repository, &tag("v1")).unwrap();
    assert_eq!(registry.log().count("GET", "/token"), 2);
}

#[test]
fn a_token_that_runs_out_during_an_upload_keeps_the_session() {
    let registry = registry(TOKENS);
    let client = client_of(user(), &registry);
    let bytes = content(2_000_000);
    let blob = descriptor(&bytes);
    let expired = Reply::status(401).header(
        "WWW-Authenticate",
        &format!(
            "Bearer realm=\"http://{}/token\",service=\"scripted\",error=\"invalid_token\"",
            registry.host()
        ),
    );
    registry.fault(Fault::new("PUT", "/blobs/uploads/", Action::Early(expired)));
    let mut offsets = Vec::new();
    client
        .push_blob(
            &repository(&registry, "to"),
            &blob,
            &mut opener(&bytes, &mut offsets),
        )
        .unwrap();
    assert_eq!(offsets, [0, 0]);
    let opened = |request: &Request| request.is("POST", "/blobs/uploads/") && request.status == Some(202);
    let sessions = registry
        .log()
        .requests()
        .iter()
        .filter(|request| opened(request))
        .count();
    assert_eq!(sessions, 1, "the session was kept");
    assert_eq!(registry.log().count("GET", "/token"), 3, "two tokens and a login");
}

#[test]
fn an_identity_token_is_exchanged_by_post() {
    let registry = registry(Authentication::Bearer {
        anonymous: false,
        oauth2: true,
    });
    let client = client_of(Credential::new("<token>", REFRESH_TOKEN), &registry);
    client
        .resolve(&repository(&registry, "team/app"), &tag("v1"))
        .unwrap();
    assert_eq!(
        (
            registry.log().count("POST", "/token"),
            registry.log().count("GET", "/token")
        ),
        (1, 0)
    );
}

#[test]
fn a_token_server_without_post_is_asked_by_get() {
    let registry = registry(Authentication::Bearer {
        anonymous: false,
        oauth2: false,
    });
    let client = client_of(Credential::new("<token>", "x"), &registry);
    let error = client
        .resolve(&repository(&registry, "team/app"), &tag("v1"))
        .unwrap_err();
    assert_eq!(
        (
            registry.log().count("POST", "/token"),
            registry.log().count("GET", "/token")
        ),
        (2, 2),
        "it is tried once more"
    );
    assert!(matches!(error.kind(), ErrorKind::Token(_)), "{error}");
}

#[test]
fn the_longest_rule_decides_whose_credentials_are_sent() {
    let registry = registry(Authentication::Basic);
    let mut other = HostRule::new(registry.host());
    other.credential = Some(Credential::new("nobody", "nothing"));
    let mut own = HostRule::new(format!("{}/team", registry.host()));
    own.credential = Some(user());
    let client = builder().hosts(vec![other, own]).build().unwrap();
    assert!(
        client
            .resolve(&repository(&registry, "team/app"), &tag("v1"))
            .is_ok()
    );
    assert!(
        client
            .resolve(&repository(&registry, "teams/app"), &tag("v1"))
            .unwrap_err()
            .is_denied()
    );
}

#[test]
fn the_source_of_credentials_is_asked_once_for_a_repository_and_not_without_need() {
    let source = Arc::new(Counting(user(), Mutex::new(0)));
    let open = registry(Authentication::Off);
    let client = builder().credentials(source.clone()).build().unwrap();
    client
        .resolve(&repository(&open, "team/app"), &tag("v1"))
        .unwrap();
    assert_eq!(*source.1.lock().unwrap(), 0);
    let closed = registry(Authentication::Basic);
    for _ in 0..3 {
        client
            .resolve(&repository(&closed, "team/app"), &tag("v1"))
            .unwrap();
    }
    // Previews and examinations tell where the same credentials come from.
    let app = repository(&closed, "team/app");
    client.access(&app).unwrap();
    client.examine(app.registry(), Some(&app), false);
    assert_eq!(*source.1.lock().unwrap(), 1);
}

#[test]
fn a_realm_that_would_leak_or_makes_no_sense_is_refused() {
    let registry = registry(Authentication::Off);
    for realm in ["file:///etc/passwd", "ftp://x/", "http://"] {
        registry.clear_faults();
        let challenge = format!("Bearer realm=\"{realm}\"");
        let reply = Reply::status(401).header("WWW-Authenticate", &challenge);
        registry.fault(Fault::new("*", "/manifests/", Action::Answer(reply)).every());
        let error = client_of(user(), &registry)
            .resolve(&repository(&registry, "team/app"), &tag("v1"))
            .unwrap_err();
        assert!(error.to_string().contains("token server"), "{realm}: {error}");
    }
}

#[test]
fn a_token_servers_nonsense_is_an_error_that_quotes_nothing() {
    let registry = registry(TOKENS);
    for body in ["{\"secret-token\": ", "{}", "{\"token\":\"\"}", "[]", "<html>"] {
        registry.clear_faults();
        let reply = Reply::status(200).body(body);
        registry.fault(Fault::new("GET", "/token", Action::Answer(reply)).every());
        let error = client()
            .resolve(&repository(&registry, "team/app"), &tag("v1"))
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Protocol(_)) && !error.to_string().contains("secret-token"),
            "{error}"
        );
    }
}

#[test]
fn credentials_that_ran_out_are_asked_for_again() {
    for authentication in [Authentication::Basic, TOKENS] {
        let registry = registry(authentication);
        let source = Arc::new(Changing(Mutex::new(vec![
            user(),
            Credential::new("tester", "ran out"),
        ])));
        let client = builder().credentials(source.clone()).build().unwrap();
        client
            .resolve(&repository(&registry, "team/app"), &tag("v1"))
            .unwrap();
        assert!(source.0.lock().unwrap().is_empty());
    }
}

/// Gives each of its credentials once, the last first.
struct Changing(Mutex<Vec<Credential>>);

impl transload_registry_client::CredentialSource for Changing {
    fn credential(
        &self,
        _: &transload_reference::Registry,
        _: &str,
    ) -> Result<Option<Credential>, transload_registry_client::CredentialError> {
        Ok(self.0.lock().unwrap().pop())
    }
}

#[test]
fn a_token_of_short_or_unknown_life_is_used_for_a_minute() {
    let lives = [None, Some(0), Some(2), Some(300)].map(|number| (number, None));
    let texts = ["300", "", "5m", "-1"].map(|text| (None, Some(text)));
    for (expires_in, expires_in_text) in lives.into_iter().chain(texts) {
        for field in [TokenField::Token, TokenField::AccessToken] {
            let registry = ScriptedRegistry::with(Options {
                authentication: TOKENS,
                tokens: TokenAnswers {
                    field,
                    expires_in,
                    expires_in_text,
                    uses: None,
                },
                ..Options::default()
            });
            registry.put_image("team/app", "v1", &samples::multi_platform(Family::Oci, 1));
            let (client, repository) = (client(), repository(&registry, "team/app"));
            for _ in 0..3 {
                client.resolve(&repository, &tag("v1")).unwrap();
            }
            assert_eq!(
                registry.log().count("GET", "/token"),
                1,
                "{expires_in:?} {expires_in_text:?} {field:?}"
            );
        }
    }
}

#[test]
fn a_token_servers_endless_answer_is_not_read_to_its_end() {
    let registry = registry(TOKENS);
    let endless = Reply::status(200).body(vec![b' '; 2 << 20]);
    registry.fault(Fault::new("GET", "/token", Action::Answer(endless)).every());
    let error = client()
        .resolve(&repository(&registry, "team/app"), &tag("v1"))
        .unwrap_err();
    assert!(
        error.to_string().contains("larger than the 1048576 bytes"),
        "{error}"
    );
}

#[test]
fn a_token_that_no_request_can_carry_is_refused_by_name() {
    let registry = registry(TOKENS);
    let large = format!(r#"{{"token":"{}"}}"#, "x".repeat(70_000));
    registry.fault(Fault::new("GET", "/token", Action::Answer(Reply::status(200).body(large))).every());
    let repository = repository(&registry, "team/app");
    let error = client().resolve(&repository, &tag("v1")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the token server gave a token of 69 KiB; a request carries at most 60 KiB"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("rights"), "{:?}", error.hint());
    assert_eq!(
        registry.log().count("GET", "/token"),
        1,
        "it isn't asked for again"
    );
    // A password goes in a header, too.
    let client = client_of(Credential::new("u", "x".repeat(70_000)), &registry);
    let error = client.resolve(&repository, &tag("v1")).unwrap_err();
    assert!(
        error.to_string().contains("the credentials have 92 KiB")
            && matches!(error.kind(), ErrorKind::Config(_)),
        "{error}"
    );
}

/// A rule without verification believes a man in the middle. Its knowledge doesn't reach the rule with verification.
#[test]
fn a_token_server_that_was_named_under_one_rule_gets_no_password_of_another() {
    let (registry, thief) = (
        ScriptedRegistry::with(Options {
            tls: Tls::Server,
            authentication: Authentication::Basic,
            ..Options::default()
        }),
        ScriptedRegistry::with(Options {
            tls: Tls::Server,
            ..Options::default()
        }),
    );
    registry.put_image("private/app", "v1", &samples::multi_platform(Family::Oci, 1));
    let challenge = format!("Bearer realm=\"https://{}/grab\",service=\"s\"", thief.host());
    let reply = Reply::status(401).header("WWW-Authenticate", &challenge);
    registry.fault(Fault::new("*", "/public/", Action::Answer(reply)).every());
    let mut public = HostRule::new(format!("{}/public", registry.host()));
    public.insecure = Some(true);
    let mut private = HostRule::new(format!("{}/private", registry.host()));
    private.ca_file = Some(registry.ca_file());
    private.credential = Some(user());
    let client = builder()
        .plain_http(None)
        .skip_tls_verify(true)
        .hosts(vec![public, private])
        .build()
        .unwrap();
    client
        .resolve(&repository(&registry, "public/app"), &tag("v1"))
        .unwrap_err();
    assert!(thief.log().count("GET", "/grab") > 0, "it was named");
    client
        .resolve(&repository(&registry, "private/app"), &tag("v1"))
        .unwrap();
    let requests = thief.log().requests();
    assert!(
        requests
            .iter()
            .all(|request| request.header("authorization").is_none() && !request.query.contains("account")),
        "the password went to it"
    );
}

#[test]
fn a_registry_that_asks_another_way_than_before_is_followed() {
    let registry = registry(TOKENS);
    let basic = Reply::status(401).header("WWW-Authenticate", "Basic realm=\"x\"");
    registry.fault(Fault::new("*", "/manifests/", Action::Answer(basic)).nth(1));
    client_of(user(), &registry)
        .resolve(&repository(&registry, "team/app"), &tag("v1"))
        .unwrap();
    assert_eq!(registry.log().count("GET", "/token"), 2, "a token and a login");
}
