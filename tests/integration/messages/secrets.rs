//! No secret is ever in what the program says, however much it is asked to say.

use transload_test_support::Output;
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{
    Action, Authentication, Fault, Options, Reply, ScriptedRegistry, TokenAnswers,
};

use super::{Scene, store_with};

const PASSWORD: &str = "Pa55-hunter2+word";
/// The same in the form that Basic credentials have, for the user `tester`.
const BASIC: &str = "dGVzdGVyOlBhNTUtaHVudGVyMit3b3Jk";
const SIGNATURE: &str = "S1gn4ture";

/// Every way of asking for more.
const TALK: [(&[&str], &str); 4] = [
    (&["-v"], ""),
    (&["-vv"], ""),
    (&["-vvv"], ""),
    (&[], "trace,ureq=trace,ureq_proto=trace,rustls=trace"),
];

/// Runs a command in every talkative way. Nothing of what it says may have one of these texts.
#[track_caller]
fn say_all(scene: &Scene, args: &[&str], secrets: &[&str], code: i32) -> Vec<Output> {
    TALK.iter()
        .map(|(more, rust_log)| {
            let mut program = scene.program(&[args, more].concat());
            if !rust_log.is_empty() {
                program = program.env("RUST_LOG", rust_log);
            }
            let output = program.run().expect_code(code);
            for secret in secrets {
                assert_silent(&output, secret, &format!("{args:?} {more:?} {rust_log}"));
            }
            output
        })
        .collect()
}

#[track_caller]
fn assert_silent(output: &Output, secret: &str, of: &str) {
    for (name, stream) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let line = stream.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the {name} of {of}");
    }
}

fn auths(host: &str) -> String {
    format!("- {{repo: {host}, username: tester, password: {PASSWORD}, plain_http: true}}\n")
}

/// The log did tell of the requests, or nothing would have been looked at.
#[track_caller]
fn assert_talkative(outputs: &[Output], request: &str) {
    for (output, (more, rust_log)) in outputs.iter().zip(TALK).skip(1) {
        assert!(
            output.stderr.contains(request),
            "{more:?} {rust_log}\n{}",
            output.stderr
        );
    }
}

#[test]
fn passwords_of_pulls_and_pushes_that_fail() {
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let scene = Scene::new();
    store_with(
        &scene,
        "store",
        "hub.example.com",
        "app",
        "v1",
        &samples::single(Family::Oci, "linux/amd64", 1),
    );
    scene.write("auths.yaml", &auths(registry.host()));
    let image = format!("{}/team/app:v1", registry.host());
    let secrets = [PASSWORD, BASIC];
    let pulled = say_all(
        &scene,
        &[
            "pull",
            &image,
            "--dest",
            "out",
            "--auths",
            "auths.yaml",
            "--retries",
            "0",
        ],
        &secrets,
        1,
    );
    assert_talkative(
        &pulled,
        &format!("GET http://{}/v2/team/app/manifests/v1: 401", registry.host()),
    );
    let pushed = say_all(
        &scene,
        &[
            "push",
            "--src",
            "store",
            "--dest",
            registry.host(),
            "--auths",
            "auths.yaml",
            "--retries",
            "0",
        ],
        &secrets,
        1,
    );
    assert_talkative(
        &pushed,
        &format!("HEAD http://{}/v2/app/manifests/v1: 401", registry.host()),
    );
    let asked = registry.log().requests();
    let authorization = format!("Basic {BASIC}");
    assert!(
        asked
            .iter()
            .any(|request| request.header("authorization") == Some(&authorization)),
        "the password was never sent"
    );
}

#[test]
fn passwords_and_tokens_of_a_token_server() {
    let registry = ScriptedRegistry::with(Options {
        tokens: TokenAnswers::default(),
        ..Options::bearer(true)
    });
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let scene = Scene::new();
    let image = format!("{}/team/app:v1", registry.host());
    let pull = ["pull", image.as_str(), "--dest", "out", "--retries", "0"];
    let outputs = say_all(&scene, &[&pull[..], &["--plain-http"]].concat(), &[], 0);
    let tokens: Vec<String> = registry
        .log()
        .requests()
        .iter()
        .filter_map(|request| {
            request
                .header("authorization")?
                .strip_prefix("Bearer ")
                .map(str::to_owned)
        })
        .collect();
    assert!(!tokens.is_empty());
    for (output, token) in outputs
        .iter()
        .flat_map(|output| tokens.iter().map(move |token| (output, token)))
    {
        assert_silent(output, token, "a pull with a token");
    }
    // And with a password that the token server refuses.
    scene.write("auths.yaml", &auths(registry.host()));
    say_all(
        &scene,
        &[&pull[..], &["--auths", "auths.yaml"]].concat(),
        &[PASSWORD, BASIC],
        1,
    );
}

/// A plan tells as whom the registries are asked, and no more.
#[test]
fn passwords_of_a_preview() {
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let scene = Scene::new();
    scene.write("auths.yaml", &auths(registry.host()));
    let image = format!("{}/team/app:v1", registry.host());
    let preview = [
        "pull",
        &image,
        "--dest",
        "out",
        "--auths",
        "auths.yaml",
        "--dry-run",
        "--retries",
        "0",
    ];
    for output in say_all(&scene, &preview, &[PASSWORD, BASIC], 1) {
        let login = format!("user tester from --auths entry {}", registry.host());
        assert!(output.stdout.contains(&login), "{}", output.stdout);
    }
}

/// Addresses that registries hand out are as good as keys.
#[test]
fn signatures_in_addresses() {
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let elsewhere = ScriptedRegistry::start();
    let signed = format!(
        "http://me:{PASSWORD}@{}/blob?X-Amz-Signature={SIGNATURE}&x=1",
        elsewhere.host()
    );
    let redirect = Reply::status(307).header("Location", &signed);
    registry.fault(Fault::new("GET", "/blobs/", Action::Answer(redirect)).every());
    let session = Reply::status(202).header("Location", &format!("/v2/x/blobs/uploads/1?_state={SIGNATURE}"));
    registry.fault(Fault::new("POST", "/blobs/uploads/", Action::Answer(session)).every());
    let scene = Scene::new();
    let image = format!("{}/team/app:v1", registry.host());
    let secrets = [SIGNATURE, PASSWORD];
    let pulled = say_all(
        &scene,
        &["pull", &image, "--dest", "out", "--plain-http", "--retries", "0"],
        &secrets,
        1,
    );
    assert_talkative(&pulled, &format!("GET http://{}/blob?…: 404", elsewhere.host()));
    store_with(
        &scene,
        "store",
        "hub.example.com",
        "app",
        "v1",
        &samples::single(Family::Oci, "linux/amd64", 1),
    );
    let pushed = say_all(
        &scene,
        &[
            "push",
            "--src",
            "store",
            "--dest",
            registry.host(),
            "--plain-http",
            "--retries",
            "0",
        ],
        &secrets,
        1,
    );
    assert_talkative(
        &pushed,
        &format!("PUT http://{}/v2/x/blobs/uploads/1?…: 404", registry.host()),
    );
    let uploads = registry.log().requests();
    assert!(
        uploads.iter().any(|request| request.query.contains(SIGNATURE)),
        "the signature was never sent"
    );
}

/// Passwords in places where none belongs.
#[test]
fn passwords_in_front_of_hosts() {
    let scene = Scene::new();
    store_with(
        &scene,
        "store",
        "hub.example.com",
        "app",
        "v1",
        &samples::single(Family::Oci, "linux/amd64", 1),
    );
    let url = format!("https://tester:{PASSWORD}@hub.example.com/app:1");
    let bare = format!("tester:{PASSWORD}@hub.example.com/app:1");
    let template =
        format!("https://tester:{PASSWORD}@hub.example.com/{{{{ .module.image.reference.repo }}}}");
    scene.write("images.txt", &format!("{url}\n{bare}\n"));
    scene.write(
        "tasks.yaml",
        &format!(
            "- image: {{manifests: ['{url}', '{bare}'], dest: '{url}', auths: [{{repo: '{url}', username: tester, password: {PASSWORD}, \
             nope: 1}}]}}\n- image: {{manifests: a, src: '{url}', dest: 'hub.example.com/{{{{ .pasword }}}}'}}\n"
        ),
    );
    let commands: [&[&str]; 8] = [
        &["pull", &url, &bare, "--dest", "out"],
        &["pull", "--images-file", "images.txt", "--dest", "out"],
        &["pull", "app", "--dest", &url],
        &["push", "--src", "store", "--dest", &url],
        &["push", "--src", "store", "--dest", &bare],
        &["push", "--src", "store", "--dest", &template],
        &["run", "tasks.yaml"],
        &["run", "tasks.yaml", "--set", &format!("password={PASSWORD}")],
    ];
    for args in commands {
        say_all(&scene, args, &[PASSWORD], 2);
    }
}

/// Credentials where `docker login` puts them.
#[test]
fn passwords_of_credential_files() {
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let scene = Scene::new();
    let config = serde_json::json!({"auths": {registry.host(): {"auth": BASIC}}}).to_string();
    let image = format!("{}/team/app:v1", registry.host());
    for (more, rust_log) in TALK {
        let program = scene
            .program(
                &[
                    &[
                        "pull",
                        image.as_str(),
                        "--dest",
                        "out",
                        "--plain-http",
                        "--retries",
                        "0",
                    ],
                    more,
                ]
                .concat(),
            )
            .env("RUST_LOG", if rust_log.is_empty() { "trace" } else { rust_log });
        std::fs::write(program.home().join("auth.json"), &config).expect("a writable home");
        let output = program.run().expect_code(1);
        for secret in [PASSWORD, BASIC] {
            assert_silent(&output, secret, "a pull with a credential file");
        }
        assert!(
            output.stderr.contains("refused the user name or the password"),
            "{}",
            output.stderr
        );
    }
}
