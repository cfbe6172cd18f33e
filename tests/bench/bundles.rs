//! What bundles cost: a bundle beside a tar of the same bytes, its check beside the hash alone, and its import beside that of a directory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use transload_test_support::RealRegistry;
use transload_test_support::real::Tls;

use crate::course::{Course, remove};
use crate::measure::{self, Cost, Work};
use crate::report::{median, table};
use crate::set::Which;
use crate::told::{Result, Told};
use crate::tool::Tool;

/// A piece of work, and the one that it is compared with.
struct Step {
    name: &'static str,
    beside: Option<&'static str>,
    /// The most that its time may be of the other's.
    goal: f64,
    /// Whether it ends in a registry, which is begun for it.
    pushes: bool,
}

const STEPS: [Step; 6] = [
    step("tar and sync", None, 0.0, false),
    step("write a bundle", Some("tar and sync"), 1.0 / 0.9, false),
    step("sha256sum", None, 0.0, false),
    step("verify the bundle", Some("sha256sum"), 1.0, false),
    step("push the directory", None, 0.0, true),
    step("push the bundle", Some("push the directory"), 1.05, true),
];

const fn step(name: &'static str, beside: Option<&'static str>, goal: f64, pushes: bool) -> Step {
    Step {
        name,
        beside,
        goal,
        pushes,
    }
}

/// Measures each step with the release; gives a table and its JSON.
pub fn run(transload: &Path, course: &mut Course, folder: &Path, quick: bool) -> Result<(String, Value)> {
    let (set, pulled) = course.directory(Tool::Transload, Which::Release)?;
    let places = Places {
        transload: transload.to_owned(),
        pulled,
        tar: folder.join("release.tar"),
        bundle: folder.join("bundle"),
        volume: folder.join("bundle/vol-0001.tar"),
    };
    let repeats = if quick { 1 } else { 3 };
    let mut costs: Vec<Vec<Cost>> = STEPS.iter().map(|_| Vec::new()).collect();
    for _ in 0..repeats {
        for (step, costs) in STEPS.iter().zip(&mut costs) {
            costs.push(places.measure(step, folder)?);
            eprintln!(
                "  {}: {:.2} s",
                step.name,
                costs[costs.len() - 1].wall.as_secs_f64()
            );
        }
        remove(&places.bundle)?;
        fs::remove_file(&places.tar).told(places.tar.display())?;
    }
    let wall = |name: &str| {
        let at = STEPS.iter().position(|step| step.name == name)?;
        median(costs[at].iter().map(|cost| cost.wall.as_secs_f64()))
    };
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for step in &STEPS {
        let seconds = wall(step.name).unwrap_or_default();
        let rate = set.bytes() as f64 / 1e6 / seconds;
        let ratio = step.beside.and_then(wall).map(|beside| seconds / beside);
        let told = ratio.map(|ratio| format!("{ratio:.2} (goal {:.2})", step.goal));
        lines.push(vec![
            step.name.to_owned(),
            format!("{seconds:.2} s"),
            format!("{rate:.0} MB/s"),
            told.unwrap_or_default(),
        ]);
        values.push(json!({"step": step.name, "seconds": seconds, "ratio": ratio}));
    }
    let head = ["bundles, the release", "time", "rate", "of the step before"];
    Ok((table(&head, &lines), values.into()))
}

/// What the steps work on.
struct Places {
    transload: PathBuf,
    pulled: PathBuf,
    tar: PathBuf,
    bundle: PathBuf,
    volume: PathBuf,
}

impl Places {
    fn measure(&self, step: &Step, folder: &Path) -> Result<Cost> {
        let storage = folder.join("imported");
        remove(&storage)?;
        let registry = step.pushes.then(|| RealRegistry::over(&storage, Tls::Off));
        let host = registry.as_ref().map_or("", RealRegistry::host);
        let work = Work {
            commands: vec![self.line(step.name, host)],
            at_once: 1,
            env: Vec::new(),
        };
        let cost = measure::run(&work, folder);
        drop(registry);
        remove(&storage)?;
        cost
    }

    fn line(&self, step: &str, host: &str) -> Vec<OsString> {
        let bundle = || -> OsString { format!("bundle:{}", self.bundle.display()).into() };
        let pulled = || self.pulled.clone().into_os_string();
        let transload = |arguments: &[OsString]| {
            let program = [self.transload.clone().into_os_string()];
            [&program[..], arguments].concat()
        };
        match step {
            "tar and sync" => {
                let script = "tar -cf \"$1\" -C \"$2\" . && sync \"$1\"";
                let line = ["sh", "-c", script, "sh"].map(OsString::from);
                [&line[..], &[self.tar.clone().into(), pulled()]].concat()
            }
            "sha256sum" => vec!["sha256sum".into(), self.volume.clone().into()],
            "write a bundle" => {
                transload(&["copy".into(), "--src".into(), pulled(), "--dest".into(), bundle()])
            }
            "verify the bundle" => transload(&["verify".into(), bundle()]),
            other => {
                let source = if other == "push the bundle" {
                    bundle()
                } else {
                    pulled()
                };
                let to = [
                    "push".into(),
                    "--plain-http".into(),
                    "--dest".into(),
                    host.into(),
                    "--src".into(),
                    source,
                ];
                transload(&to)
            }
        }
    }
}
