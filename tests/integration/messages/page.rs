//! `docs/messages.md` has messages as they are today, so that people find it by them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders whose tests and code have the messages.
const FOLDERS: [&str; 7] = [
    "tests/integration",
    "cli/src",
    "transfer/src",
    "policy/src",
    "registry-client/src",
    "layout-store/src",
    "archive/src",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of every file of code and every snapshot below a folder, with single spaces.
fn add_texts(folder: &Path, texts: &mut String) {
    let entries = fs::read_dir(folder).expect("a folder of the repository");
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        let is_read = path.extension().is_some_and(|end| end == "rs" || end == "snap");
        if path.is_dir() {
            add_texts(&path, texts);
        } else if is_read && !path.ends_with("messages/page.rs") {
            let text = fs::read_to_string(&path).expect("a text of the repository");
            texts.push_str(&plain(&text));
        }
    }
}

/// A text with single spaces in place of ends of lines, and without what code needs.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "\\").collect();
    words.join(" ").replace("\\\"", "\"")
}

/// The messages that the page's table shows, each up to what stands for more (`…`).
fn messages(page: &str) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let shown = rows.filter_map(|row| row.replace("\\|", "\u{0}").split('|').nth(2).map(str::to_owned));
    let messages = shown.flat_map(|cell| {
        let code = cell.split('`').skip(1).step_by(2);
        code.map(|code| code.replace('\u{0}', "|")).collect::<Vec<_>>()
    });
    let whole = messages.map(|message| message.split('…').next().unwrap_or_default().trim().to_owned());
    whole.collect()
}

#[test]
fn every_message_of_the_page_is_one_of_today() {
    let page = fs::read_to_string(root().join("docs/messages.md")).expect("the page");
    let messages = messages(&page);
    assert!(messages.len() > 80, "{}", messages.len());
    let mut texts = String::new();
    for folder in FOLDERS {
        add_texts(&root().join(folder), &mut texts);
    }
    let strange: Vec<&String> = messages
        .iter()
        .filter(|message| !texts.contains(message.as_str()))
        .collect();
    assert!(strange.is_empty(), "{strange:#?}");
}
