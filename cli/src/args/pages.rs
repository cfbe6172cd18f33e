//! Arguments of `completions` and `man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub struct CompletionsArgs {
    /// Shell to complete in
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

const COMPLETIONS: &str = "\
Examples:
  source <(transload completions bash)
  transload completions bash > /etc/bash_completion.d/transload
  transload completions zsh > /usr/local/share/zsh/site-functions/_transload
  transload completions fish > ~/.config/fish/completions/transload.fish";

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = MAN)]
pub struct ManArgs {
    /// Command whose page to print; the program's own if not given
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Option<String>,

    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

const MAN: &str = "\
Examples:
  transload man | man -l -
  transload man pull | man -l -
  transload man --dir /usr/local/share/man/man1";
