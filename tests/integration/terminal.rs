//! What is seen while a run goes on: on a terminal, without one, and by programs.

mod bars;
mod json;
mod lines;
pub mod pty;

use tempfile::TempDir;
use transload_test_support::image::Image;
use transload_test_support::image::samples::one_layer;
use transload_test_support::scripted::{Action, Fault};
use transload_test_support::{ScriptedRegistry, Transload};

use super::messages::assert_said;

const MIB: usize = 1 << 20;

/// A registry, and a folder to pull from it into.
struct Stage {
    registry: ScriptedRegistry,
    dir: TempDir,
    images: Vec<String>,
}

impl Stage {
    fn new() -> Stage {
        Stage {
            registry: ScriptedRegistry::start(),
            dir: tempfile::tempdir().expect("a temporary folder"),
            images: Vec::new(),
        }
    }

    /// Puts in an image whose layer has so many bytes, and lets something happen to whoever fetches the layer.
    fn put(&mut self, repository: &str, size: usize, faults: impl IntoIterator<Item = Action>) -> Image {
        let image = one_layer(self.images.len() as u64 + 1, size);
        self.registry.put_image(repository, "v1", &image);
        for (number, action) in faults.into_iter().enumerate() {
            self.registry
                .fault(Fault::new("GET", image.layer(), action).nth(number + 1));
        }
        self.images
            .push(format!("{}/{repository}:v1", self.registry.host()));
        image
    }

    /// A pull of all the images, one after another.
    fn pull(&self, more: &[&str]) -> Transload {
        Transload::new()
            .env("TERM", "xterm-256color")
            .current_dir(self.dir.path())
            .args(["pull", "--plain-http", "--jobs", "4", "--dest", "out"])
            .args(&self.images)
            .args(more)
    }

    /// A text with names in place of what varies: the host, speeds and times.
    fn shown(&self, text: &str) -> String {
        let named = text.replace(self.registry.host(), "hub.example.com");
        let lines = named.lines().map(without_chance);
        lines.map(|line| line.trim_end().to_owned() + "\n").collect()
    }
}

/// A line with words in place of speeds and times, and without what fills a bar's row.
fn without_chance(line: &str) -> String {
    let last = line.rsplit(' ').next().unwrap_or_default();
    if let Some(seconds) = last.strip_suffix('s')
        && seconds.contains('.')
        && seconds.parse::<f64>().is_ok()
    {
        return format!("{}TIME", &line[..line.len() - last.len()]);
    }
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for at in 0..words.len() {
        let is_time =
            |word: &str| word.ends_with(['s', 'm']) && word.starts_with(|c: char| c.is_ascii_digit());
        let after = words.get(at + 1).cloned().unwrap_or_default();
        if after.trim_end_matches(',').ends_with("B/s") {
            words[at] = "SPEED".to_owned();
            words[at + 1] = after.replace("KiB/s", "B/s").replace("MiB/s", "B/s");
        } else if at > 0
            && ["for", "in"].contains(&words[at - 1].as_str())
            && is_time(words[at].trim_end_matches(','))
        {
            let comma = if words[at].ends_with(',') { "," } else { "" };
            words[at] = format!("TIME{comma}");
        } else if after.starts_with("left") && is_time(&words[at]) {
            words[at] = "TIME".to_owned();
        }
    }
    words.join(" ")
}
