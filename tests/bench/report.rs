//! Tables and JSON.

use std::fs;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::course::{Outcome, Sample};
use crate::row::{Goal, Kind};
use crate::tool::{Tool, Tools};

/// The middle one; of an even number, the lower of the two.
pub fn median<T: Copy + PartialOrd>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// A table in Markdown, its columns as wide as they need to be.
pub fn table(head: &[&str], lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells
            .map(|cell| cell.chars().count())
            .chain([head[column].chars().count(), 3])
            .max()
    };
    let widths: Vec<usize> = (0..head.len()).filter_map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("| {} |\n", padded.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(&mut head.iter().copied());
    text.push_str(&line(&mut rule.iter().map(String::as_str)));
    for cells in lines {
        text.push_str(&line(&mut cells.iter().map(String::as_str)));
    }
    text
}

/// The medians of a tool's runs of one row.
#[derive(Debug, Clone, Copy)]
struct Middle {
    wall: f64,
    cpu: f64,
    peak: u64,
    registry_cpu: f64,
    requests: u64,
    connections: u64,
    bytes: u64,
    /// What another user of the link got of it.
    other: Option<f64>,
}

impl Middle {
    fn of(samples: &[Sample]) -> Option<Middle> {
        let of = |value: fn(&Sample) -> f64| median(samples.iter().map(value));
        let count = |value: fn(&Sample) -> u64| median(samples.iter().map(value));
        Some(Middle {
            wall: of(|sample| sample.cost.wall.as_secs_f64())?,
            cpu: of(|sample| sample.cost.cpu.as_secs_f64())?,
            registry_cpu: of(|sample| sample.seen.cpu.as_secs_f64())?,
            peak: samples.iter().map(|sample| sample.cost.peak).max()?,
            requests: count(|sample| sample.seen.requests)?,
            connections: count(|sample| sample.seen.connections)?,
            bytes: count(|sample| sample.seen.bytes)?,
            other: median(samples.iter().filter_map(|sample| sample.other)),
        })
    }
}

fn middles(outcome: &Outcome) -> Vec<(Tool, Middle)> {
    let done = |(tool, result): &(Tool, Result<Vec<Sample>, String>)| {
        Some((*tool, Middle::of(result.as_ref().ok()?)?))
    };
    outcome.tools.iter().filter_map(done).collect()
}

/// The lowest of the peers' values.
fn best(middles: &[(Tool, Middle)], value: fn(&Middle) -> f64) -> Option<(Tool, f64)> {
    let peers = middles.iter().filter(|(tool, _)| *tool != Tool::Transload);
    let values = peers.map(|(tool, middle)| (*tool, value(middle)));
    values.min_by(|a, b| a.1.total_cmp(&b.1))
}

fn ratio(value: f64, other: Option<(Tool, f64)>) -> String {
    match other {
        Some((_, other)) if other > 0.0 => format!("{:.2}", value / other),
        _ => "-".to_owned(),
    }
}

/// How transload stands to the best peer in each row.
pub fn summary(outcomes: &[Outcome]) -> String {
    let head = [
        "work",
        "transload",
        "best peer",
        "time ratio",
        "to reach",
        "leanest peer (CPU)",
        "CPU ratio",
    ];
    let mut lines = Vec::new();
    for outcome in outcomes {
        let middles = middles(outcome);
        let Some((_, own)) = middles.iter().find(|(tool, _)| *tool == Tool::Transload) else {
            lines.push(vec![outcome.row.title.to_owned(), "failed".to_owned()]);
            continue;
        };
        let (fastest, leanest) = (
            best(&middles, |middle| middle.wall),
            best(&middles, |middle| middle.cpu),
        );
        let told = |peer: Option<(Tool, f64)>| {
            peer.map_or("-".to_owned(), |(tool, value)| {
                format!("{} {value:.2} s", tool.name())
            })
        };
        let (goal, met) = match outcome.row.goal {
            Goal::OfPeer(most) => (most.to_string(), fastest.map(|(_, wall)| own.wall <= most * wall)),
            Goal::OfLink(_) | Goal::Share(_) => ("-".to_owned(), None),
        };
        lines.push(vec![
            outcome.row.title.to_owned(),
            format!("{:.2} s", own.wall),
            told(fastest),
            ratio(own.wall, fastest),
            format!("{goal}{}", verdict(met)),
            told(leanest),
            ratio(own.cpu, leanest),
        ]);
    }
    table(&head, &lines)
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => " met",
        Some(false) => " MISSED",
        None => "",
    }
}

/// How every tool uses a shared link: its time beside the least that the link allows, and what it leaves to others.
pub fn links(outcomes: &[Outcome]) -> String {
    let head = [
        "shared link",
        "program",
        "time",
        "least",
        "ratio",
        "to reach",
        "another user's part",
        "to leave",
    ];
    let mut lines = Vec::new();
    for outcome in outcomes {
        let Some(least) = outcome.least.map(|least| least.as_secs_f64()) else {
            continue;
        };
        for (tool, middle) in middles(outcome) {
            let is_own = |met: bool| (tool == Tool::Transload).then_some(met);
            let ratio = middle.wall / least;
            let (most, share) = match outcome.row.goal {
                Goal::OfLink(most) => (format!("{most}{}", verdict(is_own(ratio <= most))), None),
                Goal::Share(share) => ("-".to_owned(), Some(share)),
                Goal::OfPeer(_) => continue,
            };
            let left = share
                .zip(middle.other)
                .map(|(share, other)| verdict(is_own(other >= share)));
            lines.push(vec![
                outcome.row.title.to_owned(),
                tool.name().to_owned(),
                format!("{:.2} s", middle.wall),
                format!("{least:.2} s"),
                format!("{ratio:.2}"),
                most,
                middle.other.map_or("-".to_owned(), |other| format!("{other:.2}")),
                share.map_or("-".to_owned(), |share| format!("{share}{}", left.unwrap_or(""))),
            ]);
        }
    }
    if lines.is_empty() {
        String::new()
    } else {
        table(&head, &lines)
    }
}

/// Every tool in every row.
pub fn details(outcomes: &[Outcome]) -> String {
    let head = [
        "work",
        "program",
        "time",
        "range",
        "CPU",
        "registry's CPU",
        "requests",
        "connections",
        "MB",
        "peak memory",
    ];
    let mut lines = Vec::new();
    for outcome in outcomes {
        for (n, (tool, result)) in outcome.tools.iter().enumerate() {
            let title = if n == 0 { outcome.row.title } else { "" };
            let mut line = vec![title.to_owned(), tool.name().to_owned()];
            match result
                .as_ref()
                .ok()
                .and_then(|samples| Some((samples, Middle::of(samples)?)))
            {
                None => line.push("failed".to_owned()),
                Some((samples, middle)) => {
                    let walls = samples.iter().map(|sample| sample.cost.wall.as_secs_f64());
                    let (least, most) = (walls.clone().fold(f64::MAX, f64::min), walls.fold(0.0, f64::max));
                    line.extend([
                        format!("{:.2} s", middle.wall),
                        format!("{least:.2} to {most:.2}"),
                        format!("{:.2} s", middle.cpu),
                    ]);
                    line.extend(match outcome.row.kind {
                        Kind::Copy => vec!["-".to_owned(); 4],
                        _ => vec![
                            format!("{:.2} s", middle.registry_cpu),
                            middle.requests.to_string(),
                            middle.connections.to_string(),
                            match middle.bytes {
                                0 => "-".to_owned(),
                                bytes => format!("{:.1}", bytes as f64 / 1e6),
                            },
                        ],
                    });
                    line.push(format!("{:.1} MiB", middle.peak as f64 / 1048576.0));
                }
            }
            lines.push(line);
        }
    }
    table(&head, &lines)
}

/// The most memory that a process of each tool had in any row.
pub fn memory(outcomes: &[Outcome], tools: &Tools) -> String {
    let mut lines = Vec::new();
    for tool in tools.all() {
        let peaks = outcomes.iter().filter_map(|outcome| {
            let (_, middle) = middles(outcome).into_iter().find(|(other, _)| *other == tool)?;
            Some((middle.peak, outcome.row.title))
        });
        if let Some((peak, title)) = peaks.max() {
            lines.push(vec![
                tool.name().to_owned(),
                format!("{:.1} MiB", peak as f64 / 1048576.0),
                title.to_owned(),
            ]);
        }
    }
    table(&["program", "peak memory of a process", "in"], &lines)
}

/// What failed, each in a line: all of it was told when it happened.
pub fn failures(outcomes: &[Outcome]) -> Vec<String> {
    let all = outcomes.iter().flat_map(|outcome| {
        let failed = |(tool, result): &(Tool, Result<Vec<Sample>, String>)| {
            let error = result.as_ref().err()?.lines().last()?;
            Some(format!("{}, {}: {error}", outcome.row.title, tool.name()))
        };
        outcome.tools.iter().filter_map(failed)
    });
    all.collect()
}

/// Every run.
pub fn rows_json(outcomes: &[Outcome]) -> Value {
    let sample = |sample: &Sample| {
        json!({
            "seconds": sample.cost.wall.as_secs_f64(),
            "cpu_seconds": sample.cost.cpu.as_secs_f64(),
            "peak_bytes": sample.cost.peak,
            "requests": sample.seen.requests,
            "connections": sample.seen.connections,
            "bytes": sample.seen.bytes,
            "registry_cpu_seconds": sample.seen.cpu.as_secs_f64(),
            "other_users_part": sample.other,
        })
    };
    let rows = outcomes.iter().map(|outcome| {
        let tools = outcome.tools.iter().map(|(tool, result)| match result {
            Ok(samples) => {
                json!({"program": tool.name(), "runs": samples.iter().map(sample).collect::<Vec<_>>()})
            }
            Err(error) => json!({"program": tool.name(), "error": error}),
        });
        json!({
            "row": outcome.row.name,
            "title": outcome.row.title,
            "to_reach": match outcome.row.goal {
                Goal::OfPeer(most) => json!({"of_best_peer": most}),
                Goal::OfLink(most) => json!({"of_link": most}),
                Goal::Share(least) => json!({"other_users_part": least}),
            },
            "least_seconds": outcome.least.map(|least| least.as_secs_f64()),
            "programs": tools.collect::<Vec<_>>(),
        })
    });
    rows.collect()
}

/// When and where this was measured, in one line, and the programs' versions.
pub fn machine(storage: &str, tools: &Tools) -> String {
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
            .unwrap_or_default()
    };
    let memory = value(&memory, "MemTotal")
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap_or(0);
    let versions: Vec<String> = tools
        .all()
        .map(|tool| format!("{} {}", tool.name(), tools.version(tool)))
        .collect();
    format!(
        "{}; {} cores ({}), {:.0} GiB, Linux {}; storage: {storage}; {}",
        date.unwrap_or_default(),
        thread::available_parallelism().map_or(1, usize::from),
        value(&cpu, "model name"),
        memory as f64 / 1048576.0,
        read("/proc/sys/kernel/osrelease").trim(),
        versions.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::course::Seen;
    use crate::measure::Cost;
    use crate::row::ROWS;

    fn runs(walls: &[u64]) -> Result<Vec<Sample>, String> {
        let sample = |&wall: &u64| Sample {
            cost: Cost {
                wall: Duration::from_secs(wall),
                cpu: Duration::from_secs(2 * wall),
                peak: wall << 20,
            },
            seen: Seen::default(),
            other: None,
        };
        Ok(walls.iter().map(sample).collect())
    }

    #[test]
    fn the_median_is_the_middle_one() {
        for (values, expected) in [
            (vec![], None),
            (vec![3], Some(3)),
            (vec![9, 1, 5], Some(5)),
            (vec![4, 2], Some(2)),
        ] {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
    }

    #[test]
    fn transload_is_compared_with_the_best_peer() {
        let outcome = |own: u64| Outcome {
            row: &ROWS[0],
            tools: vec![
                (Tool::Transload, runs(&[own])),
                (Tool::Skopeo, runs(&[20, 10, 30])),
                (Tool::Crane, runs(&[25])),
                (Tool::Oras, Err("no such thing".to_owned())),
            ],
            least: None,
        };
        for (own, ratio, verdict) in [(16, "0.80", "met"), (17, "0.85", "MISSED")] {
            let text = summary(&[outcome(own)]);
            assert!(text.contains("skopeo 20.00 s"), "{text}");
            assert!(text.contains(ratio) && text.contains(verdict), "{text}");
        }
        let text = details(&[outcome(1)]);
        assert!(
            text.contains("10.00 to 30.00") && text.contains("failed"),
            "{text}"
        );
        assert_eq!(
            failures(&[outcome(1)]),
            ["pull the release, loopback, oras: no such thing"]
        );
    }
}
