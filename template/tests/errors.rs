//! Every error: its place and exact message, and how it is shown.

use serde_json::json;
use transload_template::{Error, ErrorKind, Template, Value};

/// Stands for the list of variables.
const VARIABLES: &str =
    "there are `.a`, `.e`, `.el`, `.eo`, `.l`, `.m`, `.mixed`, `.n`, `.null`, `.registry` and `.t`";

fn variables() -> Value {
    json!({
        "a": "x", "registry": "r", "n": 3, "t": true, "e": "", "l": ["p", "q"], "el": [], "eo": {},
        "m": {"reference": "v1", "repository": "r"}, "null": null, "mixed": ["a", null],
    })
    .into()
}

fn error(text: &str) -> Error {
    match Template::parse(text).and_then(|template| template.render(&variables())) {
        Ok(rendered) => panic!("{text} gives {rendered:?}"),
        Err(error) => error,
    }
}

/// The message without the list of functions, which is long and of no interest here.
fn without_functions(message: &str) -> String {
    const LAST: &str = "`values`, `without`";
    match (message.find("there are `add`, `add1`, "), message.find(LAST)) {
        (Some(from), Some(to)) => format!("{}FUNCTIONS{}", &message[..from], &message[to + LAST.len()..]),
        _ => message.to_owned(),
    }
}

/// Cases as `tests/data` has them.
fn check(cases: &str) {
    let mut count = 0;
    for case in cases.split("\n\n").skip(1) {
        let (text, expected) = case
            .split_once('\n')
            .expect("a template and what is wrong with it");
        let error = error(text);
        let hint = error.hint().map(|hint| format!("\n  help: {hint}"));
        let told = format!(
            "{}:{} {}{}",
            error.line(),
            error.column(),
            error.message(),
            hint.unwrap_or_default()
        );
        let told = without_functions(&told).replace(VARIABLES, "VARIABLES");
        assert_eq!(told, expected.trim_end(), "{text}");
        count += 1;
    }
    assert!(count > 10, "{count} cases were found");
}

#[test]
fn what_is_no_template_is_told_with_its_place() {
    check(include_str!("data/syntax.txt"));
}

#[test]
fn unknown_names_are_told_with_those_that_exist() {
    check(include_str!("data/names.txt"));
}

#[test]
fn functions_that_are_missing_on_purpose_say_why() {
    for name in ["fileExists", "ipInCIDR", "now", "include", "sha256sum", "env"] {
        let error = error(&format!("{{{{ {name} .a }}}}"));
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let beginning = format!("the function `{name}` isn't available: ");
        assert!(error.message().starts_with(&beginning), "{error}");
    }
}

#[test]
fn a_template_can_fail_in_its_own_words() {
    for text in [
        "{{ fail \"no registry is given\" }}",
        "{{ required \"no registry is given\" .gone }}",
        "{{ required \"no registry is given\" .e }}",
    ] {
        assert_eq!(error(text).message(), "no registry is given");
    }
}

#[test]
fn values_that_do_not_do_are_told_by_type() {
    check(include_str!("data/values.txt"));
}

#[test]
fn an_error_shows_its_line_with_carets_and_the_hint() {
    let cases = [
        (
            "hub.kubekey/{{ .m.refrence }}",
            "\
line 1, column 18: `.m` has no `refrence`: it has `reference` and `repository`
  |
1 | hub.kubekey/{{ .m.refrence }}
  |                  ^^^^^^^^^
  help: did you mean `reference`?",
        ),
        (
            "first\r\n\té日{{ contains \"/\"\n  .n }}\nlast",
            "\
line 3, column 3: `contains` needs text as its 2nd argument, and this is a number
  |
3 |   .n }}
  |   ^^
  help: `… | toString` makes it text",
        ),
        (
            "\n\té{{ if .a }}",
            "\
line 2, column 6: `if` isn't closed: `{{ end }}` is missing
  |
2 |  é{{ if .a }}
  |      ^^",
        ),
        (
            "\n\n\n\n\n\n\n\n\n{{ (index .m `reference` |\nupper).x }}",
            "\
line 11, column 7: `(…)` is text and has no `x`
   |
11 | upper).x }}
   |       ^^",
        ),
        (
            "é日本{{ .gone }}",
            "\
line 1, column 7: there is no variable `.gone`: VARIABLES
  |
1 | é日本{{ .gone }}
  |  \u{3000}\u{3000}   ^^^^^",
        ),
        (
            "{{ .a }}\n{{ .e | ternary 1\n2 }}",
            "\
line 2, column 4: `ternary` needs a boolean as its 3rd argument, and this is text
  |
2 | {{ .e | ternary 1
  |    ^^",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text).to_string().replace(VARIABLES, "VARIABLES"), expected);
    }
}

#[test]
fn an_error_has_parts() {
    let error = error("é\n é{{ .gone }}");
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert_eq!((error.offset(), error.line(), error.column()), (9, 2, 6));
    let snippet = error.snippet();
    assert_eq!(
        (snippet.text.as_str(), snippet.caret, snippet.width),
        (" é{{ .gone }}", 5, 5)
    );
    assert!(!error.is_retryable());
}

#[test]
fn kinds_tell_errors_apart() {
    for (text, kind) in [
        ("{{ ", ErrorKind::Syntax),
        ("{{ define }}", ErrorKind::Unsupported),
        ("{{ frob }}", ErrorKind::Function),
        ("{{ printf \"%s\" }}", ErrorKind::Function),
        ("{{ .gone }}", ErrorKind::Missing),
        ("{{ .null }}", ErrorKind::Missing),
        ("{{ upper .null }}", ErrorKind::Missing),
        ("{{ upper .n }}", ErrorKind::Type),
        ("{{ int .a }}", ErrorKind::Value),
    ] {
        assert_eq!(error(text).kind(), kind, "{text}");
    }
}

#[test]
fn very_long_lines_are_shown_in_part() {
    let text = format!("{}{{{{ .gone }}}}{}", "x".repeat(1000), "y".repeat(1000));
    let error = error(&text);
    assert_eq!(error.column(), 1004);
    let snippet = error.snippet();
    let shown: Vec<char> = snippet.text.chars().collect();
    assert_eq!(shown.len(), 122);
    let marked: String = shown[snippet.caret..snippet.caret + snippet.width]
        .iter()
        .collect();
    assert_eq!(marked, ".gone");
    assert!(snippet.text.starts_with("…xxx") && snippet.text.ends_with("yyy…"));
}

#[test]
fn no_value_and_no_control_character_is_shown() {
    let secrets =
        json!({"password": "hunter2", "number": 4711, "list": ["hunter2"], "a\u{1b}[31m": "hunter2"}).into();
    for expression in [
        "int .password",
        "fromJson .password",
        "eq .password 1",
        "eq .number .password",
        "lt .number .password",
        "upper .list",
        "index .list 5",
        "index .list .password",
        "printf \"%d\" .password",
        "printf \"%s\" .number",
        ".password.more",
        "join \",\" (list .list)",
        ".list",
        "len .number",
        "first .password",
        ".gone",
    ] {
        let template = Template::parse(&format!("{{{{ {expression} }}}}")).unwrap();
        let error = template.render(&secrets).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("4711"), "{shown}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
    let error = Template::parse("\u{1b}[31m{{ .a \u{1b} }}").unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
}

#[test]
fn many_variables_are_counted() {
    let many = (0..30).map(|n| (format!("v{n:02}"), Value::Null)).collect();
    let error = Template::parse("{{ .gone }}")
        .unwrap()
        .render(&Value::Object(many))
        .unwrap_err();
    assert!(
        error
            .message()
            .starts_with("there is no variable `.gone`: there are `.v00`, `.v01`, ")
    );
    assert!(error.message().ends_with("`.v19` and 10 more"), "{error}");
}

#[test]
fn without_variables_that_is_told() {
    for variables in [json!({}).into(), Value::Null, "text".into()] {
        let error = Template::parse("{{ .gone }}")
            .unwrap()
            .render(&variables)
            .unwrap_err();
        let expected = match variables {
            Value::Object(_) => "there is no variable `.gone`: no variables are set",
            Value::Null => "`.` is null and has no `gone`",
            _ => "`.` is text and has no `gone`",
        };
        assert_eq!(error.message(), expected);
    }
}
