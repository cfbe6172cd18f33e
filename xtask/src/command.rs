//! Running other programs.

use std::env;
use std::ffi::OsString;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cargo_metadata::Message;

/// Cargo, the one that runs this task.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// Runs a program to its end, after showing its command line on stderr. What it prints goes where ours goes.
///
/// # Errors
/// Where it can't be started, or fails.
pub fn run(command: &mut Command) -> Result<(), String> {
    let line = shown(command);
    eprintln!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed ({status})")),
        Err(error) => Err(format!("`{line}` can't be started: {error}")),
    }
}

/// Runs a program to its end, and gives what it prints.
///
/// # Errors
/// Where it can't be started, or fails, or prints what is no text.
pub fn output(command: &mut Command) -> Result<String, String> {
    let line = shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{line}` can't be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed ({})", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("`{line}`: {error}"))
}

/// Builds a program by `cargo build` with these arguments, and tells where it is.
///
/// # Errors
/// Where it can't be built.
pub fn build(args: &[&str]) -> Result<PathBuf, String> {
    build_by(cargo().arg("build").args(args))
}

/// Builds a program by this command of cargo, and tells where it is.
///
/// # Errors
/// Where it can't be built.
pub fn build_by(command: &mut Command) -> Result<PathBuf, String> {
    command
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped());
    let line = shown(command);
    eprintln!("$ {line}");
    let failed = |error: std::io::Error| format!("`{line}`: {error}");
    let mut child = command.spawn().map_err(failed)?;
    let mut program = None;
    if let Some(stdout) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stdout)) {
            if let Message::CompilerArtifact(artifact) = message.map_err(failed)? {
                program = artifact.executable.or(program);
            }
        }
    }
    let status = child.wait().map_err(failed)?;
    match program {
        Some(program) if status.success() => Ok(program.into_std_path_buf()),
        _ => Err(format!("`{line}` failed ({status})")),
    }
}

/// The command line as one would type it; good enough to read.
pub fn shown(command: &Command) -> String {
    let mut words: Vec<String> = command
        .get_envs()
        .filter_map(|(key, value)| {
            let value = value?.to_string_lossy().replace('\u{1f}', " ");
            Some(format!("{}={value:?}", key.to_string_lossy()))
        })
        .collect();
    let program = command.get_program();
    let is_cargo = env::var_os("CARGO").is_some_and(|cargo| cargo == program);
    words.push(if is_cargo {
        "cargo".to_owned()
    } else {
        program.to_string_lossy().into_owned()
    });
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_named_with_its_arguments() {
        assert_eq!(run(Command::new("true").arg("x")), Ok(()));
        let failed = run(Command::new("false").arg("x")).unwrap_err();
        assert!(failed.contains("`false x` failed"), "{failed}");
        let missing = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(missing.contains("can't be started"), "{missing}");
    }

    #[test]
    fn what_a_program_prints_is_given_where_it_succeeds() {
        assert_eq!(output(Command::new("echo").arg("text")), Ok("text\n".to_owned()));
        let failed = output(Command::new("false").arg("x")).unwrap_err();
        assert!(failed.contains("`false x` failed"), "{failed}");
    }

    #[test]
    fn a_command_is_shown_with_what_was_set_for_it() {
        let mut command = Command::new("tool");
        command.env("FLAGS", "-D warnings").args(["a", "b"]);
        assert_eq!(shown(&command), "FLAGS=\"-D warnings\" tool a b");
    }
}
