//! Choosing tasks by their tags.

/// Whether tags choose a task, by Ansible's rules for `always`, `never`, `all`, `tagged` and `untagged`.
pub(super) fn is_chosen(chosen: &[String], tags: &[String]) -> bool {
    let has = |name: &str| tags.iter().any(|tag| tag == name);
    if chosen.iter().any(|name| has(name)) {
        return true;
    }
    if has("never") {
        return false;
    }
    chosen.is_empty()
        || has("always")
        || chosen.iter().any(|name| match name.as_str() {
            "all" => true,
            "tagged" => !tags.is_empty(),
            "untagged" => tags.is_empty(),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_choose_as_ansible_has_it() {
        let cases: [(&[&str], &[&str], bool); 12] = [
            (&[], &[], true),
            (&[], &["a"], true),
            (&[], &["never"], false),
            (&[], &["never", "a"], false),
            (&["a"], &["never", "a"], true),
            (&["a"], &["a", "b"], true),
            (&["a"], &["b"], false),
            (&["a"], &[], false),
            (&["a"], &["always"], true),
            (&["all"], &["b"], true),
            (&["all"], &["never"], false),
            (&["untagged"], &["b"], false),
        ];
        for (chosen, tags, expected) in cases {
            let owned = |list: &[&str]| list.iter().map(|tag| tag.to_string()).collect::<Vec<_>>();
            assert_eq!(
                is_chosen(&owned(chosen), &owned(tags)),
                expected,
                "{chosen:?} {tags:?}"
            );
        }
    }
}
