//! A terminal's screens, one after another, as an animated SVG.

use std::fmt::Write as _;

use vt100::{Color, Screen};

/// The width and height of a cell, in pixels.
const CELL: (f64, f64) = (8.0, 19.0);
const MARGIN: f64 = 18.0;
/// The row of the window that has its buttons.
const HEAD: f64 = 34.0;
/// Seconds for which each screen but the last is shown, and the last.
const STEP: f64 = 0.5;
const REST: f64 = 5.0;

/// Cells of one row with one look.
struct Run {
    column: u16,
    text: String,
    colour: &'static str,
    bold: bool,
}

/// Draws a command and the screens that it shows in turn. Without animation, such as on paper, the last is shown.
pub fn draw(command: &str, screens: &[&Screen]) -> String {
    let columns = screens.iter().map(|screen| screen.size().1.get()).max();
    let width = f64::from(columns.unwrap_or(1)) * CELL.0 + 2.0 * MARGIN;
    let prompt = vec![Run::new(0, "$ ", "#8fb573"), Run::new(2, command, "#e8e8e8")];
    let frames: Vec<Vec<String>> = screens
        .iter()
        .map(|screen| {
            let shown = rows(screen);
            std::iter::once(&prompt)
                .chain(&shown)
                .map(|runs| runs.iter().map(Run::drawn).collect())
                .collect()
        })
        .collect();
    let height = frames.iter().map(Vec::len).max().unwrap_or(1) as f64 * CELL.1 + HEAD + MARGIN;

    // Each line that differs is there once; frames name those that they show.
    let mut lines: Vec<(usize, &str)> = Vec::new();
    let (mut body, last) = (String::new(), frames.len().saturating_sub(1));
    for (frame, number) in frames.iter().zip(0..) {
        let delay = STEP * number as f64;
        let _ = match number == last {
            true => write!(body, "<g class=\"last\">"),
            false => write!(body, "<g class=\"frame\" style=\"animation-delay: {delay}s\">"),
        };
        for line in frame.iter().map(String::as_str).enumerate() {
            let known = lines.iter().position(|other| *other == line);
            let id = known.unwrap_or(lines.len());
            if known.is_none() {
                lines.push(line);
            }
            let _ = write!(body, "<use href=\"#l{id}\"/>");
        }
        body.push_str("</g>\n");
    }
    let mut defs = String::new();
    for ((row, line), id) in lines.iter().zip(0..) {
        let y = HEAD + (*row as f64 + 0.8) * CELL.1;
        let _ = writeln!(defs, "<text id=\"l{id}\" y=\"{y:.1}\">{line}</text>");
    }
    let buttons: String = ["#ff5f57", "#febc2e", "#28c840"]
        .iter()
        .zip(0_u8..)
        .map(|(colour, at)| {
            let x = MARGIN + 4.0 + 18.0 * f64::from(at);
            format!("<circle cx=\"{x}\" cy=\"17\" r=\"5.5\" fill=\"{colour}\"/>")
        })
        .collect();
    let whole = STEP * last as f64 + REST;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <style>text {{ font: 13px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace }} .frame {{ visibility: hidden }}\n\
         @media screen and (prefers-reduced-motion: no-preference) {{ .frame {{ animation: frame {whole}s step-end infinite }} \
         .last {{ animation: last {whole}s step-end infinite }} }}\n\
         @keyframes frame {{ 0% {{ visibility: visible }} {:.3}% {{ visibility: hidden }} }}\n\
         @keyframes last {{ 0% {{ visibility: hidden }} {:.3}% {{ visibility: visible }} }}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"9\" fill=\"#16181d\"/>\n{buttons}\n<defs>\n{defs}</defs>\n{body}</svg>\n",
        100.0 * STEP / whole,
        100.0 * STEP * last as f64 / whole
    )
}

/// The lines that the last screen of a picture shows, of one that [`draw`] made.
pub fn lines(picture: &str) -> Vec<String> {
    let last = picture.lines().find(|line| line.starts_with("<g class=\"last\""));
    let shown = last.unwrap_or_default().split("\"#").skip(1);
    let ids = shown.filter_map(|rest| rest.split('"').next());
    let drawn = ids.filter_map(|id| {
        let start = format!("<text id=\"{id}\"");
        picture.lines().find(|line| line.starts_with(&start))
    });
    drawn.map(text).collect()
}

/// The text of a drawn line, each piece in its column.
fn text(line: &str) -> String {
    let mut text = String::new();
    for piece in line.split('<').skip(1) {
        let (tag, inside) = piece.split_once('>').unwrap_or_default();
        let x = tag
            .strip_prefix("tspan x=\"")
            .and_then(|rest| rest.split('"').next());
        if let Some(x) = x {
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
