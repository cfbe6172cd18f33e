//! The code and the message in the body of a refusal.

use serde_json::Value;
use transload_reference::printable;

/// The longest message of a registry to show, in characters.
const MAX_MESSAGE: usize = 300;

/// How many errors with one code to show by their details.
const MAX_DETAILS: usize = 5;

/// Returns code and message, in the specification's form or those of token servers and Harbor.
pub(crate) fn read(bytes: &[u8], status: u16) -> (Option<String>, Option<String>) {
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else {
        return (None, None);
    };
    let text = |value: Option<&Value>| {
        value
            .and_then(Value::as_str)
            .map(|text| shown(once(text)))
            .filter(|text| !text.is_empty())
    };
    let errors = document
        .get("errors")
        .and_then(Value::as_array)
        .map_or(std::slice::from_ref(&document), Vec::as_slice);
    let first = errors.first().unwrap_or(&document);
    let code = text(first.get("code")).or_else(|| text(first.get("error")));
    let message = text(first.get("message")).or_else(|| text(first.get("error_description")));
    let detail = |error: &Value| {
        text(error.get("details"))
            .or_else(|| text(error.get("detail")))
            .or_else(|| error.get("detail").and_then(flat))
    };
    // Each missing blob of a manifest is an error of its own.
    let same = errors
        .iter()
        .filter(|error| error.get("code") == first.get("code"));
    let details: Vec<String> = same.filter_map(detail).take(MAX_DETAILS).collect();
    let detail = Some(details.join(", ")).filter(|detail| !detail.is_empty());
    let is_of_content = matches!(status, 400 | 415 | 422)
        || code.as_deref().is_some_and(|code| code.ends_with("BLOB_UNKNOWN"));
    let message = match (message, detail) {
        // The detail often tells alone what is wrong with the content.
        (Some(message), Some(detail)) if is_of_content && !message.contains(&detail) => {
            Some(shown(&format!("{message} ({detail})")))
        }
        (message, detail) => message.or(detail),
    };
    (code, message)
}

/// Returns a flat object as `name: value, name: value`.
fn flat(detail: &Value) -> Option<String> {
    let fields = detail.as_object()?.iter();
    let fields = fields.filter_map(|(name, value)| Some(format!("{name}: {}", value.as_str()?)));
    let text = fields.collect::<Vec<_>>().join(", ");
    Some(shown(&text)).filter(|text| !text.is_empty())
}

/// Returns code and message of a storage's error in XML, as S3, Google and Azure write it. Other elements hold keys and signatures, and
/// aren't shown.
pub(crate) fn read_storage_error(bytes: &[u8]) -> Option<(Option<String>, Option<String>)> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let (_, error) = text.strip_prefix('<').and_then(|_| text.split_once("<Error"))?;
    let element = |name: &str| {
        let (_, rest) = error.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        let line = value.trim().lines().next()?;
        let line = [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&apos;", "'"),
            ("&amp;", "&"),
        ]
        .iter()
        .fold(line.to_owned(), |line, (escaped, letter)| {
            line.replace(escaped, letter)
        });
        Some(shown(&line)).filter(|line| !line.is_empty())
    };
    let code = element("Code")?;
    // A message that quotes the request may quote its signature.
    let message = element("Message").filter(|message| !message.contains(['?', '=']));
    Some((Some(code), message))
}

/// Returns X of a text `X: X`, as Harbor writes an error with an equal cause.
fn once(text: &str) -> &str {
    const BETWEEN: &str = ": ";
    let half = text.len().saturating_sub(BETWEEN.len()) / 2;
    match text.split_at_checked(half) {
        Some((first, rest)) if half > 0 && rest.strip_prefix(BETWEEN) == Some(first) => first,
        _ => text,
    }
}

/// Returns the text as one line of a bounded length, without control characters.
fn shown(text: &str) -> String {
    let text = text.trim();
    let end = text
        .char_indices()
        .nth(4 * MAX_MESSAGE)
        .map_or(text.len(), |(at, _)| at);
    let line = text[..end].replace(['\n', '\r', '\t'], " ");
    printable(&line, MAX_MESSAGE).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_messages_are_found_in_every_form() {
        let some = |text: &str| Some(text.to_owned());
        let table = [
            (
                r#"{"errors":[{"code":"DENIED","message":"no\nway"}]}"#,
                (some("DENIED"), some("no way")),
            ),
            (
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"project nope not found: project nope not found"}]}"#,
                (some("UNAUTHORIZED"), some("project nope not found")),
            ),
            (r#"{"errors":[]}"#, (None, None)),
            (
                r#"{"error":"invalid_grant","error_description":"gone"}"#,
                (some("invalid_grant"), some("gone")),
            ),
            (
                r#"{"details":"incorrect username or password"}"#,
                (None, some("incorrect username or password")),
            ),
            (r#"{"errors":[{"code":5,"message":null}]}"#, (None, None)),
            ("<html>", (None, None)),
            ("", (None, None)),
        ];
        for (body, expected) in table {
            assert_eq!(read(body.as_bytes(), 403), expected, "{body}");
        }
    }

    #[test]
    fn a_repeated_text_is_shown_once() {
        for (text, told) in [
            ("no way: no way", "no way"),
            ("a: b: a: b", "a: b"),
            ("no way: no", "no way: no"),
            ("naïve: naïve", "naïve"),
            (": ", ": "),
            ("é: x", "é: x"),
            ("", ""),
        ] {
            assert_eq!(once(text), told);
        }
    }

    #[test]
    fn a_detail_is_shown_where_the_content_of_the_request_is_refused() {
        let body = |detail: &str| {
            format!(
                r#"{{"errors":[{{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{detail}}}]}}"#
            )
        };
        let table = [
            (
                415,
                r#"{"mediaType":"a/b","size":"7"}"#,
                "manifest invalid (mediaType: a/b, size: 7)",
            ),
            (400, r#""no\nlayers""#, "manifest invalid (no layers)"),
            (400, r#""manifest""#, "manifest invalid"),
            (400, "{}", "manifest invalid"),
            (400, r#"[{"Type":"repository"}]"#, "manifest invalid"),
            (404, r#"{"Tag":"v1"}"#, "manifest invalid"),
        ];
        for (status, detail, message) in table {
            let (_, told) = read(body(detail).as_bytes(), status);
            assert_eq!(told.as_deref(), Some(message), "{status} {detail}");
        }
    }
}
