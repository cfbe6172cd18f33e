//! `transload list`.

use std::cmp::Reverse;
use std::sync::Arc;

use transload_layout_store::Store;
use transload_transfer as transfer;
use transload_transfer::inventory::{self, Inventory, names};

use crate::app::{FAILED, at_dir, check_dir};
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
    check_dir(&args.dir)?;
    let store = Arc::new(Store::open(&args.dir).map_err(|error| at_dir(&error))?);
    let only_names = args.output == ListForm::Names && platforms.is_empty() && args.sort == SortBy::Name;
    let looked = if only_names {
        names(&store, pattern.as_ref())
    } else {
        let pool = transfer::pool(READERS).map_err(|problem| Problem::of_file("list", problem.message))?;
        inventory::list(&store, pattern.as_ref(), &platforms, &pool)
    };
    let mut inventory = looked.map_err(|error| at_dir(&error))?;
    if args.sort == SortBy::Size {
        // Among those of one size the order by name stays.
        inventory.entries.sort_by_key(|entry| Reverse(entry.size));
    }
    if inventory.entries.is_empty() && inventory.damage.is_empty() {
        tell_of_none(args, &inventory);
    }
    let text = match args.output {
        ListForm::Table => ui::inventory_table(&inventory),
        ListForm::Tree => ui::inventory_tree(&inventory),
        ListForm::Names => ui::inventory_names(&inventory),
        ListForm::Json => ui::json(&ui::inventory_json(&args.dir, &inventory)),
    };
    let flaws = ui::inventory_flaws(&args.dir, &inventory);
    let status = ui::result(text, if flaws.is_empty() { 0 } else { FAILED });
    ui::err(flaws);
    Ok(status)
}

/// An empty list has a reason.
fn tell_of_none(args: &ListArgs, inventory: &Inventory) {
    match (inventory.all, &args.pattern) {
        (0, _) => ui::err_line(format_args!("{} holds no image", args.dir.display())),
        (all, Some(pattern)) if args.platform.is_empty() => {
            ui::err_line(format_args!(
                "the pattern \"{pattern}\" matches no image (of {all})"
            ));
        }
        (all, _) => ui::err_line(format_args!("no image matches (of {all})")),
    }
}
