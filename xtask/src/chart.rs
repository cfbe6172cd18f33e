//! A chart of the benchmark's times, as an SVG for a page.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

/// The measurements that the committed chart shows, in the form of `cargo xtask bench --json`.
#[cfg(test)]
const DATA: &str = include_str!("../../docs/performance.json");

/// Which results to draw, and where to.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    results: String,
    out: String,
}

impl Options {
    /// Reads the arguments `RESULTS.json -o FILE.svg`.
    ///
    /// # Errors
    /// Says what is missing, or isn't known.
    pub fn read(args: Vec<String>) -> Result<Options, String> {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match args[..] {
            [results, "-o", out] | ["-o", out, results] => Ok(Options {
                results: results.to_owned(),
                out: out.to_owned(),
            }),
            _ => Err("chart needs RESULTS.json -o FILE.svg".to_owned()),
        }
    }
}

/// A program's median time, in seconds.
struct Time<'v> {
    program: &'v str,
    seconds: f64,
}

/// transload and the fastest peer in one piece of work.
struct Row<'v> {
    title: &'v str,
    own: Time<'v>,
    peer: Time<'v>,
}

/// Draws the chart of a file of results.
///
/// # Errors
/// Where the results can't be read, or the chart can't be written.
pub fn run(options: &Options) -> Result<(), String> {
    let Options { results, out } = options;
    let text = fs::read_to_string(results).map_err(|error| format!("{results}: {error}"))?;
    let chart = draw(&text).map_err(|problem| format!("{results}: {problem}"))?;
    fs::write(out, chart).map_err(|error| format!("{out}: {error}"))
}

/// The chart of results as `bench --json` writes them.
fn draw(results: &str) -> Result<String, String> {
    let results: Value = serde_json::from_str(results).map_err(|error| error.to_string())?;
    let rows = rows(&results)?;
    let machine = results["machine"].as_str().unwrap_or_default();
    // The date and the machine; the programs' versions would need a line of their own.
    let machine: Vec<&str> = machine.split("; ").take(2).collect();
    Ok(svg(&rows, &machine.join("; ")))
}

/// The rows in which transload and a peer were measured.
fn rows(results: &Value) -> Result<Vec<Row<'_>>, String> {
    let rows = results["rows"].as_array().ok_or("has no \"rows\"")?;
    let rows: Vec<Row> = rows.iter().filter_map(row).collect();
    if rows.is_empty() {
        return Err("no row has times of transload and of a peer".to_owned());
    }
    Ok(rows)
}

fn row(row: &Value) -> Option<Row<'_>> {
    let times: Vec<Time> = row["programs"].as_array()?.iter().filter_map(time).collect();
    let (own, peers): (Vec<Time>, Vec<Time>) =
        times.into_iter().partition(|time| time.program == "transload");
    Some(Row {
        title: row["title"].as_str()?,
        own: own.into_iter().next()?,
        peer: peers.into_iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds))?,
    })
}

/// The median of a program's runs; none where it failed.
fn time(program: &Value) -> Option<Time<'_>> {
    let runs = program["runs"].as_array()?;
    let mut seconds: Vec<f64> = runs.iter().filter_map(|run| run["seconds"].as_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    Some(Time {
        program: program["program"].as_str()?,
        seconds: *seconds.get(seconds.len().checked_sub(1)? / 2)?,
    })
}

/// Seconds as the tables have them.
fn told(seconds: f64) -> String {
    if seconds < 0.5 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.1} s")
    }
}

const WIDTH: f64 = 840.0;
/// Where bars begin, and the longest bar.
const LEFT: f64 = 300.0;
const LONGEST: f64 = 440.0;
const HEAD: f64 = 48.0;
const ROW: f64 = 36.0;

fn svg(rows: &[Row], machine: &str) -> String {
    let height = HEAD + ROW * rows.len() as f64 + 24.0;
    let mut body = String::new();
    for (row, at) in rows.iter().zip(0_u32..) {
        let top = HEAD + ROW * f64::from(at);
        let slowest = row.own.seconds.max(row.peer.seconds);
        let _ = writeln!(
            body,
            "<text class=\"title\" x=\"{}\" y=\"{}\">{}</text>",
            LEFT - 12.0,
            top + 19.0,
            escaped(row.title)
        );
        for (time, class, down) in [(&row.own, "own", 0.0), (&row.peer, "peer", 14.0)] {
            let (y, width) = (top + down, (LONGEST * time.seconds / slowest).max(2.0));
            let _ = writeln!(
                body,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"12\" rx=\"2\"/>\
                 <text class=\"{class}\" x=\"{:.1}\" y=\"{}\">{} {}</text>",
                LEFT + width + 6.0,
                y + 10.0,
                escaped(time.program),
                told(time.seconds)
            );
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\">\n\
         <title>Time of transload and of the fastest peer</title>\n\
         <style>text {{ font: 12px system-ui, 'DejaVu Sans', Arial, sans-serif; fill: #59636e }} \
         .head {{ font-size: 15px; font-weight: 600; fill: #1f2328 }} .title {{ text-anchor: end; fill: #1f2328 }} \
         rect.own {{ fill: #0969da }} text.own {{ font-weight: 600; fill: #0969da }} rect.peer {{ fill: #c0c7ce }} \
         @media (prefers-color-scheme: dark) {{ text {{ fill: #9198a1 }} .head, .title {{ fill: #f0f6fc }} \
         rect.own {{ fill: #4493f8 }} text.own {{ fill: #4493f8 }} rect.peer {{ fill: #4b535d }} }}</style>\n\
         <text class=\"head\" x=\"0\" y=\"18\">Time of transload and of the fastest peer (shorter is better)</text>\n\
         {body}<text x=\"0\" y=\"{}\">{}</text>\n</svg>\n",
        height - 6.0,
        escaped(machine)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_chart_shows_the_committed_measurements() {
        assert_eq!(
            draw(DATA).unwrap(),
            include_str!("../../docs/speed.svg"),
            "`cargo xtask chart docs/performance.json -o docs/speed.svg` draws it again"
        );
    }

    #[test]
    fn the_page_on_performance_has_the_committed_measurements() {
        let page = include_str!("../../docs/performance.md");
        let results = serde_json::from_str(DATA).unwrap();
        for Row { title, own, peer } in rows(&results).unwrap() {
            let (own_time, peer_time) = (told(own.seconds), told(peer.seconds));
            let line = format!("| {title} | {own_time} | {} {peer_time} |", peer.program);
            assert!(page.lines().any(|found| found.starts_with(&line)), "{line}");
        }
    }

    #[test]
    fn a_row_has_the_median_of_transload_and_of_the_fastest_peer() {
        let results = r#"{"machine": "2026-01-01; 2 cores; storage: memory", "rows": [
            {"title": "pull <all>", "programs": [
                {"program": "transload", "runs": [{"seconds": 3.0}, {"seconds": 1.0}, {"seconds": 2.0}]},
                {"program": "slow", "runs": [{"seconds": 9.0}]},
                {"program": "fast", "runs": [{"seconds": 4.0}]},
                {"program": "broken", "error": "no"}]},
            {"title": "alone", "programs": [{"program": "transload", "runs": [{"seconds": 1.0}]}]}]}"#;
        let chart = draw(results).unwrap();
        for expected in [
            "transload 2.0 s",
            "fast 4.0 s",
            "pull &lt;all&gt;",
            "2026-01-01; 2 cores<",
            "width=\"220.0\"",
        ] {
            assert!(chart.contains(expected), "{expected}: {chart}");
        }
        for absent in ["slow", "broken", "alone"] {
            assert!(!chart.contains(absent), "{absent}: {chart}");
        }
    }

    #[test]
    fn results_without_times_are_refused() {
        for results in ["{}", r#"{"rows": []}"#, "no JSON"] {
            assert!(draw(results).is_err(), "{results}");
        }
    }
}
