//! No fault between two disks costs data, a wrong image or a restart from zero: kills, power cuts, full disks, many processes.
//!
//! `TRANSLOAD_TEST_LONG=1` makes the random tests do ten times as much; `TRANSLOAD_TEST_SEED` changes their course.

mod disk;
mod filesystems;
mod images;
mod kill;
mod open_files;
mod power;
mod processes;
mod soak;
mod stop;
mod threads;
mod whole;

use std::env;
use std::path::Path;

use tempfile::TempDir;
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::samples::one_layer;

/// A folder that is removed with everything in it at the end of the test.
fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A path as text.
fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref().to_str();
    path.expect("temporary folders have plain names").to_owned()
}

/// A registry with an image of one layer for each of these sizes, and the images' names.
fn registry(sizes: &[usize]) -> (ScriptedRegistry, Vec<String>) {
    let registry = ScriptedRegistry::start();
    let mut names = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        registry.put_image(
            &format!("team/app{number}"),
            "v1",
            &one_layer(number as u64, *size),
        );
        names.push(format!("{}/team/app{number}:v1", registry.host()));
    }
    (registry, names)
}

/// How often something is done: ten times as often where a long test is asked for.
fn often(times: usize) -> usize {
    let is_long = env::var_os("TRANSLOAD_TEST_LONG").is_some_and(|value| value != "0");
    if is_long { times * 10 } else { times }
}

/// Numbers that look like chance, the same in every run with the same seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        let chosen = env::var("TRANSLOAD_TEST_SEED")
            .ok()
            .and_then(|text| text.parse::<u64>().ok());
        Dice(seed ^ chosen.unwrap_or(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from 0 to `end`, without `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end.max(1)
    }
}
