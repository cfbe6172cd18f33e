//! What holds for every text, and limits.

use proptest::prelude::*;
use serde_json::json;
use transload_template::{Error, ErrorKind, Template, Value, has_actions};

fn variables() -> Value {
    json!({"a": "x", "n": 3, "f": 1.5, "yes": true, "empty": "", "null": null, "list": ["p", 1, null], "b": {"c": {"d": "e"}}}).into()
}

fn render(text: &str) -> Result<String, Error> {
    Template::parse(text)?.render(&variables())
}

/// Texts that look like templates.
fn pieces() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        "{{ ",
        " }}",
        " -}}",
        "{{/*",
        "*/}}",
        "if",
        "else",
        "end",
        "range",
        "with",
        "define",
        ".a",
        ".b.c",
        ".list",
        ".gone",
        ".null",
        ".",
        "$",
        "$x",
        " := ",
        " = ",
        ",",
        "(",
        ")",
        "|",
        " ",
        "\n",
        "\t",
        "\"",
        "\"x\"",
        "\"\\",
        "`",
        "'",
        "1",
        "-2",
        "1.5e3",
        "9223372036854775808",
        "-9223372036854775808",
        "0x",
        "true",
        "nil",
        "eq",
        "and",
        "or",
        "not",
        "lt",
        "printf",
        "\"%s%5d%q%\"",
        "print",
        "index",
        "len",
        "join",
        "splitList",
        "replace",
        "default",
        "toJson",
        "fromJson",
        "int",
        "first",
        "base",
        "ternary",
        "{",
        "}",
        "\\",
        "é",
        "\u{301}",
        "\u{a0}",
        "\0",
        "{{ if .a }}",
        "{{ else }}",
        "{{ end }}",
        "{{ range .list }}",
        "{{ with .b }}",
        "{{ $x := .list }}",
        "{{ .a }}",
        "{{ else if .n }}",
    ]);
    prop::collection::vec(pieces, 0..20).prop_map(|pieces| pieces.concat())
}

/// One action made of words that go together more often.
fn action() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        ".a",
        ".n",
        ".f",
        ".list",
        ".b",
        ".null",
        ".empty",
        "$",
        "1",
        "-1",
        "\"\"",
        "\"x\"",
        "(",
        ")",
        "|",
        "eq",
        "lt",
        "and",
        "or",
        "not",
        "default",
        "coalesce",
        "ternary",
        "index",
        "len",
        "list",
        "first",
        "last",
        "join",
        "splitList",
        "replace",
        "trimAll",
        "lower",
        "base",
        "dir",
        "quote",
        "toJson",
        "fromJson",
        "toString",
        "int",
        "print",
        "printf",
        "append",
        "concat",
        "uniq",
        "slice",
        "dict",
        "set",
        "merge",
        "keys",
        "dig",
        "toYaml",
        "fromYaml",
        "toPrettyJson",
        "trunc",
        "substr",
        "repeat",
        "title",
        "indent",
        "regexMatch",
        "regexReplaceAll",
        "regexSplit",
        "semver",
        "semverCompare",
        "add",
        "div",
        "mod",
        "round",
        "seq",
        "until",
        "untilStep",
        "tpl",
        "chunk",
        "b64dec",
        "kindIs",
        "without",
        "has",
        "sortAlpha",
        "\"^1.2 || ~0\"",
        "\"[a-\\\\d\"",
        "\"é\"",
        "-9223372036854775808",
        "\"%v\"",
        "\"%*d%[2]s%#x%+.3g\"",
        "1e300",
        "18446744073709551615",
    ]);
    prop::collection::vec(words, 1..8).prop_map(|words| format!("{{{{ {} }}}}", words.join(" ")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = render(&text);
        let _ = render(&format!("{{{{ {text} }}}}"));
        let _ = render(&format!("{{{{ if .a }}}}{text}{{{{ end }}}}"));
    }

    #[test]
    fn nothing_like_a_template_makes_it_panic(text in pieces()) {
        if let Err(error) = render(&text) {
            prop_assert!(text.is_char_boundary(error.offset()));
            prop_assert!(!error.message().contains('\n'));
            let snippet = error.snippet();
            prop_assert!(snippet.width >= 1 && !error.to_string().is_empty());
            let line = text.split('\n').nth(error.line() - 1);
            prop_assert!(line.is_some_and(|line| error.column() <= line.chars().count() + 1), "{}", error);
        }
    }

    #[test]
    fn no_action_makes_it_panic(text in action()) {
        let _ = render(&text);
    }

    #[test]
    fn text_without_actions_renders_to_itself(text in any::<String>().prop_filter("has actions", |text| !has_actions(text))) {
        prop_assert_eq!(render(&text), Ok(text));
    }

    #[test]
    fn braces_and_backslashes_render_to_themselves(text in r"[{}\\a\n#@| .-]{0,30}") {
        let text = text.replace("{{", "{ {").replace("{{", "{ {");
        prop_assert_eq!(render(&text), Ok(text.clone()));
        let around = format!("{}{{{{ .a }}}}{}", text.trim_end_matches('{'), text);
        prop_assert_eq!(render(&around), Ok(format!("{}x{}", text.trim_end_matches('{'), text)));
        // In a loop, names of the engine's context are looked up elsewhere.
        let looped = format!("{{{{ range .list }}}}{}{{{{ end }}}}", text.trim_end_matches('{'));
        prop_assert_eq!(render(&looped), Ok(text.trim_end_matches('{').repeat(3)));
    }

    #[test]
    fn a_quoted_literal_renders_to_its_text(text in any::<String>()) {
        let quoted = Template::parse("{{ .text | quote }}").unwrap().render(&json!({"text": text}).into()).unwrap();
        prop_assert_eq!(render(&format!("{{{{ {quoted} }}}}")), Ok(text));
    }

    #[test]
    fn a_raw_literal_renders_to_its_text(text in "[^`\r]*") {
        prop_assert_eq!(render(&format!("{{{{ `{text}` }}}}")), Ok(text));
    }

    #[test]
    fn a_whole_number_renders_to_itself(number in any::<i64>(), large in any::<u64>()) {
        prop_assert_eq!(render(&format!("{{{{ {number} }}}}")), Ok(number.to_string()));
        prop_assert_eq!(render(&format!("{{{{ {large} }}}}")), Ok(large.to_string()));
        prop_assert_eq!(render(&format!("{{{{ printf \"%d\" {number} }}}}")), Ok(number.to_string()));
    }

    #[test]
    fn a_value_comes_out_as_it_is(text in any::<String>()) {
        let template = Template::parse("{\\{{ .text }}\\}").unwrap();
        let rendered = template.render(&json!({"text": text}).into());
        prop_assert_eq!(rendered, Ok(format!("{{\\{text}\\}}")));
    }
}

#[track_caller]
fn assert_limit(text: &str, message: &str) {
    let error = render(text).expect_err("beyond the limit");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Limit, message));
}

#[test]
fn deep_nesting_is_refused_and_what_is_allowed_fits_the_stack() {
    let parens = |depth: usize| format!("{{{{ {}.a{} }}}}", "(".repeat(depth), ")".repeat(depth));
    let calls = |depth: usize| format!("{{{{ {}.a{} }}}}", "(upper ".repeat(depth), ")".repeat(depth));
    let pipes = |depth: usize| format!("{{{{ .a{} }}}}", " | upper".repeat(depth));
    let fields = |depth: usize| format!("{{{{ {}.b{} }}}}", "(or 0 ".repeat(depth), ").c".repeat(depth));
    let blocks = |word: &str, depth: usize| {
        format!(
            "{}1{}",
            format!("{{{{ {word} .list }}}}").repeat(depth),
            "{{ end }}".repeat(depth)
        )
    };

    let too_deep = "this expression is nested too deep: more than 50 calls or parentheses";
    assert_eq!(render(&parens(50)).as_deref(), Ok("x"));
    assert_eq!(render(&calls(49)).as_deref(), Ok("X"));
    assert_eq!(render(&pipes(49)).as_deref(), Ok("X"));
    for depth in [51, 200_000] {
        assert_limit(&parens(depth), too_deep);
        assert_limit(&calls(depth), too_deep);
        assert_limit(&pipes(depth), too_deep);
        assert_limit(&fields(depth), too_deep);
        assert_limit(&format!("{{{{ {}", "(".repeat(depth)), too_deep);
        let message = "`if` is nested too deep: more than 50 blocks";
        assert_limit(&blocks("if", depth), message);
        assert_limit(&"{{ if .a }}".repeat(depth), message);
        assert_limit(
            &blocks("with", depth),
            "`with` is nested too deep: more than 50 blocks",
        );
    }
    let deepest = format!(
        "{}{}{}",
        "{{ if .a }}".repeat(50),
        calls(49),
        "{{ end }}".repeat(50)
    );
    assert_eq!(render(&deepest).as_deref(), Ok("X"));
    let loops = format!(
        "{}{}{}",
        "{{ range list 1 }}".repeat(50),
        calls(49).replace(".a", "$.a"),
        "{{ end }}".repeat(50)
    );
    assert_eq!(render(&loops).as_deref(), Ok("X"));
}

#[test]
fn long_templates_are_no_deep_ones() {
    let many = 20_000;
    assert_eq!(render(&"{{ .a }}".repeat(many)), Ok("x".repeat(many)));
    let ladder = format!(
        "{{{{ if .empty }}}}{}{{{{ else }}}}2{{{{ end }}}}",
        "{{ else if .empty }}1".repeat(many)
    );
    assert_eq!(render(&ladder).as_deref(), Ok("2"));
    let fields = render(&format!("{{{{ if .gone{} }}}}1{{{{ end }}}}", ".a".repeat(many)));
    assert_eq!(fields.as_deref(), Ok(""));
    assert_eq!(
        render(&format!("{{{{ print{} }}}}", " \"y\"".repeat(many))),
        Ok("y".repeat(many))
    );
}

#[test]
fn texts_that_grow_and_grow_are_refused() {
    let grow = |step: &str| {
        format!(
            "{{{{ $x := \"xx\" }}}}{}{{{{ len $x }}}}",
            format!("{{{{ $x = {step} }}}}").repeat(50)
        )
    };
    assert_limit(&grow("print $x $x"), "`print` gives more than 1 MiB of text");
    assert_limit(
        &grow("printf \"%s%s\" $x $x"),
        "`printf` gives more than 1 MiB of text",
    );
    assert_limit(
        &grow("replace \"\" $x $x"),
        "`replace` gives more than 1 MiB of text",
    );
    assert_limit(
        &grow("join $x (list $x $x)"),
        "`join` gives more than 1 MiB of text",
    );
    assert_limit(&grow("quote $x $x"), "`quote` gives more than 1 MiB of text");
    assert_limit(&grow("list $x $x"), "the template works on too many values");
    let deep = format!(
        "{{{{ $x := 1 }}}}{}{{{{ toJson $x }}}}",
        "{{ $x = list $x }}".repeat(10_000)
    );
    assert_limit(&deep, "the result of `list` is too large or nested too deep");
}

#[test]
fn loops_that_run_and_run_are_refused() {
    let nested = format!("{}{}", "{{ range $.list }}".repeat(30), "{{ end }}".repeat(30));
    assert_limit(&nested, "the template's loops run too often");
    let numbers: Vec<u32> = (0..1000).collect();
    let template = Template::parse("{{ range . }}{{ $.text }}{{ end }}").unwrap();
    assert!(template.render(&json!(numbers).into()).is_err());
    let text = "x".repeat(1 << 20);
    let template = Template::parse("{{ range .numbers }}{{ $.text }}{{ end }}").unwrap();
    let error = template
        .render(&json!({"numbers": numbers, "text": text}).into())
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Limit, "the template gives more than 16 MiB of text")
    );
}

#[test]
fn functions_that_would_give_too_much_are_refused() {
    for (text, message) in [
        (
            "repeat 1000000000 \"xx\"",
            "`repeat` gives more than 1 MiB of text",
        ),
        ("indent 1000000000 .a", "`indent` gives more than 1 MiB of text"),
        ("seq 1 1000000000", "`seq` gives more than 1 MiB of text"),
        ("until 1000000000", "`until` gives more than 1 MiB of text"),
        (
            "untilStep 0 9223372036854775807 1",
            "`untilStep` gives more than 1 MiB of text",
        ),
        (
            "regexReplaceAll \"\" (repeat 100000 \"x\") (repeat 100 \"y\")",
            "`regexReplaceAll` gives more than 1 MiB of text",
        ),
    ] {
        assert_limit(&format!("{{{{ {text} }}}}"), message);
    }
    let bomb = render("{{ regexMatch \"(a{1000}){1000}\" .a }}").unwrap_err();
    assert_eq!(bomb.kind(), ErrorKind::Value, "{bomb}");
}

#[test]
fn work_that_grows_and_grows_is_refused() {
    let too_much = "the template works on too many values";
    // A list that is copied for each of its elements.
    assert_limit(
        "{{ $l := list }}{{ range until 90000 }}{{ $l = append $l . }}{{ end }}",
        too_much,
    );
    assert_limit(
        "{{ $x := repeat 1000000 \"x\" }}{{ range until 90000 }}{{ $y := upper $x }}{{ end }}",
        too_much,
    );
    assert_limit(
        "{{ range until 90000 }}{{ $x := regexMatch (print \"a\" .) \"b\" }}{{ end }}",
        too_much,
    );
}

#[test]
fn templates_in_templates_are_bounded() {
    let variables = Value::from(json!({"again": "{{ tpl .again . }}", "text": "x{{ .a }}", "a": "y"}));
    let rendered = |text: &str| Template::parse(text).unwrap().render(&variables);
    assert_eq!(rendered("{{ tpl .text . }}").as_deref(), Ok("xy"));
    let error = rendered("{{ tpl .again . }}").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(
        error
            .message()
            .ends_with("`tpl` is nested too deep: more than 3 templates"),
        "{error}"
    );
}

#[test]
fn variables_that_are_templates_are_bounded() {
    let chain: serde_json::Map<_, _> = (0..200)
        .map(|at| (format!("v{at}"), json!(format!("{{{{ .v{} }}}}", at + 1))))
        .collect();
    let doubling: serde_json::Map<_, _> = (0..45)
        .map(|at| {
            (
                format!("v{at}"),
                json!(format!("xxxx{{{{ .v{0} }}}}{{{{ .v{0} }}}}", at + 1)),
            )
        })
        .chain([("v45".to_owned(), json!("end"))])
        .collect();
    for variables in [chain, doubling] {
        let variables = Value::from(serde_json::Value::Object(variables));
        let error = Template::parse("{{ .v0 }}")
            .unwrap()
            .resolve(&variables)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    }
}

#[test]
fn deep_json_is_refused() {
    let error = render(&format!("{{{{ fromJson `{}` }}}}", "[".repeat(100_000))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
}
