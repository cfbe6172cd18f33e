//! Whether docs/dependencies.md tells of what is there.

use std::collections::BTreeSet;

/// What the page says wrong: direct dependencies that it doesn't give a reason for or that are gone, and the number of crates that
/// the program is built from.
pub fn wrong(page: &str, direct: &BTreeSet<String>, crates: usize) -> Vec<String> {
    let rows: Vec<(&str, &str)> = page.lines().filter_map(row).collect();
    let told: BTreeSet<String> = rows.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut wrong = Vec::new();
    for name in direct.difference(&told) {
        wrong.push(format!("docs/dependencies.md doesn't tell why {name} is needed"));
    }
    for name in told.difference(direct) {
        wrong.push(format!(
            "docs/dependencies.md tells of {name}, which nothing depends on directly"
        ));
    }
    for (name, reason) in rows {
        if reason.is_empty() {
            wrong.push(format!("docs/dependencies.md gives no reason for {name}"));
        }
    }
    let sentence = format!("The program is built from **{crates} crates**");
    if !page.contains(&sentence) {
        wrong.push(format!("docs/dependencies.md doesn't say \"{sentence}\": if the number has changed for a good reason, write it there"));
    }
    wrong
}

/// The crate and the reason in a line of a table: `` | `name` | users | reason | ``
fn row(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
    let name = cells.next()?.strip_suffix('`')?;
    let reason = cells.nth(1)?;
    Some((name, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# D\n\nThe program is built from **7 crates**.\n\n| crate | of | why |\n| --- | --- | --- |\n\
                        | `a` | cli | it is good |\n| `b-c` | cli | it is short |\n";

    #[test]
    fn each_dependency_has_a_line_and_each_line_a_dependency() {
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(wrong(PAGE, &set(&["a", "b-c"]), 7), Vec::<String>::new());
        assert_eq!(
            wrong(PAGE, &set(&["a", "b-c", "d"]), 7),
            ["docs/dependencies.md doesn't tell why d is needed"]
        );
        assert_eq!(
            wrong(PAGE, &set(&["a"]), 7),
            ["docs/dependencies.md tells of b-c, which nothing depends on directly"]
        );
        let bare = PAGE.replace("it is good", "");
        assert_eq!(
            wrong(&bare, &set(&["a", "b-c"]), 7),
            ["docs/dependencies.md gives no reason for a"]
        );
        let counted = wrong(PAGE, &set(&["a", "b-c"]), 8);
        assert!(counted[0].contains("**8 crates**"), "{counted:?}");
    }
}
