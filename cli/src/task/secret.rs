//! Keeping passwords out of what is shown.

use super::yaml::{Node, Yaml};

/// What stands for a secret.
pub(super) const MASK: &str = "***";

const WORDS: [&str; 4] = ["password", "passwd", "secret", "token"];

/// Whether what this key holds is never shown.
pub(super) fn is_secret_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// The texts under secret keys: they are hidden wherever they show up. Shorter than four letters, they would hide half the
/// message and be guessed from it.
pub(super) fn collect(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Yaml::List(items) => items.iter().for_each(|item| collect(item, found)),
        Yaml::Map(entries) => {
            for (key, value) in entries {
                let text = match &value.value {
                    Yaml::Text(text) if is_secret_key(&key.name) => text.clone(),
                    Yaml::Number(number) if is_secret_key(&key.name) => number.to_string(),
                    _ => {
                        collect(value, found);
                        continue;
                    }
                };
                if text.len() >= 4 && !text.contains("{{") {
                    found.push(text);
                }
            }
        }
        _ => {}
    }
}

/// The text without these secrets and without `user:password@` in URLs.
pub(super) fn mask_values(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), MASK);
        }
    }
    mask_userinfo(&text)
}

/// Hides what may be a password in front of a host: `user:password@host`, behind a scheme or alone. A reference with a tag and a
/// digest has that form too.
fn mask_userinfo(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        let start = before
            .rfind(|c: char| c.is_whitespace() || "/\"'`(,[{<".contains(c))
            .map_or(0, |letter| {
                letter + before[letter..].chars().next().map_or(1, char::len_utf8)
            });
        let (ahead, name) = before.split_at(start);
        let is_digest = ["@sha256:", "@sha512:"]
            .iter()
            .any(|digest| after.starts_with(digest));
        let is_in_url = ahead.ends_with("://");
        masked.push_str(ahead);
        if is_in_url || (name.contains(':') && !is_digest) {
            masked.push_str(MASK);
        } else {
            masked.push_str(name);
        }
        masked.push('@');
        rest = &after[1..];
    }
    masked + rest
}

/// A message without these secrets, without `user:password@` in URLs, and without what follows `password:` in a text that it quotes.
pub(super) fn mask_message(text: &str, secrets: &[String]) -> String {
    let masked = mask_values(text, secrets);
    let starts = secret_starts(&masked, |between| {
        between
            .trim_end()
            .chars()
            .all(|c| c.is_alphanumeric() || "_-\"'\\".contains(c))
    });
    match starts {
        Some(at) => format!("{} {MASK}", &masked[..at]),
        None => masked,
    }
}

/// Where in this line a secret begins, if its text has one: for lines of files that can't be read further than as lines. Of what is
/// between the word and its colon, `is_key_end` tells whether it is the end of a key.
fn secret_starts(line: &str, is_key_end: impl Fn(&str) -> bool) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    WORDS
        .iter()
        .filter_map(|word| {
            lower.match_indices(word).find_map(|(at, _)| {
                let after = &line[at..];
                let colon = after.find([':', '='])?;
                is_key_end(&after[word.len()..colon]).then_some(at + colon + 1)
            })
        })
        .min()
}

/// The lines with everything hidden that is, or may be, a secret.
pub(super) fn mask_lines(lines: &[&str], secrets: &[String]) -> Vec<String> {
    let mut masked = Vec::with_capacity(lines.len());
    // The secret's first line may not be its last: what is indented deeper than its key, or in its open quotes, is it too.
    let mut below: Option<usize> = None;
    let mut quote: Option<char> = None;
    for line in lines {
        if let Some(open) = quote {
            quote = if line.contains(open) { None } else { quote };
            masked.push(MASK.to_owned());
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if below.is_some_and(|key| line.trim().is_empty() || indent > key) {
            masked.push(" ".repeat(indent) + MASK);
            continue;
        }
        below = None;
        let starts = secret_starts(line, |between| {
            between
                .chars()
                .all(|c| c.is_alphanumeric() || "_-\"'\\ ".contains(c))
        });
        match starts {
            Some(at) => {
                let value = line[at..].trim();
                quote = value
                    .chars()
                    .next()
                    .filter(|c| matches!(c, '"' | '\'') && value.matches(*c).count() == 1);
                let dashes = line.trim_start().trim_start_matches(['-', ' ']);
                below = Some(line.len() - dashes.len());
                let space = if line[at..].starts_with(' ') { " " } else { "" };
                masked.push(mask_values(&line[..at], secrets) + space + MASK);
            }
            None => masked.push(mask_values(line, secrets)),
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_never_quotes_a_password() {
        let secrets = ["hunter2".to_owned()];
        let cases = [
            (
                "not the text \" {password: x}\"",
                "not the text \" {password: ***",
            ),
            ("the key `token = x` is repeated", "the key `token = ***"),
            ("not \"{\"passwd\": \"x\"}\"", "not \"{\"passwd\": ***"),
            (
                "not \"hunter2\", at https://me:x@hub/",
                "not \"***\", at https://***@hub/",
            ),
            (
                "`password` must be text: put it in quotes",
                "`password` must be text: put it in quotes",
            ),
            (
                "the value of token can't be read: no",
                "the value of token can't be read: no",
            ),
        ];
        for (message, expected) in cases {
            assert_eq!(mask_message(message, &secrets), expected);
        }
    }

    #[test]
    fn a_line_never_shows_a_password() {
        let cases: [(&[&str], &[&str]); 8] = [
            (&["  password: hunter2"], &["  password: ***"]),
            (
                &["- {repo: a, password: hunter2, username: b}"],
                &["- {repo: a, password: ***"],
            ),
            (
                &[r#"auths: '[{"repo":"a","password":"x"}]'"#],
                &[r#"auths: '[{"repo":"a","password":***"#],
            ),
            (
                &[r#"auths: "[{\"password\": \"x\"}]""#],
                &[r#"auths: "[{\"password\": ***"#],
            ),
            (
                &["  password: >-", "    hunter2", "  username: a"],
                &["  password: ***", "    ***", "  username: a"],
            ),
            (
                &["password: \"hun", "ter2\"", "username: a"],
                &["password: ***", "***", "username: a"],
            ),
            (&["dest: https://me:hunter2@hub/x"], &["dest: https://***@hub/x"]),
            (&["# the password is elsewhere"], &["# the password is elsewhere"]),
        ];
        for (lines, expected) in cases {
            assert_eq!(mask_lines(lines, &[]), expected, "{lines:?}");
        }
    }
}
