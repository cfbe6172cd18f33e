//! `transload list`.

use std::cmp::Reverse;
use std::sync::Arc;

use transload_transfer as transfer;
use transload_transfer::inventory::{self, Inventory, names};
use transload_transfer::place::LocalPlace;

use crate::app::{FAILED, of_fault};
use crate::args::{ListArgs, ListForm, SortBy};
use crate::jobs;
use crate::task::{Problem, TaskErrors};
use crate::ui;

/// How many threads read manifests.
const READERS: usize = 8;

/// Lists a directory's images.
pub(crate) fn list(args: &ListArgs) -> Result<u8, TaskErrors> {
    let pattern = jobs::pattern(args.pattern.as_deref())?;
    let platforms = jobs::platform_patterns(&args.platform)?;
    let place = jobs::place(&args.place, &args.volumes)?;
    let source = place
        .open(&Arc::default())
        .map_err(|fault| of_fault("PLACE", &fault))?;
    let only_names = args.output == ListForm::Names && platforms.is_empty() && args.sort == SortBy::Name;
    let looked = if only_names {
        names(source.as_ref(), pattern.as_ref())
    } else {
        let pool = transfer::pool(READERS).map_err(Problem::from)?;
        inventory::list(source.as_ref(), pattern.as_ref(), &platforms, &pool)
    };
    let mut inventory = looked.map_err(|fault| of_fault("PLACE", &fault))?;
    if args.sort == SortBy::Size {
        // Among those of one size the order by name stays.
        inventory.entries.sort_by_key(|entry| Reverse(entry.size));
    }
    if inventory.entries.is_empty() && inventory.damage.is_empty() {
        tell_of_none(args, &place, &inventory);
    }
    let text = match args.output {
        ListForm::Table => ui::fitted(ui::inventory_table(&inventory)),
        ListForm::Tree => ui::fitted(ui::inventory_tree(&inventory)),
        ListForm::Names => ui::inventory_names(&inventory),
        ListForm::Json => ui::json(&ui::inventory_json(place.path(), &inventory)),
    };
    let flaws = ui::inventory_flaws(place.path(), &inventory);
    let status = ui::result(text, if flaws.is_empty() { 0 } else { FAILED });
    ui::err(flaws);
    Ok(status)
}

/// An empty list has a reason.
fn tell_of_none(args: &ListArgs, place: &LocalPlace, inventory: &Inventory) {
    match (inventory.all, &args.pattern) {
        (0, _) => ui::err_line(format_args!("{place} holds no image")),
        (all, Some(pattern)) if args.platform.is_empty() => {
            ui::err_line(format_args!(
                "the pattern \"{pattern}\" matches no image (of {all})"
            ));
        }
        (all, _) => ui::err_line(format_args!("no image matches (of {all})")),
    }
}
