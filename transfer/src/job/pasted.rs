//! An image's name in what is copied with it: `- image: "nginx:1.25",`.

/// What may stand before an image's name, besides a key of YAML or JSON.
const STARTS: [&str; 8] = [
    "- ",
    "FROM ",
    "docker pull ",
    "nerdctl pull ",
    "podman pull ",
    "docker://",
    "https://",
    "http://",
];

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// What isn't the image's name, in words, and the rest of the text; nothing where all of it may be a name.
pub(super) fn image_in(text: &str) -> Option<(String, &str)> {
    let mut extra: Vec<String> = Vec::new();
    let mut rest = text.trim();
    loop {
        let before = rest;
        for start in STARTS {
            if let Some(after) = rest.strip_prefix(start) {
                extra.push(format!("`{}`", start.trim_end()));
                rest = after.trim_start();
            }
        }
        if let Some((key, after)) = rest.split_once(':')
            && is_key(key)
            && after.starts_with([' ', '\t'])
        {
            extra.push(format!("`{key}:`"));
            rest = after.trim_start();
        }
        if let Some(after) = rest.strip_suffix([',', ';']) {
            extra.push(format!("`{}`", &rest[after.len()..]));
            rest = after.trim_end();
        }
        let inner = rest.trim_matches(QUOTES);
        if inner.len() < rest.len() {
            extra.push("the quotes".to_owned());
            rest = inner.trim();
        }
        if rest == before {
            break;
        }
    }
    let last = extra.pop()?;
    let named = match extra.is_empty() {
        true => last,
        false => format!("{} and {last}", extra.join(", ")),
    };
    (!rest.is_empty()).then_some((named, rest))
}

fn is_key(text: &str) -> bool {
    let name = text.trim_matches(QUOTES);
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_what_was_pasted_with_it() {
        for (text, extra, image) in [
            ("image: nginx:1.25", "`image:`", "nginx:1.25"),
            ("image:\tquay.io/a/b:1", "`image:`", "quay.io/a/b:1"),
            ("- nginx:1", "`-`", "nginx:1"),
            ("- image: nginx:1", "`-` and `image:`", "nginx:1"),
            ("\"nginx:1\"", "the quotes", "nginx:1"),
            ("'nginx:1'", "the quotes", "nginx:1"),
            ("nginx:1,", "`,`", "nginx:1"),
            ("\"nginx:1\",", "`,` and the quotes", "nginx:1"),
            (
                "\"image\": \"nginx:1\",",
                "`\"image\":`, `,` and the quotes",
                "nginx:1",
            ),
            ("FROM nginx:1", "`FROM`", "nginx:1"),
            ("docker pull nginx:1", "`docker pull`", "nginx:1"),
            ("docker://hub.local/nginx:1", "`docker://`", "hub.local/nginx:1"),
        ] {
            assert_eq!(image_in(text), Some((extra.to_owned(), image)), "{text}");
        }
        for text in [
            "nginx",
            "nginx:1",
            "hub.local:5000/nginx:1",
            "image:nginx",
            "",
            "''",
            "image: ",
        ] {
            assert_eq!(image_in(text), None, "{text}");
        }
    }
}
