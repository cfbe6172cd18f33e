//! Ctrl-C ends a run within a second, whatever it waits for, and the next one goes on.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use transload_test_support::image::Image;
use transload_test_support::image::samples::one_layer;
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::scripted::{Action, Fault, Reply, Request};
use transload_test_support::{Running, ScriptedRegistry, Transload};

use super::whole::{assert_sound, partials};
use super::{folder, text};

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(40);

/// How long the end may take. A machine that is busy with other tests gets more than one try.
const SOON: Duration = Duration::from_secs(1);
const TRIES: usize = 4;

fn image() -> Image {
    one_layer(1, 3 * MIB)
}

fn is_busy(request: &Request) -> bool {
    request.stalled || (request.status == Some(503) && request.finished)
}

/// Starts a run, waits until a request hangs or was refused, and stops it. How long the end took, and what was said.
fn stop(registry: &ScriptedRegistry, run: impl Fn() -> Running) -> (Duration, String) {
    registry.log().clear();
    let running = run();
    assert!(
        registry
            .log()
            .wait_for(|requests| requests.iter().any(is_busy), PATIENCE)
    );
    let started = Instant::now();
    running.signal("INT");
    let output = running.wait();
    let taken = started.elapsed();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    (taken, output.stderr)
}

#[track_caller]
fn assert_stops_soon(registry: &ScriptedRegistry, run: impl Fn() -> Running) {
    let mut slowest = Duration::ZERO;
    for _ in 0..TRIES {
        let (taken, said) = stop(registry, &run);
        assert!(said.contains("Run the same command again to continue"), "{said}");
        if taken < SOON {
            return;
        }
        slowest = slowest.max(taken);
    }
    panic!("the end took {slowest:?}");
}

/// What a run may be busy with when it is stopped: bytes that don't come, an answer that doesn't come, a wait before the next try.
fn occupations(method: &str, path: &str) -> [Fault; 3] {
    let busy = Reply::status(503).header("Retry-After", "30");
    [
        Fault::new(
            method,
            path,
            if method == "GET" {
                Action::Stall { after: MIB }
            } else {
                Action::StallUpload { after: MIB }
            },
        )
        .every(),
        Fault::new(method, path, Action::Hold).every(),
        Fault::new(method, path, Action::Answer(busy)).every(),
    ]
}

#[test]
fn a_pull_stops_soon_and_goes_on_where_its_bytes_end() {
    let (registry, image) = (ScriptedRegistry::start(), image());
    registry.put_image("team/app", "v1", &image);
    let name = format!("{}/team/app:v1", registry.host());
    let layer = &image.blobs[1].0.digest;
    for fault in occupations("GET", layer.as_str()) {
        let dir = folder();
        let store = text(dir.path().join("images"));
        let pull = || {
            Transload::new()
                .args(["pull", "--plain-http", "--dest", &store, &name])
                .spawn()
        };
        registry.fault(fault);
        assert_stops_soon(&registry, pull);
        registry.clear_faults();
        registry.log().clear();
        let kept = partials(store.as_ref()).get(layer.as_str()).copied().unwrap_or(0);
        pull().wait().expect_code(0);
        assert_eq!(assert_sound(store.as_ref()), ["team/app:v1"]);
        let requests = registry.log().requests();
        let fetch = requests
            .iter()
            .find(|request| request.is("GET", layer.as_str()))
            .expect("the layer is fetched");
        let range = (kept > 0).then(|| format!("bytes={kept}-"));
        assert_eq!(fetch.header("range"), range.as_deref());
    }
}

#[test]
fn a_push_stops_soon_and_completes_the_next_time() {
    let image = image();
    let dir = folder();
    let store = dir.path().join("images");
    kubekey::write(
        &store,
        "hub.example.com",
        "team/app",
        "v1",
        &image,
        Generation::Third,
    );
    for kind in 0..3 {
        let registry = ScriptedRegistry::start();
        let push = || {
            Transload::new()
                .args([
                    "push",
                    "--plain-http",
                    "--src",
                    &text(&store),
                    "--dest",
                    registry.host(),
                ])
                .spawn()
        };
        for method in ["PUT", "PATCH"] {
            registry.fault(occupations(method, "/uploads/")[kind].clone());
        }
        assert_stops_soon(&registry, push);
        assert_eq!(registry.tags("team/app"), [] as [&str; 0]);
        registry.clear_faults();
        push().wait().expect_code(0);
        assert!(registry.has_image("team/app", "v1", &image));
    }
}

/// A server whose queue of connections is full, so that a new one neither comes about nor is refused.
fn unreachable() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
    let address = listener.local_addr().expect("a bound listener has an address");
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(stream);
    }
    (listener, queued)
}

/// Whether some connection to this port is being made.
fn is_connecting(port: u16) -> bool {
    const SYN_SENT: &str = "02";
    let table = fs::read_to_string("/proc/net/tcp").expect("the system's list of connections");
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields[..], [_, _, to, state, ..] if to.ends_with(&format!(":{port:04X}")) && state == SYN_SENT)
    })
}

#[test]
fn a_connection_that_does_not_come_about_holds_up_no_end() {
    let (listener, _queued) = unreachable();
    let address = listener.local_addr().expect("a bound listener has an address");
    let dir = folder();
    let name = format!("{address}/team/app:v1");
    let dest = text(dir.path().join("images"));
    for _ in 0..TRIES {
        let running = Transload::new()
            .args(["pull", "--plain-http", "--dest", &dest, &name])
            .spawn();
        let deadline = Instant::now() + PATIENCE;
        while !is_connecting(address.port()) {
            assert!(Instant::now() < deadline, "nobody connects");
            thread::sleep(Duration::from_millis(2));
        }
        let started = Instant::now();
        running.signal("INT");
        let output = running.wait();
        let taken = started.elapsed();
        assert_eq!(output.code, Some(130), "{}", output.stderr);
        assert!(
            output.stderr.contains("Run the same command again to continue"),
            "{}",
            output.stderr
        );
        if taken < SOON {
            return;
        }
    }
    panic!("the end took more than {SOON:?}, {TRIES} times");
}
