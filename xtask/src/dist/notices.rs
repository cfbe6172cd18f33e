//! The licences of what is in the program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::Release;
use crate::shipped::Crate;

/// The licence of Rust's standard library.
pub const RUST: &str = "MIT OR Apache-2.0";
/// The licence of the GNU C library.
pub const GLIBC: &str = "LGPL-2.1-or-later";

/// Beginnings of the names of files that tell of a licence.
const NAMES: [&str; 6] = [
    "license",
    "licence",
    "copying",
    "copyright",
    "notice",
    "unlicense",
];

/// All notices: a list of the crates, then each text once, with whose it is.
///
/// # Errors
/// Where a crate's files can't be read, or it has neither a text nor a licence's name.
pub fn text(release: &Release, crates: &[Crate]) -> Result<String, String> {
    let mut text = String::from(
        "# What is in transload besides its own code\n\n\
         transload itself is under the MIT licence or the Apache License 2.0, at your choice. It is built from these crates:\n\n",
    );
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in crates.iter().filter(|part| part.is_from_outside()) {
        let name = format!("{} {}", part.name, part.version);
        if part.license.is_empty() {
            return Err(format!("{name} tells no licence"));
        }
        writeln!(text, "- {name}: {}", part.license).expect("a String takes everything");
        for notice in files(&part.folder)? {
            texts.entry(notice).or_default().push(name.clone());
        }
    }
    text.push_str(
        "\nThe standard library of Rust is in it too, under the MIT licence or the Apache License 2.0.\n",
    );
    if release.target.is_gnu() {
        text.push_str(
            "\nThe GNU C library is linked into it statically. It is under the GNU Lesser General Public License, version 2.1 or later,\n\
             whose text is below. You may replace it: transload's source, from which anybody can link it with another version of the\n\
             library (`cargo xtask dist`), is public.\n",
        );
        let licence = super::read(&release.root, "packaging/LGPL-2.1.txt")?;
        let licence = String::from_utf8_lossy(&licence).trim().to_owned();
        texts.insert(licence, vec!["the GNU C library".to_owned()]);
    }
    // Those that most share come first.
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|(text_a, of_a), (text_b, of_b)| {
        of_b.len()
            .cmp(&of_a.len())
            .then_with(|| (of_a, text_a).cmp(&(of_b, text_b)))
    });
    for (licence, of) in texts {
        write!(
            text,
            "\n---\n\nOf {}:\n\n```text\n{licence}\n```\n",
            of.join(", ")
        )
        .expect("a String takes everything");
    }
    Ok(text)
}

/// The texts in a package's folder that tell of its licence, with ends of lines as on Unix.
fn files(folder: &Path) -> Result<Vec<String>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let is_source = name.ends_with(".rs") || name.ends_with(".toml");
        if entry.path().is_file() && !is_source && NAMES.iter().any(|start| name.starts_with(start)) {
            let bytes = fs::read(entry.path()).map_err(failed)?;
            let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
            texts.push(text.trim().to_owned());
        }
    }
    texts.sort();
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dist::tests::release;

    fn part(name: &str, folder: &Path) -> Crate {
        Crate {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: "MIT".to_owned(),
            repository: None,
            description: None,
            folder: folder.to_owned(),
            checksum: Some(String::new()),
            is_build_time: false,
            needs: BTreeSet::new(),
        }
    }

    #[test]
    fn a_text_that_many_share_is_there_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut crates = Vec::new();
        for (name, file, text) in [
            ("a", "LICENSE-MIT", "the same\n"),
            ("b", "licence.txt", "the same"),
            ("c", "COPYING", "another"),
        ] {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(file), text).unwrap();
            fs::write(folder.join("license.rs"), "no text").unwrap();
            crates.push(part(name, &folder));
        }
        let mut release = release();
        release.root = dir.path().to_owned();
        fs::create_dir(dir.path().join("packaging")).unwrap();
        fs::write(dir.path().join("packaging/LGPL-2.1.txt"), "lesser\n").unwrap();
        let text = text(&release, &crates).unwrap();
        assert!(text.contains("- a 1.0.0: MIT\n- b 1.0.0: MIT\n"), "{text}");
        assert_eq!(text.matches("the same").count(), 1, "{text}");
        assert!(
            text.contains("Of a 1.0.0, b 1.0.0:\n\n```text\nthe same\n```\n"),
            "{text}"
        );
        assert!(
            text.contains("Of c 1.0.0:") && text.contains("Of the GNU C library:\n\n```text\nlesser\n"),
            "{text}"
        );
        assert!(!text.contains("no text"), "{text}");
    }

    #[test]
    fn a_crate_without_a_licence_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut bare = part("bare", dir.path());
        bare.license = String::new();
        let message = text(&release(), &[bare]).unwrap_err();
        assert_eq!(message, "bare 1.0.0 tells no licence");
    }
}
