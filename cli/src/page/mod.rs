//! A report as a page to look at, print and sign: one file that needs nothing else.
//!
//! tinytemplate renders it and escapes every value; only the style sheet, which is a part of the program, is taken as it is.

mod chart;
mod data;
#[cfg(test)]
mod tests;

use tinytemplate::TinyTemplate;

use crate::report::Report;
use data::Page;

const PAGE: &str = include_str!("page.html");
const ROW: &str = include_str!("row.html");
const STYLE: &str = include_str!("style.css");

/// Returns the page about a report.
///
/// # Errors
/// If a template is wrong, which a test would have found.
pub(crate) fn html(report: &Report) -> Result<String, tinytemplate::error::Error> {
    let mut templates = TinyTemplate::new();
    templates.add_template("page", PAGE)?;
    templates.add_template("row", ROW)?;
    templates.render("page", &Page::of(report, STYLE))
}
