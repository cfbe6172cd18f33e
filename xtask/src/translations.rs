//! The Chinese pages beside the English ones: the same commands, blocks and keys.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use crate::links::root;

/// Each English page that has a Chinese one, with how each of the two links to the other.
#[rustfmt::skip]
const PAGES: [Pair; 5] = [
    Pair { english: "README.md",          chinese: "README.zh-CN.md",          there: "README.zh-CN.md",    back: "README.md" },
    Pair { english: "docs/tutorial.md",   chinese: "docs/zh-CN/tutorial.md",   there: "zh-CN/tutorial.md",  back: "../tutorial.md" },
    Pair { english: "docs/task-file.md",  chinese: "docs/zh-CN/task-file.md",  there: "zh-CN/task-file.md", back: "../task-file.md" },
    Pair { english: "docs/kubekey.md",    chinese: "docs/zh-CN/kubekey.md",    there: "zh-CN/kubekey.md",   back: "../kubekey.md" },
    Pair { english: "docs/messages.md",   chinese: "docs/zh-CN/messages.md",   there: "zh-CN/messages.md",  back: "../messages.md" },
];

struct Pair {
    english: &'static str,
    chinese: &'static str,
    there: &'static str,
    back: &'static str,
}

/// Checks that each Chinese page has the headings, code blocks and tables of its English page.
///
/// # Errors
/// Lists the first difference of each kind, with file and line.
pub fn run() -> Result<(), String> {
    let root = root()?;
    let mut problems = Vec::new();
    for pair in &PAGES {
        let (english, chinese) = (read(&root, pair.english)?, read(&root, pair.chinese)?);
        let links = [
            (pair.english, &english, pair.there),
            (pair.chinese, &chinese, pair.back),
        ];
        for (page, text, other) in links {
            if !text.contains(&format!("]({other})")) {
                problems.push(format!("{page} has no link to {other}"));
            }
        }
        problems.extend(differences(pair.english, &english, pair.chinese, &chinese));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!(
        "translated pages that differ from their source\n  {}",
        problems.join("\n  ")
    ))
}

fn read(root: &Path, page: &str) -> Result<String, String> {
    fs::read_to_string(root.join(page)).map_err(|error| format!("{page}: {error}"))
}

/// A part of a page that both languages have, and its line, counted from 1.
type Part<T> = (usize, T);

/// What the pages of one text have in common in every language.
#[derive(Debug, Default)]
struct Outline {
    /// The levels of the headings.
    headings: Vec<Part<usize>>,
    /// The fenced blocks, with the line that opens each.
    blocks: Vec<Part<String>>,
    /// The code in each row of the tables and in lists of nothing else, sorted, since word order differs between languages.
    rows: Vec<Part<Vec<String>>>,
}

impl Outline {
    fn of(page: &str) -> Outline {
        let mut outline = Outline::default();
        let mut lines = (1..).zip(page.lines());
        while let Some((number, line)) = lines.next() {
            if line.starts_with("```") {
                let inside = lines.by_ref().map(|(_, line)| line);
                let block: Vec<&str> = inside.take_while(|line| *line != "```").collect();
                outline
                    .blocks
                    .push((number, format!("{line}\n{}", block.join("\n"))));
            } else if line.starts_with('#') {
                let level = line.chars().take_while(|&char| char == '#').count();
                outline.headings.push((number, level));
            } else if line.starts_with('|') || is_list(line) {
                let mut code: Vec<String> = line.split('`').skip(1).step_by(2).map(str::to_owned).collect();
                code.sort();
                outline.rows.push((number, code));
            }
        }
        outline
    }
}

/// Whether a line has code between commas, and nothing else.
fn is_list(line: &str) -> bool {
    let between = line.split('`').step_by(2);
    line.starts_with('`') && between.map(str::trim).all(|text| text.is_empty() || text == ",")
}

fn differences(english: &str, source: &str, chinese: &str, translation: &str) -> Vec<String> {
    let (source, translation) = (Outline::of(source), Outline::of(translation));
    let headings = first_difference(&source.headings, &translation.headings);
    let blocks = first_difference(&source.blocks, &translation.blocks);
    let rows = first_difference(&source.rows, &translation.rows);
    let found = [
        ("heading", headings),
        ("code block", blocks),
        ("code in a table's row", rows),
    ];
    let told = found.into_iter().filter_map(|(kind, found)| {
        let [source, translation] = found?;
        Some(format!(
            "{kind}: {english}:{source}\n  and {chinese}:{translation}"
        ))
    });
    told.collect()
}

/// The first parts that aren't the same, as `LINE: PART` of each side.
fn first_difference<T: PartialEq + Debug>(
    source: &[Part<T>],
    translation: &[Part<T>],
) -> Option<[String; 2]> {
    let told = |part: Option<&Part<T>>| match part {
        Some((line, part)) => format!("{line}: {part:?}"),
        None => "end: nothing".to_owned(),
    };
    let length = source.len().max(translation.len());
    let mut pairs = (0..length).map(|at| (source.get(at), translation.get(at)));
    let differ = pairs.find(|(a, b)| a.map(|part| &part.1) != b.map(|part| &part.1))?;
    Some([told(differ.0), told(differ.1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = "# Title\n\n## Part\n\n```sh\n# a comment\nrun\n```\n\n| key | |\n| --- | --- |\n| `a` | of `b` |\n\n`c`, `d`\n";

    fn compared(translation: &str) -> Vec<String> {
        differences("en.md", ENGLISH, "zh.md", translation)
    }

    #[test]
    fn a_translation_may_have_other_words_in_another_order() {
        let chinese = ENGLISH
            .replace("Title", "标题")
            .replace("| `a` | of `b` |", "| `b` | 的 `a` |");
        assert_eq!(compared(&chinese), Vec::<String>::new());
    }

    #[test]
    fn what_a_translation_lacks_is_told_with_file_and_line() {
        for (from, to, expected) in [
            ("## Part", "### Part", "heading: en.md:3: 2\n  and zh.md:3: 3"),
            ("run", "walk", "zh.md:5: \"```sh\\n# a comment\\nwalk\""),
            ("```sh\n", "```text\n", "code block: en.md:5"),
            (
                "of `b`",
                "of `c`",
                "code in a table's row: en.md:12: [\"a\", \"b\"]\n  and zh.md:12: [\"a\", \"c\"]",
            ),
            (
                "`c`, `d`",
                "`c`",
                "code in a table's row: en.md:14: [\"c\", \"d\"]",
            ),
            ("## Part", "Part", "zh.md:end: nothing"),
        ] {
            let problems = compared(&ENGLISH.replace(from, to));
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(expected), "{problems:?}");
        }
    }
}
