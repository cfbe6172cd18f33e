//! Arguments that change names at the destination.

use clap::Args;

/// Names at the destination.
#[derive(Debug, Args)]
#[command(next_help_heading = super::SELECTION)]
pub struct RenameArgs {
    /// Change names by a regular expression; may be repeated
    ///
    /// FROM is matched against the full name, such as docker.io/library/alpine:3.19, and each match becomes TO, where $1 and ${name} are
    /// groups of FROM. The first = separates the two: write \x3d for one in FROM.
    #[arg(long, value_name = "FROM=TO", hide_short_help = true, help_heading = NAMES)]
    pub rename: Vec<String>,

    /// Drop the registry from names written to a directory or an archive
    ///
    /// hub.local/calico/node:v3 becomes calico/node:v3, which means docker.io/calico/node:v3. At a registry, names never have the
    /// source's registry. Applies after --rename.
    #[arg(long, hide_short_help = true, help_heading = NAMES)]
    pub strip_registry: bool,

    /// Put this before each name, such as team or hub.local/team
    ///
    /// With a registry, the image gets that registry. Applies last.
    #[arg(long, value_name = "PREFIX", hide_short_help = true, help_heading = NAMES)]
    pub prefix: Option<String>,
}

/// The heading of these options.
const NAMES: &str = "Names at the destination";
