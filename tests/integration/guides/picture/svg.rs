//! Terminals' screens as one SVG: text in dark rounded boxes.

use std::fmt::Write as _;

use vt100::{Color, Screen};

/// The width and height of a cell, in pixels.
const CELL: (f64, f64) = (8.0, 19.0);
const MARGIN: f64 = 18.0;
/// The row of a box that has its title.
const HEAD: f64 = 34.0;
const GAP: f64 = 14.0;

/// A terminal with a command that was given in it, and what the command shows.
pub struct Panel<'s> {
    pub title: &'s str,
    pub command: &'s str,
    pub screen: &'s Screen,
}

/// Cells of one row with one look.
struct Run {
    column: u16,
    text: String,
    colour: &'static str,
    bold: bool,
}

/// Draws the panels one below the other.
pub fn draw(panels: &[Panel]) -> String {
    let columns = panels
        .iter()
        .map(|panel| panel.screen.size().1.get())
        .max()
        .unwrap_or(1);
    let width = f64::from(columns) * CELL.0 + 2.0 * MARGIN;
    let mut body = String::new();
    let mut top = 0.0;
    for panel in panels {
        let rows = rows(panel.screen);
        let height = HEAD + (rows.len() as f64 + 1.0) * CELL.1 + MARGIN;
        let _ = writeln!(
            body,
            "<rect y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"9\" fill=\"#16181d\"/>"
        );
        for (at, colour) in ["#ff5f57", "#febc2e", "#28c840"].iter().enumerate() {
            let x = MARGIN + 4.0 + 18.0 * at as f64;
            let _ = writeln!(
                body,
                "<circle cx=\"{x}\" cy=\"{}\" r=\"5.5\" fill=\"{colour}\"/>",
                top + 17.0
            );
        }
        let _ = writeln!(
            body,
            "<text class=\"title\" x=\"{}\" y=\"{}\">{}</text>",
            width / 2.0,
            top + 21.0,
            escaped(panel.title)
        );
        let prompt = [
            Run::new(0, "$ ", "#8fb573"),
            Run::new(2, panel.command, "#e8e8e8"),
        ];
        for (row, runs) in std::iter::once(prompt.as_slice())
            .chain(rows.iter().map(Vec::as_slice))
            .enumerate()
        {
            let y = top + HEAD + (row as f64 + 0.8) * CELL.1;
            let _ = writeln!(
                body,
                "<text y=\"{y:.1}\">{}</text>",
                runs.iter().map(Run::drawn).collect::<String>()
            );
        }
        top += height + GAP;
    }
    let height = top - GAP;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <style>text {{ font: 13px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace}} \
         .title {{ fill: #8a8f98; font-size: 12px; text-anchor: middle }}</style>\n\
         {body}</svg>\n"
    )
}

/// The lines of text of a picture that [`draw`] made, titles included.
pub fn lines(picture: &str) -> Vec<String> {
    let drawn = picture.lines().filter(|line| line.starts_with("<text"));
    drawn
        .map(|line| {
            let mut text = String::new();
            for piece in line.split('<').skip(1) {
                let (tag, inside) = piece.split_once('>').unwrap_or_default();
                if let Some(x) = tag
                    .strip_prefix("tspan x=\"")
                    .and_then(|rest| rest.split('"').next())
                {
                    let column = (x.parse::<f64>().unwrap_or_default() - MARGIN) / CELL.0;
                    while text.chars().count() < column.round() as usize {
                        text.push(' ');
                    }
                }
                text.push_str(inside);
            }
            text.replace('\u{a0}', " ")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&")
                .trim_end()
                .to_owned()
        })
        .collect()
}

/// A text as XML has it. Spaces don't break and so don't collapse either, whatever shows the picture.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace(' ', "\u{a0}")
}

/// The rows of a screen, without empty ones at its end.
fn rows(screen: &Screen) -> Vec<Vec<Run>> {
    let (height, width) = (screen.size().0.get(), screen.size().1.get());
    let mut rows: Vec<Vec<Run>> = (0..height).map(|row| runs(screen, row, width)).collect();
    while rows.last().is_some_and(Vec::is_empty) {
        rows.pop();
    }
    rows
}

fn runs(screen: &Screen, row: u16, width: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..width {
        let Some(cell) = screen.cell(row, column) else {
            continue;
        };
        let (colour, bold) = (colour(cell.fgcolor(), cell.dim()), cell.bold());
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match runs.last_mut() {
            Some(run) if run.colour == colour && run.bold == bold => run.text.push_str(text),
            _ => runs.push(Run {
                column,
                text: text.to_owned(),
                colour,
                bold,
            }),
        }
    }
    for run in &mut runs {
        // Spaces at either end draw nothing.
        let text = run.text.trim_start();
        run.column += u16::try_from(run.text.len() - text.len()).unwrap_or_default();
        run.text = text.trim_end().to_owned();
    }
    runs.retain(|run| !run.text.is_empty());
    runs
}

impl Run {
    fn new(column: u16, text: &str, colour: &'static str) -> Run {
        Run {
            column,
            text: text.to_owned(),
            colour,
            bold: false,
        }
    }

    /// The run at its place, stretched to its cells whatever font there is.
    fn drawn(&self) -> String {
        let weight = if self.bold { " font-weight=\"bold\"" } else { "" };
        format!(
            "<tspan x=\"{}\" textLength=\"{}\" fill=\"{}\"{weight}>{}</tspan>",
            MARGIN + f64::from(self.column) * CELL.0,
            self.text.chars().count() as f64 * CELL.0,
            self.colour,
            escaped(&self.text)
        )
    }
}

fn colour(colour: Color, is_dim: bool) -> &'static str {
    match colour {
        Color::Idx(1 | 9) => "#f2777a",
        Color::Idx(2 | 10) => "#99c794",
        Color::Idx(3 | 11) => "#f9c96b",
        Color::Idx(4 | 12) => "#7aa6da",
        Color::Idx(5 | 13) => "#c594c5",
        Color::Idx(6 | 14) => "#70c0b1",
        Color::Idx(8) => "#8a8f98",
        _ if is_dim => "#8a8f98",
        _ => "#d4d7dd",
    }
}
