//! How a bundle is written.

use std::path::PathBuf;

use transload_archive::bundle::VolumeSize;

/// How a bundle is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundling {
    /// What the other side has: inventories, earlier bundles, directories, archives and registries. They are read when the job is prepared.
    pub base: Vec<String>,
    /// An inventory of all that it may carry; none where it carries whatever the base lacks.
    pub only: Option<PathBuf>,
    /// How large a volume may be; one volume where there is no limit.
    pub limit: Option<VolumeSize>,
    /// A command for the shell that is run for each volume once it is whole, with its path as `$1`.
    pub command: Option<String>,
}
