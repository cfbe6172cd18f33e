//! Flags and commands of other tools, answered with those of this one.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::Cli;

/// Flags that other tools have, and what to write here.
const FLAGS: [(&[&str], &str); 17] = [
    (
        &[
            "--src-tls-verify",
            "--dest-tls-verify",
            "--insecure-registry",
            "--allow-insecure-registry",
        ],
        "write --insecure, or `insecure: true` for one registry in a file of --auths",
    ),
    (
        &[
            "--src-creds",
            "--dest-creds",
            "--from-creds",
            "--to-creds",
            "--username",
            "--password",
            "-u",
        ],
        "write --creds USER:PASSWORD for the one registry named; for several, use `transload login` or --auths",
    ),
    (
        &[
            "--src-authfile",
            "--dest-authfile",
            "--registry-config",
            "--from-registry-config",
            "--to-registry-config",
        ],
        "write --authfile FILE: it holds the logins of all registries",
    ),
    (
        &[
            "--src-cert-dir",
            "--dest-cert-dir",
            "--cert-dir",
            "--cacert",
            "--ca-cert",
        ],
        "write --ca-file FILE, or `ca_file`, `cert_file` and `key_file` for one registry in a file of --auths",
    ),
    (
        &["--all", "-a", "--multi-arch", "--all-platforms"],
        "all platforms are copied unless --platform names some",
    ),
    (
        &[
            "--override-arch",
            "--override-os",
            "--override-variant",
            "--arch",
            "--os",
            "--platforms",
        ],
        "write --platform OS/ARCH, such as --platform linux/amd64",
    ),
    (
        &["--all-tags"],
        "write 'REPOSITORY:*' as the image: every tag matches",
    ),
    (
        &[
            "--concurrency",
            "--parallel",
            "--parallelism",
            "--workers",
            "--max-concurrent",
            "--jobs-limit",
        ],
        "write --jobs N",
    ),
    (
        &["--retry", "--retry-times", "--max-retries"],
        "write --retries N",
    ),
    (
        &["--bwlimit", "--rate-limit", "--rate"],
        "write --limit-rate RATE, such as 20M",
    ),
    (&["-o", "--format", "--json"], "write --output json for JSON"),
    (
        &[
            "--file",
            "--list",
            "--image-list",
            "--images",
            "--images-list",
            "--filename",
        ],
        "write --images-file FILE for a list of images",
    ),
    (&["--filter", "--grep", "--regex"], "write --pattern REGEX"),
    (&["--from", "--source"], "write --src"),
    (
        &[
            "--to",
            "--destination",
            "--target",
            "--registry",
            "--store",
            "--dir",
        ],
        "write --dest",
    ),
    (&["--simulate", "--plan", "--what-if"], "write --dry-run"),
    (
        &["--keep-going", "--ignore-errors"],
        "leave it out: a failed image never stops the others",
    ),
];

/// Flags that one command doesn't have under that name.
const OF_COMMANDS: [(&str, &[&str], &str); 2] = [
    (
        "prune",
        &["--pattern"],
        "write --keep-pattern REGEX: images that match STAY, all others are deleted",
    ),
    (
        "prune",
        &["--keep", "--images-file"],
        "write --keep-file FILE: images that it names STAY, all others are deleted",
    ),
];

/// Commands that other tools have, and what to write here.
const COMMANDS: [(&[&str], &str); 13] = [
    (
        &["rm", "rmi", "delete", "remove", "gc", "clean"],
        "`transload prune DIR --keep-file FILE` deletes all other images of a directory; nothing is deleted in registries",
    ),
    (
        &["sync", "mirror", "replicate", "cp-all"],
        "write `transload copy`, or `transload run` for a file of tasks",
    ),
    (
        &["save", "download", "fetch", "export", "add"],
        "write `transload pull IMAGE… --dest DIR`",
    ),
    (
        &["load", "upload", "import", "restore"],
        "write `transload push --src DIR --dest REGISTRY`",
    ),
    (
        &["manifest", "digest", "config", "info", "show", "describe", "get"],
        "write `transload inspect IMAGE`",
    ),
    (
        &["catalog", "list-tags", "tags", "repo"],
        "write `transload pull 'REPOSITORY:*' --dest DIR --dry-run` to see a repository's tags",
    ),
    (
        &["validate", "scrub", "fsck", "repair"],
        "write `transload verify DIR`, with --repair to fetch what is damaged",
    ),
    (&["apply", "play", "exec"], "write `transload run TASKS.yaml`"),
    (&["ping", "doctor", "test"], "write `transload check REGISTRY`"),
    (
        &["tag", "retag", "rename"],
        "write `transload copy IMAGE --dest REFERENCE`, or use --rename",
    ),
    (&["completion"], "write `transload completions SHELL`"),
    (
        &["find", "extract", "discover"],
        "write `transload images FILE|DIR|-`",
    ),
    (&["compare"], "write `transload diff A B`"),
];

/// Adds what to write instead to an error about a flag or a command that doesn't exist.
pub(super) fn with_hint(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let (kind, named) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::Suggested, error.get(ContextKind::InvalidArg)),
        ErrorKind::InvalidSubcommand => (ContextKind::Suggested, error.get(ContextKind::InvalidSubcommand)),
        _ => return error,
    };
    let Some(ContextValue::String(named)) = named else {
        return error;
    };
    let hint = match error.kind() {
        ErrorKind::InvalidSubcommand => of(&COMMANDS, named).map(str::to_owned),
        _ => flag(named, arguments),
    };
    if let Some(hint) = hint {
        // What the program knows is better than a name that looks alike.
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(kind, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
    }
    error
}

/// What to write in place of a flag: of this command, of another tool, or in which commands it exists.
fn flag(named: &str, arguments: &[OsString]) -> Option<String> {
    let root = Cli::command();
    let is_command = |text: &str| {
        let mut commands = root.get_subcommands();
        commands.find(|command| {
            command.get_name() == text || command.get_all_aliases().any(|alias| alias == text)
        })
    };
    let command = arguments
        .iter()
        .skip(1)
        .find_map(|text| is_command(text.to_str()?));
    let name = command.map_or("", Command::get_name);
    let of_command = OF_COMMANDS
        .iter()
        .find(|(of, flags, _)| *of == name && flags.contains(&named));
    if let Some((_, _, hint)) = of_command {
        return Some((*hint).to_owned());
    }
    let has = |command: &&Command| {
        let is_named = |arg: &clap::Arg| {
            arg.get_long()
                .is_some_and(|long| named.strip_prefix("--") == Some(long))
        };
        command.get_arguments().any(is_named)
    };
    let elsewhere: Vec<&str> = root
        .get_subcommands()
        .filter(has)
        .map(Command::get_name)
        .collect();
    match of(&FLAGS, named) {
        Some(hint) => Some(hint.to_owned()),
        None if elsewhere.is_empty() => None,
        None => Some(format!("{named} is an option of {}", elsewhere.join(", "))),
    }
}

fn of(table: &[(&'static [&'static str], &'static str)], named: &str) -> Option<&'static str> {
    let found = table.iter().find(|(names, _)| names.contains(&named));
    found.map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn answer(line: &str) -> String {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = Cli::try_parse_from(&arguments).expect_err(line);
        with_hint(error, &arguments).render().to_string()
    }

    #[test]
    fn a_wrong_flag_or_command_is_answered_with_the_right_one() {
        for (line, answered) in [
            (
                "transload copy a --dest b.io --src-tls-verify=false",
                "tip: write --insecure",
            ),
            (
                "transload copy a --dest b.io --dest-creds u:p",
                "tip: write --creds USER:PASSWORD",
            ),
            ("transload pull a --dest b --all", "tip: all platforms are copied"),
            ("transload pull a --dest b --concurrency 3", "tip: write --jobs N"),
            ("transload list ./images -o json", "tip: write --output json"),
            (
                "transload ls ./images --dry-run",
                "--dry-run is an option of run, pull, push, copy, prune",
            ),
            (
                "transload prune ./images --pattern x",
                "tip: write --keep-pattern REGEX: images that match STAY",
            ),
            ("transload prune ./images --keep x", "tip: write --keep-file FILE"),
            (
                "transload rm ./images",
                "tip: `transload prune DIR --keep-file FILE` deletes",
            ),
            ("transload sync a b", "tip: write `transload copy`"),
            (
                "transload save alpine",
                "tip: write `transload pull IMAGE… --dest DIR`",
            ),
            // Others are answered with the name that looks most like it.
            ("transload pul alpine", "'pull'"),
            ("transload pull a --dest b --platfrm linux/amd64", "'--platform'"),
        ] {
            let said = answer(line);
            assert!(said.contains(answered), "{line}\n{said}");
        }
    }

    #[test]
    fn no_hint_hides_a_flag_or_command_that_exists() {
        let root = Cli::command();
        for name in COMMANDS.iter().flat_map(|(names, _)| *names) {
            let mut commands = root.get_subcommands();
            assert!(commands.all(|command| command.get_name() != *name), "{name}");
        }
        for hint in FLAGS.iter().map(|(_, hint)| *hint) {
            let words = hint.split([' ', ',', ';', '=', ':']);
            for flag in words.filter_map(|word| word.strip_prefix("--")) {
                let mut commands = root.get_subcommands();
                let has = |command: &Command| command.get_arguments().any(|arg| arg.get_long() == Some(flag));
                assert!(commands.any(has), "{hint}: --{flag}");
            }
        }
    }

    #[test]
    fn fingers_from_other_tools_find_what_they_know() {
        for line in [
            "transload copy alpine --dest hub.local/x --creds admin:secret --tls-verify=false",
            "transload cp alpine --dest hub.local/x -k",
            "transload ls ./images",
            "transload pull -f images.txt --dest ./images --authfile auth.json",
            "transload run -f tasks.yaml",
            "transload prune ./images -f",
            "transload init -f",
            "transload version",
            "transload check hub.local --tls-verify",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
