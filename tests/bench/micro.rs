//! The hot path alone: bytes in memory that are hashed, written, and both.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use transload_layout_store::Store;
use transload_reference::{Descriptor, Digest, MediaType, Verifier};
use transload_test_support::image::noise;

use crate::course::remove;
use crate::report::{median, table};
use crate::stop;
use crate::told::{Result, Told};

/// How many bytes are handed on at a time, as in a transfer.
pub const CHUNK: usize = 256 * 1024;

/// What is measured, in the order of the table.
const STEPS: [(&str, Step); 5] = [
    ("hash (sha2 alone)", hash),
    ("verify (reference's Verifier)", verify),
    ("write (a file alone)", write),
    ("hash and write, one after the other", hash_and_write),
    ("verify and write (layout-store)", store),
];

type Step = fn(&Input<'_>) -> Result<()>;

/// What a step works on.
struct Input<'a> {
    bytes: &'a [u8],
    descriptor: &'a Descriptor,
    folder: &'a Path,
}

/// Measures each step on one thread and on all cores at once; gives a table and its JSON.
pub fn run(folder: &Path, quick: bool) -> Result<(String, Value)> {
    let size = if quick { 100_000_000 } else { 500_000_000 };
    let repeats = if quick { 1 } else { 5 };
    let bytes = noise(1, size);
    let descriptor = Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(&bytes), size as u64);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let folder = folder.join("micro");
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    let mut rates: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); 2]; STEPS.len()];
    // The first round warms up.
    for round in 0..=repeats {
        for (n, (_, step)) in STEPS.iter().enumerate() {
            for (column, threads) in [1, cores].into_iter().enumerate() {
                stop::check()?;
                let rate = rate(*step, threads, &bytes, &descriptor, &folder)?;
                rates[n][column].extend((round > 0).then_some(rate));
            }
        }
    }
    for ((name, _), rates) in STEPS.iter().zip(rates) {
        let [one, all] = [0, 1].map(|column| median(rates[column].iter().copied()).unwrap_or(0.0));
        lines.push(vec![
            (*name).to_owned(),
            format!("{one:.0} MB/s"),
            format!("{all:.0} MB/s"),
        ]);
        values
            .push(json!({"step": name, "one_thread": one, "all_cores": all, "unit": "MB/s", "cores": cores}));
    }
    let all = format!("{cores} threads");
    Ok((table(&["step", "one thread", &all], &lines), values.into()))
}

/// The rate of all threads together, in MB/s.
fn rate(step: Step, threads: usize, bytes: &[u8], descriptor: &Descriptor, folder: &Path) -> Result<f64> {
    remove(folder)?;
    let folders: Vec<_> = (0..threads).map(|n| folder.join(n.to_string())).collect();
    folders
        .iter()
        .try_for_each(|folder| fs::create_dir_all(folder).told(folder.display()))?;
    let started = Instant::now();
    thread::scope(|scope| {
        let work = |folder| {
            step(&Input {
                bytes,
                descriptor,
                folder,
            })
        };
        let threads: Vec<_> = folders
            .iter()
            .map(|folder| scope.spawn(move || work(folder)))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<()>>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().try_for_each(join)
    })?;
    let seconds = started.elapsed().as_secs_f64();
    remove(folder)?;
    Ok((threads * bytes.len()) as f64 / 1e6 / seconds)
}

fn hash(input: &Input<'_>) -> Result<()> {
    let mut hasher = Sha256::new();
    input.bytes.chunks(CHUNK).for_each(|chunk| hasher.update(chunk));
    black_box(hasher.finalize());
    Ok(())
}

fn verify(input: &Input<'_>) -> Result<()> {
    let mut verifier = Verifier::of(input.descriptor);
    input
        .bytes
        .chunks(CHUNK)
        .try_for_each(|chunk| verifier.update(chunk))
        .told("verify")?;
    verifier.finish().told("verify")
}

fn write(input: &Input<'_>) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::create(input.folder.join("file"))?;
        input
            .bytes
            .chunks(CHUNK)
            .try_for_each(|chunk| file.write_all(chunk))?;
        file.sync_data()
    };
    write().told(input.folder.display())
}

fn hash_and_write(input: &Input<'_>) -> Result<()> {
    hash(input)?;
    write(input)
}

fn store(input: &Input<'_>) -> Result<()> {
    let store = Store::create(input.folder.join("store")).told("a store")?;
    let Some(mut writer) = store.write_blob(input.descriptor).told("a store")? else {
        return Err("a new store has a blob".to_owned());
    };
    input
        .bytes
        .chunks(CHUNK)
        .try_for_each(|chunk| writer.write(chunk))
        .told("a store")?;
    writer.commit().told("a store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_does_its_work() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = noise(2, 1_000_000);
        let descriptor = Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(&bytes), 1_000_000);
        for (name, step) in STEPS {
            let rate = rate(step, 2, &bytes, &descriptor, &folder.path().join("micro"));
            assert!(rate.unwrap() > 0.0, "{name}");
        }
    }
}
