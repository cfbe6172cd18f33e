//! A guide as a list of commands with what they give.

use std::fs;
use std::path::Path;

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
    let lines = |text: &str| text.lines().map(comparable).collect::<Vec<String>>();
    are_shown(&lines(shown), &lines(text))
}

fn are_shown(shown: &[String], lines: &[String]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "…" => {
            (0..=lines.len()).any(|skipped| are_shown(rest, &lines[skipped..]))
        }
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, others)| is_line(first, line) && are_shown(rest, others)),
    }
}

fn is_line(shown: &str, line: &str) -> bool {
    let Some((start, rest)) = shown.split_once('…') else {
        return shown == line;
    };
    let (middle, end) = rest.rsplit_once('…').unwrap_or(("", rest));
    let inside = line.strip_prefix(start).and_then(|line| line.strip_suffix(end));
    let mut left = inside;
    for part in middle.split('…') {
        left = left
            .and_then(|left| left.split_once(part))
            .map(|(_, behind)| behind);
    }
    left.is_some()
}

/// A line with one space where there are several, and with signs in place of sizes, speeds, times, shares and digests.
pub fn comparable(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut was_number = false;
    for word in line.split_whitespace() {
        let core = word
            .trim_start_matches('(')
            .trim_end_matches([',', ';', ':', ')', '.']);
        let (before, after) = word.split_once(core).unwrap_or_default();
        let is_figure = core.strip_suffix(['%', 's']).is_some_and(is_number);
        if was_number && UNITS.contains(&core) {
            let number = words.pop().unwrap_or_default();
            let paren = if number.starts_with('(') { "(" } else { "" };
            words.push(format!("{paren}FIGURE{after}"));
        } else if core.starts_with("sha256:") {
            words.push(format!("{before}DIGEST{after}"));
        } else if is_figure {
            words.push(format!("{before}FIGURE{after}"));
        } else {
            words.push(word.to_owned());
        }
        was_number = is_number(core) && after.is_empty();
    }
    words.dedup_by(|word, before| word.trim_end_matches(',') == "FIGURE" && before == "FIGURE");
    words.join(" ")
}

/// What follows a number that differs from run to run.
const UNITS: [&str; 11] = [
    "B", "KiB", "MiB", "GiB", "B/s", "KiB/s", "MiB/s", "GiB/s", "ms", "s", "min",
];

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
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
        ("pull: 2 images\n…\nmoved … in … blobs\n", true),
        ("pull: 2 images\n…\nmoved … to … blobs\n", false),
    ] {
        assert_eq!(is_shown(shown, text), expected, "{shown}");
    }
}
