//! The form of a report. `docs/report.schema.json` says the same to programs.

use serde::{Deserialize, Serialize};
use transload_registry_client::Visibility;
use transload_transfer::{Count, Fault, ImagePart, LeftReferrers, Link, Project, Referrer, Side, Tally};

/// The version of the form. It grows where a program that reads the old one would read the new one wrongly; a field more is none.
pub const VERSION: u32 = 1;

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of the form.
    pub version: u32,
    /// The version of the program.
    pub transload: String,
    /// When the run began (RFC 3339, UTC).
    pub began: String,
    /// When it ended.
    pub ended: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What became of it.
    pub status: RunStatus,
    /// All tasks together.
    pub totals: Totals,
    /// The tasks, in the run's order.
    pub tasks: Vec<TaskReport>,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything is where it should be, failures that a task ignores aside.
    Done,
    /// Something failed.
    Failed,
    /// It was stopped.
    Interrupted,
}

/// Images and blobs by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Images.
    pub images: ImageCounts,
    /// Blobs.
    pub blobs: BlobReport,
    /// Requests that were tried again.
    pub retries: u64,
}

/// How many images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCounts {
    /// In all.
    pub total: usize,
    /// That moved, wholly or in part.
    pub copied: usize,
    /// Of which everything was there.
    pub there: usize,
    /// That were left out by rule.
    pub skipped: usize,
    /// That failed.
    pub failed: usize,
    /// That were on their way when the run was stopped.
    pub stopped: usize,
    /// Whose turn didn't come.
    pub not_reached: usize,
}

/// Blobs by how they got where they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobReport {
    /// That moved; the bytes are those that this run moved.
    pub moved: BlobCount,
    /// Of those, the ones that an earlier run had begun; the bytes are those that were there from it.
    pub resumed: BlobCount,
    /// That were there before.
    pub skipped: BlobCount,
    /// That the registry took from another of its repositories.
    pub mounted: BlobCount,
    /// That the filesystem gave a second name.
    pub linked: BlobCount,
    /// That were copied without moving bytes: they share their blocks with the source's files.
    pub cloned: BlobCount,
    /// That another image of the run brought.
    pub shared: BlobCount,
}

/// A number of blobs and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobCount {
    /// How many.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// Its name, or the command's.
    pub name: String,
    /// What became of it.
    pub status: TaskStatus,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether its failures leave the exit status alone.
    pub ignore_errors: bool,
    /// Whether its images come from a directory that an earlier task of the run fills.
    pub follows_a_task: bool,
    /// Why it was skipped.
    #[serde(default)]
    pub reason: Option<String>,
    /// Warnings that belong to no image.
    pub warnings: Vec<String>,
    /// Why it couldn't be begun.
    pub errors: Vec<ErrorReport>,
    /// The projects that were created for its images.
    #[serde(default)]
    pub projects: Vec<ProjectReport>,
    /// Bytes moved by where they came from.
    pub origins: Vec<OriginReport>,
    /// The bundles that its images come from: the digests of their BUNDLE.json.
    #[serde(default)]
    pub bundles: Vec<String>,
    /// Requests to token servers.
    #[serde(default)]
    pub token_requests: Vec<TokenRequests>,
    /// All its images together.
    pub totals: Totals,
    /// Its images, in its order.
    pub images: Vec<ImageReport>,
}

/// What became of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// All its images had their turn.
    Done,
    /// The run was stopped before all had.
    Stopped,
    /// It wasn't begun: the run was stopped before, or it was found wrong.
    NotBegun,
    /// It wasn't done, since an earlier task ended as it did.
    Skipped,
}

/// A project that was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectReport {
    /// The Harbor.
    pub registry: String,
    /// Its name.
    pub project: String,
    /// Whether everybody may pull from it.
    pub public: bool,
}

impl From<&Project> for ProjectReport {
    fn from(project: &Project) -> ProjectReport {
        ProjectReport {
            registry: project.registry.to_string(),
            project: project.name.clone(),
            public: project.visibility == Visibility::Public,
        }
    }
}

/// What moved from one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginReport {
    /// A registry or a directory.
    pub from: String,
    /// How many blobs.
    pub blobs: usize,
    /// The bytes that this run moved.
    pub bytes: u64,
}

/// The requests to one token server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequests {
    /// Its URL, without a query.
    pub endpoint: String,
    /// How many requests, logins included.
    pub requests: u64,
}

/// What became of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageReport {
    /// The image, as it was written.
    pub image: String,
    /// Where it came from.
    pub source: String,
    /// Where it went.
    pub destination: String,
    /// What became of it.
    pub status: ImageStatus,
    /// Its digest at the source, once known.
    pub source_digest: Option<String>,
    /// Its digest at the destination, once known: another one where platforms were left out of an index.
    pub digest: Option<String>,
    /// The platforms that move.
    pub platforms: Vec<String>,
    /// The referrers that came along: signatures, SBOMs and the like.
    #[serde(default)]
    pub referrers: Vec<ReferrerReport>,
    /// The referrers that didn't.
    #[serde(default)]
    pub left_referrers: LeftReferrersReport,
    /// Its manifests with their blobs, once known.
    #[serde(default)]
    pub parts: Vec<PartReport>,
    /// Blobs that are where they should be, by how they got there.
    pub blobs: BlobReport,
    /// How often the image was begun: none where its turn didn't come.
    pub attempts: u32,
    /// How many requests for it were tried again.
    pub retries: u64,
    /// Why, each cause once and the first few only.
    pub retry_causes: Vec<String>,
    /// When it was begun (RFC 3339, UTC).
    pub began: Option<String>,
    /// When it was over.
    pub ended: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Things to look at.
    pub warnings: Vec<String>,
    /// What vouched for it at its source, by `verify`, `--verify-key` or `--verify-with`.
    #[serde(default)]
    pub verified_by: Vec<String>,
    /// Why it was skipped.
    pub reason: Option<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
}

/// A referrer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferrerReport {
    /// Its manifest's digest.
    pub digest: String,
    /// Its artifact type, if it tells its subject.
    pub artifact_type: Option<String>,
    /// The digest of the manifest that it refers to, by its `subject`.
    pub subject: Option<String>,
    /// The tag by which cosign finds it.
    pub tag: Option<String>,
}

/// How many referrers of an image didn't come along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftReferrersReport {
    /// Those that weren't asked for, where the source tells them without a request.
    pub unasked: usize,
    /// Those of an index that was cut, and so has another digest.
    pub of_index: usize,
}

/// A manifest of an image that names blobs: what one platform consists of, or an artifact in its index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReport {
    /// Its platform, where that is told.
    pub platform: Option<String>,
    /// The manifest's digest.
    pub digest: String,
    /// The manifest's size, in bytes.
    pub size: u64,
    /// Its blobs, the config first.
    pub blobs: Vec<PartBlobReport>,
}

/// A blob of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartBlobReport {
    /// Its digest.
    pub digest: String,
    /// Its size, in bytes.
    pub size: u64,
}

impl From<&ImagePart> for PartReport {
    fn from(part: &ImagePart) -> PartReport {
        PartReport {
            platform: part.platform.as_ref().map(ToString::to_string),
            digest: part.digest.to_string(),
            size: part.size,
            blobs: part
                .blobs
                .iter()
                .map(|blob| PartBlobReport {
                    digest: blob.digest.to_string(),
                    size: blob.size,
                })
                .collect(),
        }
    }
}

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageStatus {
    /// It moved, wholly or in part.
    Copied,
    /// All of it was there.
    There,
    /// It was left out by rule.
    Skipped,
    /// It failed.
    Failed,
    /// The run was stopped while it was on its way.
    Stopped,
    /// The run was stopped before its turn came.
    NotReached,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// All of it in one line.
    pub message: String,
    /// Its cause without the image: the same for images that fail alike, as far as the error tells.
    #[serde(default)]
    pub cause: String,
    /// The side that it happened on: `source` or `destination`.
    pub side: Option<String>,
    /// The error, then its cause, then the cause's cause.
    pub chain: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether another try may go better.
    pub retryable: bool,
}

impl ImageStatus {
    /// Whether an image still has to be brought.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            ImageStatus::Failed | ImageStatus::Stopped | ImageStatus::NotReached
        )
    }
}

impl ImageCounts {
    /// Counts one image.
    pub fn count(&mut self, status: ImageStatus) {
        self.total += 1;
        *match status {
            ImageStatus::Copied => &mut self.copied,
            ImageStatus::There => &mut self.there,
            ImageStatus::Skipped => &mut self.skipped,
            ImageStatus::Failed => &mut self.failed,
            ImageStatus::Stopped => &mut self.stopped,
            ImageStatus::NotReached => &mut self.not_reached,
        } += 1;
    }
}

impl From<Count> for BlobCount {
    fn from(count: Count) -> BlobCount {
        BlobCount {
            blobs: count.blobs,
            bytes: count.bytes,
        }
    }
}

impl From<&Tally> for BlobReport {
    fn from(tally: &Tally) -> BlobReport {
        BlobReport {
            moved: tally.moved.into(),
            resumed: tally.resumed.into(),
            skipped: tally.present.into(),
            mounted: tally.mounted.into(),
            linked: tally.linked.into(),
            cloned: tally.cloned.into(),
            shared: tally.shared.into(),
        }
    }
}

impl From<&Referrer> for ReferrerReport {
    fn from(referrer: &Referrer) -> ReferrerReport {
        let (subject, tag) = match &referrer.link {
            Link::Subject(subject) => (Some(subject.to_string()), None),
            Link::Tag(tag) => (None, Some(tag.to_string())),
        };
        ReferrerReport {
            digest: referrer.digest.to_string(),
            artifact_type: referrer.artifact_type.clone(),
            subject,
            tag,
        }
    }
}

impl From<LeftReferrers> for LeftReferrersReport {
    fn from(left: LeftReferrers) -> LeftReferrersReport {
        LeftReferrersReport {
            unasked: left.unasked,
            of_index: left.of_index,
        }
    }
}

impl From<&Fault> for ErrorReport {
    fn from(fault: &Fault) -> ErrorReport {
        ErrorReport {
            message: fault.to_string(),
            cause: fault.brief(),
            side: fault.side().map(|side: Side| side.to_string()),
            chain: fault.chain(),
            hint: fault.hint().map(str::to_owned),
            retryable: fault.is_retryable(),
        }
    }
}
