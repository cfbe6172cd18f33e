//! The program itself, and the pages that it writes of itself.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use cargo_metadata::MetadataCommand;

use super::Release;
use super::target::Target;
use crate::command::{build as build_program, build_by, cargo, output, run as run_command};

/// Builds the static program; gives its bytes.
///
/// # Errors
/// Where it can't be built.
pub fn build(release: &Release) -> Result<Vec<u8>, String> {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    // Names of folders, which differ between machines, and the linker's mark of what it was given.
    for (from, to) in prefixes(release)? {
        flags.push(format!("--remap-path-prefix={from}={to}"));
    }
    flags.push("-Clink-arg=-Wl,--build-id=none".to_owned());
    // The profile's `strip` leaves the symbols of the C library and of the program here.
    flags.push("-Clink-arg=-Wl,--strip-all".to_owned());
    if release.target.is_gnu() {
        flags.push("-Clink-arg=-Wl,--wrap=__libc_dlopen_mode".to_owned());
        flags.push(format!("-Clink-arg={}", no_dlopen(release)?.display()));
    }
    let mut command = cargo();
    command
        .current_dir(&release.root)
        .args([
            "build",
            "--locked",
            "--profile",
            "dist",
            "--package",
            "transload",
            "--bin",
            "transload",
        ])
        .args(["--target", &release.target.triple, "--target-dir"])
        .arg(&release.build_folder)
        .envs(
            release
                .compilers
                .iter()
                .map(|(variable, program)| (variable, program)),
        )
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("SOURCE_DATE_EPOCH", release.epoch.to_string())
        .env("TRANSLOAD_COMMIT", &release.commit);
    let program = build_by(&mut command)?;
    fs::read(&program).map_err(|error| format!("{}: {error}", program.display()))
}

/// Folders whose names would be in the program's messages of panics, and what stands for them.
fn prefixes(release: &Release) -> Result<Vec<(String, &'static str)>, String> {
    let metadata = MetadataCommand::new()
        .current_dir(&release.root)
        .other_options(["--locked".to_owned()])
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let mut prefixes: Vec<(String, &'static str)> = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some())
        .filter_map(|package| Some((package.manifest_path.parent()?.parent()?.to_string(), "/crates")))
        .collect();
    prefixes.push((release.build_folder.display().to_string(), "/build"));
    prefixes.push((release.root.display().to_string(), "/transload"));
    // Of several that fit, the compiler takes the last: a folder comes after the one that it is in.
    prefixes.sort();
    prefixes.dedup();
    Ok(prefixes)
}

/// Compiles what takes the place of the C library's dlopen.
fn no_dlopen(release: &Release) -> Result<PathBuf, String> {
    let source = release.root.join("packaging/no-dlopen.c");
    fs::create_dir_all(&release.build_folder).map_err(|error| error.to_string())?;
    let object = release
        .build_folder
        .join(format!("no-dlopen-{}.o", release.target.triple));
    let variables = [
        format!("CARGO_TARGET_{}_LINKER", release.target.variable().to_uppercase()),
        format!("CC_{}", release.target.variable()),
        "CC".to_owned(),
    ];
    let own = |variable: &String| {
        let compiler = release.compilers.iter().find(|(name, _)| name == variable);
        compiler.map(|(_, program)| program.clone().into_os_string())
    };
    let compiler = variables
        .iter()
        .find_map(|variable| own(variable).or_else(|| env::var_os(variable)))
        .unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command
        .args(["-O2", "-fPIE", "-Wall", "-Wextra", "-Werror", "-c"])
        .arg(source)
        .arg("-o")
        .arg(&object);
    run_command(&mut command)?;
    Ok(object)
}

/// Shells that have a completion in a release, and the names of its files.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "transload.bash"),
    ("zsh", "_transload"),
    ("fish", "transload.fish"),
];

/// Writes the man pages and completions that the program prints of itself; gives the folder.
///
/// # Errors
/// Where they can't be written.
pub fn pages(release: &Release) -> Result<PathBuf, String> {
    let folder = release.build_folder.join("pages");
    // What an earlier build wrote may be of commands that are gone.
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    // One for this machine, whatever the release is for; with the workspace's features, so that what the tests built is used again.
    let program = build_program(&["--locked", "--workspace", "--bin", "transload"])?;
    run_command(
        Command::new(&program)
            .args(["man", "--dir"])
            .arg(folder.join("man")),
    )?;
    let completions = folder.join("completions");
    fs::create_dir_all(&completions).map_err(|error| format!("{}: {error}", completions.display()))?;
    for (shell, name) in COMPLETIONS {
        let script = output(Command::new(&program).args(["completions", shell]))?;
        let path = completions.join(name);
        fs::write(&path, script).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(folder)
}

/// Checks that the program is static, can be loaded anywhere where the compiler makes static programs so, and isn't too large.
///
/// # Errors
/// Where it isn't so.
pub fn inspect(program: &[u8], target: &Target, largest: u64) -> Result<(), String> {
    let elf = Elf::read(program).ok_or("the program is no ELF file of 64 or 32 bits")?;
    if elf.has_interpreter {
        return Err("the program isn't static: it asks for a dynamic loader".to_owned());
    }
    // rustc makes static programs position-independent for x86-64 alone.
    if !elf.is_position_independent && target.triple.starts_with("x86_64-") {
        return Err("the program isn't position-independent".to_owned());
    }
    if program.len() as u64 > largest {
        return Err(format!(
            "the program has {} bytes, and may have {largest}",
            program.len()
        ));
    }
    Ok(())
}

/// What the headers of an ELF file tell.
#[derive(Debug, PartialEq, Eq)]
struct Elf {
    is_position_independent: bool,
    has_interpreter: bool,
}

impl Elf {
    fn read(bytes: &[u8]) -> Option<Elf> {
        if !bytes.starts_with(b"\x7fELF") {
            return None;
        }
        let is_wide = *bytes.get(4)? == 2;
        let is_little = *bytes.get(5)? == 1;
        let number = |at: usize, length: usize| {
            let field = bytes.get(at..at.checked_add(length)?)?;
            let add = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
            Some(match is_little {
                true => field.iter().rev().fold(0, add),
                false => field.iter().fold(0, add),
            })
        };
        let (table, size, count) = match is_wide {
            true => (number(32, 8)?, number(54, 2)?, number(56, 2)?),
            false => (number(28, 4)?, number(42, 2)?, number(44, 2)?),
        };
        const INTERPRETER: usize = 3;
        const SHARED: usize = 3;
        let mut has_interpreter = false;
        for index in 0..count {
            has_interpreter |= number(table.checked_add(index.checked_mul(size)?)?, 4)? == INTERPRETER;
        }
        Some(Elf {
            is_position_independent: number(16, 2)? == SHARED,
            has_interpreter,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of 64 bits with these kinds of program headers.
    fn elf(kind: u8, headers: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16] = kind;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = headers.len() as u8;
        for header in headers {
            bytes.push(*header);
            bytes.extend([0; 55]);
        }
        bytes
    }

    #[test]
    fn a_static_program_has_no_interpreter() {
        let target = |name| Target::named(Some(name)).unwrap();
        let (own, arm) = (
            target("x86_64-unknown-linux-gnu"),
            target("aarch64-unknown-linux-gnu"),
        );
        assert_eq!(inspect(&elf(3, &[6, 1, 2]), &own, 10_000), Ok(()));
        assert_eq!(inspect(&elf(2, &[1]), &arm, 10_000), Ok(()));
        for (bytes, wrong) in [
            (elf(3, &[6, 3, 1]), "isn't static"),
            (elf(2, &[1]), "position-independent"),
            (elf(3, &[1; 200]), "may have 10000"),
            (b"#!/bin/sh".to_vec(), "no ELF"),
        ] {
            let message = inspect(&bytes, &own, 10_000).map_or_else(|message| message, |()| String::new());
            assert!(message.contains(wrong), "{message}");
        }
    }

    #[test]
    fn this_test_is_a_dynamic_program() {
        let own = fs::read(env::current_exe().unwrap()).unwrap();
        assert!(Elf::read(&own).unwrap().has_interpreter);
    }

    #[test]
    fn a_cut_file_is_none() {
        let whole = elf(3, &[1, 2]);
        for length in 0..whole.len() - 56 {
            assert_eq!(Elf::read(&whole[..length]), None, "{length}");
        }
    }
}
