//! `docs/run.svg`, the README's picture: what a terminal shows of a run, recorded.
//!
//! `TRANSLOAD_PICTURE=write cargo xtask test -p transload-tests -- guides::picture` records it anew.

mod svg;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use transload_test_support::proxy::Proxy;
use transload_test_support::scripted::{Action, Fault, Options, Reply};
use transload_test_support::{ScriptedRegistry, Transload, real::Tls};
use vt100::Parser;

use super::page::comparable;
use super::world::{IMAGES, WEB, image};
use crate::terminal::pty::Terminal;

const COLUMNS: u16 = 104;
/// As many as all that is shown at any time needs: nothing scrolls away.
const ROWS: u16 = 32;
const COMMAND: &str = "transload pull --images-file images.txt --dest ./images";
/// Most screens of the picture.
const SCREENS: usize = 18;

fn parser() -> Parser {
    let number = |number: u16| number.try_into().expect("a terminal has a size");
    Parser::new(number(ROWS), number(COLUMNS), 0)
}

/// The registries of the web, in one: some layers come slowly, and one is refused at first.
fn registry() -> ScriptedRegistry {
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Named(WEB),
        ..Options::default()
    });
    for (name, number) in IMAGES.iter().zip(1..) {
        let image = image(
            name,
            number,
            &["linux/amd64", "linux/arm64"],
            500_000 * (1 + number as usize % 5),
        );
        let (_, rest) = name.split_once('/').expect("a registry");
        let (repository, tag) = rest.split_once(':').expect("a tag");
        registry.put_image(repository, tag, &image);
        let large = image.blobs.iter().filter(|(blob, _)| blob.size > 400_000);
        for ((blob, _), platform) in large.zip(1..) {
            let digest = blob.digest.to_string();
            // The first rule that fits is followed.
            if name.contains("etcd") && platform == 1 {
                let busy = Reply::status(503).header("Retry-After", "3");
                registry.fault(Fault::new("GET", &digest, Action::Answer(busy)).nth(1));
            }
            let slow = Action::Trickle {
                piece: 64 << 10,
                pause: Duration::from_millis(15 + 10 * number * platform),
            };
            registry.fault(Fault::new("GET", &digest, slow).every());
        }
    }
    registry
}

/// What a run shows, in screens at equal distances and the last.
fn record() -> Vec<Parser> {
    let registry = registry();
    let routes: Vec<(&str, &str)> = WEB.iter().map(|name| (*name, registry.host())).collect();
    let proxy = Proxy::start(&routes);
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("images.txt"), IMAGES.join("\n")).expect("a writable folder");
    let program = Transload::new()
        .args(COMMAND.split(' ').skip(1))
        .current_dir(dir.path())
        .env("HTTPS_PROXY", proxy.url())
        .env("SSL_CERT_FILE", registry.ca_file())
        .env("TERM", "xterm-256color")
        .env("NO_COLOR", "");
    let mut terminal = Terminal::start(program, COLUMNS, ROWS);
    terminal.wait_for_end();
    let raw = terminal.raw();
    // Each drawing of the bars ends so, and they are drawn at equal distances.
    let drawings: Vec<&str> = raw.split_inclusive("\x1b[?2026l").collect();
    let distance = drawings.len().div_ceil(SCREENS);
    let mut playing = parser();
    let mut screens = Vec::new();
    for pieces in drawings.chunks(distance) {
        for piece in pieces {
            playing.process(piece.as_bytes());
        }
        let mut screen = parser();
        screen.process(playing.screen().contents_formatted().as_bytes());
        screens.push(screen);
    }
    screens
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/run.svg")
}

/// The lines of a picture's last screen that are the same in each run, but for figures and their order: the command, what was copied, the
/// totals.
fn lasting(picture: &str) -> Vec<String> {
    let shown = svg::lines(picture);
    let mut lines: Vec<String> = shown.iter().map(|line| comparable(line)).collect();
    lines.sort();
    lines
}

#[test]
fn the_readmes_picture_is_one_of_a_run_as_it_is_today() {
    let recording = record();
    let shows_progress = |screen: &&Parser| screen.screen().contents().matches('%').count() > 3;
    assert!(
        recording.iter().filter(shows_progress).count() > 3,
        "the bars are hardly to be seen"
    );
    let screens: Vec<_> = recording.iter().map(Parser::screen).collect();
    let picture = svg::draw(COMMAND, &screens);
    let shown = svg::lines(&picture);
    assert!(
        shown.iter().any(|line| line.starts_with("pull: 9 images in ")),
        "{shown:#?}"
    );
    for name in IMAGES {
        let start = format!("copied   {name}");
        assert!(
            shown.iter().any(|line| line.starts_with(&start)),
            "{name}: {shown:#?}"
        );
    }
    if std::env::var_os("TRANSLOAD_PICTURE").is_some() {
        fs::write(path(), &picture).expect("a writable repository");
    }
    let committed = fs::read_to_string(path()).expect("docs/run.svg");
    assert_eq!(
        lasting(&committed),
        lasting(&picture),
        "TRANSLOAD_PICTURE=write records docs/run.svg anew"
    );
}
