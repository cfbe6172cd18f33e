//! The reference of the task file has the keys that the reader knows.

use std::fs;

use crate::committed::{assert_current, root, with_tables};
use crate::task::keys::{
    ACCEPTED, AUTH, BLOCK, COPY, FROM, IGNORED, IMAGE, INCLUDE, Kind, PLAY, PULL, PUSH, ROLE, TASK, TO,
    Table, VERIFY,
};

const PAGE: &str = "docs/task-file.md";

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Text | Kind::Name => "text".to_owned(),
        Kind::Texts | Kind::Images => "list of texts, or one text".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::FlagOr(words) => format!("true, false, {}", words.map_join(" or ")),
        Kind::Count => "whole number".to_owned(),
        Kind::Choice(words) => words.map_join(" or "),
        Kind::Condition => "condition, or list of them".to_owned(),
        Kind::Variables => "mapping".to_owned(),
        Kind::Items => "list".to_owned(),
        Kind::Entries(table) | Kind::Rules(table) => format!("list of [mappings](#{})", anchor(table)),
        Kind::Map(table) => format!("[mapping](#{})", anchor(table)),
        Kind::Names(table) => format!("list of texts or [mappings](#{})", anchor(table)),
        Kind::Tasks => "list of tasks".to_owned(),
        Kind::Any => "anything".to_owned(),
    }
}

trait MapJoin {
    fn map_join(&self, between: &str) -> String;
}

impl MapJoin for [&str] {
    fn map_join(&self, between: &str) -> String {
        self.iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(between)
    }
}

/// Where the page has a table.
fn anchor(table: &Table) -> &'static str {
    match table.name {
        "image" => "image",
        "auth" => "auths",
        "verify" => "verify",
        "role" => "roles",
        _ => "earlier-forms",
    }
}

fn rows(table: &Table) -> String {
    let mut text = "| key | type | default | example | |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for key in table.keys {
        let default = match key.default {
            "" => "**required**".to_owned(),
            words
                if words.contains(' ')
                    || words == "none"
                    || words == "all"
                    || words == "once"
                    || words == "nobody" =>
            {
                words.to_owned()
            }
            value => format!("`{value}`"),
        };
        let example = match key.example {
            "" => String::new(),
            value => format!("`{}: {value}`", key.name),
        };
        let row = [
            format!("`{}`", key.name),
            kind(&key.kind),
            default,
            example,
            key.about.to_owned(),
        ];
        let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}

/// The places on disks, as the engine's table has them.
fn places() -> String {
    let mut text = "| place on a disk | |\n| --- | --- |\n".to_owned();
    for scheme in transload_transfer::place::schemes() {
        text += &format!("| `{}` | {} |\n", scheme.form, scheme.about);
    }
    text
}

#[test]
fn the_reference_has_every_key() {
    let tables = [
        &TASK, &IMAGE, &AUTH, &VERIFY, &BLOCK, &INCLUDE, &PLAY, &ROLE, &PULL, &PUSH, &COPY, &FROM, &TO,
    ];
    let listed =
        [&ACCEPTED, &IGNORED].map(|table| (table.name, format!("{}\n", table.names().map_join(", "))));
    let found = fs::read_to_string(root().join(PAGE)).expect("the reference");
    let tables = tables.iter().map(|table| (table.name, rows(table))).chain(listed);
    let tables = tables.chain([("places", places())]);
    assert_current(PAGE, &with_tables(&found, tables));
}
