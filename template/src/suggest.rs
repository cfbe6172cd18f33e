//! "Did you mean": the known name that is nearest to a mistyped one.

use strsim::osa_distance;

/// A longer name is nobody's slip.
const LONGEST: usize = 60;

/// Returns the known name that a mistyped one probably stands for.
///
/// Case, `-` and `_` don't count. Up to a third of the letters may differ, three at most, or the name may be the beginning of the known one.
///
/// ```
/// # use transload_template::suggest;
/// let keys = ["username", "password", "ca_file"];
/// assert_eq!(suggest("cafile", keys), Some("ca_file"));
/// assert_eq!(suggest("user", keys), Some("username"));
/// assert_eq!(suggest("colour", keys), None);
/// ```
pub fn suggest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if typed.chars().nth(LONGEST).is_some() {
        return None;
    }
    let typed = folded(typed);
    let letters = typed.chars().count();
    let allowed = (letters / 3).clamp(1, 3);
    let near = known.into_iter().filter_map(|name| {
        let candidate = folded(name);
        let distance = osa_distance(&typed, &candidate);
        let common = typed.chars().zip(candidate.chars());
        let same_start = common.take_while(|(a, b)| a == b).count();
        // `user` for `username`, `retry` for `retries`.
        let begins_it = same_start >= 3 && same_start + 1 >= letters;
        // One letter is near no other letter.
        let shares_a_letter = distance < letters.max(candidate.chars().count());
        ((distance <= allowed && shares_a_letter) || begins_it).then_some((distance, name))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// The beginning of a name without what people mix up: case, and `-` for `_`.
fn folded(name: &str) -> String {
    let letters = name.chars().take(LONGEST + 4);
    letters
        .filter(|letter| !matches!(letter, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_and_another_word_finds_none() {
        let keys = [
            "manifests",
            "platform",
            "policy",
            "skip_tls_verify",
            "src",
            "dest",
        ];
        let names = ["reference", "registry", "repository", "src", "a"];
        for (known, typed, meant) in [
            (&keys[..], "manifest", Some("manifests")),
            (&keys, "plattform", Some("platform")),
            (&keys, "polcy", Some("policy")),
            (&keys, "skipTLSVerify", Some("skip_tls_verify")),
            (&keys, "skip-tls-verify", Some("skip_tls_verify")),
            (&keys, "scr", Some("src")),
            (&keys, "dst", Some("dest")),
            (&keys, "Dest", Some("dest")),
            (&keys, "skip", Some("skip_tls_verify")),
            (&keys, "command", None),
            (&keys, "", None),
            (&names, "refrence", Some("reference")),
            (&names, "refernece", Some("reference")),
            (&names, "Registry", Some("registry")),
            (&names, "regsitry", Some("registry")),
            (&names, "b", None),
            (&names, "A", Some("a")),
            (&names, "something", None),
        ] {
            assert_eq!(suggest(typed, known.iter().copied()), meant, "{typed}");
        }
        assert_eq!(suggest(&"r".repeat(100_000), names), None);
    }
}
