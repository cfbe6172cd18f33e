//! Arguments for what is checked of images before they move.

use std::path::PathBuf;

use clap::Args;

/// What is checked of each image before anything of it moves.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signatures")]
pub struct TrustArgs {
    /// Move only images that the public key in this PEM file has signed with cosign, or another key if several files are given. The
    /// signatures must be where the images are. Transparency logs and certificates (keyless signatures) aren't checked
    #[arg(long, value_name = "FILE")]
    pub verify_key: Vec<PathBuf>,

    /// Move only images that this program accepts with the exit status 0. It is run without a shell, with the image's reference and
    /// digest as arguments and in TRANSLOAD_REFERENCE and TRANSLOAD_DIGEST
    #[arg(long, value_name = "PROGRAM")]
    pub verify_with: Option<PathBuf>,
}

impl TrustArgs {
    /// Whether anything is to be checked.
    pub fn is_given(&self) -> bool {
        !self.verify_key.is_empty() || self.verify_with.is_some()
    }
}
