//! Addresses that a registry hands out: to other hosts, to this machine, out of HTTPS, to files.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use transload_test_support::scripted::{Action, Fault, Options, Reply, Request, Tls};

use super::*;

/// A proxy at which every host's name leads to one server: what a run sends to `hub.example` and to `elsewhere.example` can be told
/// apart by the `Host` header.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(server: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address")
            .to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (server, noted) = (server.to_owned(), Arc::clone(&asked));
        // It ends with the test's process: nothing waits for it.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, noted) = (server.clone(), Arc::clone(&noted));
                thread::spawn(move || tunnel(stream, &server, &noted));
            }
        });
        Proxy { address, asked }
    }

    /// The hosts that it was asked to connect to.
    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().expect("no thread panicked").clone();
        asked.sort();
        asked.dedup();
        asked
    }

    fn given_to(&self, program: Transload) -> Transload {
        let url = format!("http://{}", self.address);
        program.env("HTTP_PROXY", &url).env("HTTPS_PROXY", &url)
    }
}

fn tunnel(client: TcpStream, server: &str, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    asked.lock().ok()?.push(first.split(' ').nth(1)?.to_owned());
    let upstream = TcpStream::connect(server).ok()?;
    (&client).write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
    let (mut to_client, mut from_upstream) = (client.try_clone().ok()?, upstream.try_clone().ok()?);
    thread::spawn(move || {
        std::io::copy(&mut from_upstream, &mut to_client).ok();
        to_client.shutdown(std::net::Shutdown::Both).ok();
    });
    std::io::copy(&mut reader, &mut &upstream).ok();
    upstream.shutdown(std::net::Shutdown::Both).ok();
    Some(())
}

/// Addresses that no registry outside of this machine may send anybody to, and what is said of each.
fn forbidden(port: &str) -> Vec<(String, &'static str)> {
    let local = "to an address of this machine";
    let link = "to a link-local address";
    let private = "to a private address";
    let odd = "to an address in an odd notation";
    [
        ("file:///etc/passwd".to_owned(), "it has the scheme \"file\""),
        ("ftp://hub.example/x".to_owned(), "it has the scheme \"ftp\""),
        (
            "gopher://hub.example/x".to_owned(),
            "it has the scheme \"gopher\"",
        ),
        ("data:text/plain,x".to_owned(), "it has the scheme \"data\""),
        ("http://".to_owned(), "it has no valid host"),
        ("http://hub.example:99999/".to_owned(), "it has no valid host"),
        ("http://ex ample/".to_owned(), "it has no valid host"),
        (format!("http://127.0.0.1:{port}/x"), local),
        (format!("http://localhost:{port}/x"), local),
        (format!("http://any.localhost:{port}/x"), local),
        (format!("http://[::1]:{port}/x"), local),
        (format!("http://[::ffff:127.0.0.1]:{port}/x"), local),
        (format!("http://0.0.0.0:{port}/x"), local),
        (format!("//127.0.0.1:{port}/x"), local),
        (format!("http://hub.example@127.0.0.1:{port}/x"), local),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), link),
        ("http://[fe80::1]/x".to_owned(), link),
        ("http://10.0.0.5/x".to_owned(), private),
        ("http://192.168.0.5/x".to_owned(), private),
        ("http://100.64.0.5/x".to_owned(), private),
        ("http://[fd00::5]/x".to_owned(), private),
        (format!("http://2130706433:{port}/x"), odd),
        (format!("http://0x7f000001:{port}/x"), odd),
        (format!("http://127.1:{port}/x"), odd),
        (format!("http://0177.0.0.1:{port}/x"), odd),
    ]
    .to_vec()
}

fn port(registry: &ScriptedRegistry) -> &str {
    registry.host().rsplit(':').next().expect("a host with a port")
}

/// A file of credentials for hosts, for its owner's eyes only.
fn auths(arena: &Arena, hosts: &[String], plain_http: bool) {
    auths_with(arena, hosts, plain_http, PASSWORD);
}

fn auths_with(arena: &Arena, hosts: &[String], plain_http: bool, password: &str) {
    use std::os::unix::fs::PermissionsExt;
    let entries: Vec<String> = hosts
        .iter()
        .map(|host| format!("- {{repo: {host}, username: tester, password: '{password}', plain_http: {plain_http}, insecure: true}}\n"))
        .collect();
    let path = arena.here().join("auths.yaml");
    fs::write(&path, entries.concat()).expect("a writable folder");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of this user");
}

/// No request that another host than these got has the password, in whatever form.
#[track_caller]
fn assert_kept_from_others(registry: &ScriptedRegistry, own: &[&str]) {
    let is_own = |request: &Request| request.header("host").is_some_and(|host| own.contains(&host));
    let requests = registry.log().requests();
    for request in requests.iter().filter(|request| !is_own(request)) {
        assert_eq!(
            request.header("authorization"),
            None,
            "{} {}",
            request.method,
            request.path
        );
        for password in [PASSWORD, transload_test_support::real::PASSWORD] {
            assert!(!request.query.contains(password) && !request.path.contains(password));
        }
    }
}

#[test]
fn a_registry_sends_nobody_to_this_machine_to_files_or_in_circles_by_odd_addresses() {
    let registry = ScriptedRegistry::start();
    let (_good, image, name) = good();
    let (arena, proxy) = (Arena::new(), Proxy::to(registry.host()));
    auths(&arena, &["hub.example".to_owned()], true);
    let sample = samples::single(Family::Oci, "linux/amd64", 1);
    let mut args = vec![
        "pull".to_owned(),
        "--dest".to_owned(),
        "images".to_owned(),
        "--auths".to_owned(),
        "auths.yaml".to_owned(),
        name,
    ];
    let mut expected = Vec::new();
    for (number, (address, said)) in forbidden(port(&registry)).into_iter().enumerate() {
        for kind in ["manifests", "blobs"] {
            let repository = format!("evil/{kind}{number}");
            registry.put_image(&repository, "v1", &sample);
            let away = Reply::status(307).header("Location", &address);
            let path = format!("/{repository}/{kind}/");
            registry.fault(Fault::new("GET", &path, Action::Answer(away)).every());
            args.push(format!("hub.example/{repository}:v1"));
            expected.push((repository, address.clone(), said));
        }
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = proxy.given_to(arena.program(&args)).run().expect_code(1);
    arena.check(&output, "redirects");
    for (repository, address, said) in expected {
        // One blob's failure fails every image that shares it: those who come later say what the first said.
        let failed = output.cause_of(&format!("hub.example/{repository}:v1"));
        let failed = failed.unwrap_or_else(|| panic!("{address}\n{}{}", output.stdout, output.stderr));
        assert!(failed.contains(said), "{address}: {failed}");
    }
    assert_eq!(proxy.asked(), ["hub.example:80"]);
    assert!(arena.holds("images", &image));
}

#[test]
fn an_upload_goes_nowhere_else_either() {
    let registry = ScriptedRegistry::start();
    let (arena, proxy) = (Arena::new(), Proxy::to(registry.host()));
    auths(&arena, &["hub.example".to_owned()], true);
    let mut expected = Vec::new();
    for (number, (address, said)) in forbidden(port(&registry)).into_iter().enumerate() {
        let repository = format!("evil/app{number}");
        let image = samples::single(Family::Oci, "linux/amd64", number as u64);
        transload_test_support::kubekey::write(
            &arena.here().join("store"),
            "a.example",
            &repository,
            "v1",
            &image,
            transload_test_support::kubekey::Generation::Third,
        );
        let session = Reply::status(202).header("Location", &address);
        let path = format!("/{repository}/blobs/uploads/");
        registry.fault(Fault::new("POST", &path, Action::Answer(session)).every());
        expected.push((repository, address, said));
    }
    let args = [
        "push",
        "--src",
        "store",
        "--dest",
        "hub.example",
        "--auths",
        "auths.yaml",
    ];
    let output = proxy.given_to(arena.program(&args)).run().expect_code(1);
    arena.check(&output, "uploads");
    for (repository, address, said) in expected {
        let failed = output.cause_of(&format!("a.example/{repository}:v1"));
        let failed = failed.unwrap_or_else(|| panic!("{address}\n{}{}", output.stdout, output.stderr));
        assert!(failed.contains(said), "{address}: {failed}");
    }
    assert_eq!(proxy.asked(), ["hub.example:80"]);
    assert_eq!(registry.log().count("PUT", "/"), 0);
}

#[test]
fn a_token_server_is_no_file_and_nothing_on_this_machine() {
    let registry = ScriptedRegistry::start();
    let (arena, proxy) = (Arena::new(), Proxy::to(registry.host()));
    let cases = forbidden(port(&registry));
    let mut hosts = Vec::new();
    let mut args = vec![
        "pull".to_owned(),
        "--dest".to_owned(),
        "images".to_owned(),
        "--auths".to_owned(),
        "auths.yaml".to_owned(),
    ];
    for (number, (address, _)) in cases.iter().enumerate() {
        let challenge = format!("Bearer realm=\"{address}\",service=\"s\"");
        let reply = Reply::status(401).header("WWW-Authenticate", &challenge);
        registry.fault(Fault::new("*", &format!("/evil/app{number}/"), Action::Answer(reply)).every());
        // What a registry wants is learnt once: each has a name of its own.
        hosts.push(format!("hub{number}.example"));
        args.push(format!("hub{number}.example/evil/app{number}:v1"));
    }
    auths(&arena, &hosts, true);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = proxy.given_to(arena.program(&args)).run().expect_code(1);
    arena.check(&output, "realms");
    for (number, (address, said)) in cases.iter().enumerate() {
        let name = format!("hub{number}.example/evil/app{number}:v1");
        let line = output.cause_of(&name).unwrap_or_default();
        assert!(
            line.contains("the token server's URL can't be used") && line.contains(said),
            "{address}: {line}"
        );
    }
    let others: Vec<String> = proxy
        .asked()
        .into_iter()
        .filter(|host| !host.starts_with("hub"))
        .collect();
    assert_eq!(others, [] as [&str; 0]);
    assert!(
        registry
            .log()
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
}

#[test]
fn https_never_becomes_http_and_a_password_never_reaches_another_host() {
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Server,
        authentication: transload_test_support::scripted::Authentication::Basic,
        ..Options::default()
    });
    let (arena, proxy) = (Arena::new(), Proxy::to(registry.host()));
    // The right one: a refused one would end all.
    let password = transload_test_support::real::PASSWORD;
    auths_with(&arena, &["hub.example".to_owned()], false, password);
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let cases = [
        ("http://hub.example/v2/x", "from HTTPS to plain HTTP"),
        ("http://elsewhere.example/x", "from HTTPS to plain HTTP"),
        ("https://elsewhere.example/blob?signature=S1gn4ture", "404"),
        ("https://tester:w0rd@elsewhere.example/blob", "404"),
        ("https://hub.example:444/blob", "404"),
    ];
    registry.put_image("first", "v1", &image);
    let mut args: Vec<String> = ["pull", "--dest", "images", "--auths", "auths.yaml", "--insecure"]
        .map(str::to_owned)
        .into();
    // The first one learns that a password is wanted; all others would send it at once.
    args.extend(["--jobs", "1", "hub.example/first:v1"].map(str::to_owned));
    for (number, (address, _)) in cases.iter().enumerate() {
        let repository = format!("evil/app{number}");
        registry.put_image(&repository, "v1", &image);
        let away = Reply::status(307).header("Location", address);
        registry.fault(Fault::new("GET", &format!("/{repository}/manifests/"), Action::Answer(away)).every());
        args.push(format!("hub.example/{repository}:v1"));
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = proxy.given_to(arena.program(&args)).run().expect_code(1);
    arena.check(&output, "downgrades");
    for (number, (address, said)) in cases.iter().enumerate() {
        let name = format!("hub.example/evil/app{number}:v1");
        let line = output.cause_of(&name).unwrap_or_default();
        assert!(line.contains(said), "{address}: {line}\n{}", output.stderr);
    }
    assert!(
        !output.stderr.contains("S1gn4ture") && !output.stderr.contains("w0rd"),
        "{}",
        output.stderr
    );
    assert_eq!(
        proxy.asked(),
        ["elsewhere.example:443", "hub.example:443", "hub.example:444"]
    );
    assert_kept_from_others(&registry, &["hub.example"]);
    // The password was at work, or nothing was shown.
    let known = |request: &Request| request.header("authorization").is_some();
    assert!(registry.log().requests().iter().any(known));
}

/// The protocol has registries name the server that takes their users' passwords: it gets those for this registry, and no others.
#[test]
fn a_token_server_gets_the_password_of_the_registry_that_named_it_and_no_other() {
    let registry = ScriptedRegistry::start();
    let (arena, proxy) = (Arena::new(), Proxy::to(registry.host()));
    auths(
        &arena,
        &["hub.example".to_owned(), "other.example".to_owned()],
        true,
    );
    let challenge = "Bearer realm=\"http://tokens.example/grab\",service=\"s\"";
    let reply = Reply::status(401).header("WWW-Authenticate", challenge);
    registry.fault(Fault::new("*", "/evil/app/", Action::Answer(reply)).every());
    // The token server sends us on, to where no password goes.
    let away = Reply::status(307).header("Location", "http://elsewhere.example/grab");
    registry.fault(Fault::new("GET", "/grab?", Action::Answer(away)).every());
    let args = [
        "pull",
        "--dest",
        "images",
        "--auths",
        "auths.yaml",
        "nobody.example/evil/app:v1",
        "hub.example/evil/app:v1",
    ];
    let program = proxy.given_to(arena.program(&args));
    let output = program.run().expect_code(1);
    arena.check(&output, "tokens");
    let hosts_with_password: Vec<String> = registry
        .log()
        .requests()
        .iter()
        .filter(|request| request.header("authorization").is_some())
        .filter_map(|request| request.header("host").map(str::to_owned))
        .collect();
    assert_eq!(hosts_with_password, ["tokens.example"]);
    assert!(proxy.asked().contains(&"elsewhere.example:80".to_owned()));
}

/// A registry whose certificate goes unchecked says nothing of the proxy on the way to it.
#[test]
fn a_proxys_certificate_is_checked_whatever_is_said_of_the_registrys() {
    let proxy = ScriptedRegistry::with(Options {
        tls: Tls::Server,
        ..Options::default()
    });
    let arena = Arena::new();
    let pull = |authorities: &std::path::Path| {
        let args = ["pull", "--dest", "images", "--insecure", "hub.example/app:v1"];
        let program = arena
            .program(&args)
            .env("HTTPS_PROXY", format!("https://{}", proxy.host()));
        program.env("SSL_CERT_FILE", authorities).run().expect_code(1)
    };
    let nobodys = arena.here().join("nobodys.pem");
    fs::write(&nobodys, "").expect("a writable folder");
    let output = pull(&nobodys);
    let address = format!(
        "the proxy https://{} (from HTTPS_PROXY): TLS with it failed",
        proxy.host()
    );
    assert!(
        output.stdout.contains(&address),
        "{}{}",
        output.stdout,
        output.stderr
    );
    assert_eq!(proxy.log().requests().len(), 0);
    // The system's authorities are its own.
    pull(&proxy.ca_file());
    assert!(proxy.log().count("CONNECT", "") > 0);
}
