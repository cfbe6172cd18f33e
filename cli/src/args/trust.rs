//! Arguments for what is checked of images before they move.

use std::path::PathBuf;

use clap::Args;

/// What is checked of each image before anything of it moves.
#[derive(Debug, Args)]
#[command(next_help_heading = super::SELECTION)]
pub struct TrustArgs {
    /// Require a cosign signature by this key (PEM)
    ///
    /// An image without one fails. May be repeated: one of the keys is enough. The source must have the signatures: pull with --referrers sig. Transparency logs and certificates
    /// (keyless signatures) aren't checked.
    #[arg(long, value_name = "FILE")]
    pub verify_key: Vec<PathBuf>,

    /// Require exit status 0 of this program for each image
    ///
    /// It runs without a shell, with the image's reference and digest as arguments and in TRANSLOAD_REFERENCE and TRANSLOAD_DIGEST.
    #[arg(long, value_name = "PROGRAM", hide_short_help = true)]
    pub verify_with: Option<PathBuf>,
}

impl TrustArgs {
    /// Whether anything is to be checked.
    pub fn is_given(&self) -> bool {
        !self.verify_key.is_empty() || self.verify_with.is_some()
    }
}
