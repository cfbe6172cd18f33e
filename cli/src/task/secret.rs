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

fn mask_userinfo(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = after
            .find(|c: char| c == '/' || c.is_whitespace())
            .unwrap_or(after.len());
        rest = after;
        if let Some(host) = after[..end].rfind('@') {
            masked.push_str(MASK);
            rest = &after[host..];
        }
    }
    masked + rest
}

/// Where in this line a secret begins, if its text has one: for lines of files that can't be read further than as lines.
fn secret_starts(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    WORDS
        .iter()
        .filter_map(|word| {
            lower.match_indices(word).find_map(|(at, _)| {
                let after = &line[at..];
                let colon = after.find([':', '='])?;
                // Only the key's own end may be between the word and its colon.
                let between = &after[word.len()..colon];
                let is_key = between
                    .chars()
                    .all(|c| c.is_alphanumeric() || "_-\"'\\ ".contains(c));
                is_key.then_some(at + colon + 1)
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
        match secret_starts(line) {
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
