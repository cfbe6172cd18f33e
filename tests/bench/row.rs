//! The pieces of work that are measured.

use crate::set::Which;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From a registry into an empty directory.
    Pull,
    /// The same once more, when everything is there.
    Rerun,
    /// From a directory into an empty registry.
    Push,
    /// From a directory into an empty one on the same filesystem.
    Copy,
}

/// How a registry is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Over the loopback, in plain HTTP.
    Plain,
    /// Over the loopback, with TLS.
    Tls,
    /// Plain HTTP over a simulated link of 40 ms round trip and 100 Mbit/s a connection.
    Slow,
}

/// A piece of work that is measured.
#[derive(Debug)]
pub struct Row {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What the tables call it.
    pub title: &'static str,
    /// What is done.
    pub kind: Kind,
    /// With which images.
    pub set: Which,
    /// Over which path.
    pub path: Path,
    /// The most that transload's time may be of the best peer's.
    pub target: f64,
}

/// Every row, in the tables' order.
#[rustfmt::skip]
pub const ROWS: [Row; 10] = [
    Row { name: "pull",       title: "pull the release, loopback",                  kind: Kind::Pull,  set: Which::Release, path: Path::Plain, target: 0.8 },
    Row { name: "pull-tls",   title: "pull the release, loopback, TLS",             kind: Kind::Pull,  set: Which::Release, path: Path::Tls,   target: 0.8 },
    Row { name: "tiny",       title: "pull 200 tiny images, loopback",              kind: Kind::Pull,  set: Which::Tiny200, path: Path::Plain, target: 0.8 },
    Row { name: "rerun",      title: "pull again what is there, loopback",          kind: Kind::Rerun, set: Which::Tenth,   path: Path::Plain, target: 0.3 },
    Row { name: "push",       title: "push the release, loopback",                  kind: Kind::Push,  set: Which::Release, path: Path::Plain, target: 0.8 },
    Row { name: "copy",       title: "copy the release, directory to directory",    kind: Kind::Copy,  set: Which::Release, path: Path::Plain, target: 0.8 },
    Row { name: "pull-slow",  title: "pull a tenth of the release, slow link",      kind: Kind::Pull,  set: Which::Tenth,   path: Path::Slow,  target: 0.3 },
    Row { name: "tiny-slow",  title: "pull 50 tiny images, slow link",              kind: Kind::Pull,  set: Which::Tiny50,  path: Path::Slow,  target: 0.25 },
    Row { name: "push-slow",  title: "push a tenth of the release, slow link",      kind: Kind::Push,  set: Which::Tenth,   path: Path::Slow,  target: 0.3 },
    Row { name: "layer-slow", title: "pull one layer of 1 GB, slow link",           kind: Kind::Pull,  set: Which::Layer,   path: Path::Slow,  target: 0.2 },
];

impl Row {
    /// How often it is measured where nobody says. What waits for a simulated link takes nearly the same time every time.
    pub fn repeats(&self, quick: bool) -> usize {
        if quick || self.path == Path::Slow { 1 } else { 3 }
    }

    /// Whether it is run once before it is measured: caches fill, and memory is touched for the first time. A link's time hides that.
    pub fn warms_up(&self) -> bool {
        self.path != Path::Slow
    }
}
