//! Runs a row: every tool in turn, again and again, each time from the same state and with its result checked.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use transload_test_support::RealRegistry;
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::real::{Narrow, Setup, Tls};

use crate::measure::{self, Cost};
use crate::row::{Kind, Path, Row, Server};
use crate::set::{Set, Sets, Which};
use crate::told::{Result, Told};
use crate::tool::{Place, Tool, Tools};
use crate::{check, stop, storage};

/// 40 ms there and back.
const ROUND_TRIP: Duration = Duration::from_millis(40);

/// Of so many lumps, the lossy link loses one.
const LOSES_ONE_IN: u64 = 200;

/// What the link before the registry does; without a link, none.
fn conditions(path: Path) -> Option<LinkConditions> {
    path.is_link().then(|| LinkConditions {
        delay: ROUND_TRIP / 2,
        // 100 Mbit/s on each connection and in each direction.
        rate: (path == Path::Slow).then_some(12_500_000),
        lose_one_in: (path == Path::Lossy).then_some(LOSES_ONE_IN),
        seed: Some(1),
        ..LinkConditions::default()
    })
}

/// One run of one tool.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// What it cost.
    pub cost: Cost,
    /// What the registry saw of it.
    pub seen: Seen,
    /// Which part of the link another user of it got meanwhile, if there was one.
    pub other: Option<f64>,
}

/// What a registry saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many requests it answered.
    pub requests: u64,
    /// On how many connections.
    pub connections: u64,
    /// How many bytes of content it gave.
    pub bytes: u64,
    /// Its own user and system time.
    pub cpu: Duration,
}

/// What became of a row.
#[derive(Debug)]
pub struct Outcome {
    /// The row.
    pub row: &'static Row,
    /// Each tool's runs, or why there are none.
    pub tools: Vec<(Tool, Result<Vec<Sample>>)>,
    /// The least time that the link allows: its bytes, and four round trips.
    pub least: Option<Duration>,
}

/// A registry, perhaps behind a link.
struct Served {
    registry: RealRegistry,
    link: Option<Link>,
    /// The link of another user, to the same registry.
    other: Option<Link>,
    /// After what uses it.
    _network: Option<Narrow>,
}

impl Served {
    fn start(storage: &FilePath, path: Path, server: Server) -> Result<Served> {
        let network = path.shared_rate().map(Narrow::create);
        let network = network.transpose().told("a shared link needs root, ip and tc")?;
        let registry = RealRegistry::with(&Setup {
            program: server.program(),
            storage: Some(storage),
            network: network.as_ref(),
            tls: match path {
                Path::Plain => Tls::Off,
                _ if network.is_some() => Narrow::TLS,
                _ => Tls::Server,
            },
            ..Setup::default()
        });
        let link = || conditions(path).map(|conditions| Link::start(registry.host(), conditions));
        Ok(Served {
            link: link(),
            other: (path == Path::Busy).then(link).flatten(),
            registry,
            _network: network,
        })
    }

    fn place(&self, path: Path) -> Place {
        let host = self.link.as_ref().map_or(self.registry.host(), Link::host);
        Place {
            host: host.to_owned(),
            ca_file: (path != Path::Plain).then(|| self.registry.ca_file()),
        }
    }

    /// Runs something while another user fetches a set's largest blob, if there is one. Tells which part of the link that one got.
    fn beside(
        &self,
        set: &Set,
        path: Path,
        run: impl FnOnce() -> Result<Cost>,
    ) -> Result<(Cost, Option<f64>)> {
        let (Some(link), Some(rate)) = (&self.other, path.shared_rate()) else {
            return Ok((run()?, None));
        };
        let other = Other::start(link, &self.registry, set)?;
        let before = link.bytes_from_server();
        let cost = run()?;
        let bytes = link.bytes_from_server() - before;
        drop(other);
        Ok((cost, Some(bytes as f64 / cost.wall.as_secs_f64() / rate as f64)))
    }

    /// Runs something, and tells what the registry saw meanwhile.
    fn watch(&self, set: &Set, path: Path, run: impl FnOnce() -> Result<Cost>) -> Result<Sample> {
        let before = self.registry.log().len();
        let cpu = measure::process_cpu(self.registry.id())?;
        let (cost, other) = self.beside(set, path, run)?;
        let cpu = measure::process_cpu(self.registry.id())?.saturating_sub(cpu);
        let log = self.registry.log();
        let seen = Seen {
            cpu,
            ..seen(log.get(before..).unwrap_or_default())
        };
        Ok(Sample { cost, seen, other })
    }
}

/// Another user of a link: one `curl` that fetches one blob again and again, on one connection. It is ended when this is dropped.
struct Other(Child);

impl Other {
    fn start(link: &Link, registry: &RealRegistry, set: &Set) -> Result<Other> {
        let blobs = set.images.iter().flat_map(|image| {
            let layers = image.children.iter().flat_map(|child| &child.layers);
            layers.map(move |layer| (layer.size, format!("{}/blobs/{}", image.repository, layer.digest)))
        });
        let (_, blob) = blobs.max().ok_or("a set without layers")?;
        let child = Command::new("curl")
            .args(["--silent", "--output", "/dev/null", "--cacert"])
            .arg(registry.ca_file())
            .arg(format!("https://{}/v2/{blob}?[1-100000]", link.host()))
            .stdin(Stdio::null())
            .spawn()
            .told("curl")?;
        let other = Other(child);
        // It is at its full rate when the measurement begins.
        let deadline = Instant::now() + Duration::from_secs(30);
        while link.bytes_from_server() < 10_000_000 {
            stop::check()?;
            if Instant::now() > deadline {
                return Err("curl gets nothing".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(other)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Both fail only where it has already ended.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Reads a registry's log.
fn seen(log: &str) -> Seen {
    let mut seen = Seen::default();
    let mut connections = HashSet::new();
    for line in log
        .lines()
        .filter(|line| line.contains("msg=\"response completed"))
    {
        let field = |name: &str| {
            let (_, rest) = line.split_once(name)?;
            rest.split([' ', '"']).find(|value| !value.is_empty())
        };
        seen.requests += 1;
        connections.extend(field("http.request.remoteaddr="));
        if field("http.request.method=") == Some("GET") {
            let written = field("http.response.written=").and_then(|value| value.parse::<u64>().ok());
            seen.bytes += written.unwrap_or(0);
        }
    }
    seen.connections = connections.len() as u64;
    seen
}

/// Everything that rows share.
#[derive(Debug)]
pub struct Course {
    folder: PathBuf,
    tools: Tools,
    sets: Sets,
    /// Directories that tools pulled into, to push and copy from.
    pulled: HashMap<(Tool, Which), PathBuf>,
}

impl Course {
    /// A course in a folder.
    pub fn new(folder: &FilePath, tools: Tools, sets: Sets) -> Course {
        Course {
            folder: folder.to_owned(),
            tools,
            sets,
            pulled: HashMap::new(),
        }
    }

    /// The tools.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Runs a row. A peer that fails is left out from then on.
    pub fn run(&mut self, row: &'static Row, repeats: usize) -> Result<Outcome> {
        eprintln!("{}: {}", row.name, row.title);
        let set = self.sets.get(row.set)?;
        let tools: Vec<Tool> = self
            .tools
            .all()
            .filter(|tool| row.kind != Kind::Copy || *tool != Tool::Crane)
            .collect();
        let mut results: Vec<(Tool, Result<Vec<Sample>>)> =
            tools.iter().map(|&tool| (tool, Ok(Vec::new()))).collect();
        let served = match row.kind {
            Kind::Pull | Kind::Rerun => Some(Served::start(
                &self.storage(row.set, &set)?,
                row.path,
                row.server,
            )?),
            Kind::Push | Kind::Copy => None,
        };
        let first = usize::from(!row.warms_up());
        for round in first..=repeats {
            for (tool, result) in &mut results {
                let Ok(samples) = result else { continue };
                match self.once(row, *tool, &set, served.as_ref(), round == first) {
                    Ok(sample) => {
                        let what = if round == 0 { "warm-up" } else { "measured" };
                        eprintln!(
                            "  {what} {}: {:.2} s",
                            tool.name(),
                            sample.cost.wall.as_secs_f64()
                        );
                        samples.extend((round > 0).then_some(sample));
                    }
                    Err(error) => {
                        stop::check()?;
                        eprintln!("  {} failed: {error}", tool.name());
                        *result = Err(error);
                    }
                }
            }
        }
        for (tool, _) in &results {
            remove(&self.again(*tool))?;
        }
        let bytes = set.bytes() as f64;
        let of_link = |rate: u64| Duration::from_secs_f64(bytes / rate as f64) + 4 * ROUND_TRIP;
        Ok(Outcome {
            row,
            tools: results,
            least: row.path.shared_rate().map(of_link),
        })
    }

    fn once(
        &mut self,
        row: &Row,
        tool: Tool,
        set: &Rc<Set>,
        served: Option<&Served>,
        deep: bool,
    ) -> Result<Sample> {
        let dest = self.folder.join("dest");
        remove(&dest)?;
        let sample = match (row.kind, served) {
            (Kind::Pull, Some(served)) => self.pull(tool, set, served, row.path, &dest, deep)?,
            (Kind::Rerun, Some(served)) => {
                let again = self.again(tool);
                if !again.exists() {
                    self.pull(tool, set, served, row.path, &again, false)?;
                }
                let work = self.tools.pull(tool, set, &served.place(row.path), &again)?;
                let sample = served.watch(set, row.path, || measure::run(&work, &self.folder))?;
                check::directory(tool, &again, set, deep)?;
                sample
            }
            (Kind::Copy, _) => {
                let source = self.pulled(tool, row.set, set)?;
                tool.prepare(&dest, set.images.len())?;
                let work = self.tools.copy(tool, set, &source, &dest);
                let work = work.ok_or_else(|| format!("{} copies no directories", tool.name()))?;
                let cost = measure::run(&work, &self.folder)?;
                check::directory(tool, &dest, set, deep)?;
                Sample {
                    cost,
                    seen: Seen::default(),
                    other: None,
                }
            }
            (Kind::Push, _) => {
                let source = self.pulled(tool, row.set, set)?;
                let served = Served::start(&dest, row.path, row.server)?;
                let work = self.tools.push(tool, set, &source, &served.place(row.path));
                let sample = served.watch(set, row.path, || measure::run(&work, &self.folder))?;
                check::registry(tool, &served.registry, set)?;
                let sent = served.link.as_ref().map_or(0, Link::bytes_to_server);
                Sample {
                    seen: Seen {
                        bytes: sent,
                        ..sample.seen
                    },
                    ..sample
                }
            }
            (Kind::Pull | Kind::Rerun, None) => return Err("a pull without a registry".to_owned()),
        };
        remove(&dest)?;
        Ok(sample)
    }

    fn pull(
        &self,
        tool: Tool,
        set: &Set,
        served: &Served,
        path: Path,
        dir: &FilePath,
        deep: bool,
    ) -> Result<Sample> {
        tool.prepare(dir, set.images.len())?;
        let work = self.tools.pull(tool, set, &served.place(path), dir)?;
        let sample = served.watch(set, path, || measure::run(&work, &self.folder))?;
        check::directory(tool, dir, set, deep)?;
        Ok(sample)
    }

    /// Where a tool pulls again.
    fn again(&self, tool: Tool) -> PathBuf {
        self.folder.join(format!("again-{}", tool.name()))
    }

    /// A directory that a tool has pulled a set into. The peers that push OCI layouts as they are need none.
    fn pulled(&mut self, tool: Tool, which: Which, set: &Set) -> Result<PathBuf> {
        if let Some(dir) = self.pulled.get(&(tool, which)) {
            return Ok(dir.clone());
        }
        let dir = self.folder.join(format!("{which:?}-{}", tool.name()));
        if tool.is_transload() || tool == Tool::Skopeo {
            let served = Served::start(&self.storage(which, set)?, Path::Loopback, Server::Two)?;
            self.pull(tool, set, &served, Path::Loopback, &dir, true)?;
        }
        self.pulled.insert((tool, which), dir.clone());
        Ok(dir)
    }

    /// A set, and a directory that a tool has pulled it into.
    pub fn directory(&mut self, tool: Tool, which: Which) -> Result<(Rc<Set>, PathBuf)> {
        let set = self.sets.get(which)?;
        let directory = self.pulled(tool, which, &set)?;
        Ok((set, directory))
    }

    /// A set, and the folder of a registry that has it.
    pub fn served(&mut self, which: Which) -> Result<(Rc<Set>, PathBuf)> {
        let set = self.sets.get(which)?;
        let storage = self.storage(which, &set)?;
        Ok((set, storage))
    }

    /// The folder of a registry that has a set.
    fn storage(&self, which: Which, set: &Set) -> Result<PathBuf> {
        let storage = self.folder.join(format!("{which:?}-registry"));
        if !storage.exists() {
            storage::write(&storage, set)?;
        }
        Ok(storage)
    }
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove(folder: &FilePath) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).told(folder.display()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_connections_and_bytes_are_read_from_the_log() {
        let line = |method: &str, port: u16, written: u64| {
            format!(
                "time=\"x\" level=info msg=\"response completed\" http.request.method={method} http.request.remoteaddr=\"127.0.0.1:{port}\" \
                 http.request.uri=/v2/ http.response.status=200 http.response.written={written}\n\
                 127.0.0.1 - - [x] \"{method} /v2/ HTTP/1.1\" 200 2 \"\" \"curl\"\n"
            )
        };
        let log = [line("HEAD", 1, 50), line("GET", 1, 7), line("GET", 2, 3)].concat();
        let expected = Seen {
            requests: 3,
            connections: 2,
            bytes: 10,
            cpu: Duration::ZERO,
        };
        assert_eq!(seen(&log), expected);
    }
}
