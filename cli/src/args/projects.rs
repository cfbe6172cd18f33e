//! Which projects a push may create.

use clap::{Args, ValueEnum};
use transload_registry_client::Visibility;

/// Which projects a push may create.
#[derive(Debug, Args)]
#[command(next_help_heading = super::REGISTRIES)]
pub struct ProjectArgs {
    /// Create missing Harbor projects; private by default
    ///
    /// The user must be allowed to create projects there.
    #[arg(long, value_enum, value_name = "WHO", num_args = 0..=1, default_missing_value = "private", hide_short_help = true)]
    create_projects: Option<VisibilityArg>,
}

/// Who may pull from a new project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VisibilityArg {
    /// Its members.
    #[value(aliases = ["true", "yes", "y", "on", "t", "1"])]
    Private,
    /// Everybody.
    Public,
}

impl ProjectArgs {
    /// Who may pull from the projects that are created, if any are.
    pub fn visibility(&self) -> Option<Visibility> {
        self.create_projects.map(|asked| match asked {
            VisibilityArg::Private => Visibility::Private,
            VisibilityArg::Public => Visibility::Public,
        })
    }
}
