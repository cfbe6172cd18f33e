//! The programs that are compared, and how each is asked to do the same work.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::Work;
use crate::set::{Image, Set, TAG, share_blobs};
use crate::told::{Result, Told};

/// A program that moves images. Their order is that of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// What all this is for.
    Transload,
    /// Another build of it, to tell what a change did.
    Before,
    /// <https://github.com/containers/skopeo>
    Skopeo,
    /// <https://github.com/google/go-containerregistry>
    Crane,
    /// <https://github.com/oras-project/oras>
    Oras,
    /// <https://github.com/regclient/regclient>
    Regctl,
}

/// How many processes of a program that takes one image at a time are run at once, as `xargs -P4` does.
const AT_ONCE: usize = 4;

/// The programs that can be compared with transload.
pub const PEERS: [Tool; 4] = [Tool::Skopeo, Tool::Crane, Tool::Oras, Tool::Regctl];

impl Tool {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Transload => "transload",
            Tool::Before => "before",
            Tool::Skopeo => "skopeo",
            Tool::Crane => "crane",
            Tool::Oras => "oras",
            Tool::Regctl => "regctl",
        }
    }

    /// How it is used for the work of the rows, for those who read the table.
    pub fn note(self) -> &'static str {
        match self {
            Tool::Transload => {
                "`transload pull --images-file`, `push`, `copy` with its defaults: one process for all images."
            }
            Tool::Before => "the build of transload that `--before` names, used in the same way.",
            Tool::Skopeo => {
                "`skopeo copy --all`, an image each, four processes at a time; directories are `oci:`, one an image, with one folder of blobs for \
                 all (`blobs` is a symbolic link). It rewrites Docker's manifests as OCI ones there, so that for those only the layers are compared. It \
                 pushes and copies what it pulled."
            }
            Tool::Crane => {
                "pull: `crane pull --format=oci`, one process for all images and one layout; push: `crane push`, an image each, four processes at a \
                 time, from OCI layouts with one folder of blobs for all."
            }
            Tool::Oras => {
                "`oras cp`, an image each, four processes at a time; directories are OCI layouts with one folder of blobs for all."
            }
            Tool::Regctl => {
                "`regctl image copy`, an image each, four processes at a time; each image has an `ocidir` of its own, for it removes blobs that one \
                 layout doesn't name: shared layers are fetched for each image."
            }
        }
    }

    /// Whether it is a build of transload, and keeps images as that does.
    pub fn is_transload(self) -> bool {
        matches!(self, Tool::Transload | Tool::Before)
    }

    /// Whether it keeps every image in a layout that shares no blobs with others.
    fn keeps_apart(self) -> bool {
        self == Tool::Regctl
    }

    /// The folder of blobs of image `n` in a directory that it pulled into, and the name of a blob's file there.
    pub fn blob_file(self, dir: &Path, n: usize, hex: &str) -> PathBuf {
        match self {
            Tool::Transload | Tool::Before => dir.join(format!("blobs/sha256:{hex}")),
            Tool::Crane => dir.join("blobs/sha256").join(hex),
            _ => dir.join(n.to_string()).join("blobs/sha256").join(hex),
        }
    }

    /// Makes a directory that it can pull into.
    pub fn prepare(self, dir: &Path, images: usize) -> Result<()> {
        fs::create_dir_all(dir).told(dir.display())?;
        if self.is_transload() || self == Tool::Crane || self.keeps_apart() {
            return Ok(());
        }
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs).told(blobs.display())?;
        (0..images).try_for_each(|n| share_blobs(&dir.join(n.to_string()), Path::new("../blobs")))
    }
}

/// A registry, as the tools reach it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Host and port: the registry's, or a link's before it.
    pub host: String,
    /// The authority of its certificate; none for plain HTTP.
    pub ca_file: Option<PathBuf>,
}

impl Place {
    fn is_plain(&self) -> bool {
        self.ca_file.is_none()
    }

    fn name(&self, image: &Image) -> String {
        format!("{}/{}:{TAG}", self.host, image.repository)
    }

    fn env(&self) -> Vec<(&'static str, OsString)> {
        // What Go's programs trust.
        let file = self.ca_file.iter().map(|file| ("SSL_CERT_FILE", file.into()));
        file.collect()
    }
}

/// Where a program is.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// The tools that are there, and where.
#[derive(Debug)]
pub struct Tools {
    found: BTreeMap<Tool, PathBuf>,
}

impl Tools {
    /// transload, another build of it if one is given, and those of the peers that `PATH` has.
    pub fn find(transload: &Path, before: Option<&Path>, peers: &[Tool]) -> Tools {
        let peers = peers
            .iter()
            .filter_map(|&peer| Some((peer, on_path(peer.name())?)));
        let before = before.map(|program| (Tool::Before, program.to_owned()));
        let transload = (Tool::Transload, transload.to_owned());
        Tools {
            found: [transload].into_iter().chain(before).chain(peers).collect(),
        }
    }

    /// Those that were found, in the tables' order.
    pub fn all(&self) -> impl Iterator<Item = Tool> {
        self.found.keys().copied()
    }

    /// What a tool says of its version.
    pub fn version(&self, tool: Tool) -> String {
        let argument = if tool.is_transload() || tool == Tool::Skopeo {
            "--version"
        } else {
            "version"
        };
        let output = Command::new(&self.found[&tool]).arg(argument).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let text = text.unwrap_or_default();
        let tagged = |line: &&str| line.starts_with("VCSTag") || line.starts_with("Version");
        let line = text
            .lines()
            .find(tagged)
            .or(text.lines().next())
            .unwrap_or_default();
        let version = if tool.is_transload() {
            // With its commit.
            line.split_once(' ').map(|(_, version)| version)
        } else {
            line.split_whitespace().last()
        };
        version.unwrap_or("unknown").to_owned()
    }

    /// A set from a registry into a directory that was prepared.
    pub fn pull(&self, tool: Tool, set: &Set, from: &Place, dir: &Path) -> Result<Work> {
        let plain = from.is_plain();
        let images = || set.images.iter().enumerate();
        let commands = match tool {
            Tool::Transload | Tool::Before => {
                let list = dir.with_extension("images");
                let names: Vec<String> = set.images.iter().map(|image| from.name(image)).collect();
                fs::write(&list, names.join("\n")).told(list.display())?;
                vec![self.transload(
                    tool,
                    &["pull", "--images-file"],
                    &[list.as_ref(), "--dest".as_ref(), dir],
                    from,
                )]
            }
            Tool::Crane => {
                let mut line = self.line(tool, &["pull", "--format=oci"]);
                line.extend(plain.then(|| "--insecure".into()));
                line.extend(set.images.iter().map(|image| from.name(image).into()));
                line.push(dir.into());
                vec![line]
            }
            Tool::Skopeo => images()
                .map(|(n, image)| {
                    let mut line = self.skopeo();
                    line.extend(plain.then(|| "--src-tls-verify=false".into()));
                    line.push(format!("docker://{}", from.name(image)).into());
                    line.push(layout("oci:", dir, n));
                    line
                })
                .collect(),
            Tool::Oras => images()
                .map(|(n, image)| {
                    let mut line = self.line(tool, &["cp", "--no-tty"]);
                    line.extend(plain.then(|| "--from-plain-http".into()));
                    line.extend([
                        from.name(image).into(),
                        "--to-oci-layout".into(),
                        layout("", dir, n),
                    ]);
                    line
                })
                .collect(),
            Tool::Regctl => images()
                .map(|(n, image)| {
                    let mut line = self.regctl(from);
                    line.extend([from.name(image).into(), layout("ocidir://", dir, n)]);
                    line
                })
                .collect(),
        };
        Ok(work(commands, from.env()))
    }

    /// A set from a directory into a registry. Builds of transload and skopeo push what they pulled into `pulled`.
    pub fn push(&self, tool: Tool, set: &Set, pulled: &Path, to: &Place) -> Work {
        let plain = to.is_plain();
        let images = || set.images.iter().enumerate();
        let layouts = set.folder.join("layouts");
        let commands = match tool {
            Tool::Transload | Tool::Before => {
                let args = ["push", "--dest", &to.host, "--src"];
                vec![self.transload(tool, &args, &[pulled], to)]
            }
            Tool::Crane => images()
                .map(|(n, image)| {
                    let mut line = self.line(tool, &["push"]);
                    line.extend(plain.then(|| "--insecure".into()));
                    line.extend([set.layout(n).into(), to.name(image).into()]);
                    line
                })
                .collect(),
            Tool::Skopeo => images()
                .map(|(n, image)| {
                    let mut line = self.skopeo();
                    line.extend(plain.then(|| "--dest-tls-verify=false".into()));
                    line.push(layout("oci:", pulled, n));
                    line.push(format!("docker://{}", to.name(image)).into());
                    line
                })
                .collect(),
            Tool::Oras => images()
                .map(|(n, image)| {
                    let mut line = self.line(tool, &["cp", "--no-tty"]);
                    line.extend(plain.then(|| "--to-plain-http".into()));
                    line.extend([
                        "--from-oci-layout".into(),
                        layout("", &layouts, n),
                        to.name(image).into(),
                    ]);
                    line
                })
                .collect(),
            Tool::Regctl => images()
                .map(|(n, image)| {
                    let mut line = self.regctl(to);
                    line.extend([layout("ocidir://", &layouts, n), to.name(image).into()]);
                    line
                })
                .collect(),
        };
        work(commands, to.env())
    }

    /// A set from a directory into another one that was prepared; none where the tool can't do that.
    pub fn copy(&self, tool: Tool, set: &Set, pulled: &Path, dir: &Path) -> Option<Work> {
        let numbers = 0..set.images.len();
        let layouts = set.folder.join("layouts");
        let commands = match tool {
            Tool::Transload | Tool::Before => {
                let mut line = self.line(tool, &["copy", "--src"]);
                line.extend([pulled.into(), "--dest".into(), dir.into()]);
                vec![line]
            }
            Tool::Crane => return None,
            Tool::Skopeo => numbers
                .map(|n| {
                    [
                        self.skopeo(),
                        vec![layout("oci:", pulled, n), layout("oci:", dir, n)],
                    ]
                    .concat()
                })
                .collect(),
            Tool::Oras => numbers
                .map(|n| {
                    let mut line = self.line(tool, &["cp", "--no-tty", "--from-oci-layout"]);
                    line.extend([
                        layout("", &layouts, n),
                        "--to-oci-layout".into(),
                        layout("", dir, n),
                    ]);
                    line
                })
                .collect(),
            Tool::Regctl => numbers
                .map(|n| {
                    let mut line = self.line(tool, &["image", "copy"]);
                    line.extend([layout("ocidir://", &layouts, n), layout("ocidir://", dir, n)]);
                    line
                })
                .collect(),
        };
        Some(work(commands, Vec::new()))
    }

    fn line(&self, tool: Tool, args: &[&str]) -> Vec<OsString> {
        let program = self.found[&tool].as_os_str().to_owned();
        [program]
            .into_iter()
            .chain(args.iter().map(OsString::from))
            .collect()
    }

    fn transload(&self, tool: Tool, args: &[&str], paths: &[&Path], place: &Place) -> Vec<OsString> {
        let mut line = self.line(tool, args);
        line.extend(paths.iter().map(|path| path.as_os_str().to_owned()));
        match &place.ca_file {
            Some(file) => line.extend(["--ca-file".into(), file.into()]),
            None => line.push("--plain-http".into()),
        }
        line
    }

    fn skopeo(&self) -> Vec<OsString> {
        self.line(Tool::Skopeo, &["--insecure-policy", "copy", "--quiet", "--all"])
    }

    fn regctl(&self, place: &Place) -> Vec<OsString> {
        let mut line = self.line(Tool::Regctl, &["image", "copy"]);
        if place.is_plain() {
            line.extend(["--host".into(), format!("reg={},tls=disabled", place.host).into()]);
        }
        line
    }
}

/// The name of image `n` in a directory of layouts.
fn layout(scheme: &str, dir: &Path, n: usize) -> OsString {
    let mut name = OsString::from(scheme);
    name.push(dir.join(n.to_string()));
    name.push(":");
    name.push(TAG);
    name
}

fn work(commands: Vec<Vec<OsString>>, env: Vec<(&'static str, OsString)>) -> Work {
    Work {
        at_once: commands.len().min(AT_ONCE),
        commands,
        env,
    }
}
