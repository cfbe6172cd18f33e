//! The command line.

pub mod bundle;
mod check;
mod diff;
#[cfg(test)]
mod documented;
pub mod environment;
mod examples;
mod hints;
mod how;
mod images;
pub mod init;
mod inspect;
mod list;
pub mod lock;
mod login;
mod logout;
mod pages;
mod progress;
mod projects;
mod prune;
mod rate;
mod registries;
mod rename;
mod report;
mod serve;
mod shard;
mod trust;
mod verify;
mod which;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use transload_transfer::job::Referrers;

use crate::ui::ColorMode;

/// Headings of options, by purpose.
const SELECTION: &str = "Selection";
const REGISTRIES: &str = "Registries";
const TRANSFER: &str = "Transfer";
const OUTPUT: &str = "Output";
const REPORTS: &str = "Reports";

pub use bundle::{AgainstArgs, BundleArgs, InventoryArgs, VolumesArgs};
pub use check::CheckArgs;
pub use diff::DiffArgs;
pub use how::{HowArgs, Output};
pub use images::ImagesArgs;
pub use inspect::InspectArgs;
pub use list::{ListArgs, ListForm, SortBy};
pub use login::LoginArgs;
pub use logout::LogoutArgs;
pub use pages::{CompletionsArgs, ManArgs};
pub use progress::ProgressArgs;
pub use projects::ProjectArgs;
pub use prune::PruneArgs;
pub use registries::RegistryArgs;
pub use rename::RenameArgs;
pub use report::{ReportArgs, ReportForm};
pub use serve::{ConfigOf, ServeArgs};
pub use trust::TrustArgs;
pub use verify::VerifyArgs;
pub use which::{IndexArg, Policy, SingleArg, WhichArgs};

/// Copies container images into and out of air-gapped networks.
#[derive(Debug, Parser)]
#[command(
    name = "transload",
    version,
    long_version = LONG_VERSION,
    max_term_width = 110,
    after_help = examples::PROGRAM,
    after_long_help = examples::long(examples::PROGRAM)
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Print more; -vv and -vvv print still more
    ///
    /// -v shows retries and fallbacks, -vv requests, -vvv everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Output")]
    pub verbose: u8,

    /// Print errors and the summary only
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub quiet: bool,

    /// Where to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        hide_short_help = true
    )]
    pub color: ColorMode,
}

/// The version, with the commit it was built from where the build knew it.
pub const LONG_VERSION: &str = env!("TRANSLOAD_VERSION");

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the tasks of a YAML file
    Run(RunArgs),
    /// Pull images from registries into a directory or an archive
    Pull(PullArgs),
    /// Push images from a directory or an archive to a registry
    Push(PushArgs),
    /// Copy images between registries, directories, archives
    #[command(visible_alias = "cp")]
    Copy(CopyArgs),
    /// List the images in a directory or an archive
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// List the images in manifests, rendered charts and Compose files
    Images(ImagesArgs),
    /// List what a place has, so that a bundle can leave it out
    Inventory(InventoryArgs),
    /// Show an image's manifests, layers and sizes
    Inspect(InspectArgs),
    /// Compare the images of two places
    Diff(DiffArgs),
    /// Serve directories and archives as a registry
    Serve(ServeArgs),
    /// Check every byte of a directory or an archive
    Verify(VerifyArgs),
    /// Delete unused blobs, and images not to keep, from a directory
    Prune(PruneArgs),
    /// Convert a report to a page or a bill of materials
    Report(ReportArgs),
    /// Write a commented task file to start from
    Init(init::InitArgs),
    /// Store a registry's credentials, as docker login does
    Login(LoginArgs),
    /// Remove a registry's credentials, docker's and podman's too
    Logout(LogoutArgs),
    /// Diagnose the connection, certificate and login of a registry
    Check(CheckArgs),
    /// Print shell completions
    Completions(CompletionsArgs),
    /// Print a man page, or write them all
    Man(ManArgs),
    /// Print the version, the commit and what computes digests
    #[command(hide = true)]
    Version,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = examples::short(examples::RUN), after_long_help = examples::long(examples::RUN))]
pub struct RunArgs {
    /// Task file; - reads stdin
    #[arg(value_name = "TASKS.yaml", required_unless_present = "file_option")]
    file: Option<PathBuf>,

    /// Task file, as an option
    #[arg(
        short = 'f',
        long = "file",
        value_name = "TASKS.yaml",
        conflicts_with = "file",
        hide_short_help = true
    )]
    file_option: Option<PathBuf>,

    /// YAML or JSON file of variables
    ///
    /// May be repeated. A later file wins over an earlier one.
    #[arg(long, value_name = "FILE")]
    pub vars: Vec<PathBuf>,

    /// Variable, such as registry=hub.local
    ///
    /// The value is YAML: image.platforms=[linux/amd64]. It wins over --vars. Other users of this machine see it in the process list:
    /// keep passwords in a file for --vars.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Run only tasks that have one of these tags
    #[arg(long, value_name = "TAG", value_delimiter = ',', help_heading = SELECTION)]
    pub tags: Vec<String>,

    /// Run only tasks of the module image
    #[arg(long, hide_short_help = true, help_heading = SELECTION)]
    pub image_tasks_only: bool,

    /// Referrers to copy along, such as signatures and SBOMs
    ///
    /// For tasks that set none: none, all, or artifact types, and sig, att and sbom for cosign's tags.
    #[arg(
        long,
        default_value = "none",
        value_name = "TYPE,…",
        hide_short_help = true,
        help_heading = SELECTION
    )]
    pub referrers: Referrers,

    /// Which projects it may create.
    #[command(flatten)]
    pub projects: ProjectArgs,

    /// What is checked of images, besides what the tasks say.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// How to transfer.
    #[command(flatten)]
    pub how: HowArgs,
}

impl RunArgs {
    /// Returns the task file, in whichever form it was given.
    pub fn file(&self) -> &Path {
        let file = self.file.as_deref().or(self.file_option.as_deref());
        file.unwrap_or(Path::new("-"))
    }
}

/// Arguments of `pull`.
#[derive(Debug, Args)]
#[command(after_help = examples::short(examples::PULL), after_long_help = examples::with_places(examples::PULL))]
pub struct PullArgs {
    /// Images, such as alpine:3.19 or 'hub.local/app:v1.*'
    ///
    /// A name without tag or digest means latest. A tag may be a glob with * ? [ ]; quote it for the shell.
    #[arg(value_name = "IMAGE", required_unless_present = "images_file")]
    pub images: Vec<String>,

    /// Directory or archive to write
    ///
    /// A missing directory is created. A name that ends in .tar is an archive; "Places on disks" below lists the other forms.
    #[arg(short, long, value_name = "PLACE")]
    pub dest: String,

    /// Mirror to pull from, in place of each image's registry
    ///
    /// Images are stored under their own names.
    #[arg(short, long, value_name = "REGISTRY")]
    pub src: Option<String>,

    /// Which images.
    #[command(flatten)]
    pub which: WhichArgs,

    /// Names at the destination.
    #[command(flatten)]
    pub rename: RenameArgs,

    /// How a bundle is written.
    #[command(flatten)]
    pub bundle: BundleArgs,

    /// How to transfer.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Arguments of `push`.
#[derive(Debug, Args)]
#[command(after_help = examples::short(examples::PUSH), after_long_help = examples::with_places(examples::PUSH))]
pub struct PushArgs {
    /// Images to push; default: all images of the source
    ///
    /// A tag may be a glob with * ? [ ], such as 'app:v1.3*'; quote it for the shell.
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,

    /// Directory or archive to read
    ///
    /// A path, or one of the forms listed in "Places on disks" below.
    #[arg(short, long, value_name = "PLACE")]
    pub src: String,

    /// Registry and prefix, such as hub.local/mirror
    ///
    /// docker.io/library/alpine:3.20 becomes hub.local/mirror/library/alpine:3.20: the source's registry is dropped. Also a whole reference,
    /// with its tag, for one image; or a template over the image's names: {{ .registry }}, {{ .repository }} and {{ .tag }}. May be
    /// repeated: every image goes to each.
    #[arg(short, long, required = true, value_name = "REGISTRY|TEMPLATE")]
    pub dest: Vec<String>,

    /// Include images that lost their tag to a newer one
    ///
    /// Without IMAGE, the directory's untagged images are left out where their repository has tagged ones.
    #[arg(long, hide_short_help = true, help_heading = SELECTION)]
    pub untagged: bool,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Which images.
    #[command(flatten)]
    pub which: WhichArgs,

    /// Names at the destination.
    #[command(flatten)]
    pub rename: RenameArgs,

    /// Which projects it may create.
    #[command(flatten)]
    pub projects: ProjectArgs,

    /// How to transfer.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Arguments of `copy`.
#[derive(Debug, Args)]
#[command(after_help = examples::short(examples::COPY), after_long_help = examples::with_places(examples::COPY))]
pub struct CopyArgs {
    /// Images to copy; default: all images of the source
    ///
    /// A tag may be a glob with * ? [ ], such as 'app:v1.3*'; quote it for the shell.
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,

    /// Source of the images [default: each image's registry]
    ///
    /// A directory, an archive or a registry.
    #[arg(short, long, value_name = "SRC")]
    pub src: Option<String>,

    /// Directory, archive, registry, reference or template
    ///
    /// A template has the image's names: {{ .registry }}, {{ .repository }} and {{ .tag }}. May be repeated: every image goes to each, and a
    /// registry as the source is read once.
    #[arg(short, long, required = true, value_name = "DEST")]
    pub dest: Vec<String>,

    /// Include images that lost their tag to a newer one
    ///
    /// Without IMAGE, a directory's untagged images are left out where their repository has tagged ones.
    #[arg(long, hide_short_help = true, help_heading = SELECTION)]
    pub untagged: bool,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Which images.
    #[command(flatten)]
    pub which: WhichArgs,

    /// Names at the destination.
    #[command(flatten)]
    pub rename: RenameArgs,

    /// Which projects it may create.
    #[command(flatten)]
    pub projects: ProjectArgs,

    /// How a bundle is written.
    #[command(flatten)]
    pub bundle: BundleArgs,

    /// How to transfer.
    #[command(flatten)]
    pub how: HowArgs,

    /// Hard-link files between directories instead of copying them
    ///
    /// Links only files that belong to you and that nobody else may write; copies the others.
    #[arg(long, hide_short_help = true, help_heading = TRANSFER)]
    pub link: bool,
}
