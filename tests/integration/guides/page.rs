//! A guide as a list of commands with what they give.

use std::fs;
use std::path::Path;

use regex::Regex;

/// A block of commands of a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Where it begins, counted from 1.
    pub line: usize,
    pub script: String,
    /// From a comment before the block: `<!-- exit status 1 -->`; 0 without one.
    pub status: i32,
    /// The block of text right behind it, if there is one.
    pub shown: Option<String>,
}

/// The commands of a page of `docs/`, in their order. A block that can't be run in tests has the word `elsewhere` behind its language.
pub fn steps(name: &str) -> Vec<Step> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    read(&text)
}

fn read(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = (1..).zip(text.lines());
    let (mut status, mut is_behind) = (0, false);
    while let Some((line, text)) = lines.next() {
        if let Some(number) = text.strip_prefix("<!-- exit status ") {
            status = number.trim_end_matches(" -->").parse().expect("a number");
        } else if let Some(language) = text.strip_prefix("```") {
            let block: Vec<&str> = lines
                .by_ref()
                .map(|(_, text)| text)
                .take_while(|text| *text != "```")
                .collect();
            let block = block.join("\n") + "\n";
            match (language, is_behind) {
                ("sh", _) => steps.push(Step {
                    line,
                    script: block,
                    status: std::mem::take(&mut status),
                    shown: None,
                }),
                ("text", true) => steps.last_mut().expect("a block before it").shown = Some(block),
                _ => {}
            }
            is_behind = language == "sh";
        } else if !text.is_empty() {
            is_behind = false;
        }
    }
    steps
}

/// Whether a text is what a page shows: with other figures, and anything in place of `…`, which stands for lines where it is one.
pub fn is_shown(shown: &str, text: &str) -> bool {
    let pattern: String = comparable(shown)
        .lines()
        .map(|line| match line.trim() {
            "…" => "(?:.*\n)*?".to_owned(),
            line => {
                let parts: Vec<String> = line.split('…').map(regex::escape).collect();
                parts.join(".*") + "\n"
            }
        })
        .collect();
    let pattern = Regex::new(&format!("^(?:{pattern})$")).expect("a pattern of escaped texts");
    pattern.is_match(&comparable(text))
}

/// A text with one space where there are several, and with signs in place of sizes, speeds, times and digests.
pub fn comparable(text: &str) -> String {
    let figure = r"\b\d+(?:\.\d+)? ?(?:[KMG]i?B/s|B/s|[KMG]iB|B|ms|s|min|m \d+ s|h)\b|\b\d+%";
    let rules = [
        (r"sha256:[0-9a-f]{12,64}", "DIGEST"),
        (r"\d{4}-\d\d-\d\d(?:T[0-9:.]+Z)?", "DAY"),
        (figure, "FIGURE"),
        (r"[ \t]+", " "),
        (r" ?\n ?", "\n"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, sign)| {
        let pattern = Regex::new(pattern).expect("a pattern that is written here");
        pattern.replace_all(&text, *sign).into_owned()
    })
}

#[test]
fn a_page_is_read_as_steps() {
    let page = "\
Text.

```sh
one
two
```

```text
said
```

<!-- exit status 3 -->
```sh
three
```

More text.

```text
not said by it
```

```sh elsewhere
four
```
";
    let step = |line, script: &str, status, shown: Option<&str>| Step {
        line,
        script: script.to_owned(),
        status,
        shown: shown.map(str::to_owned),
    };
    assert_eq!(
        read(page),
        [
            step(3, "one\ntwo\n", 0, Some("said\n")),
            step(13, "three\n", 3, None)
        ]
    );
}

#[test]
fn what_is_shown_may_have_other_figures_and_leave_lines_out() {
    let text = "pull: 2 images\ncopied   a  sha256:0123456789ab\ncopied   b  sha256:0123456789ab\nmoved 1.20 MiB in 3 blobs\n";
    for (shown, expected) in [
        (text, true),
        ("pull: 2 images\n…\nmoved 7 B in 3 blobs\n", true),
        ("pull: 2 images\ncopied a …\n…\nmoved 7 B in 3 blobs\n", true),
        ("pull: 2 images\n…\nmoved 7 B in 4 blobs\n", false),
        ("pull: 2 images\n…\ncopied a sha256:aaaaaaaaaaaa\n", false),
        ("copied …\n", false),
    ] {
        assert_eq!(is_shown(shown, text), expected, "{shown}");
    }
}
