//! What many images cost: time and memory by their number.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};

use crate::course::remove;
use crate::measure::{self, Work};
use crate::report::table;
use crate::told::{Result, Told};

/// Pulls 10 to 5,000 tiny images of two platforms from a registry in memory: planned only, moved, and once more. Gives a table
/// and its JSON.
pub fn run(transload: &Path, folder: &Path, quick: bool) -> Result<(String, Value)> {
    let counts: &[usize] = if quick { &[10, 100] } else { &[10, 100, 1000, 5000] };
    let registry = ScriptedRegistry::start();
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    let mut put = 0;
    for &count in counts {
        for n in put..count {
            let image = samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64"], n as u64);
            registry.put_image(&format!("scale/image-{n}"), "v1", &image);
        }
        put = count;
        let names: Vec<String> = (0..count)
            .map(|n| format!("{}/scale/image-{n}:v1", registry.host()))
            .collect();
        let list = folder.join("scale.images");
        fs::write(&list, names.join("\n")).told(list.display())?;
        let store = folder.join("scale");
        for (what, options) in [
            ("planned", &["--dry-run"][..]),
            ("moved", &[]),
            ("moved again", &[]),
        ] {
            let mut line: Vec<OsString> = vec![
                transload.into(),
                "pull".into(),
                "--images-file".into(),
                list.as_os_str().into(),
            ];
            line.extend(["--plain-http".into(), "--dest".into(), store.as_os_str().into()]);
            line.extend(options.iter().map(OsString::from));
            let work = Work {
                commands: vec![line],
                at_once: 1,
                env: Vec::new(),
            };
            registry.log().clear();
            let cost = measure::run(&work, folder)?;
            let requests = registry.log().requests().len();
            eprintln!("  {count} images {what}: {:.2} s", cost.wall.as_secs_f64());
            let per_image = |value: f64| format!("{:.2}", value / count as f64);
            lines.push(vec![
                if what == "planned" {
                    count.to_string()
                } else {
                    String::new()
                },
                what.to_owned(),
                format!("{:.2} s", cost.wall.as_secs_f64()),
                format!("{} ms", per_image(1000.0 * cost.wall.as_secs_f64())),
                format!("{:.2} s", cost.cpu.as_secs_f64()),
                per_image(requests as f64),
                format!("{:.1} MiB", cost.peak as f64 / 1048576.0),
            ]);
            values.push(json!({
                "images": count,
                "what": what,
                "seconds": cost.wall.as_secs_f64(),
                "cpu_seconds": cost.cpu.as_secs_f64(),
                "requests": requests,
                "peak_bytes": cost.peak,
            }));
        }
        remove(&store)?;
    }
    let head = [
        "images",
        "",
        "time",
        "an image",
        "CPU",
        "requests an image",
        "peak memory",
    ];
    Ok((table(&head, &lines), values.into()))
}
