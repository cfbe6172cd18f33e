//! What serving costs: `transload serve` beside docker-registry, and beside zot where it is on `PATH`.

mod client;
mod server;

use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use transload_test_support::peak_memory;
use transload_test_support::real::{RealRegistry, Tls};

use crate::course::Course;
use crate::measure::{self, Work};
use crate::report::{median, table};
use crate::set::{Set, TAG, Which};
use crate::stop;
use crate::told::{Result, Told};
use client::Client;
use server::{Kind, Server};

/// Requests that clients share among them.
struct Load {
    title: String,
    clients: usize,
    targets: Vec<String>,
}

/// What one server needed for one load.
struct Cost {
    wall: f64,
    cpu: f64,
    client_cpu: f64,
    peak: u64,
}

/// Where each server's content is.
struct Content {
    /// docker-registry's storage.
    storage: PathBuf,
    /// A directory of transload's.
    images: PathBuf,
    /// zot's storage.
    layouts: PathBuf,
}

/// Has each server answer the same requests, in turns; gives a table and its JSON.
pub fn run(transload: &Path, course: &mut Course, folder: &Path, quick: bool) -> Result<(String, Value)> {
    let (set, storage) = course.served(Which::Serve)?;
    let content = Content {
        images: pull(transload, &set, &storage, folder)?,
        layouts: set.folder.join("repositories"),
        storage,
    };
    set.write_repositories(&content.layouts)?;
    let kinds: Vec<Kind> = Kind::all(transload).collect();
    let repeats = if quick { 1 } else { 3 };
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for tls in [Tls::Off, Tls::Server] {
        for load in loads(&set, quick) {
            let title = match tls {
                Tls::Off => load.title.clone(),
                _ => format!("{}, TLS", load.title),
            };
            eprintln!("  {title}");
            // Its certificate is everybody's.
            let registry = RealRegistry::over(&content.storage, tls);
            let ca_file = (tls != Tls::Off).then(|| registry.ca_file());
            let client = Client::new(ca_file.as_deref())?;
            let started = kinds.iter().map(|kind| kind.start(&content, ca_file.as_deref()));
            let mut servers: Vec<Server> = started.collect::<Result<_>>()?;
            servers.insert(1, Server::of(registry));
            let mut costs: Vec<Vec<Cost>> = servers.iter().map(|_| Vec::new()).collect();
            for _ in 0..repeats {
                for (server, costs) in servers.iter().zip(&mut costs) {
                    costs.push(measure(&client, server, &load)?);
                }
            }
            let names: Vec<&str> = servers.iter().map(Server::name).collect();
            report(&title, &names, &costs, &mut lines, &mut values);
        }
    }
    let head = [
        "served",
        "by",
        "time",
        "CPU",
        "the client's CPU",
        "peak memory",
        "time ratio",
        "CPU ratio",
    ];
    Ok((table(&head, &lines), values.into()))
}

/// Fills a directory of transload's, whose images are Docker Hub's by their names.
fn pull(transload: &Path, set: &Set, storage: &Path, folder: &Path) -> Result<PathBuf> {
    let registry = RealRegistry::over(storage, Tls::Off);
    let images = folder.join("served-images");
    let mut line = vec![transload.into(), "pull".into()];
    line.extend(
        set.images
            .iter()
            .map(|image| format!("docker.io/{}:{TAG}", image.repository).into()),
    );
    line.extend(["--plain-http".into(), "--src".into(), registry.host().into()]);
    line.extend(["--dest".into(), images.clone().into()]);
    let work = Work {
        commands: vec![line],
        at_once: 1,
        env: Vec::new(),
    };
    measure::run(&work, folder)?;
    Ok(images)
}

/// The loads: a large blob, one manifest again and again, and many small blobs.
fn loads(set: &Set, quick: bool) -> Vec<Load> {
    let [large, small @ ..] = set.images.as_slice() else {
        return Vec::new();
    };
    let blob = |repository: &str, digest| format!("/v2/{repository}/blobs/{digest}");
    let layers = large.children.iter().flat_map(|child| &child.layers);
    let large_blobs: Vec<String> = layers
        .map(|layer| blob(&large.repository, &layer.digest))
        .collect();
    let manifest = format!("/v2/{}/manifests/{TAG}", large.repository);
    let requests = if quick { 1000 } else { 10_000 };
    let small_blobs: Vec<String> = small
        .iter()
        .flat_map(|image| {
            let layers = image.children.iter().flat_map(|child| &child.layers);
            layers.map(|layer| blob(&image.repository, &layer.digest))
        })
        .collect();
    let megabytes = set.blobs().values().max().copied().unwrap_or_default() / 1_000_000;
    vec![
        Load {
            title: format!("a blob of {megabytes} MB, 40 clients"),
            clients: 40,
            targets: large_blobs.into_iter().cycle().take(40).collect(),
        },
        Load {
            title: format!("{requests} requests for a manifest, 50 connections"),
            clients: 50,
            targets: vec![manifest; requests],
        },
        Load {
            title: format!("{} blobs of 2 kB, 50 connections", small_blobs.len()),
            clients: 50,
            targets: small_blobs,
        },
    ]
}

fn measure(client: &Client, server: &Server, load: &Load) -> Result<Cost> {
    stop::check()?;
    let own = process::id();
    let before = (measure::process_cpu(server.id())?, measure::process_cpu(own)?);
    let started = Instant::now();
    client
        .fetch(server.host(), &load.targets, load.clients)
        .told(server.name())?;
    let wall = started.elapsed().as_secs_f64();
    let since = |now: Duration, before: Duration| now.saturating_sub(before).as_secs_f64();
    Ok(Cost {
        wall,
        cpu: since(measure::process_cpu(server.id())?, before.0),
        client_cpu: since(measure::process_cpu(own)?, before.1),
        peak: peak_memory(server.id()).unwrap_or_default(),
    })
}

/// Adds a line for each server; the first is transload, the second what it is compared with.
fn report(
    title: &str,
    names: &[&str],
    costs: &[Vec<Cost>],
    lines: &mut Vec<Vec<String>>,
    values: &mut Vec<Value>,
) {
    let middle = |costs: &[Cost], value: fn(&Cost) -> f64| median(costs.iter().map(value)).unwrap_or(0.0);
    let medians = costs.iter().map(|costs| {
        (
            middle(costs, |cost| cost.wall),
            middle(costs, |cost| cost.cpu),
            middle(costs, |cost| cost.client_cpu),
        )
    });
    let medians: Vec<(f64, f64, f64)> = medians.collect();
    let ratio = |own: f64, other: f64| match other > 0.0 {
        true => format!("{:.2}", own / other),
        false => "-".to_owned(),
    };
    for (n, (name, &(wall, cpu, client_cpu))) in names.iter().zip(&medians).enumerate() {
        let peak = costs[n].iter().map(|cost| cost.peak).max().unwrap_or_default();
        let (time_ratio, cpu_ratio) = match (n, medians.get(1)) {
            (0, Some(other)) => (ratio(wall, other.0), ratio(cpu, other.1)),
            _ => Default::default(),
        };
        lines.push(vec![
            if n == 0 { title.to_owned() } else { String::new() },
            (*name).to_owned(),
            format!("{wall:.2} s"),
            format!("{cpu:.2} s"),
            format!("{client_cpu:.2} s"),
            format!("{:.1} MiB", peak as f64 / 1048576.0),
            time_ratio,
            cpu_ratio,
        ]);
        values.push(json!({
            "served": title,
            "by": name,
            "seconds": costs[n].iter().map(|cost| cost.wall).collect::<Vec<f64>>(),
            "cpu_seconds": costs[n].iter().map(|cost| cost.cpu).collect::<Vec<f64>>(),
            "client_cpu_seconds": client_cpu,
            "peak_bytes": peak,
        }));
    }
}
