//! Every function: what it gives, in tables.

use serde_json::json;
use transload_template::{Template, Value};

fn variables() -> Value {
    json!({
        "registry": "registry.k8s.io", "repository": "kube/pause", "tag": "3.9", "empty": "", "null": null,
        "yes": true, "no": false, "n": 3, "zero": 0, "f": 3.19, "whole": 8443.0, "big": 18446744073709551615_u64,
        "list": ["a", "b", "c"], "none": [], "mixed": ["a", 1, true, 2.5], "numbers": [1, 2], "nested": [["x", "y"], ["z"]],
        "object": {"k2": "v2", "k1": {"deep": ["d0", "d1"]}, "a-b": "hyphen", "é": "accent"},
    }).into()
}

fn check(cases: &[(&str, &str)]) {
    let variables = variables();
    for (expression, expected) in cases {
        let text = format!("{{{{ {expression} }}}}");
        match Template::parse(&text).and_then(|template| template.render(&variables)) {
            Ok(rendered) => assert_eq!(&rendered, expected, "{text}"),
            Err(error) => panic!("{text}\n{error}"),
        }
    }
}

#[test]
fn paths_name_values() {
    check(&[
        (".tag", "3.9"),
        ("$.tag", "3.9"),
        (".object.k2", "v2"),
        (".object.é", "accent"),
        ("$.object.k2", "v2"),
        ("(.object).k2", "v2"),
        ("(index .object \"k1\").deep | last", "d1"),
        (".n", "3"),
        (".f", "3.19"),
        (".whole", "8443"),
        (".big", "18446744073709551615"),
        (".yes", "true"),
        (".empty", ""),
    ]);
}

#[test]
fn literals_stand_for_themselves() {
    check(&[
        (r#""a\tb\"\\\x41\u00e9""#, "a\tb\"\\Aé"),
        (r"`a\tb{{}}`", r"a\tb{{}}"),
        (r#""}}""#, "}}"),
        ("42", "42"),
        ("-0x1F", "-0x1F"),
        ("1.5", "1.5"),
        ("1.10", "1.10"),
        ("1.10 | print", "1.10"),
        ("1.10 | toJson", "1.10"),
        ("-0x1F | toJson", "-31"),
        ("(fromJson `{\"v\": 1.10}`).v", "1.10"),
        ("list 1.10 1.0 | join `,`", "1.10,1.0"),
        ("eq 1.10 1.1", "true"),
        ("printf `%d` 0x1F", "31"),
        ("int 1.10", "1"),
        ("true", "true"),
        ("false", "false"),
    ]);
}

#[test]
fn pipes_give_the_last_argument() {
    check(&[
        (r#".repository | replace "/" "-""#, "kube-pause"),
        (r#".repository|upper|lower"#, "kube/pause"),
        (r#".repository | contains "/" | not"#, "false"),
        (r#""b" | printf "%s-%s" "a""#, "a-b"),
        (r#"(.repository | base) | eq "pause""#, "true"),
        (r#"eq (.repository | base) "pause""#, "true"),
    ]);
}

#[test]
fn equality_is_of_values() {
    check(&[
        (r#"eq .tag "3.9""#, "true"),
        (r#"eq .tag "3.8""#, "false"),
        (r#"eq .tag "3.8" "3.9""#, "true"),
        ("eq .n 3", "true"),
        ("eq .whole 8443", "true"),
        ("eq .yes true", "true"),
        ("eq .null nil", "true"),
        ("eq .missing nil", "true"),
        ("eq nil .object.k3.k4", "true"),
        ("eq .tag nil", "false"),
        ("ne .missing nil", "false"),
        (r#"eq .null "x""#, "false"),
        (r#"ne .tag "3.9""#, "false"),
        (r#"ne .tag "3.8""#, "true"),
    ]);
}

#[test]
fn order_is_of_numbers_and_text() {
    check(&[
        ("lt 1 2", "true"),
        ("lt 2 1", "false"),
        ("lt 1 1", "false"),
        ("le 1 1", "true"),
        ("le 1.5 1", "false"),
        ("gt 2 1", "true"),
        ("gt 1 1", "false"),
        ("ge 1 1", "true"),
        ("ge 0 1", "false"),
        ("gt .big -1", "true"),
        (r#"lt "a" "b""#, "true"),
        (r#"ge "a" "b""#, "false"),
        (r#"lt "v1.10" "v1.9""#, "true"),
    ]);
}

#[test]
fn and_or_give_an_argument_and_stop_early() {
    check(&[
        ("and .tag .n", "3"),
        ("and .empty .missing", ""),
        ("and .no .missing", "false"),
        ("and .zero", "0"),
        ("or .tag .missing", "3.9"),
        ("or .empty .n", "3"),
        ("or .missing .object.k3.k4 .n", "3"),
        ("or .zero .empty", ""),
        ("not .yes", "false"),
        ("not .empty", "true"),
        ("not .none", "true"),
        ("not .missing", "true"),
        ("not .null", "true"),
        ("not (and .yes .missing)", "true"),
    ]);
}

#[test]
fn defaults_stand_in_for_what_is_empty_or_missing() {
    check(&[
        (r#".tag | default "latest""#, "3.9"),
        (r#".empty | default "latest""#, "latest"),
        (r#".null | default "latest""#, "latest"),
        (r#".missing | default "latest""#, "latest"),
        (r#".missing.more | default "latest""#, "latest"),
        (r#".object.k1.nope | default "latest""#, "latest"),
        (r#".zero | default 5"#, "5"),
        (r#".missing | default .gone | default "latest""#, "latest"),
        (r#".tag | default .missing"#, "3.9"),
        (r#"default "x" (index .list 7)"#, "x"),
        (r#"default "x" (index .missing "a" "b")"#, "x"),
        (r#"default "x" (first .none)"#, "x"),
        (r#"default "x" (last .missing)"#, "x"),
        (r#"default "x" (coalesce .missing .empty)"#, "x"),
        (r#"coalesce .missing .empty .tag "x""#, "3.9"),
        (r#"coalesce .missing 0 "x""#, "x"),
        ("empty .missing", "true"),
        ("empty .empty", "true"),
        ("empty .zero", "true"),
        ("empty .none", "true"),
        ("empty .tag", "false"),
        (r#"ternary "a" "b" true"#, "a"),
        (r#".no | ternary "a" "b""#, "b"),
        (r#"ternary .missing "b" .no"#, "b"),
        (r#"eq .n 3 | ternary "three" "other""#, "three"),
    ]);
}

#[test]
fn text_is_tested() {
    check(&[
        (r#"contains "/" .repository"#, "true"),
        (r#"contains "" .repository"#, "true"),
        (r#"contains "x" .repository"#, "false"),
        (r#"hasPrefix "kube" .repository"#, "true"),
        (r#"hasPrefix "pause" .repository"#, "false"),
        (r#"hasSuffix "pause" .repository"#, "true"),
        (r#"hasSuffix "kube" .repository"#, "false"),
    ]);
}

#[test]
fn text_is_changed() {
    check(&[
        (r#"replace "/" "-" "a/b/c""#, "a-b-c"),
        (r#"replace "" "-" "aé""#, "-a-é-"),
        (r#"replace "an" "" "banana""#, "ba"),
        (r#"trimPrefix "kube/" .repository"#, "pause"),
        (r#"trimPrefix "x" "xxy""#, "xy"),
        (r#"trimPrefix "x" "y""#, "y"),
        (r#"trimSuffix "/pause" .repository"#, "kube"),
        (r#"trimSuffix "x" "yxx""#, "yx"),
        (r#"trim "\t a b \u00a0\n""#, "a b"),
        (r#"trimAll "/" "//a/b/""#, "a/b"),
        (r#"trimAll "ab" "abcba""#, "c"),
        (r#"trimAll "" "a""#, "a"),
        (r#"lower "REGISTRY-É""#, "registry-é"),
        (r#"upper "registry-é""#, "REGISTRY-É"),
        (r#"upper "ß""#, "ß"),
        (r#"lower "ΑΣ""#, "ασ"),
    ]);
}

#[test]
fn paths_of_files_are_taken_apart_as_in_go() {
    check(&[
        (r#"base "a/b/c""#, "c"),
        (r#"base "c""#, "c"),
        (r#"base "a/""#, "a"),
        (r#"base "a//b//""#, "b"),
        (r#"base """#, "."),
        (r#"base "/""#, "/"),
        (r#"base "//""#, "/"),
        (r#"dir "a/b/c""#, "a/b"),
        (r#"dir "c""#, "."),
        (r#"dir "a/""#, "a"),
        (r#"dir """#, "."),
        (r#"dir "/""#, "/"),
        (r#"dir "/a""#, "/"),
        (r#"dir "a//b/../c/x""#, "a/c"),
        (r#"dir "/../a/b""#, "/a"),
        (r#"dir "../../x/..""#, "../../x"),
        (r#"dir "../a/../../b""#, "../.."),
    ]);
}

#[test]
fn values_become_text() {
    check(&[
        (r#"print "a" "b" 1 true"#, "ab1 true"),
        ("print 1 2", "1 2"),
        ("print", ""),
        (r#"quote "a\"b""#, r#""a\"b""#),
        ("quote .n .tag", r#""3" "3.9""#),
        ("toString .f", "3.19"),
        (r#"toString "x""#, "x"),
        (r#"int "42""#, "42"),
        (r#"int " -7 ""#, "-7"),
        ("int .f", "3"),
        ("int -3.9", "-3"),
        ("int .yes", "1"),
        ("int .n", "3"),
    ]);
}

#[test]
fn printf_formats() {
    check(&[
        (r#"printf "%s:%s" .repository .tag"#, "kube/pause:3.9"),
        (r#"printf "%d|%d|%d" .n .whole -5"#, "3|8443|-5"),
        (r#"printf "%v %v %v %v" .tag .n .f .yes"#, "3.9 3 3.19 true"),
        (r#"printf "%q" "a\"b\n""#, r#""a\"b\n""#),
        (r#"printf "%t" .no"#, "false"),
        (r#"printf "100%%""#, "100%"),
        (r#"printf "plain {}""#, "plain {}"),
        (r#"printf "%5s|%-5s|%.2s" "ab" "cd" "xyz""#, "   ab|cd   |xy"),
        (
            r#"printf "%05d|%-05d|%5d|%+d" -42 42 42 7"#,
            "-0042|42   |   42|+7",
        ),
        (r#"printf "%6q|%.1q" "ab" "cd""#, r#"  "ab"|"c""#),
    ]);
}

#[test]
fn lists_and_objects_are_looked_into() {
    check(&[
        ("index .list 0", "a"),
        ("index .list .n | default \"gone\"", "gone"),
        ("index .nested 1 0", "z"),
        (r#"index .object "a-b""#, "hyphen"),
        (r#"index .object "k1" "deep" 1"#, "d1"),
        (r#"index . "object" "k2""#, "v2"),
        ("index .tag", "3.9"),
        ("len .list", "3"),
        ("len .object", "4"),
        (r#"len "é""#, "2"),
        ("len .none", "0"),
        ("first .list", "a"),
        ("last .list", "c"),
        ("first (list 1 2)", "1"),
        ("last (list 1 2)", "2"),
        ("len list", "0"),
        (r#"list "a" .n | toJson"#, r#"["a",3]"#),
    ]);
}

#[test]
fn text_and_lists_become_each_other() {
    check(&[
        (r#"splitList "/" .repository | first"#, "kube"),
        (r#"splitList "," "" | toJson"#, r#"[""]"#),
        (r#"splitList "" "aé" | toJson"#, r#"["a","é"]"#),
        (r#"splitList "/" "a//b" | toJson"#, r#"["a","","b"]"#),
        (r#"join "-" .list"#, "a-b-c"),
        (r#"join "-" .mixed"#, "a-1-true-2.5"),
        (r#"join "-" .none"#, ""),
        (r#"join "-" .tag"#, "3.9"),
        (r#".repository | splitList "/" | join ".""#, "kube.pause"),
    ]);
}

#[test]
fn json_is_written_and_read() {
    check(&[
        ("toJson .list", r#"["a","b","c"]"#),
        ("toJson .object.k1", r#"{"deep":["d0","d1"]}"#),
        ("toJson .null", "null"),
        ("toJson .whole", "8443"),
        (r#"toJson "<a&b>""#, r#""\u003ca\u0026b\u003e""#),
        (r#"toRawJson "<a&b>""#, r#""<a&b>""#),
        (r#"(fromJson "{\"a\": [1, \"x\"]}").a | last"#, "x"),
        (r#"fromJson "[1, 2]" | len"#, "2"),
        ("(.object | toJson | fromJson).k2", "v2"),
    ]);
}

#[test]
fn yaml_is_written_and_read() {
    check(&[
        ("toYaml .list", "- a\n- b\n- c"),
        (
            "toYaml (dict \"b\" (list 1 2.5) \"a\" \"x\")",
            "a: x\nb:\n- 1\n- 2.5",
        ),
        ("fromYaml \"a: [1, {b: c}]\" | toJson", r#"{"a":[1,{"b":"c"}]}"#),
        ("(.object | toYaml | fromYaml).k2", "v2"),
    ]);
}

#[test]
fn kubekeys_own_functions_are_there() {
    check(&[
        ("subtractList (list 1 \"a\" 2) (list \"a\") | toJson", "[1,2]"),
        ("pow 2 10", "1024"),
        ("toBool \"t\"", "true"),
        ("toBool 0", "false"),
        ("unquote (quote .tag)", "3.9"),
        ("unquote \"plain\"", "plain"),
        ("required \"no\" .tag", "3.9"),
    ]);
}

#[test]
fn a_dictionary_in_a_variable_is_changed_as_in_go() {
    for (text, expected) in [
        ("{{ $d := dict }}{{ $_ := set $d \"a\" 1 }}{{ $d.a }}", "1"),
        (
            "{{ $d := dict \"e\" (dict) }}{{ $_ := set $d.e \"a\" 1 }}{{ toJson $d }}",
            r#"{"e":{"a":1}}"#,
        ),
        (
            "{{ $d := dict \"a\" 1 }}{{ $_ := unset $d \"a\" }}{{ len $d }}",
            "0",
        ),
        (
            "{{ $d := dict \"a\" 1 }}{{ $_ := merge $d (dict \"b\" 2) }}{{ $d.b }}",
            "2",
        ),
        // What comes from outside stays.
        ("{{ $_ := set .object \"k2\" 1 }}{{ .object.k2 }}", "v2"),
    ] {
        assert_eq!(
            Template::parse(text).unwrap().render(&variables()).as_deref(),
            Ok(expected),
            "{text}"
        );
    }
}
