//! Templates render here as Go's `text/template` renders them with Sprig's functions: a few thousand are made up and compared.
//!
//! Go renders them by the small program in `tests/go`, which is built where Go is installed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use transload_template::{ErrorKind, Template, Value};

const TEMPLATES: usize = 4000;

/// What both programs render over.
fn data() -> Json {
    json!({
        "arch": ["amd64", "arm64"], "tag": "v1.10.2", "name": "library/alpine", "empty": "", "zero": 0, "n": 7, "f": 2.5, "yes": true,
        "no": false, "none": [], "numbers": [3, 1, 2, 1], "mixed": ["a", 1, true, 2.5, ""],
        "auth": {"registry": "hub.example", "username": "admin", "password": "p<&>\"w", "deep": {"a": 1, "b": ["x", "y"]}},
        "images": [{"name": "alpine", "tags": ["3.19", "3.20"]}, {"name": "é/日本", "tags": []}], "blank": {},
    })
}

/// The program that renders with Go, built; nothing where Go or its modules can't be had.
fn go_program() -> Option<std::path::PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-templates");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .output();
    let why = match built {
        Ok(output) if output.status.success() => return Some(program),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("not tested: Go's templates. Install Go 1.21 or later (Debian: golang-go): {why}");
    None
}

/// What Go makes of each template: its text, or why it has none.
fn rendered_by_go(program: &Path, templates: &[String]) -> Vec<Result<String, String>> {
    let mut go = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let mut questions = go.stdin.take().expect("a pipe");
    let lines: Vec<String> = templates
        .iter()
        .map(|template| json!({"Template": template, "Data": data()}).to_string())
        .collect();
    let asking = std::thread::spawn(move || lines.iter().all(|line| writeln!(questions, "{line}").is_ok()));
    let output = go.wait_with_output().expect("the program ends");
    assert!(asking.join().expect("asking doesn't panic") && output.status.success());
    let answers = String::from_utf8(output.stdout).expect("the answers are text");
    let answers = answers.lines().map(|line| {
        let answer: Json = serde_json::from_str(line).expect("an answer is JSON");
        match answer["Error"].as_str().unwrap_or_default() {
            "" => Ok(answer["Text"].as_str().unwrap_or_default().to_owned()),
            error => Err(error.to_owned()),
        }
    });
    answers.collect()
}

/// Makes templates up whose parts have fitting types. The same seed gives the same templates.
struct Maker(u64);

impl Maker {
    fn number(&mut self, below: usize) -> usize {
        // The generator of Knuth's MMIX: plain, and good enough to choose by.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.number(choices.len())]
    }

    /// A form in which `T`, `N`, `F`, `B`, `L`, `I`, `O` and `A` between `<` and `>` stand for expressions of a type.
    fn filled(&mut self, form: &str, depth: usize) -> String {
        let mut text = String::new();
        let mut rest = form;
        while let Some((before, after)) = rest.split_once('<') {
            let (kind, behind) = after.split_once('>').expect("a form's bracket is closed");
            text.push_str(before);
            text.push_str(&self.expression(kind, depth.saturating_sub(1)));
            rest = behind;
        }
        text + rest
    }

    fn expression(&mut self, kind: &str, depth: usize) -> String {
        let (leaves, forms) = match kind {
            "T" => (TEXTS, TEXT_FORMS),
            "N" => (NUMBERS, NUMBER_FORMS),
            "F" => (FLOATS, FLOAT_FORMS),
            "B" => (BOOLEANS, BOOLEAN_FORMS),
            "L" => (LISTS, LIST_FORMS),
            "I" => (NUMBER_LISTS, NUMBER_LIST_FORMS),
            "O" => (OBJECTS, OBJECT_FORMS),
            "C" => (CONSTRAINTS, CONSTRAINTS),
            "V" => (VERSIONS, VERSIONS),
            // Without numbers: `add` gives Go's int64, and there is one kind of whole numbers here.
            "K" => {
                let kind = self.one_of(&["T", "B", "L", "O"]);
                return self.expression(kind, depth);
            }
            "A" => {
                let kind = self.one_of(&["T", "T", "N", "B", "L", "O", "F"]);
                return self.expression(kind, depth);
            }
            other => panic!("there is no type {other}"),
        };
        let is_leaf = matches!(kind, "C" | "V");
        if is_leaf || depth == 0 || self.number(4) == 0 {
            return self.one_of(leaves).to_owned();
        }
        let form = self.one_of(forms);
        format!("({})", self.filled(form, depth))
    }

    fn template(&mut self) -> String {
        let form = self.one_of(TEMPLATE_FORMS);
        self.filled(form, 3)
    }
}

#[rustfmt::skip]
const TEXTS: &[&str] = &[
    ".name", ".tag", ".empty", ".auth.registry", ".auth.password", "\"a/b/c\"", "\"\"", "\" x \"", "\"A-é\"", "`q\"`", "(index .arch 0)", "\"v2.0.0-rc.1\"",
    "\"10\"",
];
#[rustfmt::skip]
const TEXT_FORMS: &[&str] = &[
    "lower <T>", "upper <T>", "title <T>", "untitle <T>", "trim <T>", "nospace <T>", "trimAll <T> <T>", "trimPrefix <T> <T>", "trimSuffix <T> <T>",
    "replace \"a\" <T> <T>", "replace \"/\" \"-\" <T>", "trunc 3 (regexReplaceAll \"[^ -~]\" <T> \"\")", "trunc -2 \"abcde\"", "substr 0 3 \"abcdef\"", "substr -1 2 \"abc\"",
    "substr 2 -1 \"abcd\"", "repeat 2 <T>", "repeat 0 <T>", "quote <A>", "squote <A>", "quote <T> <N>", "cat <T> <N> <T>", "indent 2 <T>",
    "nindent 1 <T>", "plural \"one\" \"many\" <N>", "join \"-\" <L>", "join <T> <I>", "first <L> | toString", "print <T> <N> <N> <T>",
    "printf \"%s:%v\" <T> <A>", "printf \"%q\" <T>", "printf \"%5d|%-5d|%05d|%+d\" <N> <N> <N> <N>", "printf \"%x %X %o %b %c\" <N> <N> 8 5 65",
    "printf \"%5s|%-6s|%.2s\" <T> <T> <T>", "printf \"%t %v\" <B> <B>", "printf \"%.2f|%8.3f|%-8.1f|%+.1f\" <F> <F> <F> <F>",
    "printf \"%e %g %.3g %v\" <F> <F> <F> <F>", "printf \"%[2]s %[1]s\" <T> <T>", "printf \"%*d\" 5 <N>", "printf \"%v %d\" <I> <I>",
    "printf \"%v\" <O>", "printf \"%x\" <T>", "printf \"%s\" <L>", "printf \"%q\" <L>", "printf \"%T\" <T>", "printf \"%3c|%U\" 233 233", "toString <A>",
    "toJson <A>", "toJson <O>", "toPrettyJson <O>", "toRawJson <A>", "toPrettyJson <L>", "default <T> <T>", "ternary <T> <T> <B>", "coalesce <T> <T> \"z\"",
    "get <O> \"username\" | toString", "get <O> \"none\" | toString", "regexFind \"[a-z]+\" <T>", "regexReplaceAll \"(a)(.)\" <T> \"${2}$1-\"",
    "regexReplaceAll \"[^a-z0-9]\" <T> \"_\"", "regexReplaceAllLiteral \"a\" <T> \"$1\"", "regexQuoteMeta <T>", "base <T>", "dir <T>", "clean <T>",
    "ext <T>", "b64enc <T>", "b64enc <T> | b64dec", "kindOf <K>", "typeOf <T>", "and <T> <T>", "or <T> <T>", "<T> | trimSuffix \"c\" | upper",
    "seq <N>", "seq 1 2 9", "dig \"deep\" \"none\" \"x\" <O> | toString", "index <O> \"registry\" | default <T>",
    "splitList \"/\" <T> | last", "(semver \"v1.2\").Major | toString", "println <N> <T>",
];
#[rustfmt::skip]
const NUMBERS: &[&str] = &[".n", ".zero", "3", "-2", "(len .arch)", "10", "1"];
#[rustfmt::skip]
const NUMBER_FORMS: &[&str] = &[
    "add <N> <N>", "add <N> <F> \"4\"", "sub <N> <N>", "mul <N> <N>", "div <N> 3", "mod <N> 3", "max <N> <N> <N>", "min <N> <N>", "add1 <N>", "int <N>",
    "int64 <F>", "int \"0x1f\"", "int \"12.00\"", "atoi \"42\"", "len <L>", "len <T>", "len <O>", "len <I>", "ternary <N> <N> <B>", "default <N> <N>",
    "int <B>", "biggest <N> <N>", "first <I> | int", "int \"-7\"",
];
#[rustfmt::skip]
const FLOATS: &[&str] = &[".f", "0.5", "(float64 3)", "(float64 \"1e6\")", "(float64 \"123456789.5\")", "(float64 \"1e-7\")", "-2.75", "(float64 \"3e15\")"];
#[rustfmt::skip]
const FLOAT_FORMS: &[&str] = &[
    "float64 <N>", "float64 <F>", "floor <F>", "ceil <F>", "round <F> 1", "maxf <F> <N>", "minf <F> <F>", "float64 \"2.25\"",
];
#[rustfmt::skip]
const BOOLEANS: &[&str] = &[".yes", ".no", "true", "false"];
#[rustfmt::skip]
const BOOLEAN_FORMS: &[&str] = &[
    "not <A>", "empty <A>", "eq <T> <T>", "eq <T> <T> <T>", "ne <N> <N>", "lt <N> <N>", "le <T> <T>", "gt <F> <F>", "ge <N> <N>", "and <B> <B>",
    "or <B> <B> <B>", "contains <T> <T>", "hasPrefix <T> <T>", "hasSuffix <T> <T>", "has <T> <L>", "hasKey <O> \"registry\"", "hasKey <O> <T>",
    "kindIs \"string\" <A>", "kindIs \"slice\" <A>", "kindIs \"map\" <A>", "typeIs \"string\" <A>", "all <A> <A>", "any <A> <B>",
    "regexMatch \"^v[0-9]+\" <T>", "regexMatch \"[a-c]{2}|é$\" <T>", "regexMatch \"\\\\w\\\\d\\\\s?\" <T>", "deepEqual <T> <T>", "isAbs <T>",
    "semverCompare \"^1.2\" \"1.10.2\"", "semverCompare <C> <V>", "semverCompare <C> <V>", "semverCompare <C> <V>", "ternary <B> <B> <B>",
];
#[rustfmt::skip]
const CONSTRAINTS: &[&str] = &[
    "\">=1.2 <2\"", "\"^1.2.3\"", "\"^0.2\"", "\"^0.0.3\"", "\"^0\"", "\"~1.2\"", "\"~1\"", "\"~1.2.3 || >=3\"", "\"1.x\"", "\"1.2.*\"", "\"*\"", "\"\"", "\"1.2 - 1.4\"",
    "\"1.2 - 1.4.5\"", "\"!=1.2.3\"", "\"!=1.2\"", "\"!=1\"", "\">1\"", "\">1.2\"", "\"<=1\"", "\"<=1.2\"", "\"=1.2\"", "\"v1.2.3\"", "\">= 1.2.0-0\"", "\">=1.0.0-rc.1, <2\"",
    "\"=>1.2.3\"", "\"~>1.2\"", "\"^*\"", "\">*\"", "\"<=*\"", "\"!=*\"", "\"~0.0.0\"", "\"^1.2.3-beta.2\"", "\"1.2.3-rc.1\"", "\">1.2.3-alpha || 0.x\"",
];
#[rustfmt::skip]
const VERSIONS: &[&str] = &[
    "\"1.2.3\"", "\"v1.2\"", "\"1\"", "\"0.2.5\"", "\"0.0.3\"", "\"0.0.4\"", "\"1.2.3-rc.1\"", "\"1.2.3-beta.11\"", "\"1.2.3-beta.2\"", "\"2.0.0-rc.1\"", "\"1.4.9\"", "\"3.1.0+build\"",
    "\"1.2.0\"", "\"1.3.0-alpha\"", "\"2.0.0\"", ".tag",
];
#[rustfmt::skip]
const LISTS: &[&str] = &[".arch", ".none", "list", "(list \"b\" \"a\" \"b\")", "(splitList \",\" \"x,,y\")", ".auth.deep.b"];
#[rustfmt::skip]
const LIST_FORMS: &[&str] = &[
    "append <L> <T>", "prepend <L> <T>", "concat <L> <L>", "uniq <L>", "without <L> <T>", "without <L> \"a\" \"amd64\"", "compact <L>", "reverse <L>",
    "sortAlpha <L>", "slice (list \"p\" \"q\") 1", "slice (list \"p\" \"q\") 0 1", "rest <L>", "initial <L>", "toStrings <I>", "splitList \"/\" <T>", "keys (dict \"k\" 1)",
    "list <T> <T>", "ternary <L> <L> <B>", "default <L> <L>", "regexFindAll \"[a-z]\" <T> -1", "regexSplit \"[/,]\" <T> -1", "regexSplit \"a*\" <T> 3", "push <L> <T>",
    "fromJson \"[\\\"p\\\",\\\"q\\\"]\"", "tuple <T>", "(list <T> <T> <T> | uniq)", "pluck \"registry\" .auth .auth", "regexFindAll \"a*\" <T> 2",
];
#[rustfmt::skip]
const NUMBER_LISTS: &[&str] = &[".numbers", "(list 1 2)", "(until 3)", "(list)"];
#[rustfmt::skip]
const NUMBER_LIST_FORMS: &[&str] = &[
    "append <I> <N>", "until 4", "untilStep 1 8 3", "reverse <I>", "concat <I> (list 5)", "uniq (list 1 2 1)", "compact (list 0 1)", "without (list 1 2 3) 2",
];
#[rustfmt::skip]
const OBJECTS: &[&str] = &[".auth", "(dict)", "(dict \"a\" 1 \"b\" \"x\")", ".auth.deep", ".blank"];
#[rustfmt::skip]
const OBJECT_FORMS: &[&str] = &[
    "dict \"registry\" <T> \"n\" <N>", "dict <T> <A>", "pick <O> \"registry\" \"a\"", "omit <O> \"password\" \"b\"", "merge (dict \"a\" <A>) <O>",
    "merge (deepCopy <O>) <O>", "mergeOverwrite (dict \"a\" <A> \"registry\" \"r\") <O>", "set (dict \"k\" 1) <T> <A>", "unset (dict \"k\" 1 \"l\" 2) \"k\"",
    "fromJson \"{\\\"j\\\":[1.5,null]}\"", "ternary <O> <O> <B>", "mergeOverwrite (dict \"deep\" (dict \"a\" <N> \"c\" <L>)) (dict \"deep\" (dict \"a\" <A> \"c\" <L>))",
    "merge (dict \"deep\" (dict \"a\" <A> \"c\" <L>)) (dict \"deep\" (dict \"a\" <A> \"c\" <L>))",
];
#[rustfmt::skip]
const TEMPLATE_FORMS: &[&str] = &[
    "{{ <T> }}", "{{ <N> }}", "{{ <B> }}", "{{ <F> }}", "x {{- <T> -}} y", "{{ <L> | toJson }}", "{{ <O> | toJson }}", "{{ <I> | toJson }}",
    "{{ if <A> }}1{{ else if <B> }}2{{ else }}3{{ end }}", "{{ with <T> }}{{ . | quote }}{{ else }}none{{ end }}",
    "{{ with $x := <N> }}{{ $x }}{{ . }}{{ end }}", "{{ range <L> }}[{{ . }}]{{ else }}none{{ end }}",
    "{{ range $i, $x := <L> }}{{ $i }}={{ $x }};{{ end }}", "{{ range $k, $v := <O> }}{{ $k }}={{ $v | toJson }};{{ end }}",
    "{{- $p := list }}{{- range <L> }}{{- $p = append $p (printf \"linux/%s\" .) }}{{- end }}{{- $p | toJson }}",
    "{{- $a := list }}{{- $a = append $a .auth }}{{- $a | toJson }}",
    "{{- $d := dict }}{{- range $i, $x := <L> }}{{- $_ := set $d $x $i }}{{- end }}{{- $d | toJson }}",
    "{{ $x := <T> }}{{ if <B> }}{{ $x = <T> }}{{ end }}{{ $x }}", "{{ $x := <A> }}{{ $x | toJson }}{{ range <I> }}{{ $x := . }}{{ $x }}{{ end }}{{ $x | toJson }}",
    "{{ range .images }}{{ .name }}:{{ join \"+\" .tags }}{{ range .tags }} {{ $.name }}/{{ . }}{{ end }};{{ end }}",
    "{{ range <I> }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ if gt . 2 }}{{ break }}{{ end }},{{ end }}",
    "{{ range $i, $x := <L> }}{{ if $i }}, {{ end }}{{ if eq $x \"a\" }}{{ break }}{{ else }}{{ $x }}{{ end }}{{ end }}",
];

/// Whether Go's text shows a value that isn't there, or a verb that doesn't fit: these are errors here.
fn shows_a_mistake(text: &str) -> bool {
    text.contains("<no value>") || text.contains("<nil>") || text.contains("%!")
}

#[test]
fn templates_render_as_in_go_with_sprig() {
    let Some(program) = go_program() else { return };
    let mut maker = Maker(20);
    let templates: Vec<String> = (0..TEMPLATES).map(|_| maker.template()).collect();
    let variables = Value::from(data());
    let (mut same, mut differences) = (0, Vec::new());
    let by_go = rendered_by_go(&program, &templates);
    assert_eq!(by_go.len(), templates.len());
    for (template, expected) in templates.iter().zip(by_go) {
        let Ok(expected) = expected else { continue };
        let rendered = Template::parse(template).and_then(|parsed| parsed.render(&variables));
        match rendered {
            // A list without elements is sometimes Go's `nil`, which JSON calls null.
            Ok(text) if text == expected || text == expected.replace("null", "[]") => same += 1,
            Err(error) if error.kind() == ErrorKind::Missing || shows_a_mistake(&expected) => {}
            Ok(text) => differences.push(format!("{template}\n  Go:   {expected:?}\n  here: {text:?}")),
            Err(error) => differences.push(format!("{template}\n  Go:   {expected:?}\n  here: {error}")),
        }
    }
    let count = differences.len();
    differences.truncate(20);
    assert!(
        count == 0,
        "{count} templates differ:\n{}",
        differences.join("\n")
    );
    assert!(same > TEMPLATES * 3 / 4, "only {same} templates were compared");
}
