//! The command line.

use std::path::PathBuf;

use crate::row::ROWS;
use crate::told::{Result, Told};
use crate::tool::{PEERS, Tool};

/// What is measured beside the rows.
pub const OTHERS: [&str; 6] = ["bundles", "micro", "serve", "start", "compile", "scale"];

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Small sets, each row once.
    pub quick: bool,
    /// These rows; all if there are none.
    pub only: Vec<String>,
    /// How often each row is measured.
    pub repeat: Option<usize>,
    /// The peers to compare with.
    pub peers: Vec<Tool>,
    /// Another build of transload to compare with.
    pub before: Option<PathBuf>,
    /// Where the result is written as JSON.
    pub json: Option<PathBuf>,
    /// Where everything is kept while it runs.
    pub scratch: Option<PathBuf>,
    /// What the sizes of layers are multiplied by, and the numbers of images of `scale`.
    pub scale: f64,
}

impl Options {
    /// Whether a row is asked for.
    pub fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.names(row)
    }

    /// Whether a row is asked for by its name.
    pub fn names(&self, row: &str) -> bool {
        self.only.iter().any(|name| name == row)
    }
}

/// The text of `--help`.
pub fn help() -> String {
    let rows: Vec<String> = ROWS
        .iter()
        .map(|row| format!("  {:<12}{}", row.name, row.title))
        .collect();
    format!(
        "\
Measures transload beside skopeo, crane, oras and regctl, as far as they are on PATH

Usage: cargo xtask bench [OPTIONS]

Options:
  --quick             smaller sets, each row once: a look, no measurement (2 to 3 minutes)
  --only ROW[,ROW]    only these rows
  --repeat N          measure each row N times (3, and 1 on the slow link)
  --peers A,B         only these peers; \"none\" for transload alone
  --before FILE       another build of transload beside the peers, to tell what a change did (with --peers none)
  --json FILE         write every run as JSON
  --scratch DIR       where everything is kept while it runs (/dev/shm if there is room, else the folder for temporary files)
  --scale X           multiply the sizes of layers by X, and the numbers of images of `scale`
  -h, --help          this text

Rows:
{}
  bundles     a bundle beside a tar, its check beside the hash alone, its import beside a directory's
  micro       hashing, writing and both, beside what the store does
  serve       transload serve beside docker-registry (and zot): large and small blobs, manifests
  start       how long --version takes
  compile     how long a build of the program takes in a fresh clone; only where it is named
  scale       time and memory of every command for 1,000 to 20,000 tiny images

docs/performance.md tells how to read the tables.",
        rows.join("\n")
    )
}

/// Reads the command line; none where it asks for help.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options {
        quick: false,
        only: Vec::new(),
        repeat: None,
        peers: PEERS.to_vec(),
        before: None,
        json: None,
        scratch: None,
        scale: 1.0,
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "-h" | "--help" => return Ok(None),
            "--quick" => options.quick = true,
            "--only" => options.only.extend(rows(&value()?)?),
            "--repeat" => {
                let repeat: usize = value()?.parse().told("--repeat")?;
                options.repeat = Some(repeat.max(1));
            }
            "--peers" => options.peers = peers(&value()?)?,
            "--before" => options.before = Some(value()?.into()),
            "--json" => options.json = Some(value()?.into()),
            "--scratch" => options.scratch = Some(value()?.into()),
            "--scale" => options.scale = value()?.parse().told("--scale")?,
            _ => return Err(format!("there is no option \"{arg}\"")),
        }
    }
    Ok(Some(options))
}

fn rows(list: &str) -> Result<Vec<String>> {
    let known = |name: &str| OTHERS.contains(&name) || ROWS.iter().any(|row| row.name == name);
    let check = |name: &str| match known(name) {
        true => Ok(name.to_owned()),
        false => Err(format!("there is no row \"{name}\"")),
    };
    list.split(',').map(check).collect()
}

fn peers(list: &str) -> Result<Vec<Tool>> {
    if list == "none" {
        return Ok(Vec::new());
    }
    let find = |name: &str| {
        let peer = PEERS.into_iter().find(|peer| peer.name() == name);
        peer.ok_or_else(|| format!("there is no peer \"{name}\""))
    };
    list.split(',').map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        let options = read("--quick --only pull,micro --repeat 0 --peers crane --before old --json x.json")
            .unwrap()
            .unwrap();
        assert!(options.quick && options.wants("micro") && !options.wants("push"));
        assert_eq!(
            (options.repeat, options.peers, options.json),
            (Some(1), vec![Tool::Crane], Some("x.json".into()))
        );
        assert_eq!(options.before, Some("old".into()));
        assert_eq!(read("--peers none").unwrap().unwrap().peers, []);
        assert!(read("").unwrap().unwrap().wants("push"));
        assert_eq!(read("--only pull --help"), Ok(None));
    }

    #[test]
    fn what_there_is_not_is_named() {
        for (line, named) in [
            ("--only pul", "\"pul\""),
            ("--peers crane,cran", "\"cran\""),
            ("--fast", "\"--fast\""),
            ("--json", "--json needs"),
            ("--repeat few", "--repeat"),
        ] {
            let message = read(line).unwrap_err();
            assert!(message.contains(named), "{line}: {message}");
        }
    }
}
