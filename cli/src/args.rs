//! The command line.

pub mod bundle;
mod check;
mod diff;
#[cfg(test)]
mod documented;
pub mod environment;
mod examples;
mod hints;
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

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use transload_transfer::job::Referrers;

use transload_transfer::job::Shard;

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

/// Which images, and what of them.
#[derive(Debug, Args)]
#[command(next_help_heading = SELECTION)]
pub struct WhichArgs {
    /// File of images, one per line; - reads stdin
    ///
    /// A line has an image or a glob. # begins a comment, at the start of a line or after a space.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub images_file: Option<PathBuf>,

    /// Only images whose name matches this pattern
    ///
    /// It may match anywhere in the name, as written or in full: calico matches docker.io/calico/node:v3.28.2. ^ and $ bind it to the ends.
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,

    /// Only these platforms, such as linux/amd64
    ///
    /// Several are separated by commas; all platforms if not given. An index that loses platforms gets a new digest (see --index). A version of Windows is written 'windows(10.0.20348)/amd64', in full or its beginning.
    #[arg(short, long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,

    /// What to do if an image lacks a platform of --platform
    #[arg(
        long,
        value_enum,
        default_value = "strict",
        value_name = "POLICY",
        hide_short_help = true
    )]
    pub policy: Policy,

    /// Whether an image of one platform satisfies several in --platform
    #[arg(
        long,
        value_enum,
        default_value = "refuse",
        value_name = "SINGLE",
        hide_short_help = true
    )]
    pub single: SingleArg,

    /// How to write an index if only some of its platforms are copied
    #[arg(
        long,
        value_enum,
        default_value = "filtered",
        value_name = "INDEX",
        hide_short_help = true
    )]
    pub index: IndexArg,

    /// Referrers to copy along, such as signatures and SBOMs
    ///
    /// none, all, or artifact types, and sig, att and sbom for cosign's tags.
    #[arg(long, default_value = "none", value_name = "TYPE,…", hide_short_help = true)]
    pub referrers: Referrers,

    /// What is checked of them.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
}

/// How to transfer.
#[derive(Debug, Args)]
#[command(next_help_heading = TRANSFER)]
pub struct HowArgs {
    /// Maximum concurrent requests and blobs
    ///
    /// A transfer starts with 16 at once and adds more while requests succeed.
    #[arg(short, long, value_name = "N", env = "TRANSLOAD_JOBS", hide_env_values = true, default_value = "64",
          value_parser = clap::value_parser!(u16).range(1..=256), allow_negative_numbers = true)]
    pub jobs: u16,

    /// Retries of a request that failed
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=1000),
          allow_negative_numbers = true, hide_short_help = true)]
    pub retries: u32,

    /// Seconds without a byte before a connection is replaced
    ///
    /// A slow connection that still sends bytes is kept.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u16).range(1..=3600),
          allow_negative_numbers = true, hide_short_help = true)]
    pub timeout: u16,

    /// Maximum bytes per second, such as 500K, 20M or 100MB
    ///
    /// Counts all connections together. K, M and G are powers of 1024; KB, MB and GB are powers of 1000.
    #[arg(long, value_name = "RATE", value_parser = rate::parse, allow_negative_numbers = true, hide_short_help = true)]
    pub limit_rate: Option<u64>,

    /// Verify what the destination already has
    ///
    /// In a directory, existing blobs are hashed and damaged ones replaced. In a registry, every blob of the images it lists is
    /// looked up, and missing ones are sent.
    #[arg(long, hide_short_help = true)]
    pub check_existing: bool,

    /// Show what would be copied, and copy nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Output format of --dry-run [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", hide_short_help = true, help_heading = OUTPUT)]
    pub output: Option<Output>,

    /// How progress is shown.
    #[command(flatten)]
    pub progress: ProgressArgs,

    /// What tags stood for.
    #[command(flatten)]
    pub lock: lock::LockArgs,
    /// Write a report: JSON, or a page (*.html)
    ///
    /// It has the result of each image. - is stdout.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run", help_heading = REPORTS)]
    pub report: Option<PathBuf>,

    /// Only images that this report has as not copied
    ///
    /// Takes the --report of an earlier run; - reads stdin.
    #[arg(long, value_name = "REPORT", help_heading = REPORTS)]
    pub only_failed: Option<PathBuf>,

    /// Write what neither the bundle nor the destination has
    ///
    /// The file is an inventory for --only, on the side that writes bundles.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run", hide_short_help = true, help_heading = REPORTS)]
    pub missing: Option<PathBuf>,

    /// Write down what arrived from a bundle, as proof
    ///
    /// The form is that of --report. `transload verify --receipt FILE --against PLACE` checks it later.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run", hide_short_help = true, help_heading = REPORTS)]
    pub receipt: Option<PathBuf>,

    /// Sign bundles that are written, and the receipt
    ///
    /// An OpenSSH key, Ed25519 or ECDSA. With a passphrase, or only the .pub file, ssh-agent signs. A bundle that is there already is
    /// checked and signed.
    #[arg(long, value_name = "KEY", conflicts_with = "dry_run", hide_short_help = true, help_heading = REPORTS)]
    pub sign: Option<PathBuf>,

    /// Copy part I of N, where N runs divide the images
    ///
    /// In the pods of a Kubernetes Indexed Job, N alone. All images of a repository are in one part.
    #[arg(long, value_name = "I/N", value_parser = shard::parse, conflicts_with = "only_failed", hide_short_help = true, help_heading = TRANSFER)]
    pub shard: Option<Shard>,
}

/// What to do about a missing platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Fail the image.
    Strict,
    /// Warn, and copy the platforms it has.
    Warn,
}

/// How to judge an image of one platform where several are asked for and its own is one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SingleArg {
    /// It lacks the other platforms, so --policy decides.
    Refuse,
    /// It is complete, as in KubeKey.
    Accept,
}

/// How to write an index if only some of its platforms are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IndexArg {
    /// List only the copied platforms; the digest changes.
    Filtered,
    /// Keep the index and its digest unchanged (a sparse index).
    Original,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}
