//! What many images cost: time and memory by their number, for each command. Both must grow no faster than the number.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use transload_test_support::image::{Family, samples};
use transload_test_support::{ScriptedRegistry, peak_memory};

use crate::course::remove;
use crate::measure::{self, Cost, Work};
use crate::report::table;
use crate::told::{Result, Told};

/// The repository with one tag for each image.
const TAGGED: &str = "scale/tags";

/// The largest power of the number of images by which time and memory may grow.
const MOST_EXPONENT: f64 = 1.1;

/// The most memory that one more image may take, in bytes.
const MOST_MEMORY: f64 = 10.0 * 1024.0;

/// A command that took less than this, in seconds, tells nothing of how its time grows.
const SHORT: f64 = 0.3;

/// What one step cost at each number of images.
struct Step {
    name: &'static str,
    costs: Vec<(usize, Cost)>,
}

/// Runs every command with 1,000, 5,000 and 20,000 tiny images of two platforms (times `scale`), and with one repository of as many tags,
/// against registries in memory. Gives a table and its JSON.
pub fn run(transload: &Path, folder: &Path, quick: bool, scale: f64) -> Result<(String, Value)> {
    let counts: &[usize] = if quick { &[100, 400] } else { &[1000, 5000, 20_000] };
    let counts: Vec<usize> = counts
        .iter()
        .map(|count| (*count as f64 * scale) as usize)
        .collect();
    let folder = folder.join("scale");
    let registry = ScriptedRegistry::start();
    let (mut steps, mut put) = (Vec::new(), 0);
    for &count in &counts {
        for n in put..count {
            let image = samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64"], n as u64);
            registry.put_image(&format!("scale/image-{n}"), "v1", &image);
            registry.put_image(TAGGED, &format!("v{n}"), &image);
        }
        put = count;
        remove(&folder)?;
        fs::create_dir_all(&folder).told(folder.display())?;
        let size = Size {
            transload,
            folder: &folder,
            registry: &registry,
            count,
        };
        size.run(&mut steps)?;
    }
    remove(&folder)?;
    let lines: Vec<Vec<String>> = steps.iter().map(Step::line).collect();
    let head = counts.iter().map(|count| format!("{count} images"));
    let head: Vec<String> = ["command".to_owned()]
        .into_iter()
        .chain(head)
        .chain(["time's exponent", "memory an image"].map(str::to_owned))
        .collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let value = steps.iter().map(Step::json).collect();
    Ok((table(&head, &lines), value))
}

impl Step {
    /// The power of the number by which the time grew between the last two numbers.
    fn exponent(&self) -> Option<f64> {
        let [.., (before, short), (after, long)] = self.costs.as_slice() else {
            return None;
        };
        let (short, long) = (short.wall.as_secs_f64(), long.wall.as_secs_f64());
        let growth = (*after as f64 / *before as f64).ln();
        (long >= SHORT).then(|| (long / short).ln() / growth)
    }

    /// What one more image takes of memory, in bytes.
    fn memory(&self) -> Option<f64> {
        let [(few, small), .., (many, large)] = self.costs.as_slice() else {
            return None;
        };
        Some(large.peak.saturating_sub(small.peak) as f64 / (many - few) as f64)
    }

    fn line(&self) -> Vec<String> {
        let cost = |(_, cost): &(usize, Cost)| {
            format!(
                "{:.2} s, {:.0} MiB",
                cost.wall.as_secs_f64(),
                cost.peak as f64 / 1048576.0
            )
        };
        let checked = |value: Option<f64>, most: f64, told: String| match value {
            None => "-".to_owned(),
            Some(value) if value <= most => told,
            Some(_) => format!("{told} TOO MUCH"),
        };
        let (exponent, memory) = (self.exponent(), self.memory());
        let mut line = vec![self.name.to_owned()];
        line.extend(self.costs.iter().map(cost));
        line.push(checked(
            exponent,
            MOST_EXPONENT,
            format!("{:.2}", exponent.unwrap_or(0.0)),
        ));
        line.push(checked(
            memory,
            MOST_MEMORY,
            format!("{:.1} KiB", memory.unwrap_or(0.0) / 1024.0),
        ));
        line
    }

    fn json(&self) -> Value {
        let cost = |(count, cost): &(usize, Cost)| {
            json!({
                "images": count,
                "seconds": cost.wall.as_secs_f64(),
                "cpu_seconds": cost.cpu.as_secs_f64(),
                "peak_bytes": cost.peak,
            })
        };
        json!({
            "command": self.name,
            "runs": self.costs.iter().map(cost).collect::<Vec<_>>(),
            "exponent": self.exponent(),
            "bytes_an_image": self.memory(),
        })
    }
}

/// One number of images.
struct Size<'a> {
    transload: &'a Path,
    folder: &'a Path,
    registry: &'a ScriptedRegistry,
    count: usize,
}

impl Size<'_> {
    fn run(&self, steps: &mut Vec<Step>) -> Result<()> {
        let host = self.registry.host();
        let names: Vec<String> = (0..self.count)
            .map(|n| format!("{host}/scale/image-{n}:v1"))
            .collect();
        let tagged: Vec<String> = (0..self.count).map(|n| format!("{host}/{TAGGED}:v{n}")).collect();
        let (list, tag_list) = (self.path("images"), self.path("tagged"));
        fs::write(&list, names.join("\n")).told(&list)?;
        fs::write(&tag_list, tagged.join("\n")).told(&tag_list)?;
        let (store, copy, tags) = (self.path("store"), self.path("copy"), self.path("tags"));
        let (archive, bundle) = (self.path("images.tar"), format!("bundle:{}", self.path("bundle")));
        let layout = format!("oci:{}", self.path("layout"));
        let empty = ScriptedRegistry::start();
        let pull = ["pull", "--plain-http", "--images-file", &list, "--dest", &store];
        // A glob of one pull stands for 1,000 images at most.
        let some_tags = format!("{host}/{TAGGED}:v?");
        let pull_tags = [
            "pull",
            "--plain-http",
            "--images-file",
            &tag_list,
            "--dest",
            &tags,
        ];
        let have = self.path("have.tli");
        let everything: [(&'static str, Vec<&str>); 23] = [
            ("pull --dry-run", [&pull[..], &["--dry-run"]].concat()),
            ("pull", pull.to_vec()),
            ("pull again", pull.to_vec()),
            ("list", vec!["list", &store]),
            ("inspect", vec!["inspect", &names[0], "--src", &store]),
            ("verify", vec!["verify", &store]),
            ("inventory", vec!["inventory", &store, "--out", &have]),
            ("copy", vec!["copy", "--src", &store, "--dest", &copy]),
            ("diff", vec!["diff", &store, &copy]),
            ("prune --dry-run", vec!["prune", &copy, "--dry-run"]),
            (
                "prune, half of it",
                vec!["prune", &copy, "--keep-pattern", "[02468]:v1", "--yes"],
            ),
            (
                "push",
                vec!["push", "--plain-http", "--src", &store, "--dest", empty.host()],
            ),
            (
                "push again",
                vec!["push", "--plain-http", "--src", &store, "--dest", empty.host()],
            ),
            (
                "diff with a registry",
                vec!["diff", "--plain-http", &store, empty.host()],
            ),
            (
                "copy to an archive",
                vec!["copy", "--src", &store, "--dest", &archive],
            ),
            ("verify an archive", vec!["verify", &archive]),
            (
                "copy to an OCI layout",
                vec!["copy", "--src", &store, "--dest", &layout],
            ),
            (
                "copy from an OCI layout",
                vec!["copy", "--src", &layout, "--dest", &copy],
            ),
            (
                "copy to a bundle",
                vec!["copy", "--src", &store, "--dest", &bundle],
            ),
            ("verify a bundle", vec!["verify", &bundle]),
            (
                "pull every tag --dry-run",
                [&pull_tags[..], &["--dry-run"]].concat(),
            ),
            ("pull every tag", pull_tags.to_vec()),
            (
                "pull ten tags by a glob",
                vec!["pull", "--plain-http", &some_tags, "--dest", &tags, "--dry-run"],
            ),
        ];
        for (name, args) in everything {
            self.step(steps, name, &args)?;
        }
        self.serve(steps, "serve", &store, &list)?;
        self.serve(steps, "serve an OCI layout", &layout, &list)?;
        self.serve_pushes(steps, "push to a served directory", &store, &self.path("pushed"))?;
        let pushed = format!("oci:{}", self.path("pushed-layout"));
        self.serve_pushes(steps, "push to a served OCI layout", &store, &pushed)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn step(&self, steps: &mut Vec<Step>, name: &'static str, args: &[&str]) -> Result<()> {
        let cost = measure::run(&self.work(args), self.folder)?;
        self.record(steps, name, cost);
        Ok(())
    }

    fn work(&self, args: &[&str]) -> Work {
        let line = [self.transload.as_os_str().to_owned()];
        Work {
            commands: vec![line.into_iter().chain(args.iter().map(OsString::from)).collect()],
            at_once: 1,
            env: Vec::new(),
        }
    }

    fn record(&self, steps: &mut Vec<Step>, name: &'static str, cost: Cost) {
        self.registry.log().clear();
        let megabytes = cost.peak as f64 / 1048576.0;
        eprintln!(
            "  {} images, {name}: {:.2} s, {megabytes:.0} MiB",
            self.count,
            cost.wall.as_secs_f64()
        );
        match steps.iter_mut().find(|step| step.name == name) {
            Some(step) => step.costs.push((self.count, cost)),
            None => steps.push(Step {
                name,
                costs: vec![(self.count, cost)],
            }),
        }
    }

    /// Plans a pull of every image from a server of them: its time, and the server's memory.
    fn serve(&self, steps: &mut Vec<Step>, name: &'static str, store: &str, list: &str) -> Result<()> {
        let server = Server::start(self.transload, &[store])?;
        let dest = self.path("served");
        let pull = ["pull", "--dry-run", "--plain-http", "--src", &server.host];
        let pull = [&pull[..], &["--images-file", list, "--dest", &dest]].concat();
        self.serve_step(steps, name, &server, &pull)
    }

    /// Pushes every image to a server: its time, and the server's memory.
    fn serve_pushes(&self, steps: &mut Vec<Step>, name: &'static str, store: &str, to: &str) -> Result<()> {
        let server = Server::start(self.transload, &[to, "--writable", "--as", "hub.local"])?;
        let push = ["push", "--plain-http", "--src", store, "--dest", &server.host];
        self.serve_step(steps, name, &server, &push)
    }

    fn serve_step(
        &self,
        steps: &mut Vec<Step>,
        name: &'static str,
        server: &Server,
        args: &[&str],
    ) -> Result<()> {
        let cost = measure::run(&self.work(args), self.folder)?;
        let peak = peak_memory(server.child.id()).unwrap_or(0);
        self.record(steps, name, Cost { peak, ..cost });
        Ok(())
    }
}

/// A server of a directory. It is ended when this is dropped.
struct Server {
    child: Child,
    host: String,
}

impl Server {
    fn start(transload: &Path, args: &[&str]) -> Result<Server> {
        let mut child = Command::new(transload)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .told("transload serve")?;
        let told = child.stderr.take().map(BufReader::new);
        let lines = told
            .into_iter()
            .flat_map(|told| told.lines().map_while(std::io::Result::ok));
        let host = lines.into_iter().find_map(|line| {
            let (_, after) = line.split_once(" at http://")?;
            Some(after.split_once(',')?.0.to_owned())
        });
        let mut server = Server {
            child,
            host: String::new(),
        };
        server.host = host.ok_or("transload serve doesn't say where")?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has already ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn step(runs: &[(usize, u64, u64)]) -> Step {
        let cost = |&(count, milliseconds, kib): &(usize, u64, u64)| {
            let cost = Cost {
                wall: Duration::from_millis(milliseconds),
                cpu: Duration::ZERO,
                peak: kib * 1024,
            };
            (count, cost)
        };
        Step {
            name: "list",
            costs: runs.iter().map(cost).collect(),
        }
    }

    #[test]
    fn time_and_memory_that_grow_faster_than_the_number_are_too_much() {
        let linear = step(&[(100, 100, 5000), (1000, 1000, 9000), (2000, 2000, 12_000)]);
        assert_eq!(linear.exponent(), Some(1.0));
        assert!(
            !linear.line().concat().contains("TOO MUCH"),
            "{:?}",
            linear.line()
        );
        let quadratic = step(&[(1000, 1000, 5000), (2000, 4000, 16_000)]);
        assert_eq!(
            (quadratic.exponent(), quadratic.memory()),
            (Some(2.0), Some(11.0 * 1024.0))
        );
        assert_eq!(quadratic.line().concat().matches("TOO MUCH").count(), 2);
        assert_eq!(
            step(&[(1000, 20, 5000), (2000, 200, 5000)]).exponent(),
            None,
            "it is short"
        );
    }
}
