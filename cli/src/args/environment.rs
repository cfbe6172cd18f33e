//! Flags by variables of the environment: one rule for all commands, so that none is forgotten.
//!
//! Options that say how to transfer have a variable named after the flag, `TRANSLOAD_…`. Options that select images, sources or
//! destinations have none: they stay visible on the command line.
//!
//! A variable is set for all commands, so it gives way: to flags of the command line that exclude it, and in commands that have no use
//! for its value.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::hints::with_hint;
use super::{Cli, OUTPUT, REGISTRIES, REPORTS, TRANSFER};
use crate::ui;

/// What every variable begins with.
const PREFIX: &str = "TRANSLOAD_";

/// The headings of flags that say how, not what.
const HEADINGS: [&str; 4] = [TRANSFER, REGISTRIES, OUTPUT, REPORTS];

/// Flags under other headings that people set once for all their work, by their long names.
const OTHERS: [&str; 6] = ["platform", "policy", "index", "referrers", "vars", "color"];

/// Flags under those headings that are said each time. Credentials would go to whichever registry a command names.
const NEVER: [&str; 8] = [
    "dry-run",
    "only-failed",
    "creds",
    "tls-verify",
    "link",
    "sort",
    "raw",
    "help",
];

/// What turns a switch off.
const OFF: [&str; 6] = ["0", "n", "no", "f", "false", "off"];

/// The command line with its variables. `given` are the flags that stand on it.
pub(super) fn command(given: &HashSet<String>) -> Command {
    let plain = Cli::command();
    let root = plain.clone();
    let with_variables = |command: Command| {
        let own = command.clone();
        command.mut_args(|arg| with_variable(arg, &own, &root, given))
    };
    with_variables(plain).mut_subcommands(with_variables)
}

/// Reads the arguments and the environment. What is wrong with them is told, and the process ends with exit status 2.
pub fn parse() -> Cli {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    read(&arguments).unwrap_or_else(|error| {
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

fn read(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let given = if is_any_set() {
        given(arguments)
    } else {
        HashSet::new()
    };
    let mut matches = command(&given)
        .try_get_matches_from(arguments)
        .map_err(|error| with_hint(error, arguments))?;
    let set = flags(&matches, ValueSource::EnvVariable);
    let mut cli = Cli::from_arg_matches_mut(&mut matches)?;
    cli.command.pass_over(&set);
    Ok(cli)
}

/// Whether a variable is set that may stand for a flag: only then do flags of the command line have to be known before, which takes as long as
/// reading them.
fn is_any_set() -> bool {
    std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with(PREFIX))
}

/// The options that stand on the command line.
fn given(arguments: &[OsString]) -> HashSet<String> {
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(arguments);
    matches.map_or_else(
        |_| HashSet::new(),
        |matches| flags(&matches, ValueSource::CommandLine),
    )
}

/// The names of the options, of the program and of its command, whose values come from there.
fn flags(matches: &ArgMatches, from: ValueSource) -> HashSet<String> {
    let below = matches.subcommand().map(|(_, below)| below);
    let all = std::iter::once(matches).chain(below);
    let named = all.flat_map(|matches| {
        let is_from_there = move |id: &&clap::Id| matches.value_source(id.as_str()) == Some(from);
        matches.ids().filter(is_from_there)
    });
    named.map(ToString::to_string).collect()
}

impl super::Command {
    /// Leaves out what variables say that this command has no use for. `set` are the options that variables gave.
    fn pass_over(&mut self, set: &HashSet<String>) {
        use super::Command::{Check, Copy, Diff, Inspect, Inventory, Login, Pull, Push, Run, Verify};
        if let Run(super::RunArgs { how, .. })
        | Pull(super::PullArgs { how, .. })
        | Push(super::PushArgs { how, .. })
        | Copy(super::CopyArgs { how, .. }) = self
            && set.contains("output")
            && !how.dry_run
        {
            how.output = None;
        }
        if let Inspect(args) = self
            && args.raw
            && set.contains("platform")
        {
            args.platform.clear();
        }
        let registries = match self {
            Pull(args) => &mut args.which.registries,
            Push(args) => &mut args.which.registries,
            Copy(args) => &mut args.which.registries,
            Inspect(args) => &mut args.registries,
            Diff(args) => &mut args.registries,
            Inventory(args) => &mut args.registries,
            Verify(args) => &mut args.registries,
            Login(args) => &mut args.hosts,
            Check(args) => &mut args.how,
            _ => return,
        };
        let is_said = |given: bool, name: &str| given && !set.contains(name);
        registries.is_general = !is_said(registries.plain_http, "plain_http")
            && !is_said(registries.ca_file.is_some(), "ca_file");
    }
}

/// The variables, each with its flag and what that does, sorted.
pub fn variables() -> Vec<(String, String, String)> {
    let command = command(&HashSet::new());
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

fn with_variable(arg: Arg, command: &Command, root: &Command, given: &HashSet<String>) -> Arg {
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
    let variable: &'static str = format!("{PREFIX}{}", flag.to_ascii_uppercase().replace('-', "_")).leak();
    if let Some(value) = std::env::var_os(variable) {
        let value = value.to_string_lossy();
        let is_off = may_stand_alone && OFF.contains(&value.to_ascii_lowercase().as_str());
        // A switch that is off neither needs other flags nor excludes them.
        if value.is_empty() || is_off || is_excluded(&arg, command, given) || is_of_others(&value, &arg, root)
        {
            return arg.env(None::<&str>);
        }
    }
    let texts = [arg.get_long_help(), arg.get_help()];
    let about = texts.into_iter().flatten().next().map(ToString::to_string);
    let long = format!("{}\n\n[env: {variable}]", about.unwrap_or_default());
    // The summary of -h has no room for it.
    let arg = arg.env(variable).hide_env(true).long_help(long);
    match is_switch {
        true => arg.value_parser(BoolishValueParser::new()),
        false => arg,
    }
}

/// Whether a flag of the command line excludes this one.
fn is_excluded(arg: &Arg, command: &Command, given: &HashSet<String>) -> bool {
    let excludes = |one: &Arg, other: &Arg| {
        let conflicts = command.get_arg_conflicts_with(one);
        conflicts.iter().any(|found| found.get_id() == other.get_id())
    };
    let others = command
        .get_arguments()
        .filter(|other| given.contains(other.get_id().as_str()));
    others
        .into_iter()
        .any(|other| excludes(arg, other) || excludes(other, arg))
}

/// Whether a value means nothing to this flag, and something to the flag of the same name of another command.
fn is_of_others(value: &str, arg: &Arg, root: &Command) -> bool {
    let takes = |arg: &Arg| {
        let words = arg.get_possible_values();
        words.iter().any(|word| word.matches(value, false))
    };
    let mut namesakes = root
        .get_subcommands()
        .flat_map(Command::get_arguments)
        .filter(|other| other.get_long() == arg.get_long());
    !takes(arg) && namesakes.any(takes)
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
        command(&HashSet::new()).debug_assert();
        let variables = variables();
        let names: Vec<&str> = variables.iter().map(|(name, ..)| name.as_str()).collect();
        for common in [
            "AUTHFILE",
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
            "KEEP_FILE",
            "ONLY_FAILED",
            "CREDS",
            "RENAME",
            "REPAIR",
            "SET",
            "TAGS",
        ] {
            assert!(!names.contains(&format!("TRANSLOAD_{said}").as_str()), "{said}");
        }
    }
}
