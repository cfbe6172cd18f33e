//! Parses `WWW-Authenticate` (RFC 9110, section 11.6.1) as registries really write it.

/// A challenge: the authentication that a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
        error: Option<String>,
    },
    Basic,
}

/// Returns the challenge to answer from all headers' values: Bearer before Basic. A Bearer challenge without a realm is ignored.
pub(crate) fn choose<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for (scheme, parameters) in values.into_iter().flat_map(parse) {
        let get = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = get("realm")
        {
            return Some(Challenge::Bearer {
                realm,
                service: get("service"),
                scope: get("scope"),
                error: get("error"),
            });
        }
        if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

type Parsed = (String, Vec<(String, String)>);

/// Parses a list of challenges, and skips whatever is malformed.
fn parse(value: &str) -> Vec<Parsed> {
    let mut challenges: Vec<Parsed> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let end = rest.find([',', ' ', '\t', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            match rest.chars().next() {
                None => return challenges,
                Some(stray) => {
                    rest = &rest[stray.len_utf8()..];
                    continue;
                }
            }
        }
        let trimmed = after.trim_start_matches([' ', '\t']);
        match trimmed.strip_prefix('=') {
            // `name = value`, unless the `=` pads a token68 such as `Negotiate abc==`.
            Some(text) if !text.starts_with('=') => {
                let (parameter, remaining) = read_value(text.trim_start_matches([' ', '\t']));
                if let Some((_, parameters)) = challenges.last_mut() {
                    parameters.push((word.to_owned(), parameter));
                }
                rest = remaining;
            }
            Some(_) => rest = trimmed.trim_start_matches('='),
            None => {
                challenges.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// Parses a quoted string with escapes, or everything up to the next comma or space.
fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
            error: None,
        })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let both = Some("repository:a/b:pull,push");
        let table: [(&[&str], Option<Challenge>); 17] = [
            (
                &[r#"Bearer realm="https://t/x",service="s",scope="repository:a/b:pull,push""#],
                bearer("https://t/x", Some("s"), both),
            ),
            (
                &[r#"bearer REALM="https://t/x" , Service=s"#],
                bearer("https://t/x", Some("s"), None),
            ),
            (
                &["Bearer realm=https://t/x,service=s"],
                bearer("https://t/x", Some("s"), None),
            ),
            (
                &[r#"Bearer realm = "r", service = s"#],
                bearer("r", Some("s"), None),
            ),
            (&[r#"Bearer realm="a\"b\\c""#], bearer("a\"b\\c", None, None)),
            (
                &[r#"Basic realm="x, y", Bearer realm="r""#],
                bearer("r", None, None),
            ),
            (
                &[r#"Basic realm="x""#, r#"Bearer realm="r""#],
                bearer("r", None, None),
            ),
            (&[r#"Negotiate, Basic realm="x""#], Some(Challenge::Basic)),
            (&["Negotiate abc==, Basic"], Some(Challenge::Basic)),
            (&["BASIC"], Some(Challenge::Basic)),
            (
                &[r#"Digest realm="x", nonce="y", Basic realm="z""#],
                Some(Challenge::Basic),
            ),
            (&[r#"Bearer service="s""#], None),
            (
                &[r#"Bearer service="s", Basic realm="b""#],
                Some(Challenge::Basic),
            ),
            (
                &[r#"Bearer realm="never closed"#],
                bearer("never closed", None, None),
            ),
            (&["Negotiate"], None),
            (&[""], None),
            (&[", ,="], None),
        ];
        for (values, expected) in table {
            assert_eq!(choose(values.iter().copied()), expected, "{values:?}");
        }
    }

    #[test]
    fn an_error_such_as_insufficient_scope_is_kept() {
        let challenge = choose([r#"Bearer realm="r",error="insufficient_scope",scope="s""#]);
        assert!(
            matches!(challenge, Some(Challenge::Bearer { error: Some(error), .. }) if error == "insufficient_scope")
        );
    }

    proptest! {
        #[test]
        fn no_header_panics_or_loops(value in "\\PC*") {
            let _ = choose([value.as_str()]);
        }

        #[test]
        fn quoted_values_round_trip(realm in "[ -~]{1,40}") {
            let quoted: String = realm.chars().flat_map(|c| match c {
                '"' | '\\' => vec!['\\', c],
                other => vec![other],
            }).collect();
            let header = format!("Bearer realm=\"{quoted}\",service=s");
            prop_assert_eq!(choose([header.as_str()]), bearer(&realm, Some("s"), None));
        }
    }
}
