//! `transload serve`, as a process.

mod killed;
mod nodes;
mod page;
mod raw;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use transload_test_support::image::{Family, Image, ImageBuilder};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::scripted::Tls;
use transload_test_support::scripted::{Options, ScriptedRegistry};
use transload_test_support::{Output, Running, Transload};

/// A line of an htpasswd file: anna's password is `secret`.
const ANNA: &str = "anna:$2y$05$aO74LytqROJdWqSmhtoNxOt.T8/w8lM8EEtrtmLkw1LpUtwLzteN2\n";

/// A server that listens.
pub struct Served {
    pub running: Running,
    /// Its URL.
    pub url: String,
}

impl Served {
    /// Serves on a free port of the loopback.
    #[track_caller]
    pub fn start(args: &[&str]) -> Served {
        let program = Transload::new()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args);
        let mut running = program.spawn();
        let told = running.wait_for_stderr(|told| told.contains("\nnodes: "));
        let line = told
            .lines()
            .find_map(|line| line.split_once(" at "))
            .expect("it says where");
        let (url, _) = line.1.split_once(',').expect("and how");
        Served {
            url: url.to_owned(),
            running,
        }
    }

    /// Its host and port.
    pub fn host(&self) -> &str {
        self.url.split_once("://").expect("a URL").1
    }

    /// Writes a program's configuration into a folder, for images of this place.
    #[track_caller]
    pub fn configure(&self, program: &str, place: &str, folder: &str) {
        let args = [
            "serve",
            place,
            "--print-config",
            program,
            "--server",
            &self.url,
            "--out",
            folder,
        ];
        transload(&args);
    }

    /// Sends a request and returns its answer, head and body.
    fn get(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.ask(path, "")).into_owned()
    }

    /// Returns a part of a blob.
    pub fn part(&self, path: &str, part: Range<usize>) -> Vec<u8> {
        let header = format!("Range: bytes={}-{}\r\n", part.start, part.end - 1);
        let mut answer = self.ask(path, &header);
        assert!(answer.starts_with(b"HTTP/1.1 206 "), "a part");
        answer.split_off(answer.len() - part.len())
    }

    fn ask(&self, path: &str, headers: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.host()).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        answer
    }
}

/// A directory with an image, `hub.example.com/team/app:v1`.
struct Scene {
    dir: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let scene = Scene {
            dir: tempfile::tempdir().expect("a temporary folder"),
        };
        kubekey::write(
            &scene.dir.path().join("images"),
            "hub.example.com",
            "team/app",
            "v1",
            &image(),
            Generation::Third,
        );
        scene
    }

    fn path(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        path.to_str()
            .expect("temporary folders have plain names")
            .to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).expect("a writable temporary folder");
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs the command to its end, in the folder.
    #[track_caller]
    fn serve(&self, args: &[&str], code: i32) -> Output {
        let program = Transload::new()
            .arg("serve")
            .args(args)
            .current_dir(self.dir.path());
        program.run().expect_code(code)
    }
}

fn image() -> Image {
    ImageBuilder::new(Family::Oci)
        .layer(&[("etc/name", b"app")])
        .build()
}

#[track_caller]
fn transload(args: &[&str]) -> Output {
    Transload::new().args(args).run().expect_code(0)
}

#[test]
fn a_directory_and_an_archive_are_pulled_from_as_they_are() {
    let scene = Scene::new();
    let (images, archive, out) = (scene.path("images"), scene.path("images.tar"), scene.path("out"));
    transload(&["copy", "--src", &images, "--dest", &archive]);
    for place in [&images, &archive] {
        let served = Served::start(&[place]);
        let mirror = format!("{}/hub.example.com", served.host());
        transload(&[
            "pull",
            "hub.example.com/team/app:v1",
            "--src",
            &mirror,
            "--plain-http",
            "--dest",
            &out,
        ]);
        transload(&["diff", &images, &out]);
        fs::remove_dir_all(&out).expect("it was pulled");
    }
}

#[test]
fn what_is_pushed_is_in_the_directory() {
    let scene = Scene::new();
    let (images, pushed) = (scene.path("images"), scene.path("pushed"));
    let served = Served::start(&[&pushed, "--writable", "--as", "hub.local"]);
    let dest = format!("{}/mirror", served.host());
    transload(&["push", "--src", &images, "--dest", &dest, "--plain-http"]);
    let listed = transload(&["list", &pushed, "--output", "names"]);
    assert!(
        listed.stdout.starts_with("hub.local/mirror/team/app:v1 "),
        "{}",
        listed.stdout
    );
}

#[test]
fn it_listens_before_it_reads_what_the_directory_holds() {
    let scene = Scene::new();
    let trace = scene.path("trace");
    let program = Transload::new().args(["serve", &scene.path("images"), "--listen", "127.0.0.1:0"]);
    let mut running = program
        .under("strace", ["-f", "-e", "trace=openat,getdents64", "-o", &trace])
        .spawn();
    running.wait_for_stderr(|told| told.contains("\nnodes: "));
    let id = running.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("strace's child");
    let ended = Command::new("kill")
        .args(children.split_whitespace())
        .status()
        .expect("kill");
    assert!(ended.success());
    running.wait();
    let traced = scene.read("trace");
    assert!(traced.contains("/images"), "{traced}");
    assert!(
        !traced.contains("hub.example.com"),
        "no registry's folder: {traced}"
    );
}

#[test]
fn a_signal_ends_it_in_order() {
    let scene = Scene::new();
    for signal in ["TERM", "INT"] {
        let served = Served::start(&[&scene.path("images")]);
        assert!(served.get("/healthz").ends_with("ok\n"));
        served.running.signal(signal);
        let output = served.running.wait().expect_code(0);
        assert!(
            output
                .stderr
                .ends_with("stopping after running requests; once more to stop at once\n")
        );
    }
}

#[test]
fn a_second_signal_cuts_what_is_on_its_way() {
    let scene = Scene::new();
    let mut served = Served::start(&[&scene.path("images"), "--writable"]);
    let mut client = TcpStream::connect(served.host()).expect("it listens");
    let request = "PUT /v2/team/app/manifests/v2 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(request.as_bytes()).expect("it reads");
    let mut begun = [0; 12];
    client.read_exact(&mut begun).expect("it waits for the body");
    assert_eq!(&begun, b"HTTP/1.1 100");
    served.running.signal("TERM");
    served.running.wait_for_stderr(|told| told.contains("stopping"));
    served.running.signal("TERM");
    let output = served.running.wait().expect_code(0);
    assert!(
        output.stderr.ends_with("cut 1 request that took too long\n"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_hangup_has_certificates_and_users_read_again() {
    let scene = Scene::new();
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Server,
        ..Options::default()
    });
    let authority = |name: &str| -> PathBuf { registry.ca_file().with_file_name(name) };
    let (certificate, key) = (scene.path("server.pem"), scene.path("key.pem"));
    fs::copy(authority("server.pem"), &certificate).expect("a certificate");
    fs::copy(authority("server-key.pem"), &key).expect("a key");
    let users = scene.write("users", ANNA);
    let mut served = Served::start(&[
        &scene.path("images"),
        "-v",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
        "--htpasswd",
        &users,
    ]);
    assert!(served.url.starts_with("https://"));
    let login = |server: &Served, password: &str, code: i32| {
        let ca = registry.ca_file();
        let args = [
            "login",
            server.host(),
            "--username",
            "anna",
            "--password-stdin",
            "--ca-file",
        ];
        let program = Transload::new().args(args).arg(ca).stdin(password);
        program.run().expect_code(code)
    };
    login(&served, "secret", 0);
    login(&served, "wrong", 1);
    let log = served.running.wait_for_stderr(|told| told.contains("\" 200 "));
    assert!(log.contains("127.0.0.1 - anna ["), "{log}");
    assert!(!log.contains("secret"));

    scene.write("users", "nobody");
    served.running.signal("HUP");
    let told = served
        .running
        .wait_for_stderr(|told| told.contains("the old ones stay in use: "));
    assert!(told.contains("users: line 1 isn't `user:hash`"), "{told}");
    login(&served, "secret", 0);
    scene.write("users", &ANNA.replace("anna", "bert"));
    served.running.signal("HUP");
    served
        .running
        .wait_for_stderr(|told| told.contains("reloaded the certificates and the users"));
    login(&served, "secret", 1);
}

#[test]
fn what_it_cant_serve_with_is_told_before_it_listens() {
    let scene = Scene::new();
    let images = scene.path("images");
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = held.local_addr().expect("its address").to_string();
    for (args, part) in [
        (
            vec![images.as_str(), "--listen", &taken],
            "another program listens there",
        ),
        (
            vec![&images, "--listen", "0.0.0.0:0"],
            "--plain-http to do without",
        ),
        (
            vec![&images, "--listen", "here"],
            "\"here\" isn't an address with a port",
        ),
        (vec!["missing"], "there is nothing at missing"),
        (vec!["-"], "standard input is read once"),
        (vec![&images, "--as", "no host"], "\"no host\" isn't a registry"),
        (vec![&images, &images, "--writable"], "pushes go to one directory"),
        (
            vec![&images, "--htpasswd", "missing"],
            "htpasswd file missing: No such file",
        ),
        (
            vec![&images, "--tls-cert", "missing", "--tls-key", "missing"],
            "certificate missing: No such file",
        ),
        (vec![&images, "--tls-cert", "missing"], "--tls-key"),
        (vec![&images, "--client-ca", "missing"], "--tls-cert"),
        (
            vec![&images, "--print-config", "docker", "--listen", "0.0.0.0:5000"],
            "such as --server http://",
        ),
        (
            vec![&images, "--print-config", "docker", "--server", "hub.local"],
            "\"hub.local\" isn't the URL of a server",
        ),
        (
            vec![
                &images,
                "--print-config",
                "docker",
                "--server",
                "http://hub.local/v2",
            ],
            "isn't the URL",
        ),
        (vec![&images, "--server", "http://hub.local"], "--print-config"),
    ] {
        let output = scene.serve(&args, 2);
        assert!(output.stderr.contains(part), "{args:?}: {}", output.stderr);
        assert!(!output.stderr.contains("serving"), "{args:?}");
    }
    drop(held);
}

#[test]
fn the_configuration_of_nodes_names_the_server_and_the_registries_of_the_place() {
    let scene = Scene::new();
    let images = scene.path("images");
    for program in ["containerd", "docker", "podman", "crio", "k3s", "kubekey"] {
        for server in ["http://10.0.0.5:5000/", "https://hub.local"] {
            let args = [&images, "--print-config", program, "--server", server];
            let output = scene.serve(&args, 0);
            assert_eq!(output.stderr, "");
            assert!(
                !output.stdout.contains("{{") && !output.stdout.contains("5000//"),
                "{}",
                output.stdout
            );
            let host = if server.contains("hub") {
                "hub.local"
            } else {
                "10.0.0.5:5000"
            };
            assert!(output.stdout.contains(host), "{}", output.stdout);
        }
    }
    let podman = scene.serve(&[&images, "--print-config", "podman"], 0).stdout;
    assert!(podman.contains(
        "prefix = \"hub.example.com\"\nlocation = \"127.0.0.1:5000/hub.example.com\"\ninsecure = true\n"
    ));
    for server in ["http://10.0.0.5:5000", "https://hub.local"] {
        let docker = scene
            .serve(&[&images, "--print-config", "docker", "--server", server], 0)
            .stdout;
        let docker: serde_json::Value = serde_json::from_str(&docker).expect("JSON");
        assert_eq!(docker["registry-mirrors"][0], server);
        assert_eq!(
            docker["insecure-registries"].is_array(),
            server.starts_with("http:")
        );
    }
}

#[test]
fn files_for_nodes_are_written_where_nothing_else_is() {
    let scene = Scene::new();
    let (images, node) = (scene.path("images"), scene.path("node"));
    for folder in ["docker.io", "quay.io", "hub.local"] {
        fs::create_dir_all(scene.path(&format!("node/certs.d/{folder}"))).expect("a writable folder");
    }
    scene.write("node/certs.d/quay.io/hosts.toml", "mine\n");
    scene.write("node/certs.d/hub.local/ca.crt", "mine\n");
    let args = [
        &images,
        "--print-config",
        "containerd",
        "--server",
        "http://10.0.0.5:5000",
        "--out",
        &node,
    ];
    let output = scene.serve(&args, 0);
    assert_eq!(output.stderr.lines().count(), 2, "{}", output.stderr);
    let default = scene.read("node/certs.d/_default/hosts.toml");
    assert!(default.contains("server = \"http://10.0.0.5:5000\"\n"));
    assert_eq!(
        scene.read("node/certs.d/docker.io/hosts.toml"),
        default,
        "an empty folder would hide it"
    );
    assert_eq!(scene.read("node/certs.d/quay.io/hosts.toml"), "mine\n");
    assert!(!fs::exists(scene.path("node/certs.d/hub.local/hosts.toml")).expect("a readable folder"));

    scene.serve(&args, 0);
    scene.write("node/certs.d/_default/hosts.toml", "mine\n");
    let refused = scene.serve(&args, 2);
    assert!(
        refused.stderr.contains("it exists already, with other content"),
        "{}",
        refused.stderr
    );
    assert_eq!(scene.read("node/certs.d/_default/hosts.toml"), "mine\n");
}
