//! Tasks whose images go to several places.

use super::*;

fn destinations(dest: &str, variables: Value) -> Vec<String> {
    let text = format!("- image: {{manifests: [a:1], dest: {dest}}}");
    job(&text, variables)
        .destinations()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_list_of_destinations_comes_in_the_forms_of_other_lists() {
    let variables = || json!({"sites": ["a.local", "b.local/x"], "one": "c.local"});
    let cases: [(&str, &[&str]); 7] = [
        ("a.local", &["a.local"]),
        ("[a.local]", &["a.local"]),
        ("[a.local, oci://b.local/x]", &["a.local", "b.local/x"]),
        ("['{{ .one }}', 'local:///d']", &["c.local", "/d"]),
        ("'{{ .sites }}'", &["a.local", "b.local/x"]),
        ("'{{ .sites | toJson }}'", &["a.local", "b.local/x"]),
        ("'[a.local, b.local]'", &["a.local", "b.local"]),
    ];
    for (dest, expected) in cases {
        assert_eq!(destinations(dest, variables()), expected, "{dest}");
    }
    let each = "['a.local/{{ .repository }}', 'b.local/{{ .module.image.reference.repository }}']";
    assert_eq!(destinations(each, json!({})).len(), 2);
}

#[test]
fn a_list_of_destinations_is_neither_empty_nor_has_one_twice() {
    for (dest, told) in [
        ("[]", "1:35: `dest` is empty"),
        ("[a.local, a.local]", "1:45: `dest` has a.local twice"),
        ("[a.local, {b: c}]", "1:45: `dest` must be text, not a mapping"),
    ] {
        let text = format!("- image: {{manifests: [a:1], dest: {dest}}}");
        assert_eq!(messages(&text, empty())[0], told, "{dest}");
    }
}
