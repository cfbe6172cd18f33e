//! Writes the man pages and the shells' completions of the program into a folder: `cargo run -p transload --example pages -- FOLDER`.
//!
//! `cargo xtask dist` runs this for a release. They come from the program's own arguments, so that they can't tell of others.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use transload::args::Cli;

/// Shells that have a completion.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Headings in the text behind a command's options that are sections of its page.
const SECTIONS: [(&str, &str); 2] = [("\nExamples:\n", "EXAMPLES"), ("\nExit status:\n", "EXIT STATUS")];

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let [folder] = args.as_slice() else {
        eprintln!("usage: pages FOLDER");
        return ExitCode::from(2);
    };
    let folder = Path::new(folder);
    match write(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// Writes `man/*.1` and `completions/*` below the folder.
fn write(folder: &Path) -> io::Result<()> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    // The command `help` tells what --help tells: a page for each command that it could be asked of would be noise.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_page(&command, command.get_version().unwrap_or_default(), &man)?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut Cli::command(), "transload", &completions)?;
    }
    Ok(())
}

/// Writes the page of a command, and those of the commands below it.
fn write_page(command: &Command, version: &str, folder: &Path) -> io::Result<()> {
    let name = command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let man = Man::new(command.clone())
        .title(&name)
        .source(format!("transload {version}"))
        .manual("Moving container images");
    let mut page = Vec::new();
    man.render(&mut page)?;
    let page = with_sections(&String::from_utf8_lossy(&page));
    fs::write(folder.join(format!("{name}.1")), page)?;
    for below in command.get_subcommands() {
        write_page(below, version, folder)?;
    }
    Ok(())
}

/// The page with what stands behind its options in sections of their own.
fn with_sections(page: &str) -> String {
    let Some((options, notes)) = page.split_once(".SH EXTRA\n") else {
        return page.to_owned();
    };
    // The notes end where the next section begins; the examples' lines stay as they are.
    let (notes, rest) = match notes.find("\n.SH ") {
        Some(end) => notes.split_at(end + 1),
        None => (notes, ""),
    };
    let mut notes = format!("\n{notes}");
    for (heading, section) in SECTIONS {
        notes = notes.replace(heading, &format!("\n.SH {section}\n"));
    }
    let notes = notes.trim_start().replace("\n\n.SH", "\n.SH");
    let opening = if notes.starts_with(".SH") {
        ""
    } else {
        ".SH NOTES\n"
    };
    format!("{options}{opening}{notes}{rest}")
}
