//! What a terminal shows of a run: one bar for all of it, what goes wrong, and a line for each blob on its way.

use std::time::Instant;

use super::format::{bytes, clock, count_of, shorten};
use super::model::{Active, Model, Trouble};

/// How large a terminal is, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// How lines are drawn: one is always narrower than the terminal, so that it never breaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub size: Size,
    pub colour: bool,
}

/// How wide the bar is, brackets included: by the terminal alone, so that it stands still while figures grow.
const LEAST_BAR: usize = 12;
const MOST_BAR: usize = 24;
/// Lines aren't wider than this, whatever the terminal: they are read as a whole.
const MOST_COLUMNS: usize = 110;

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const FAINT: &str = "2";

/// What there is to see, at most as many lines as fit.
pub(super) fn lines(model: &Model, look: Look, now: Instant) -> Vec<String> {
    let width = look.size.columns.min(MOST_COLUMNS).saturating_sub(1).max(1);
    // The last row is the cursor's.
    let most = look.size.rows.saturating_sub(1).max(1);
    let mut lines = total(model, look, width, now);
    lines.extend(
        model
            .troubles()
            .map(|trouble| trouble_line(trouble, look, width, now)),
    );
    lines.truncate(most);
    let active = model.active();
    let room = most - lines.len();
    let shown = if active.len() > room {
        room.saturating_sub(1)
    } else {
        active.len()
    };
    lines.extend(active.iter().take(shown).map(|blob| blob_line(blob, look, width)));
    if shown < active.len() && room > 0 {
        let more = format!("  and {} more", active.len() - shown);
        lines.push(painted(look, FAINT, &shorten(&more, width)));
    }
    lines
}

/// A piece of the first lines: its text, and its colour if it has one.
struct Part {
    text: String,
    colour: Option<&'static str>,
}

impl Part {
    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// The whole in one line, or in as many as it takes on a narrow terminal.
fn total(model: &Model, look: Look, width: usize, now: Instant) -> Vec<String> {
    let bar_width = (width / 5).clamp(LEAST_BAR, MOST_BAR).min(width);
    let mut rows: Vec<Vec<Part>> = vec![Vec::new()];
    let mut used = bar_width;
    for part in parts(model, now) {
        let part = Part {
            text: shorten(&part.text, width),
            ..part
        };
        if used > 0 && used + 2 + part.width() > width {
            rows.push(Vec::new());
            used = 0;
        }
        used += part.width() + if used > 0 { 2 } else { 0 };
        if let Some(row) = rows.last_mut() {
            row.push(part);
        }
    }
    let mut bar = Some(bar(model.filled(), bar_width, look));
    rows.iter()
        .map(|row| {
            let texts = row.iter().map(|part| match part.colour {
                Some(colour) => painted(look, colour, &part.text),
                None => part.text.clone(),
            });
            let texts: Vec<String> = bar.take().into_iter().chain(texts).collect();
            texts.join("  ")
        })
        .collect()
}

fn parts(model: &Model, now: Instant) -> Vec<Part> {
    let plain = |text: String| Part { text, colour: None };
    let mut parts = Vec::new();
    let (wanted, is_all) = model.total();
    if wanted > 0 {
        let more = if is_all { "" } else { "+" };
        parts.push(plain(format!(
            "{} of {}{more}",
            bytes(model.bytes()),
            bytes(wanted)
        )));
    }
    match (model.stalled(now), model.rate(now).filter(|_| wanted > 0)) {
        (Some(since), _) => parts.push(Part {
            text: format!("stalled for {}", clock(since)),
            colour: Some(YELLOW),
        }),
        (None, Some(rate)) => parts.push(plain(format!("{}/s", bytes(rate)))),
        (None, None) => {}
    }
    parts.extend(model.left(now).map(|left| plain(format!("{} left", clock(left)))));
    parts.push(Part {
        text: model.images_text(),
        colour: (model.images().failed > 0).then_some(RED),
    });
    if model.retries() > 0 {
        parts.push(plain(count_of(model.retries(), "retry", "retries")));
    }
    parts
}

/// `[=====>     ]`
fn bar(filled: f64, width: usize, look: Look) -> String {
    if width < 3 {
        return " ".repeat(width);
    }
    let inside = width.saturating_sub(2);
    let full = ((filled * inside as f64) as usize).min(inside);
    let mut done = "=".repeat(full);
    if full < inside && full > 0 {
        done.replace_range(full - 1.., ">");
    }
    format!("[{}{}]", painted(look, GREEN, &done), " ".repeat(inside - full))
}

/// What was tried in vain, why, and when it is tried again. The end of a long cause is cut; the rest is in the log.
fn trouble_line(trouble: &Trouble, look: Look, width: usize, now: Instant) -> String {
    let outlook = trouble.outlook(now);
    let room = width.saturating_sub(4);
    let at = shorten(&trouble.at, (room / 3).max(room.saturating_sub(100)));
    let cause_room = room.saturating_sub(at.chars().count() + 2 + outlook.chars().count());
    let line = format!("  ! {at}: {}{outlook}", shorten(&trouble.cause, cause_room));
    painted(look, YELLOW, &shorten(&line, width))
}

/// The image, the blob's digest where there is room for it, and how far it is.
fn blob_line(blob: &Active, look: Look, width: usize) -> String {
    let percent = blob
        .position
        .saturating_mul(100)
        .checked_div(blob.size)
        .unwrap_or(100);
    let percent = format!("{percent:>4}%");
    let figures = format!(
        "{:>10} of {:>10}{percent}",
        bytes(blob.position),
        bytes(blob.size)
    );
    let digest = format!("{}  ", blob.digest.short());
    let (digest, figures) = match width {
        76.. => (digest.as_str(), figures),
        56.. => ("", figures),
        _ => ("", percent),
    };
    let beside = 4 + digest.chars().count() + figures.chars().count();
    let room = width.saturating_sub(beside);
    let image = shorten(&blob.image, room);
    let line = format!("  {image:<room$}  {}{figures}", painted(look, FAINT, digest));
    if look.colour { line } else { shorten(&line, width) }
}

fn painted(look: Look, colour: &str, text: &str) -> String {
    if look.colour && !text.is_empty() {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests;
