//! "did you mean": the known name that is nearest to a mistyped one.

/// The name that was probably meant.
pub(super) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = fold(typed).take(64).collect();
    // A third of the letters may be wrong: more than that and the guess is a joke.
    let allowed = (typed.len() / 3).max(1);
    let likeness = |name: &str| {
        let name: Vec<char> = fold(name).collect();
        let distance = distance(&typed, &name);
        let same_start = typed.iter().zip(&name).take_while(|(a, b)| a == b).count();
        // `user` for `username`, `retry` for `retries`.
        let begins_it = same_start >= 3 && same_start + 1 >= typed.len();
        (distance <= allowed || begins_it).then_some(distance)
    };
    known
        .into_iter()
        .filter_map(|name| Some((likeness(name)?, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters without what people mix up: case, and `-` for `_`.
fn fold(name: &str) -> impl Iterator<Item = char> {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .map(|c| c.to_ascii_lowercase())
}

/// How many letters must be added, dropped, changed or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_and_another_word_finds_none() {
        let known = [
            "manifests",
            "platform",
            "policy",
            "skip_tls_verify",
            "src",
            "dest",
        ];
        let cases = [
            ("manifest", Some("manifests")),
            ("plattform", Some("platform")),
            ("polcy", Some("policy")),
            ("skipTLSVerify", Some("skip_tls_verify")),
            ("skip-tls-verify", Some("skip_tls_verify")),
            ("scr", Some("src")),
            ("dst", Some("dest")),
            ("Dest", Some("dest")),
            ("skip", Some("skip_tls_verify")),
            ("command", None),
            ("", None),
        ];
        for (typed, meant) in cases {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
