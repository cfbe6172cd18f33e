//! Flags by variables of the environment: one rule for all commands, so that none is forgotten.
//!
//! What says how to transfer has a variable that is named as the flag, `TRANSLOAD_…`. What says which images, where from, where to, and whether at all
//! has none: that stands on a command line where one can see it.

use std::collections::BTreeMap;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches};

use super::Cli;
use crate::ui;

/// The headings of flags that say how, not what.
const HEADINGS: [&str; 2] = ["How", "Registries"];

/// Flags under other headings that people set once for all their work, by their long names.
const OTHERS: [&str; 9] = [
    "platform",
    "policy",
    "index",
    "referrers",
    "output",
    "vars",
    "verbose",
    "quiet",
    "color",
];

/// What turns a switch off.
const OFF: [&str; 6] = ["0", "n", "no", "f", "false", "off"];

/// Flags under those headings that are said each time.
const NEVER: [&str; 1] = ["dry-run"];

/// The command line with its variables.
pub fn command() -> Command {
    Cli::command()
        .mut_args(with_variable)
        .mut_subcommands(|command| command.mut_args(with_variable))
}

/// Reads the arguments and the environment. What is wrong with them is told, and the process ends with exit status 2.
pub fn parse() -> Cli {
    let matches = command().try_get_matches();
    let read = matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    read.unwrap_or_else(|error| {
        let set: Vec<String> = variables()
            .into_iter()
            .map(|(variable, ..)| variable)
            .filter(|variable| std::env::var_os(variable).is_some())
            .collect();
        let status = ui::clap_message(&error);
        // What is wrong may not be on the command line at all.
        if !set.is_empty() && error.use_stderr() {
            ui::err_line(format_args!("Set in the environment: {}.", set.join(", ")));
        }
        std::process::exit(i32::from(status))
    })
}

/// The variables, each with its flag and what that does, sorted.
pub fn variables() -> Vec<(String, String, String)> {
    let command = command();
    let commands = std::iter::once(&command).chain(command.get_subcommands());
    let mut variables: BTreeMap<String, (String, String)> = BTreeMap::new();
    for arg in commands.flat_map(Command::get_arguments) {
        if let (Some(variable), Some(flag)) = (arg.get_env(), arg.get_long()) {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            variables
                .entry(variable.to_string_lossy().into_owned())
                .or_insert_with(|| (format!("--{flag}"), help));
        }
    }
    let row = |(variable, (flag, help))| (variable, flag, help);
    variables.into_iter().map(row).collect()
}

fn with_variable(arg: Arg) -> Arg {
    let Some(flag) = arg.get_long() else { return arg };
    let is_common = arg
        .get_help_heading()
        .is_some_and(|heading| HEADINGS.contains(&heading))
        || OTHERS.contains(&flag);
    if !is_common || NEVER.contains(&flag) {
        return arg;
    }
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    // A switch, too, that may have a word of its own.
    let may_stand_alone = is_switch || arg.get_num_args().is_some_and(|number| number.min_values() == 0);
    // The library wants a name that lasts; there are some twenty.
    let variable: &'static str = format!("TRANSLOAD_{}", flag.to_ascii_uppercase().replace('-', "_")).leak();
    let value = std::env::var(variable).unwrap_or_default();
    let is_off = may_stand_alone && OFF.contains(&value.to_ascii_lowercase().as_str());
    if (value.is_empty() || is_off) && std::env::var_os(variable).is_some() {
        // As good as none: a switch that is off neither needs other flags nor excludes them.
        return arg.env(None::<&str>);
    }
    let arg = arg.env(variable).hide_env_values(true);
    match is_switch {
        true => arg.value_parser(BoolishValueParser::new()),
        false => arg,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::committed::{assert_current, root, with_tables};

    #[test]
    fn the_page_has_every_variable() {
        const PAGE: &str = "docs/environment.md";
        let rows = variables().into_iter().map(|(variable, flag, help)| {
            let help = help.replace('\n', " ").replace('|', "\\|");
            format!("| `{variable}` | `{flag}` | {help} |\n")
        });
        let table = "| variable | flag | |\n| --- | --- | --- |\n".to_owned() + &rows.collect::<String>();
        let found = fs::read_to_string(root().join(PAGE)).expect("the page");
        assert_current(PAGE, &with_tables(&found, [("variables", table)]));
    }

    #[test]
    fn the_command_line_is_sound_and_common_flags_have_variables() {
        command().debug_assert();
        let variables = variables();
        let names: Vec<&str> = variables.iter().map(|(name, ..)| name.as_str()).collect();
        for common in [
            "AUTHS",
            "CA_FILE",
            "CREATE_PROJECTS",
            "INDEX",
            "INSECURE",
            "JOBS",
            "LOCK",
            "LOCKED",
            "OUTPUT",
            "PLAIN_HTTP",
            "PLATFORM",
            "POLICY",
            "PROGRESS",
            "QUIET",
            "RETRIES",
            "TIMEOUT",
            "VARS",
            "VERBOSE",
        ] {
            assert!(
                names.contains(&format!("TRANSLOAD_{common}").as_str()),
                "{common} {names:?}"
            );
        }
        for said in [
            "DRY_RUN",
            "SRC",
            "DEST",
            "PATTERN",
            "IMAGES_FILE",
            "KEEP",
            "REPAIR",
            "SET",
            "TAGS",
        ] {
            assert!(!names.contains(&format!("TRANSLOAD_{said}").as_str()), "{said}");
        }
    }
}
