//! How a bundle is written.

use std::path::PathBuf;
use std::sync::Arc;

use transload_archive::bundle::VolumeSize;
use transload_signature::ssh::SshSigner;

/// How a bundle is written.
#[derive(Debug, Clone, Default)]
pub struct Bundling {
    /// What the other side has: inventories, earlier bundles, directories, archives and registries. They are read when the job is prepared.
    pub base: Vec<String>,
    /// Whether changed layers travel as differences to those of a base.
    pub delta: bool,
    /// An inventory of all that it may carry; none where it carries whatever the base lacks.
    pub only: Option<PathBuf>,
    /// How large a volume may be; one volume where there is no limit.
    pub limit: Option<VolumeSize>,
    /// A command for the shell that is run for each volume once it is whole, with its path as `$1`.
    pub command: Option<String>,
    /// Who signs it, once it is whole.
    pub signer: Option<Arc<SshSigner>>,
}
