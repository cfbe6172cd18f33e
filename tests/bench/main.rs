//! transload and its peers on the same work, side by side. `cargo xtask bench` builds and runs this; docs/performance.md tells how
//! to read what it prints.

mod args;
mod bundles;
mod check;
mod course;
mod floor;
mod measure;
mod micro;
mod report;
mod row;
mod scale;
mod serve;
mod set;
mod start;
mod stop;
mod storage;
mod told;
mod tool;
mod warm;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use tempfile::TempDir;
use transload_layout_store::disk::free_space;
use transload_test_support::RealRegistry;
use transload_test_support::real::Setup;

use args::Options;
use course::Course;
use row::{ROWS, Row};
use set::{Sets, Which};
use told::{Result, Told};
use tool::{Tool, Tools};

/// How many bytes the full sets need at most at one time: the release five times, and what is smaller.
const NEEDED: u64 = 18_000_000_000;

fn main() -> ExitCode {
    let options = match args::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", args::help());
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("error: {message}\n\n{}", args::help());
            return ExitCode::from(2);
        }
    };
    match stop::on_signal().and_then(|()| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) if stop::is_asked() => ExitCode::from(stop::INTERRUPTED),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints; false where something failed.
fn run(options: &Options) -> Result<bool> {
    let transload = env::var_os("TRANSLOAD_BIN")
        .ok_or("TRANSLOAD_BIN doesn't name the program: use cargo xtask bench")?;
    let transload = PathBuf::from(transload);
    let tools = Tools::find(&transload, options.before.as_deref(), &options.peers);
    let missing = options
        .peers
        .iter()
        .filter(|peer| !tools.all().any(|tool| tool == **peer));
    for peer in missing {
        eprintln!("{} isn't on PATH, and is left out", peer.name());
    }
    let shrunk = options.scale * if options.quick { 0.1 } else { 1.0 };
    let needed = (NEEDED as f64 * shrunk) as u64;
    let (scratch, storage) = scratch(options.scratch.as_deref(), needed)?;
    let machine = report::machine(storage, &tools);
    eprintln!("{machine}");
    let rows = ROWS.iter().filter(|row| options.wants(row.name));
    let rows: Vec<_> = rows.filter(|row| is_possible(row)).collect();
    if !rows.is_empty() {
        warm::up(scratch.path(), needed / 2)?;
    }
    let mut course = Course::new(
        scratch.path(),
        tools,
        Sets::new(scratch.path(), options.quick, options.scale),
    );
    let mut outcomes = Vec::new();
    for row in rows {
        let repeats = options.repeat.unwrap_or(row.repeats(options.quick));
        outcomes.push(course.run(row, repeats)?);
    }
    println!("{machine}\n");
    let mut result = json!({"machine": machine, "quick": options.quick, "scale": options.scale, "rows": report::rows_json(&outcomes)});
    if !outcomes.is_empty() {
        println!("{}\n{}", report::summary(&outcomes), report::details(&outcomes));
        println!("{}", report::links(&outcomes));
        println!("{}", report::memory(&outcomes, course.tools()));
        for tool in course.tools().all() {
            println!("- {}: {}", tool.name(), tool.note());
        }
        println!();
    }
    for (name, value) in others(options, &transload, &mut course, scratch.path())? {
        result[name] = value;
    }
    if let Some(file) = &options.json {
        fs::write(file, format!("{result:#}\n")).told(file.display())?;
    }
    let failures = report::failures(&outcomes);
    failures.iter().for_each(|failure| println!("failed: {failure}"));
    let own = outcomes.iter().flat_map(|outcome| &outcome.tools);
    Ok(!own
        .into_iter()
        .any(|(tool, result)| *tool == Tool::Transload && result.is_err()))
}

/// Whether the registry is there that a row needs, and the rights; says so where it isn't.
fn is_possible(row: &Row) -> bool {
    let program = row.server.program();
    if tool::on_path(program).is_none() {
        eprintln!("{}: {program} isn't on PATH, and the row is left out", row.name);
        return false;
    }
    let needs_root = row.path.shared_rate().is_some();
    if needs_root && !rustix::process::geteuid().is_root() {
        eprintln!("{}: a shared link needs root, and the row is left out", row.name);
        return false;
    }
    true
}

/// What is measured beside the rows; it prints its tables itself.
fn others(
    options: &Options,
    transload: &Path,
    course: &mut Course,
    folder: &Path,
) -> Result<Vec<(&'static str, Value)>> {
    let mut values = Vec::new();
    if options.wants("bundles") {
        eprintln!("bundles");
        let (table, value) = bundles::run(transload, course, folder, options.quick)?;
        println!("{table}");
        values.push(("bundles", value));
    }
    if options.wants("micro") {
        eprintln!("micro");
        let (table, value) = micro::run(folder, options.quick)?;
        println!("{table}");
        values.push(("micro", value));
        let (set, storage) = course.served(Which::Release)?;
        let registry = RealRegistry::with(&Setup {
            storage: Some(&storage),
            ..Setup::default()
        });
        let (table, value) = floor::run(registry.host(), &set, folder)?;
        println!("{table}");
        values.push(("floors", value));
    }
    if options.wants("start") {
        eprintln!("start");
        let (table, value) = start::run(transload)?;
        println!("{table}");
        values.push(("start", value));
    }
    // It takes minutes, and room on the disk.
    if options.names("compile") {
        eprintln!("compile");
        let (table, value) = start::compile(folder)?;
        println!("{table}");
        values.push(("compile", value));
    }
    if options.wants("serve") {
        eprintln!("serve");
        let (table, value) = serve::run(transload, course, folder, options.quick)?;
        println!("{table}");
        values.push(("serve", value));
    }
    if options.wants("scale") {
        eprintln!("scale");
        let (table, value) = scale::run(transload, folder, options.quick, options.scale)?;
        println!("{table}");
        values.push(("scale", value));
    }
    Ok(values)
}

/// A folder to work in, and what it is on: memory, where there is room for so many bytes.
fn scratch(wanted: Option<&Path>, needed: u64) -> Result<(TempDir, &'static str)> {
    let memory = Path::new("/dev/shm");
    let (folder, kind) = match wanted {
        Some(folder) => (folder.to_owned(), "as chosen"),
        None if memory.is_dir()
            && memory_free() >= needed
            && free_space(memory).is_ok_and(|free| free.is_some_and(|free| free >= needed)) =>
        {
            (memory.to_owned(), "memory")
        }
        None => (env::temp_dir(), "disk"),
    };
    let dir = tempfile::Builder::new()
        .prefix("transload-bench-")
        .tempdir_in(&folder);
    Ok((dir.told(folder.display())?, kind))
}

/// How many bytes of memory can be had, as far as the kernel tells.
fn memory_free() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = field.and_then(|field| field.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
