//! How a bundle is written.

use std::sync::Arc;

use transload_archive::bundle::{VolumeSize, Wanted};
use transload_signature::ssh::SshSigner;

/// How a bundle is written.
#[derive(Debug, Clone, Default)]
pub struct Bundling {
    /// Which blobs it carries: all where nothing is said.
    pub wanted: Arc<Wanted>,
    /// How large a volume may be; one volume where there is no limit.
    pub limit: Option<VolumeSize>,
    /// A command for the shell that is run for each volume once it is whole, with its path as `$1`.
    pub command: Option<String>,
    /// Who signs it, once it is whole.
    pub signer: Option<Arc<SshSigner>>,
}
