//! `transload init`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::args::init::InitArgs;
use crate::atomic;
use crate::task::{self, Problem, TaskErrors};
use crate::ui;

/// The task file that is written.
const TASKS: &str = include_str!("init.yaml");

/// Writes a task file to begin with, or the schema of task files.
pub(crate) fn init(args: &InitArgs) -> Result<u8, TaskErrors> {
    let (name, text) = match args.schema {
        true => ("task.schema.json", format!("{:#}\n", task::schema())),
        false => ("tasks.yaml", TASKS.to_owned()),
    };
    let file = args.file.as_deref().unwrap_or(Path::new(name));
    if file == Path::new("-") {
        return Ok(ui::result(text, 0));
    }
    write(file, &text, args.force).map_err(|error| problem(file, &error))?;
    let file = file.display();
    if args.schema {
        ui::err_line(format_args!(
            "wrote {file}: a task file's first line names it, # yaml-language-server: $schema=./{file}"
        ));
    } else {
        ui::err_line(format_args!(
            "wrote {file}: edit it, then see what it would do with `transload run {file} --dry-run`"
        ));
    }
    Ok(0)
}

fn write(file: &Path, text: &str, force: bool) -> io::Result<()> {
    if force {
        return atomic::replace(file, text);
    }
    // Whether the file is there is asked in the same breath as it is made.
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    created?.write_all(text.as_bytes())
}

fn problem(file: &Path, error: &io::Error) -> Problem {
    let name = file.display().to_string();
    match error.kind() {
        io::ErrorKind::AlreadyExists => Problem::of_file(&name, "this exists already, and stays as it is")
            .with_hint("give another name, - for stdout, or --force to replace it"),
        _ => Problem::of_file(&name, format!("it can't be written: {error}")).maybe_hint(atomic::hint(error)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::TASKS;
    use crate::task::{LoadOptions, Loaded, load_str};

    fn loaded(text: &str) -> Loaded {
        let variables = json!({"mirror_password": "a", "registry": "harbor.example.com", "password": "b"});
        let options = LoadOptions {
            variables: std::sync::Arc::new(variables.into()),
            ..LoadOptions::default()
        };
        load_str("tasks.yaml", text, &options).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
    }

    #[test]
    fn the_file_is_right_as_it_is() {
        let without_variables = load_str("tasks.yaml", TASKS, &LoadOptions::default()).unwrap();
        assert_eq!(without_variables.jobs.len(), 1);
        assert_eq!(without_variables.skipped.len(), 1);
        assert_eq!(without_variables.warnings, []);
        assert_eq!(loaded(TASKS).jobs.len(), 2);
    }

    #[test]
    fn every_setting_that_is_off_is_right_when_it_is_on() {
        let turned_on: String = TASKS
            .lines()
            .map(|line| {
                let indent = line.len() - line.trim_start().len();
                match line.trim_start().strip_prefix('#') {
                    Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => {
                        format!("{}{setting}\n", &line[..indent])
                    }
                    _ => format!("{line}\n"),
                }
            })
            .collect();
        assert_eq!(turned_on.matches("#-").count(), 0);
        let loaded = loaded(&turned_on);
        assert_eq!(loaded.warnings, []);
        let [pull, push] = loaded.jobs.as_slice() else {
            panic!("{:?}", loaded.jobs);
        };
        assert_eq!((pull.images.len(), pull.globs.len(), pull.hosts.len()), (2, 1, 1));
        assert!(pull.source.is_some());
        assert!(push.pattern.is_some());
        assert_eq!(push.hosts[0].repo, "harbor.example.com");
    }
}
