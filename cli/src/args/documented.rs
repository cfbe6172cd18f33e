//! Whether every command line that a page shows is one: each `transload …` in a block of shell or of what a terminal shows, and each
//! in the examples of `--help`.

use std::fs;
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser as _};

use super::Cli;
use crate::committed::root;

/// The READMEs and the pages of `docs/`, by their paths in the repository.
fn pages() -> Vec<(String, String)> {
    let folders = ["docs", "docs/zh-CN"].map(|folder| fs::read_dir(root().join(folder)));
    let mut paths: Vec<PathBuf> = folders
        .into_iter()
        .flat_map(|entries| entries.expect("the repository has pages"))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.extend(["README.md", "README.zh-CN.md", "cli/README.md"].map(|page| root().join(page)));
    paths.sort();
    let pages = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages
        .map(|path| {
            (
                path.display().to_string(),
                fs::read_to_string(path).expect("a page of text"),
            )
        })
        .collect()
}

/// The lines of a page's blocks of shell, one text a block.
fn shell_blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
        if ["sh", "shell", "bash"].contains(&language.split(' ').next().unwrap_or_default()) {
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// The commands of a script, as words. It knows as much of a shell's language as pages use: quotes, comments, continued lines,
/// what is put between commands, redirections, and here-documents.
fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let joined = script.replace("\\\n", " ");
    let mut lines = joined.lines();
    let (mut word, mut quote): (Option<String>, Option<char>) = (None, None);
    while let Some(line) = lines.next() {
        let mut until = None;
        let mut rest = line.chars().peekable();
        while let Some(next) = rest.next() {
            match (quote, next) {
                (Some(open), _) if open == next => quote = None,
                (Some(_), _) => word.get_or_insert_default().push(next),
                (None, '\'' | '"') => {
                    quote = Some(next);
                    word.get_or_insert_default();
                }
                (None, '#') if word.is_none() => break,
                (None, '<') if rest.peek() == Some(&'<') => {
                    let end: String = rest.by_ref().skip(1).collect();
                    until = Some(end.trim_matches(['\'', '"', ' ']).to_owned());
                }
                (None, ' ') => end_word(&mut commands, &mut word),
                (None, '|' | ';' | '&' | '(' | ')' | '`') => {
                    end_word(&mut commands, &mut word);
                    commands.push(Vec::new());
                }
                (None, _) => word.get_or_insert_default().push(next),
            }
        }
        if quote.is_some() {
            word.get_or_insert_default().push('\n');
            continue;
        }
        end_word(&mut commands, &mut word);
        commands.push(Vec::new());
        if let Some(until) = until {
            lines.by_ref().take_while(|line| *line != until).for_each(drop);
        }
    }
    commands.into_iter().map(without_redirections).collect()
}

fn end_word(commands: &mut [Vec<String>], word: &mut Option<String>) {
    if let (Some(command), Some(word)) = (commands.last_mut(), word.take()) {
        command.push(word);
    }
}

/// A command without what its shell does: redirections, variables before it, `until`, `if` and the like.
fn without_redirections(command: Vec<String>) -> Vec<String> {
    let mut words = Vec::new();
    let mut command = command.into_iter().skip_while(|word| {
        let is_variable = word.split_once('=').is_some_and(|(name, _)| {
            name.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !name.is_empty()
        });
        let is_keyword =
            ["until", "while", "if", "then", "else", "do", "!", "$", "sudo"].contains(&word.as_str());
        is_variable || is_keyword
    });
    while let Some(word) = command.next() {
        match word.trim_start_matches(['1', '2']) {
            "<" | ">" | ">>" => drop(command.next()),
            rest if rest.starts_with(['<', '>']) => {}
            _ => words.push(word),
        }
    }
    words
}

/// All calls of transload in a script.
fn calls(script: &str) -> Vec<Vec<String>> {
    let is_call = |words: &Vec<String>| words.first().is_some_and(|word| word == "transload");
    commands(script).into_iter().filter(is_call).collect()
}

#[track_caller]
fn assert_parses(call: &[String], place: &str) {
    if let Err(error) = Cli::try_parse_from(call) {
        let is_answer = !error.use_stderr();
        assert!(is_answer, "{place}: {}\n{error}", call.join(" "));
    }
}

#[test]
fn every_command_of_every_page_is_understood() {
    let mut count = 0;
    for (page, text) in pages() {
        for call in shell_blocks(&text).iter().flat_map(|block| calls(block)) {
            assert_parses(&call, &page);
            count += 1;
        }
    }
    assert!(count > 40, "only {count} were found");
}

#[test]
fn every_command_has_examples_and_they_are_understood() {
    let mut program = Cli::command();
    program.build();
    let named = program
        .get_subcommands()
        .filter(|command| !["help", "version"].contains(&command.get_name()));
    for command in named {
        let name = command.get_name();
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let (_, examples) = help
            .split_once("Examples:\n")
            .unwrap_or_else(|| panic!("{name} --help has no examples"));
        let examples: Vec<&str> = examples
            .lines()
            .take_while(|line| line.starts_with("  "))
            .collect();
        for example in &examples {
            assert!(
                example.len() < 100,
                "{name} --help would break this line: {example}"
            );
        }
        let calls = calls(&examples.join("\n"));
        assert!(
            calls
                .iter()
                .any(|call| call.get(1).is_some_and(|word| word == name)),
            "{name} --help has no example of itself"
        );
        for call in calls {
            assert_parses(&call, &format!("{name} --help"));
        }
    }
}

#[test]
fn a_script_is_split_into_its_commands() {
    let script = "\
# a comment with transload pull
transload pull 'a b' \\
  --dest \"./x y\"   # said beside it
cat > list <<'EOF'
transload this is text
EOF
A=1 B=2 transload list ./x --output names | cut -d' ' -f1 > names.txt && transload init - 2>&1
until transload run t.yaml < in; do sleep 1; done
echo \"$(transload list x)\"
";
    let expected: [&[&str]; 4] = [
        &["transload", "pull", "a b", "--dest", "./x y"],
        &["transload", "list", "./x", "--output", "names"],
        &["transload", "init", "-"],
        &["transload", "run", "t.yaml"],
    ];
    assert_eq!(calls(script), expected);
}

#[test]
fn the_short_help_fits_a_screen_and_the_long_one_has_every_option() {
    const LINES: usize = 40;
    let mut program = super::environment::command(&std::collections::HashSet::new()).term_width(80);
    program.build();
    let commands = program.clone();
    for command in std::iter::once(&commands).chain(commands.get_subcommands()) {
        let mut command = command.clone().term_width(80);
        let short = command.render_help().to_string();
        let lines = short.lines().count();
        assert!(lines <= LINES, "{}: {lines} lines\n{short}", command.get_name());
        let long = command.render_long_help().to_string();
        for flag in command.get_arguments().filter_map(|arg| arg.get_long()) {
            assert!(
                long.contains(&format!("--{flag}")),
                "{} --help: {flag}",
                command.get_name()
            );
        }
    }
}

#[test]
fn options_are_grouped_by_purpose() {
    let program = Cli::command();
    for (command, groups) in [
        (
            "pull",
            &["Selection", "Registries", "Transfer", "Output", "Reports"][..],
        ),
        ("verify", &["Selection", "Registries", "Transfer", "Output"]),
        ("check", &["Registries", "Output"]),
    ] {
        let mut command = program.find_subcommand(command).expect("a command").clone();
        let help = command.render_long_help().to_string();
        for group in groups {
            assert!(help.contains(&format!("\n{group}:\n")), "{group}\n{help}");
        }
    }
}
