//! Files of the repository that tests write, and hold what is written against.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub(crate) fn root() -> PathBuf {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR"));
    cli.parent().expect("cli is in the repository").to_owned()
}

/// Compares a file of the repository with what it has to be. `UPDATE=1` writes it anew.
#[track_caller]
pub(crate) fn assert_current(file: &str, text: &str) {
    let path = root().join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).expect("a writable repository");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "{file} is stale: UPDATE=1 cargo test -p transload --lib"
    );
}

/// A page with other texts between its markers `<!-- name -->` and `<!-- end of name -->`.
#[track_caller]
pub(crate) fn with_tables<'t>(page: &str, tables: impl IntoIterator<Item = (&'t str, String)>) -> String {
    tables.into_iter().fold(page.to_owned(), |page, (name, text)| {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let (before, rest) = page
            .split_once(&begin)
            .unwrap_or_else(|| panic!("the page has no {begin}"));
        let (_, after) = rest
            .split_once(&end)
            .unwrap_or_else(|| panic!("the page has no {end}"));
        format!("{before}{begin}\n{text}\n{end}{after}")
    })
}
