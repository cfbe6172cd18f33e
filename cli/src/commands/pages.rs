//! `transload completions`, `transload man` and `transload version`: what the program says of itself, from its own arguments.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use transload_reference::Hasher;

use crate::app::FAILED;
use crate::args::{Cli, CompletionsArgs, LONG_VERSION, ManArgs};
use crate::task::{Problem, TaskErrors};
use crate::ui;

/// Headings in the text behind a command's options that are sections of its page.
const SECTIONS: [(&str, &str); 2] = [("\nExamples:\n", "EXAMPLES"), ("\nExit status:\n", "EXIT STATUS")];

/// Prints the version, the commit, and what computes digests here.
pub(crate) fn version() -> u8 {
    let sha256 = Hasher::sha256_implementation();
    ui::result(format!("transload {LONG_VERSION}\nSHA-256: {sha256}\n"), 0)
}

/// Prints a shell's completions.
pub(crate) fn completions(args: &CompletionsArgs) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "transload", &mut script);
    ui::result(script, 0)
}

/// Prints a man page, or writes all of them.
pub(crate) fn man(args: &ManArgs) -> Result<u8, TaskErrors> {
    // `transload help COMMAND` prints what --help does: a page for each command that it takes would be noise.
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let failed = |path: &Path, error: io::Error| {
        let problem = Problem::of_file(
            &path.display().to_string(),
            format!("it can't be written: {error}"),
        );
        ui::err(ui::errors(&[problem], 0));
        FAILED
    };
    if let Some(dir) = &args.dir {
        return Ok(write_all(&program, dir).map_or_else(|error| failed(dir, error), |()| 0));
    }
    let command = match &args.command {
        None => &program,
        Some(name) => program.find_subcommand(name).ok_or_else(|| {
            let names: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
            Problem::of_file("COMMAND", format!("there is no command {name}"))
                .with_hint(format!("the commands are {}", names.join(", ")))
        })?,
    };
    let page = page(command).map_err(|error| Problem::of_file("man", error.to_string()))?;
    Ok(ui::result(page, 0))
}

/// Writes the program's page and those of its commands.
fn write_all(program: &Command, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for command in std::iter::once(program).chain(program.get_subcommands()) {
        fs::write(dir.join(format!("{}.1", name(command))), page(command)?)?;
    }
    Ok(())
}

/// The name of a page, such as `transload-pull`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

fn page(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone())
        .title(name(command))
        .source(format!("transload {}", env!("CARGO_PKG_VERSION")))
        .manual("Copying container images");
    let mut page = Vec::new();
    man.render(&mut page)?;
    Ok(with_sections(&String::from_utf8_lossy(&page)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options_and_examples() {
        let dir = tempfile::tempdir().unwrap();
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        write_all(&program, dir.path()).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read("transload.1").contains(".SH EXAMPLES"));
        let pull = read("transload-pull.1");
        for part in [
            ".SH EXAMPLES",
            ".SH \"EXIT STATUS\"",
            "images\\-file",
            "Selection",
            "Places on disks",
        ] {
            let found = pull.contains(part)
                || pull
                    .to_lowercase()
                    .contains(&part.replace('"', "").to_lowercase());
            assert!(found, "{part}\n{pull}");
        }
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            program.get_subcommands().count() + 1
        );
    }
}
