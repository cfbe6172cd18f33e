//! The command line.

pub mod bundle;
mod check;
mod diff;
#[cfg(test)]
mod documented;
pub mod environment;
mod examples;
mod hosts;
pub mod init;
mod inspect;
mod list;
pub mod lock;
mod login;
mod logout;
mod projects;
mod rate;
mod serve;
mod shard;
mod trust;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use transload_transfer::job::Referrers;

use transload_transfer::job::Shard;

use crate::ui::ProgressMode;

pub use bundle::{AgainstArgs, BundleArgs, InventoryArgs, VolumesArgs};
pub use check::CheckArgs;
pub use diff::DiffArgs;
pub use hosts::HostArgs;
pub use inspect::InspectArgs;
pub use list::{ListArgs, ListForm, SortBy};
pub use login::LoginArgs;
pub use logout::LogoutArgs;
pub use projects::ProjectArgs;
pub use serve::{ConfigOf, ServeArgs};
pub use trust::TrustArgs;

/// Moves container images between registries and directories.
#[derive(Debug, Parser)]
#[command(name = "transload", version, max_term_width = 110, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Say more: -v tells of retries and fallbacks, -vv of requests, -vvv of everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Say only what went wrong, and the summary
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  transload pull alpine:3.19 registry.k8s.io/pause:3.10 --dest ./images --platform linux/amd64
  transload push --src ./images --dest hub.local/mirror
  transload copy --src ./images --dest /mnt/usb/images --pattern '.*calico.*'
  transload run tasks.yaml --set registry=hub.local --dry-run

Exit status:
  0 done, 1 something failed, 2 wrong usage or configuration (nothing was moved), 130 interrupted";

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Do the tasks of a YAML file
    Run(RunArgs),
    /// Pull images from registries into a directory or an archive
    Pull(PullArgs),
    /// Push images of a directory or an archive to a registry
    Push(PushArgs),
    /// Copy images between directories, archives and registries, in any direction
    Copy(CopyArgs),
    /// List the images of a directory or an archive, with platforms and sizes
    List(ListArgs),
    /// Write down the digests that a directory, an archive or a registry has, for bundles that leave them out
    Inventory(InventoryArgs),
    /// Show what an image in a registry, a directory or an archive consists of
    Inspect(InspectArgs),
    /// Compare directories, archives, and what a registry has of them
    Diff(DiffArgs),
    /// Serve the images of directories and archives as a registry
    Serve(ServeArgs),
    /// Check every byte of a directory's or an archive's images, and mend a directory
    Verify(VerifyArgs),
    /// Remove from a directory what no image needs that is kept
    Prune(PruneArgs),
    /// Write a task file to begin with, with comments
    Init(init::InitArgs),
    /// Store credentials for a registry, once it has accepted them
    Login(LoginArgs),
    /// Remove the stored credentials for a registry
    Logout(LogoutArgs),
    /// Find out what a registry answers, and what is wrong
    Check(CheckArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = examples::RUN)]
pub struct RunArgs {
    /// The task file; - reads it from stdin
    #[arg(value_name = "TASKS.yaml")]
    pub file: PathBuf,

    /// A YAML or JSON file of variables; later ones win
    #[arg(long, value_name = "FILE")]
    pub vars: Vec<PathBuf>,

    /// A variable, such as registry=hub.local or image.platforms=[linux/amd64]; wins over files. Everybody on this machine can read it
    /// in the list of processes: passwords belong in a file of --vars
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Only tasks with one of these tags
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,

    /// Pass over tasks of other modules
    #[arg(long)]
    pub image_tasks_only: bool,

    /// Which referrers come along where a task takes none, such as signatures and SBOMs: none, all, or artifact types, and sig, att and sbom
    /// for cosign's tags
    #[arg(
        long,
        default_value = "none",
        value_name = "TYPE,…",
        help_heading = "Which images"
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

/// Arguments of `pull`.
#[derive(Debug, Args)]
#[command(after_help = examples::with_places(examples::PULL))]
pub struct PullArgs {
    /// The images, such as alpine:3.19 or hub.local/team/app@sha256:…; a tag may be a glob with * ? [ ], such as 'app:v1.3*' (in
    /// quotes: a shell may take it for files)
    #[arg(value_name = "IMAGE", required_unless_present = "images_file")]
    pub images: Vec<String>,

    /// A directory, which is made if it isn't there, or an archive (a name that ends in .tar, or one of the places below)
    #[arg(short, long, value_name = "PLACE")]
    pub dest: String,

    /// Fetch from this registry (a mirror) instead; images keep their names
    #[arg(short, long, value_name = "REGISTRY")]
    pub src: Option<String>,

    /// Which images.
    #[command(flatten)]
    pub which: WhichArgs,

    /// How a bundle is written.
    #[command(flatten)]
    pub bundle: BundleArgs,

    /// How to transfer.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Arguments of `push`.
#[derive(Debug, Args)]
#[command(after_help = examples::with_places(examples::PUSH))]
pub struct PushArgs {
    /// The images; all of the source's if none is given. A tag may be a glob with * ? [ ], such as 'app:v1.3*' (in quotes: a shell may
    /// take it for files)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,

    /// A directory or an archive (a path, or one of the places below)
    #[arg(short, long, value_name = "PLACE")]
    pub src: String,

    /// A registry, a registry and a namespace, a whole reference, or a template over .module.image.src.reference, which has registry,
    /// repository and reference (the tag)
    #[arg(short, long, value_name = "REGISTRY|TEMPLATE")]
    pub dest: String,

    /// Of all the directory's images, take those without a tag, too, that were left in a repository when its tags moved on
    #[arg(long)]
    pub untagged: bool,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Which images.
    #[command(flatten)]
    pub which: WhichArgs,

    /// Which projects it may create.
    #[command(flatten)]
    pub projects: ProjectArgs,

    /// How to transfer.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Arguments of `copy`.
#[derive(Debug, Args)]
#[command(after_help = examples::with_places(examples::COPY))]
pub struct CopyArgs {
    /// The images; all that a directory or an archive has if none is given. A tag may be a glob with * ? [ ], such as 'app:v1.3*' (in quotes: a shell
    /// may take it for files)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,

    /// A directory or an archive (a path, or one of the places below) or a registry; each image's own registry if not given
    #[arg(short, long, value_name = "SRC")]
    pub src: Option<String>,

    /// A directory, an archive, a registry, a whole reference, or a template
    #[arg(short, long, value_name = "DEST")]
    pub dest: String,

    /// From a directory to a directory: make hard links, not copies. Only of files that are yours and that nobody else may write; the
    /// others are copied
    #[arg(long)]
    pub link: bool,

    /// Of all the directory's images, take those without a tag, too, that were left in a repository when its tags moved on
    #[arg(long)]
    pub untagged: bool,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Which images.
    #[command(flatten)]
    pub which: WhichArgs,

    /// Which projects it may create.
    #[command(flatten)]
    pub projects: ProjectArgs,

    /// How a bundle is written.
    #[command(flatten)]
    pub bundle: BundleArgs,

    /// How to transfer.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub struct VerifyArgs {
    /// The directory or archive
    #[arg(value_name = "PLACE")]
    pub place: String,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// What a bundle is compared with.
    #[command(flatten)]
    pub against: AgainstArgs,

    /// Only images whose name this regular expression matches
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,

    /// Fetch what is wrong, and only that
    #[arg(long)]
    pub repair: bool,

    /// Fetch from this registry (a mirror); from each image's own if not given
    #[arg(short, long, value_name = "REGISTRY", requires = "repair")]
    pub src: Option<String>,

    /// Text for people or JSON for programs
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    pub output: Output,

    /// Who must have signed the images.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// How many blobs are read, or fetched, at once
    #[arg(short, long, value_name = "N", env = "TRANSLOAD_JOBS", hide_env_values = true, default_value = "8",
          value_parser = clap::value_parser!(u16).range(1..=256), allow_negative_numbers = true, help_heading = "How")]
    pub jobs: u16,

    /// How often a request that failed is tried again
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=1000),
          allow_negative_numbers = true, help_heading = "How")]
    pub retries: u32,

    /// How progress is shown
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "HOW",
        env = "TRANSLOAD_PROGRESS",
        hide_env_values = true,
        help_heading = "How"
    )]
    pub progress: ProgressMode,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  transload verify ./images
  transload verify ./images --repair --src hub.local/mirror

Exit status:
  0 everything is whole, 1 something is wrong (and wasn't mended), 2 wrong usage, 130 interrupted
  Blobs that no image needs, leftovers of interrupted transfers and foreign files are told of; they aren't wrong";

/// Arguments of `prune`.
#[derive(Debug, Args)]
#[command(after_help = PRUNE_EXAMPLES)]
pub struct PruneArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// KEEP only the images that this file names, one a line, # for comments; - reads stdin. All others are removed
    #[arg(long, value_name = "FILE", conflicts_with = "pattern")]
    pub keep: Option<PathBuf>,

    /// KEEP only the images whose name this regular expression matches. All others are removed
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,

    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Text for people or JSON for programs
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    pub output: Output,
}

const PRUNE_EXAMPLES: &str = "\
Without --keep and --pattern, all images stay: only blobs that none of them needs and leftovers of interrupted transfers are removed.
Signatures, attestations and other artifacts that refer to an image that stays stay with it.
It waits for transfers that run in the directory; those that begin meanwhile wait for it.

Examples:
  transload prune ./images
  transload prune ./images --keep images.txt --dry-run
  transload prune ./images --pattern 'kube|calico'

Exit status:
  0 done, 1 the directory is damaged or nothing could be removed, 2 wrong usage (nothing was removed), 130 interrupted";

/// Which images, and what of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which images")]
pub struct WhichArgs {
    /// A file of images or globs, one a line; # begins a comment, at the beginning of a line or behind a space; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub images_file: Option<PathBuf>,

    /// Only images whose name this regular expression matches
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,

    /// Only these platforms, such as linux/amd64,linux/arm/v7 or 'windows(10.0.20348)/amd64' (a version, or how it begins); all if not given
    #[arg(short, long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,

    /// What a missing platform means
    #[arg(long, value_enum, default_value = "strict", value_name = "POLICY")]
    pub policy: Policy,

    /// Whether to accept an image of a single platform, where several are asked for and its own is one of them, as KubeKey does
    #[arg(long, value_enum, default_value = "refuse", value_name = "SINGLE")]
    pub single: SingleArg,

    /// What becomes of an index of which only some platforms move
    #[arg(long, value_enum, default_value = "filtered", value_name = "INDEX")]
    pub index: IndexArg,

    /// Which referrers come along, such as signatures and SBOMs: none, all, or artifact types, and sig, att and sbom for cosign's tags
    #[arg(long, default_value = "none", value_name = "TYPE,…")]
    pub referrers: Referrers,

    /// What is checked of them.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
}

/// How to reach registries.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryArgs {
    /// A YAML list of credentials and settings by registry, as a task's auths
    #[arg(long, value_name = "FILE")]
    pub auths: Option<PathBuf>,

    /// Don't check certificates (for hosts that --auths doesn't name)
    #[arg(long)]
    pub insecure: bool,

    /// Speak plain HTTP with the registry that --src, --dest or the images name
    #[arg(long)]
    pub plain_http: bool,

    /// A PEM file of certificate authorities to trust for the registry that --src, --dest or the images name
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// How to transfer.
#[derive(Debug, Args)]
#[command(next_help_heading = "How")]
pub struct HowArgs {
    /// How many requests and blobs at once, at most: it begins with 16, and grows while requests succeed
    #[arg(short, long, value_name = "N", env = "TRANSLOAD_JOBS", hide_env_values = true, default_value = "64",
          value_parser = clap::value_parser!(u16).range(1..=256), allow_negative_numbers = true)]
    pub jobs: u16,

    /// How often a request that failed is tried again
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=1000),
          allow_negative_numbers = true)]
    pub retries: u32,

    /// How long a connection may go without a single byte before it is given up and made anew; slow ones are left alone
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u16).range(1..=3600),
          allow_negative_numbers = true)]
    pub timeout: u16,

    /// How many bytes may pass in a second over all connections, such as 500K, 20M or 100MB (K is 1024, KB 1000)
    #[arg(long, value_name = "RATE", value_parser = rate::parse,
          allow_negative_numbers = true)]
    pub limit_rate: Option<u64>,

    /// Hash the blobs that a destination directory has before they count, and replace those with wrong bytes; look up every blob
    /// of the images that a destination registry lists, and send those that it lost
    #[arg(long)]
    pub check_existing: bool,

    /// Show what would move, and move nothing
    #[arg(long)]
    pub dry_run: bool,

    /// The form of the plan that --dry-run shows: text for people (unless given) or JSON for programs
    #[arg(long, value_enum, value_name = "FORM")]
    pub output: Option<Output>,

    /// How progress is shown
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "HOW",
        env = "TRANSLOAD_PROGRESS",
        hide_env_values = true
    )]
    pub progress: ProgressMode,

    /// What tags stood for.
    #[command(flatten)]
    pub lock: lock::LockArgs,
    /// Write what became of each image to this file, as JSON; - is stdout
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub report: Option<PathBuf>,

    /// Only the images that failed or weren't reached in the run that wrote this report; - reads stdin
    #[arg(long, value_name = "REPORT")]
    pub only_failed: Option<PathBuf>,

    /// Write what is neither in the bundle that images come from nor at their destination to this file, for --only on the other side
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub missing: Option<PathBuf>,

    /// Only a part of the images, where N runs share them: I of N, or N alone in the pods of a Kubernetes Indexed Job. All images of
    /// a repository are in one part
    #[arg(long, value_name = "I/N", value_parser = shard::parse, conflicts_with = "only_failed")]
    pub shard: Option<Shard>,
}

/// What a missing platform means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// An error.
    Strict,
    /// A warning.
    Warn,
}

/// What an image of a single platform means where several are asked for and its own is one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SingleArg {
    /// It lacks the others, and the policy says what that means.
    Refuse,
    /// It lacks none.
    Accept,
}

/// What becomes of an index of which only some platforms move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IndexArg {
    /// It is cut down to them, which gives it another digest.
    Filtered,
    /// It stays as it is, digest and all.
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
