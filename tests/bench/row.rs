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

/// How a registry is reached: by TLS, where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Over the loopback.
    Loopback,
    /// Over the loopback, in plain HTTP.
    Plain,
    /// Over a simulated link of 40 ms round trip and 100 Mbit/s a connection.
    Slow,
    /// Over a link of 40 ms round trip and 200 Mbit/s for all connections together.
    Shared,
    /// The same, where one of 200 lumps of 64 KiB is lost.
    Lossy,
    /// A shared link on which somebody else fetches a file meanwhile.
    Busy,
}

/// What serves the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// distribution 2, as Debian has it.
    Two,
    /// distribution 3, where it is on `PATH`.
    Three,
}

impl Server {
    /// The program's name.
    pub fn program(self) -> &'static str {
        match self {
            Server::Two => "docker-registry",
            Server::Three => "registry",
        }
    }
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// So much of the best peer's time.
    OfPeer(f64),
    /// So much of the time that the link takes for the bytes, and four round trips.
    OfLink(f64),
    /// Another user of the link gets so much of it: half of its fair share, at least.
    Share(f64),
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
    /// With which registry.
    pub server: Server,
    /// What is to be reached.
    pub goal: Goal,
}

/// Every row, in the tables' order.
#[rustfmt::skip]
pub const ROWS: [Row; 18] = [
    Row { name: "pull",        title: "pull the release, loopback",                  kind: Kind::Pull,  set: Which::Release, path: Path::Loopback, server: Server::Two,   goal: Goal::OfPeer(0.8) },
    Row { name: "pull-plain",  title: "pull the release, loopback, plain HTTP",      kind: Kind::Pull,  set: Which::Release, path: Path::Plain,    server: Server::Two,   goal: Goal::OfPeer(0.8) },
    Row { name: "pull-3",      title: "pull the release, loopback, distribution 3",  kind: Kind::Pull,  set: Which::Release, path: Path::Loopback, server: Server::Three, goal: Goal::OfPeer(0.8) },
    Row { name: "tiny",        title: "pull 200 tiny images, loopback",              kind: Kind::Pull,  set: Which::Tiny200, path: Path::Loopback, server: Server::Two,   goal: Goal::OfPeer(0.8) },
    Row { name: "rerun",       title: "pull again what is there, loopback",          kind: Kind::Rerun, set: Which::Tenth,   path: Path::Loopback, server: Server::Two,   goal: Goal::OfPeer(0.3) },
    Row { name: "push",        title: "push the release, loopback",                  kind: Kind::Push,  set: Which::Release, path: Path::Loopback, server: Server::Two,   goal: Goal::OfPeer(0.8) },
    Row { name: "push-3",      title: "push the release, loopback, distribution 3",  kind: Kind::Push,  set: Which::Release, path: Path::Loopback, server: Server::Three, goal: Goal::OfPeer(0.8) },
    Row { name: "copy",        title: "copy the release, directory to directory",    kind: Kind::Copy,  set: Which::Release, path: Path::Loopback, server: Server::Two,   goal: Goal::OfPeer(0.8) },
    Row { name: "pull-slow",   title: "pull a tenth of the release, slow link",      kind: Kind::Pull,  set: Which::Tenth,   path: Path::Slow,     server: Server::Two,   goal: Goal::OfPeer(0.3) },
    Row { name: "tiny-slow",   title: "pull 50 tiny images, slow link",              kind: Kind::Pull,  set: Which::Tiny50,  path: Path::Slow,     server: Server::Two,   goal: Goal::OfPeer(0.25) },
    Row { name: "push-slow",   title: "push a tenth of the release, slow link",      kind: Kind::Push,  set: Which::Tenth,   path: Path::Slow,     server: Server::Two,   goal: Goal::OfPeer(0.3) },
    Row { name: "layer-slow",  title: "pull one layer of 1 GB, slow link",           kind: Kind::Pull,  set: Which::Layer,   path: Path::Slow,     server: Server::Two,   goal: Goal::OfPeer(0.2) },
    Row { name: "pull-shared", title: "pull a tenth of the release, shared link",    kind: Kind::Pull,  set: Which::Tenth,   path: Path::Shared,   server: Server::Two,   goal: Goal::OfLink(1.08) },
    Row { name: "push-shared", title: "push a tenth of the release, shared link",    kind: Kind::Push,  set: Which::Tenth,   path: Path::Shared,   server: Server::Two,   goal: Goal::OfLink(1.08) },
    Row { name: "pull-lossy",  title: "pull a tenth of the release, lossy link",     kind: Kind::Pull,  set: Which::Tenth,   path: Path::Lossy,    server: Server::Two,   goal: Goal::OfLink(1.08) },
    Row { name: "push-lossy",  title: "push a tenth of the release, lossy link",     kind: Kind::Push,  set: Which::Tenth,   path: Path::Lossy,    server: Server::Two,   goal: Goal::OfLink(1.08) },
    Row { name: "pull-busy",   title: "pull a tenth of the release beside curl",     kind: Kind::Pull,  set: Which::Tenth,   path: Path::Busy,     server: Server::Two,   goal: Goal::Share(0.25) },
    Row { name: "layer-busy",  title: "pull one layer of 1 GB beside curl",          kind: Kind::Pull,  set: Which::Layer,   path: Path::Busy,     server: Server::Two,   goal: Goal::Share(0.25) },
];

impl Row {
    /// How often it is measured where nobody says. What waits for a simulated link takes nearly the same time every time.
    pub fn repeats(&self, quick: bool) -> usize {
        if quick || self.path.is_link() { 1 } else { 3 }
    }

    /// Whether it is run once before it is measured: caches fill, and memory is touched for the first time. A link's time hides that.
    pub fn warms_up(&self) -> bool {
        !self.path.is_link()
    }
}

impl Path {
    /// Whether a link lies between the programs and the registry.
    pub fn is_link(self) -> bool {
        !matches!(self, Path::Loopback | Path::Plain)
    }

    /// How many bytes a second all connections have together, if they share a link.
    pub fn shared_rate(self) -> Option<u64> {
        matches!(self, Path::Shared | Path::Lossy | Path::Busy).then_some(25_000_000)
    }
}
