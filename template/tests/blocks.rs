//! Text, trim markers, branches, loops and variables. The expected texts are those of Go's `text/template`.

use serde_json::json;
use transload_template::{Template, Value};

fn variables() -> Value {
    json!({
        "a": "x", "n": 3, "yes": true, "no": false, "empty": "", "zero": 0, "null": null, "list": ["p", "q", "r"], "none": [],
        "b": {"c": "y", "d": {"e": "z"}}, "object": {"k2": "v2", "k1": "v1"},
        "images": [{"name": "a", "tags": ["1", "2"]}, {"name": "b", "tags": []}],
    }).into()
}

fn check(cases: &[(&str, &str)]) {
    let variables = variables();
    for (text, expected) in cases {
        match Template::parse(text).and_then(|template| template.render(&variables)) {
            Ok(rendered) => assert_eq!(&rendered, expected, "{text}"),
            Err(error) => panic!("{text}\n{error}"),
        }
    }
}

#[test]
fn text_stays_as_it_is() {
    check(&[
        ("", ""),
        (
            "plain text\n\twith { braces }, \\{ \\} \\ and \\",
            "plain text\n\twith { braces }, \\{ \\} \\ and \\",
        ),
        ("{a} {#b#} {a | b} }} {", "{a} {#b#} {a | b} }} {"),
        ("\\", "\\"),
        ("\\{", "\\{"),
        ("a\\{{ .a }}\\", "a\\x\\"),
        ("{ {{ .a }} }", "{ x }"),
        ("{{ .a }}{", "x{"),
        ("{{ .a }}}", "x}"),
        ("\\{{ .a }}}}{\\", "\\x}}{\\"),
        ("a{{ `{{b}}` }}c", "a{{b}}c"),
        ("{brace} {backslash} {v1} {{ .a }}", "{brace} {backslash} {v1} x"),
        ("<a href=\"&\">{{ \"<'&\\\">\" }}", "<a href=\"&\"><'&\">"),
        ("é日😀{{ .a }}é日😀", "é日😀xé日😀"),
        ("a\r\nb{{ .a }}\r\n", "a\r\nbx\r\n"),
    ]);
}

#[test]
fn trim_markers_are_gos() {
    check(&[
        // The package's documentation.
        ("{{23 -}} < {{- 45}}", "23<45"),
        ("{{- 3}}", "3"),
        ("{{-3}}", "-3"),
        ("{{3 -}} x", "3x"),
        (" \t\r\n{{- .a -}} \t\r\n", "x"),
        ("a {{- /* comment */ -}} b", "ab"),
        ("a {{/* comment */}} b", "a  b"),
        ("a {{/* comment */ -}} b", "a b"),
        ("a {{- /* comment */}} b", "a b"),
        ("a{{/* {{ .gone }} \n*/}}b", "ab"),
        // Other blanks are no blanks to Go.
        ("\u{a0}{{- .a -}}\u{a0}", "\u{a0}x\u{a0}"),
        ("a {{- \"\" -}} {{- \"\" -}} b", "ab"),
        ("a {{- if .yes -}} b {{- end -}} c", "abc"),
        ("a\n{{ if .yes }}\nb\n{{ end }}\nc", "a\n\nb\n\nc"),
        ("a\n{{- if .yes }}\nb\n{{- end }}\nc", "a\nb\nc"),
        ("{{ .a\n}}", "x"),
        ("{{\n.a | printf\n\"%s\"\n-}}\n  y", "xy"),
        ("{{- \" a \" -}}", " a "),
    ]);
}

#[test]
fn the_first_branch_that_holds_is_taken() {
    check(&[
        ("{{ if .a }}1{{ else }}2{{ end }}", "1"),
        ("{{ if .empty }}1{{ else }}2{{ end }}", "2"),
        ("{{ if .empty }}1{{ end }}", ""),
        ("{{ if .zero }}1{{ else if .n }}2{{ else }}3{{ end }}", "2"),
        ("{{ if .zero }}1{{ else if .none }}2{{ else }}3{{ end }}", "3"),
        ("{{ if .zero }}1{{ else if .none }}2{{ end }}", ""),
        (
            "{{ if .no }}1{{ else }}{{ if .yes }}2{{ else }}3{{ end }}4{{ end }}5",
            "245",
        ),
        (
            "{{ if .yes }}{{ if .no }}1{{ else if .yes }}2{{ end }}3{{ else }}4{{ end }}",
            "23",
        ),
        (
            "{{ if eq .a \"x\" }}1{{ end }}{{ if ne .a \"x\" }}2{{ end }}",
            "1",
        ),
        ("{{ if and .a (not .empty) }}1{{ end }}", "1"),
        ("{{if .yes}}{{/* nothing */}}{{end}}", ""),
    ]);
}

#[test]
fn conditions_may_be_paths_that_are_missing() {
    check(&[
        ("{{ if .gone }}1{{ else }}2{{ end }}", "2"),
        ("{{ if .gone.more.still }}1{{ else }}2{{ end }}", "2"),
        ("{{ if (.gone) }}1{{ else }}2{{ end }}", "2"),
        ("{{ if (.b).gone }}1{{ else }}2{{ end }}", "2"),
        ("{{ if .null.more }}1{{ else }}2{{ end }}", "2"),
        ("{{ if not .gone }}1{{ end }}", "1"),
        ("{{ if and .a .gone }}1{{ else }}2{{ end }}", "2"),
        ("{{ if or .gone .a }}1{{ end }}", "1"),
        ("{{ if .no }}{{ else if .gone }}1{{ else }}2{{ end }}", "2"),
        ("{{ if index .object \"gone\" }}1{{ else }}2{{ end }}", "2"),
        ("{{ with .gone }}1{{ else }}2{{ end }}", "2"),
    ]);
}

#[test]
fn what_is_not_taken_is_not_evaluated() {
    check(&[
        ("{{ if .no }}{{ .gone }}{{ upper .n }}{{ end }}", ""),
        ("{{ if .yes }}1{{ else }}{{ .gone }}{{ end }}", "1"),
        ("{{ if .yes }}1{{ else if eq .gone 1 }}2{{ end }}", "1"),
        ("{{ if .no }}{{ if eq .gone 1 }}1{{ end }}{{ end }}", ""),
        ("{{ if .no }}{{ $x := .gone }}{{ $x }}{{ end }}", ""),
        ("{{ range .none }}{{ .gone }}{{ end }}", ""),
        ("{{ range .list }}{{ . }}{{ else }}{{ .gone }}{{ end }}", "pqr"),
        ("{{ with .empty }}{{ .gone }}{{ end }}", ""),
    ]);
}

#[test]
fn with_moves_the_dot() {
    check(&[
        (
            "{{ with .b }}{{ .c }}{{ .d.e }}{{ $.a }}{{ end }}{{ .a }}",
            "yzxx",
        ),
        ("{{ with .empty }}1{{ else }}{{ .a }}{{ end }}", "x"),
        (
            "{{ with .empty }}1{{ else with .b }}{{ .c }}{{ else }}3{{ end }}",
            "y",
        ),
        ("{{ with $x := .b.c }}{{ $x }}{{ . }}{{ end }}", "yy"),
        (
            "{{ with .b }}{{ with .d }}{{ .e }}{{ end }}{{ .c }}{{ end }}",
            "zy",
        ),
        ("{{ with list 1 2 }}{{ last . }}{{ end }}", "2"),
    ]);
}

#[test]
fn range_repeats_its_body() {
    check(&[
        ("{{ range .list }}[{{ . }}]{{ end }}", "[p][q][r]"),
        ("{{ range .none }}1{{ else }}none{{ end }}", "none"),
        ("{{ range $x := .list }}{{ $x }}{{ $.a }}{{ end }}", "pxqxrx"),
        (
            "{{ range $i, $x := .list }}{{ $i }}={{ $x }},{{ end }}",
            "0=p,1=q,2=r,",
        ),
        (
            "{{ range $k, $v := .object }}{{ $k }}={{ $v }},{{ end }}",
            "k1=v1,k2=v2,",
        ),
        ("{{ range .object }}{{ . }}{{ end }}{{ .a }}", "v1v2x"),
        ("{{ range splitList \"/\" \"a/b\" }}<{{ . }}>{{ end }}", "<a><b>"),
        (
            "{{ range .images }}{{ $name := .name }}{{ range .tags }}{{ $name }}:{{ . }} {{ else }}{{ $name }} {{ end }}{{ end }}",
            "a:1 a:2 b ",
        ),
        (
            "{{ range .list }}{{ if eq . \"q\" }}{{ else }}{{ . }}{\\{{ end }}{{ end }}",
            "p{\\r{\\",
        ),
        (
            "{{ range .list }}{{ range $.object }}{{ . }}{{ end }};{{ end }}",
            "v1v2;v1v2;v1v2;",
        ),
        (
            "{{ range .images }}{{ with .tags }}{{ len . }}{{ else }}{{ .name }}{{ end }}{{ end }}",
            "2b",
        ),
    ]);
}

#[test]
fn variables_live_until_their_block_ends() {
    check(&[
        ("{{ $x := .a }}{{ $x }}", "x"),
        ("{{ $x := .b }}{{ $x.d.e }}{{ ($x).c }}", "zy"),
        ("{{ $x := 1 }}{{ if .yes }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        (
            "{{ $x := 1 }}{{ if .yes }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}",
            "21",
        ),
        ("{{ $x := 1 }}{{ if .no }}{{ $x = 2 }}{{ end }}{{ $x }}", "1"),
        ("{{ $x := 1 }}{{ range .list }}{{ $x = . }}{{ end }}{{ $x }}", "r"),
        ("{{ if $x := .a }}{{ $x }}{{ end }}", "x"),
        ("{{ if $x := .empty }}1{{ else }}[{{ $x }}]{{ end }}", "[]"),
        ("{{ $x := 1 -}} a {{ $x }}", "a 1"),
        ("{{ $é := .a }}{{ $é }}", "x"),
    ]);
}

#[test]
fn variables_are_named_by_their_path_from_the_root() {
    let cases: [(&str, &[&str]); 14] = [
        ("text", &[]),
        ("{{ .a.b }}{{ .a.b }}", &["a.b"]),
        ("{{ $.b }}{{ .a }}", &["a", "b"]),
        ("{{ (.a).b }}", &["a", "a.b"]),
        ("{{ . | toJson }}{{ $ | toJson }}", &["."]),
        (
            "{{ if eq .a .b }}{{ .c }}{{ else if .d }}{{ else }}{{ .e }}{{ end }}",
            &["a", "b", "c", "d", "e"],
        ),
        (
            "{{ with .a }}{{ .b }}{{ $.c }}{{ else }}{{ .d }}{{ end }}",
            &["a", "a.b", "c", "d"],
        ),
        ("{{ with upper .a }}{{ . }}{{ end }}", &["a"]),
        (
            "{{ range .a }}{{ .b }}{{ $.c }}{{ else }}{{ .d }}{{ end }}{{ .e }}",
            &["a", "c", "d", "e"],
        ),
        ("{{ $x := .a }}{{ $x.b }}", &["a", "a.b"]),
        ("{{ $x := .a }}{{ $x = .c }}{{ $x.b }}", &["a", "c"]),
        ("{{ with $x := .a }}{{ $x.b }}{{ end }}", &["a", "a.b"]),
        ("{{ (index .a 0).b }}", &["a"]),
        ("{{/* .a */}}{{ \".b\" }}.c", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(Template::parse(text).unwrap().variables(), expected, "{text}");
    }
}

#[test]
fn a_template_renders_again_and_again() {
    let template = Template::parse("{{ range . }}{{ . }}{{ end }}").unwrap();
    assert_eq!(template.source(), "{{ range . }}{{ . }}{{ end }}");
    let copy = template.clone();
    assert_eq!(template.render(&json!([1, 2]).into()).unwrap(), "12");
    assert_eq!(copy.render(&json!(["a"]).into()).unwrap(), "a");
    assert_eq!(template.render(&json!([]).into()).unwrap(), "");
}

#[test]
fn a_template_can_be_shared_between_threads() {
    let template = Template::parse("{{ .n }}").unwrap();
    let rendered: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let template = &template;
                scope.spawn(move || template.render(&json!({"n": n}).into()).unwrap())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(rendered, ["0", "1", "2", "3"]);
}

#[test]
fn break_and_continue_leave_the_innermost_loop() {
    let variables = serde_json::json!({"rows": [[1, 2, 3], [], [4]]}).into();
    for (text, expected) in [
        (
            "{{ range .rows }}[{{ range . }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}]{{ end }}",
            "[1][][4]",
        ),
        (
            "{{ range .rows }}[{{ range . }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}]{{ end }}",
            "[13][][4]",
        ),
        (
            "{{ range .rows }}{{ range . }}{{ . }}{{ else }}{{ break }}{{ end }};{{ end }}",
            "123;",
        ),
        (
            "{{ range .rows }}{{ range . }}{{ . }}{{ else }}{{ continue }}{{ end }};{{ end }}",
            "123;4;",
        ),
        ("{{ range .rows }}a{{ break }}b{{ end }}c", "ac"),
        (
            "{{ range .rows }}{{ with . }}{{ if gt (len .) 1 }}{{ continue }}{{ end }}x{{ end }}y{{ end }}",
            "yxy",
        ),
    ] {
        let rendered = transload_template::Template::parse(text)
            .unwrap()
            .render(&variables);
        assert_eq!(rendered.as_deref(), Ok(expected), "{text}");
    }
}
