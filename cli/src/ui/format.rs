//! Sizes, times and names for people.

use std::time::Duration;

use console::measure_text_width;
use transload_reference::Platform;
use transload_transfer::Bytes;

/// `1.50 GiB`.
pub fn bytes(bytes: u64) -> String {
    Bytes(bytes).to_string()
}

/// `40 ms`, `1.2 s`, `12 s`, `3 min 20 s`, `1 h 5 min`.
pub fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds @ 120..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A time that runs: `12s`, `3m20s`, `1h05m`.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `1 image`, `2 images`.
pub fn count(number: usize, thing: &str) -> String {
    count_of(number, thing, &format!("{thing}s"))
}

/// `1 retry`, `2 retries`.
pub fn count_of(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The digest's algorithm and first twelve digits.
pub fn short_digest(digest: &transload_reference::Digest) -> String {
    format!("{}:{}", digest.algorithm().as_str(), digest.short())
}

/// `linux/amd64,linux/arm64`; of very many, the first.
pub fn platform_list(platforms: &[Platform]) -> String {
    const MOST_NAMED: usize = 100;
    let mut names: Vec<String> = platforms
        .iter()
        .take(MOST_NAMED)
        .map(Platform::to_string)
        .collect();
    if platforms.len() > MOST_NAMED {
        names.push(format!("… ({} in all)", platforms.len()));
    }
    names.join(",")
}

/// A path; names in a directory from elsewhere may hold what a terminal would obey.
pub fn path(path: &std::path::Path) -> String {
    transload_reference::printable(&path.display().to_string(), usize::MAX).into_owned()
}

/// At most `width` characters: what is too long loses its middle, since the ends tell names apart.
pub fn shorten(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let tail = kept.div_ceil(2);
    let head: String = text.chars().take(kept - tail).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{head}…{end}")
}

/// An image's name in at most `width` characters. The registry goes first, then folder by folder of the path, then the beginning of
/// the repository's last part; a digest keeps its first twelve digits, and a tag is kept whole unless it alone is longer than all that.
pub fn short_name(name: &str, width: usize) -> String {
    const DIGITS: usize = 12;
    let fits = |text: &str| text.chars().count() <= width;
    if fits(name) {
        return name.to_owned();
    }
    let name = match name.split_once("@sha256:") {
        Some((before, digits)) if digits.len() > DIGITS => {
            let digits: String = digits.chars().take(DIGITS).collect();
            format!("{before}@sha256:{digits}…")
        }
        _ => name.to_owned(),
    };
    if fits(&name) {
        return name;
    }
    let mut rest = name.as_str();
    while let Some((_, below)) = rest.split_once('/') {
        let shorter = format!("…/{below}");
        if fits(&shorter) {
            return shorter;
        }
        rest = below;
    }
    if fits(rest) {
        return rest.to_owned();
    }
    let kept = width.saturating_sub(1);
    let end: String = rest
        .chars()
        .skip(rest.chars().count().saturating_sub(kept))
        .collect();
    format!("…{end}")
}

/// From where to where, without saying a name twice: an image that keeps its name in a directory goes to the directory.
pub fn way(source: &str, destination: &str) -> String {
    if source == destination {
        return source.to_owned();
    }
    // Names of images have no spaces.
    let name = source.split(" in ").next().unwrap_or(source);
    let folder = destination
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(" in "));
    format!("{source} -> {}", folder.unwrap_or(destination))
}

/// A text behind an indent, broken at spaces into lines of at most this width, which are indented alike. A word that is longer than a
/// line stays where it is.
pub fn wrap(text: &str, indent: &str, width: Option<usize>) -> String {
    let line = format!("{indent}{text}");
    match width {
        Some(width) => broken(&line, indent, width),
        None => line,
    }
}

/// A text whose lines are broken at spaces where they are wider than this; what is broken off is indented by two more.
pub fn fit(text: &str, width: usize) -> String {
    let mut fitted = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let end = if line.ends_with('\n') { "\n" } else { "" };
        let line = line.strip_suffix('\n').unwrap_or(line);
        if measure_text_width(line) <= width {
            fitted.push_str(line);
        } else {
            let indent = line.len() - line.trim_start_matches(' ').len();
            fitted.push_str(&broken(line, &" ".repeat(indent + 2), width));
        }
        fitted.push_str(end);
    }
    fitted
}

/// A line that is wider than this, broken at its spaces. A word that is wider than a line stays where it is.
fn broken(line: &str, indent: &str, width: usize) -> String {
    let mut text = String::with_capacity(line.len());
    let mut column = 0;
    for (at, word) in line.split(' ').enumerate() {
        let letters = measure_text_width(word);
        let has_words = !text.trim_start().is_empty();
        if has_words && column + 1 + letters > width && indent.len() + letters <= width {
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
            text.push_str(indent);
            column = indent.len();
        } else if at > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += letters;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_says_each_name_once() {
        let cases = [
            ("a.b/c:1", "a.b/c:1 in ./d", "a.b/c:1 -> ./d"),
            (
                "a.b/c:1 in ./d",
                "a.b/c:1 in ./e in f",
                "a.b/c:1 in ./d -> ./e in f",
            ),
            ("a.b/c:1 in ./d", "x.y/c:1", "a.b/c:1 in ./d -> x.y/c:1"),
            ("a.b/c:1", "a.b/c:1", "a.b/c:1"),
            ("a.b/c:1", "a.b/c:12 in ./d", "a.b/c:1 -> a.b/c:12 in ./d"),
        ];
        for (source, destination, expected) in cases {
            assert_eq!(way(source, destination), expected);
        }
    }

    #[test]
    fn lines_are_broken_at_spaces_and_only_on_a_terminal() {
        let text = "one two three averyveryverylongword four";
        assert_eq!(
            wrap(text, "  ", Some(12)),
            "  one two\n  three averyveryverylongword\n  four"
        );
        assert_eq!(wrap(text, "  ", None), format!("  {text}"));
    }

    #[test]
    fn lines_that_are_too_wide_are_broken_and_indented_and_others_are_left() {
        for (text, fitted) in [
            ("one two\n", "one two\n"),
            ("one two three four\n", "one two\n  three\n  four\n"),
            ("  hint: one two three", "  hint:\n    one\n    two\n    three"),
            (
                "name   4 KiB  a,b,c\n\nend\n",
                "name   4\n  KiB\n  a,b,c\n\nend\n",
            ),
            ("averyveryverylongword two", "averyveryverylongword\n  two"),
            ("\x1b[31mone\x1b[0m two", "\x1b[31mone\x1b[0m two"),
        ] {
            assert_eq!(fit(text, 9), fitted, "{text:?}");
        }
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shorten("docker.io/library/alpine:3.19", 13), "docker…e:3.19");
        assert_eq!(shorten("alpine", 6), "alpine");
        assert_eq!(shorten("alpine", 1), "…");
        assert_eq!(shorten("alpine", 0), "…");
    }

    #[test]
    fn names_lose_their_registry_and_path_first_and_never_their_tag() {
        let name = "registry.example.com/kubernetes/network/kube-proxy:v1.34.1";
        for (width, short) in [
            (58, name),
            (57, "…/kubernetes/network/kube-proxy:v1.34.1"),
            (39, "…/kubernetes/network/kube-proxy:v1.34.1"),
            (38, "…/network/kube-proxy:v1.34.1"),
            (20, "…/kube-proxy:v1.34.1"),
            (19, "kube-proxy:v1.34.1"),
            (12, "…oxy:v1.34.1"),
            (1, "…"),
            (0, "…"),
        ] {
            assert_eq!(short_name(name, width), short, "{width}");
        }
        let digest = format!("hub.local/app@sha256:{}", "ab".repeat(32));
        assert_eq!(short_name(&digest, 40), "hub.local/app@sha256:abababababab…");
    }

    #[test]
    fn running_times_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (200, "3m20s"),
            (3900, "1h05m"),
            (360_000, "100h00m"),
        ] {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn times_have_a_fitting_unit() {
        for (millis, text) in [
            (0, "0 ms"),
            (40, "40 ms"),
            (1_240, "1.2 s"),
            (61_000, "61 s"),
            (605_000, "10 min 5 s"),
            (7_500_000, "2 h 5 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
