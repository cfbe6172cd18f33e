//! `transload images`.

use crate::app::FAILED;
use crate::args::{ImagesArgs, Output};
use crate::images;
use crate::task::TaskErrors;
use crate::ui;

/// Lists the images that files name, as an images file.
pub(crate) fn images(args: &ImagesArgs) -> Result<u8, TaskErrors> {
    let found = images::find(&args.paths)?;
    let text = match args.output {
        Output::Text => ui::images_text(&found),
        Output::Json => ui::json(&ui::images_json(&found)),
    };
    let status = ui::result(text, if found.problems.is_empty() { 0 } else { FAILED });
    if !found.problems.is_empty() {
        let errors = TaskErrors::from(found.problems);
        ui::err(ui::errors(errors.problems(), errors.left_out()));
    } else if found.images(true).chain(found.images(false)).next().is_none() {
        ui::err_line("no image is named");
    }
    Ok(status)
}
