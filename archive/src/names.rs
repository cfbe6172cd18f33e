//! Names of entries, which lead nowhere outside their archive.

/// Where a link's target counts from.
pub(crate) enum Target<'a> {
    /// The root of the archive: a hard link.
    Root,
    /// The folder of the entry of this name: a symbolic link.
    Beside(&'a str),
}

/// Returns a name without `.` and empty components; empty for the root.
pub(crate) fn clean(name: &str) -> Result<String, &'static str> {
    if name.starts_with('/') {
        return Err("has an absolute path");
    }
    if name.contains('\0') {
        return Err("has a zero byte in its name");
    }
    let mut clean = String::with_capacity(name.len());
    for component in name.split('/') {
        match component {
            "" | "." => {}
            ".." => return Err("has a path that may lead out of the archive (..)"),
            other => {
                if !clean.is_empty() {
                    clean.push('/');
                }
                clean.push_str(other);
            }
        }
    }
    Ok(clean)
}

/// Returns the name of the entry that a link leads to.
pub(crate) fn resolve(from: Target<'_>, target: &str) -> Result<String, &'static str> {
    const LEAVES: &str = "is a link that leads out of the archive";
    if target.is_empty() {
        return Err("is a link to nothing");
    }
    if target.starts_with('/') {
        return Err(LEAVES);
    }
    let mut at: Vec<&str> = match from {
        Target::Root => Vec::new(),
        Target::Beside(name) => name.split('/').collect(),
    };
    at.pop();
    for component in target.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                at.pop().ok_or(LEAVES)?;
            }
            other => at.push(other),
        }
    }
    Ok(at.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_cleaned_or_refused() {
        for (name, expected) in [
            ("./index.json", Some("index.json")),
            ("blobs//sha256/./x", Some("blobs/sha256/x")),
            ("./", Some("")),
            ("..a/b", Some("..a/b")),
            ("/etc/passwd", None),
            ("a/../b", None),
            ("..", None),
            ("a\0b", None),
        ] {
            assert_eq!(clean(name).ok().as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn a_links_target_counts_from_its_folder_and_a_hard_links_from_the_root() {
        for (target, expected) in [
            ("../b/layer.tar", Some("b/layer.tar")),
            ("layer.tar", Some("a/layer.tar")),
            ("../../b/layer.tar", None),
            ("../..", None),
            ("/b/layer.tar", None),
            ("", None),
        ] {
            let resolved = resolve(Target::Beside("a/link"), target);
            assert_eq!(resolved.ok().as_deref(), expected, "{target:?}");
        }
        assert_eq!(
            resolve(Target::Root, "./b/layer.tar"),
            Ok("b/layer.tar".to_owned())
        );
        assert!(resolve(Target::Root, "../b").is_err());
    }

    proptest! {
        #[test]
        fn no_name_leads_out(name in "[a./\0]{0,12}", target in "[a./]{0,12}") {
            for found in clean(&name).into_iter().chain(resolve(Target::Beside("x/y"), &target)) {
                prop_assert!(!found.starts_with('/') && !found.split('/').any(|part| part == ".." || part == "."));
            }
        }
    }
}
