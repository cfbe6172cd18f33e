//! Whatever the text, there is an answer.

use proptest::prelude::*;

use super::*;
use crate::yaml;

/// Texts made of the pieces that task files are made of, so that many of them are nearly right.
fn nearly_a_task_file() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "- ",
        "name: ",
        "image:\n",
        "image: {",
        "}",
        "[",
        "]",
        ", ",
        "\n",
        "\n  ",
        "\n    ",
        "manifests: ",
        "dest: ",
        "src: ",
        "auths: ",
        "repo: ",
        "password: ",
        "username: ",
        "when: ",
        "vars: ",
        "loop: ",
        "block: ",
        "tasks: ",
        "tags: ",
        "platform: ",
        "pattern: ",
        "local:///x",
        "hub.kubekey/a",
        "alpine:3.19",
        "{{ .a }}",
        "{{ .module.image.reference.repository }}",
        "'",
        "\"",
        "&a ",
        "*a",
        "<<: ",
        "!t ",
        "|\n",
        ">-\n",
        "# c\n",
        "---\n",
        "3",
        "true",
        "null",
        "字",
        "\t",
        "{{",
        "}}",
        "linux/amd64",
        "pull: ",
        "copy: ",
        "from: ",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

fn answers(text: &str) {
    let options = options(json!({"a": ["b"], "password": "hunter2"}));
    match load_str("t.yaml", text, &options) {
        Ok(loaded) => loaded
            .warnings
            .iter()
            .for_each(|warning| drop(warning.to_string())),
        Err(errors) => {
            assert!(!errors.problems().is_empty());
            for problem in errors.problems() {
                assert!(problem.to_string().starts_with("t.yaml:"));
                assert!(!problem.message().is_empty());
            }
        }
    }
}

/// Scalars without quotes: numbers in all their forms, booleans, dates, versions.
fn plain_scalar() -> impl Strategy<Value = String> {
    let forms = "[+-]?[0-9]{1,40}|[+-]?[0-9]{0,3}\\.[0-9]{1,40}|[0-9]{1,3}\\.[0-9]{0,3}[eE][+-]?[0-9]{1,3}|0[xX][0-9A-Fa-f]{1,40}\
        |0o[0-7]{1,30}|0b[01]{1,70}|[+-]?\\.(inf|Inf|INF|nan|NaN)|[Tt]rue|TRUE|[Ff]alse|FALSE|yes|no|on|off\
        |[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,3}_[0-9]{3}|[0-9a-zA-Z][0-9a-zA-Z._-]{0,12}";
    proptest::string::string_regex(forms)
        .expect("a regular expression")
        .prop_filter("null has no text", |text| !text.eq_ignore_ascii_case("null"))
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        answers(&text);
    }

    #[test]
    fn no_task_file_is_too_broken(text in nearly_a_task_file()) {
        answers(&text);
    }

    #[test]
    fn a_password_is_never_shown(before in nearly_a_task_file(), after in nearly_a_task_file()) {
        let text = format!("{before}\n- {{repo: a, password: Qx7-hidden, nope: 1}}\n{after}");
        if let Err(errors) = load_str("t.yaml", &text, &LoadOptions::default()) {
            prop_assert!(!errors.to_string().contains("Qx7-hidden"), "{}", errors);
        }
    }

    #[test]
    fn a_plain_scalar_is_rendered_as_it_was_written(text in plain_scalar()) {
        let tasks = format!("- name: '<{{{{ .v }}}}>'\n  vars: {{v: {text}}}\n  image: {{manifests: [alpine], dest: hub.kubekey}}");
        let loaded = load_str("t.yaml", &tasks, &LoadOptions::default())
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(names(&loaded), [format!("<{text}>")]);
    }

    #[test]
    fn every_value_is_found_where_it_is_written(names in prop::collection::vec("[a-z]{1,8}", 1..20)) {
        let mut text = String::new();
        for (i, name) in names.iter().enumerate() {
            text.push_str(&format!("- {{k{i}: [{name}]}}\n"));
        }
        let parsed = yaml::parse(&text).map_err(|error| TestCaseError::fail(error.message))?;
        let yaml::Yaml::List(items) = &parsed.documents[0].value else { return Err(TestCaseError::fail("no list")) };
        for (i, item) in items.iter().enumerate() {
            prop_assert_eq!(yaml::position(&text, item.id), Some((i + 1, 3)));
            let yaml::Yaml::Map(entries) = &item.value else { return Err(TestCaseError::fail("no mapping")) };
            prop_assert_eq!(yaml::position(&text, entries[0].0.id), Some((i + 1, 4)));
        }
    }
}

#[test]
fn aliases_can_not_fill_the_memory() {
    let row = |name: char, of: &str| format!("{name}: &{name} [{}]\n", vec![of; 40].join(", "));
    let bomb: String = std::iter::once(row('a', "x"))
        .chain(('b'..='k').map(|name| row(name, &format!("*{}", (name as u8 - 1) as char))))
        .collect();
    let wide = format!(
        "a: &a [{}]\nb: [{}]\n",
        vec!["x"; 9_000].join(","),
        vec!["*a"; 9_000].join(",")
    );
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        vec!["*a"; 1_000].join(",")
    );
    for text in [bomb, wide, long, "- &a [*a]".to_owned()] {
        let error = errors(&text, &LoadOptions::default()).to_string();
        assert!(
            error.contains("this stands for more than") || error.contains("nested too deeply"),
            "{error}"
        );
    }
    let deep = "[".repeat(100_000);
    assert!(errors(&deep, &LoadOptions::default()).to_string().len() < 1_000);
}
