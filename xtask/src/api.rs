//! The libraries' public interfaces, as lists of names under review.
//!
//! The names come from the pages that rustdoc writes: one an item, with an anchor for each method, field, variant and
//! implementation. Links to those anchors are meant to last, so the lists don't change with the compiler. Signatures aren't in
//! them: the tests and examples use those.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

use crate::libraries::libraries;

/// Where the lists are, below the workspace's root.
const FOLDER: &str = "docs/api";

/// How many lines of a difference are shown.
const MOST_SHOWN: usize = 40;

/// Checks that what is public in the libraries, by the pages that rustdoc wrote, is what their lists say.
///
/// # Errors
/// Where something is public that isn't in its list, or the other way round.
pub fn check() -> Result<(), String> {
    let mut changes = Vec::new();
    for (name, list, public) in public()? {
        let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
        let listed = text.lines().map(str::to_owned).collect();
        let differences = differences(&listed, &public);
        changes.extend(differences.into_iter().map(|line| format!("{name}: {line}")));
    }
    if changes.is_empty() {
        return Ok(());
    }
    let more = changes.len().saturating_sub(MOST_SHOWN);
    changes.truncate(MOST_SHOWN);
    if more > 0 {
        changes.push(format!("and {more} more"));
    }
    Err(format!(
        "what is public has changed\n  {}\n`cargo xtask api` writes the lists in {FOLDER} anew. A line that goes breaks programs of others: \
         note it in CHANGELOG.md.",
        changes.join("\n  ")
    ))
}

/// Writes the lists anew, from the pages that rustdoc wrote.
///
/// # Errors
/// Where pages can't be read or lists can't be written.
pub fn write() -> Result<(), String> {
    for (_, list, public) in public()? {
        let text: String = public.iter().map(|name| format!("{name}\n")).collect();
        fs::write(&list, text).map_err(|error| format!("{}: {error}", list.display()))?;
    }
    Ok(())
}

/// Each library with its list's path and what is public in it.
fn public() -> Result<Vec<(String, PathBuf, BTreeSet<String>)>, String> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let (pages, lists) = (
        metadata.target_directory.join("doc"),
        metadata.workspace_root.join(FOLDER),
    );
    let public = libraries(&metadata).into_iter().map(|library| {
        let name = library.name.to_string();
        let public = items(pages.join(name.replace('-', "_")).as_std_path())?;
        Ok((
            name.clone(),
            lists.join(format!("{name}.txt")).into_std_path_buf(),
            public,
        ))
    });
    public.collect()
}

/// What goes (`-`) and what comes (`+`).
fn differences(listed: &BTreeSet<String>, public: &BTreeSet<String>) -> Vec<String> {
    let gone = listed.difference(public).map(|name| format!("- {name}"));
    let new = public.difference(listed).map(|name| format!("+ {name}"));
    gone.chain(new).collect()
}

/// Everything that is public in a crate, by the folder of its pages.
fn items(pages: &Path) -> Result<BTreeSet<String>, String> {
    let read = |name: &str| {
        let path = pages.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut found = BTreeSet::new();
    for page in linked(&read("all.html")?) {
        // `struct.Name.html`, or `module/struct.Name.html`.
        let (folder, file) = page.rsplit_once('/').unwrap_or(("", &page));
        let mut parts = file.split('.');
        let (Some(kind), Some(name)) = (parts.next(), parts.next()) else {
            continue;
        };
        let module: String = folder
            .split('/')
            .filter(|name| !name.is_empty())
            .map(|name| format!("{name}::"))
            .collect();
        let item = format!("{kind} {module}{name}");
        found.extend(anchors(&read(&page)?).map(|anchor| format!("{item}: {anchor}")));
        found.insert(item);
    }
    if found.is_empty() {
        return Err(format!("{}: no item is listed", pages.display()));
    }
    Ok(found)
}

/// The pages of items that the list of all items leads to.
fn linked(all: &str) -> impl Iterator<Item = String> {
    let links = all
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    links
        .filter(|link| link.ends_with(".html") && !link.starts_with("..") && !link.contains("://"))
        .map(str::to_owned)
}

/// The members of an item: its own fields, variants and methods, and the traits that it has, but not what those bring or what
/// every type has.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    // Sections come in this order; what a page hasn't got is empty.
    let end = |mark: &str| page.find(mark).unwrap_or(page.len());
    let blanket = end("id=\"blanket-implementations\"");
    let traits = end("id=\"trait-implementations\"")
        .min(end("id=\"synthetic-implementations\""))
        .min(blanket);
    let own = ids(&page[..traits]).filter(|id| {
        let kind = id.split('.').next().unwrap_or_default();
        let is_member = matches!(
            kind,
            "method" | "tymethod" | "variant" | "structfield" | "associatedconstant" | "associatedtype"
        );
        is_member && id.contains('.') && !id.ends_with(".fields")
    });
    // Whether other threads may have it is a promise; the rest of what the compiler tells by itself isn't.
    let has = ids(&page[traits..blanket]).filter(|id| {
        let told = [
            "impl-Freeze-",
            "impl-!Freeze-",
            "impl-Unpin-",
            "impl-UnsafeUnpin-",
            "impl-StructuralPartialEq-",
        ];
        let is_unwind = id.contains("UnwindSafe-for-");
        id.starts_with("impl-") && !is_unwind && !told.iter().any(|start| id.starts_with(start))
    });
    own.chain(has).map(decoded)
}

fn ids(page: &str) -> impl Iterator<Item = &str> {
    page.split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
}

/// An anchor as it is read: `impl-From%3CError%3E-for-X` has brackets.
fn decoded(anchor: &str) -> String {
    let signs = [
        ("%3C", "<"),
        ("%3E", ">"),
        ("%26", "&"),
        ("%5B", "["),
        ("%5D", "]"),
        ("%2B", "+"),
        ("%3A", ":"),
        ("%27", "'"),
    ];
    signs
        .iter()
        .fold(anchor.to_owned(), |text, (code, sign)| text.replace(code, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_from_what_traits_and_the_compiler_bring() {
        let page = r#"<h2 id="fields">x</h2><span id="structfield.size">x</span>
            <section id="method.new" class="method">x</section><div id="impl-Thing">x</div>
            <h2 id="trait-implementations">x</h2><section id="impl-From%3CError%3E-for-Thing">x</section><section id="method.from">x</section>
            <h2 id="synthetic-implementations">x</h2><section id="impl-Freeze-for-Thing">x</section><section id="impl-!Sync-for-Thing">x</section>
            <section id="impl-UnwindSafe-for-Thing">x</section>
            <h2 id="blanket-implementations">x</h2><section id="impl-Any-for-T">x</section>"#;
        let found: Vec<String> = anchors(page).collect();
        assert_eq!(
            found,
            [
                "structfield.size",
                "method.new",
                "impl-From<Error>-for-Thing",
                "impl-!Sync-for-Thing"
            ]
        );
    }

    #[test]
    fn pages_of_the_crate_alone_are_followed() {
        let all = r#"<a href="../krate/index.html">x</a><a href="struct.A.html">x</a><a href="inner/fn.b.html">x</a><a href="https://x/y.html">x</a>"#;
        assert_eq!(
            linked(all).collect::<Vec<_>>(),
            ["struct.A.html", "inner/fn.b.html"]
        );
    }

    #[test]
    fn what_goes_comes_before_what_is_new() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let found = differences(&set(&["a", "b"]), &set(&["b", "c"]));
        assert_eq!(found, ["- a", "+ c"]);
    }
}
