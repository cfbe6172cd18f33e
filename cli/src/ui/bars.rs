//! What a terminal shows of a run: a bar and figures for all of it, what goes wrong, and a line for each image on its way.

use std::time::Instant;

use super::format::{bytes, clock, count_of, short_name, shorten};
use super::model::{Model, MovingImage, Trouble};
use super::paint::{Ink, Painter};

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
    /// The most lines that are drawn.
    pub most: usize,
    pub painter: Painter,
}

/// Lines aren't wider than this, whatever the terminal: they are read as a whole.
const MOST_COLUMNS: usize = 110;

/// From this width on, an image's line has its bytes beside their share.
const WITH_BYTES: usize = 60;

/// Returns what there is to see, at most as many lines as are wanted and fit.
pub(super) fn lines(model: &Model, look: Look, now: Instant) -> Vec<String> {
    let width = look.size.columns.min(MOST_COLUMNS).saturating_sub(1).max(1);
    // One row stays for what is told above them.
    let most = look.size.rows.saturating_sub(1).min(look.most).max(1);
    let mut lines = vec![bar(model.filled(), width, look)];
    lines.extend(figures(model, look, width, now));
    lines.extend(wait_line(model, look, width, now));
    lines.extend(failure_line(model, look, width));
    lines.extend(
        model
            .troubles()
            .map(|trouble| trouble_line(trouble, look, width, now)),
    );
    lines.truncate(most);
    let moving = model.moving(now);
    let room = most - lines.len();
    let shown = if moving.len() > room {
        room.saturating_sub(1)
    } else {
        moving.len()
    };
    lines.extend(moving.iter().take(shown).map(|image| image_line(image, width)));
    if shown < moving.len() && room > 0 {
        let more = format!("  and {} more", moving.len() - shown);
        lines.push(look.painter.paint(Ink::Faint, &shorten(&more, width)));
    }
    lines
}

/// `[=====>     ]  47%`
fn bar(filled: f64, width: usize, look: Look) -> String {
    let percent = format!("{:>4}%", (filled * 100.0) as usize);
    if width < percent.len() + 4 {
        return shorten(percent.trim_start(), width);
    }
    let inside = width - percent.len() - 3;
    let full = ((filled * inside as f64) as usize).min(inside);
    let mut done = "=".repeat(full);
    if full < inside && full > 0 {
        done.replace_range(full - 1.., ">");
    }
    let done = look.painter.paint(Ink::Done, &done);
    format!("[{done}{}] {percent}", " ".repeat(inside - full))
}

/// The figures of the whole in one line, or in as many as they take on a narrow terminal.
fn figures(model: &Model, look: Look, width: usize, now: Instant) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    let mut used = 0;
    for (text, ink) in parts(model, now) {
        let text = shorten(&text, width);
        let letters = text.chars().count();
        let text = match ink {
            Some(ink) => look.painter.paint(ink, &text),
            None => text,
        };
        match rows.last_mut() {
            Some(row) if used + 2 + letters <= width => {
                row.push_str("  ");
                row.push_str(&text);
                used += 2 + letters;
            }
            _ => {
                rows.push(text);
                used = letters;
            }
        }
    }
    rows
}

/// The figures, those first that matter most, each with its colour.
fn parts(model: &Model, now: Instant) -> Vec<(String, Option<Ink>)> {
    let mut parts = Vec::new();
    let (wanted, is_all) = model.total();
    if wanted > 0 {
        let more = if is_all { "" } else { "+" };
        let moved = format!("{} of {}{more}", bytes(model.bytes()), bytes(wanted));
        parts.push((moved, None));
    }
    match (model.stalled(now), model.rate(now).filter(|_| wanted > 0)) {
        (Some(since), _) => parts.push((format!("stalled for {}", clock(since)), Some(Ink::Caution))),
        (None, Some(rate)) => parts.push((format!("{}/s", bytes(rate)), None)),
        (None, None) => {}
    }
    parts.extend(model.left().map(|left| (format!("{} left", clock(left)), None)));
    let has_failures = model.images().failed > 0;
    parts.push((model.images_text(), has_failures.then_some(Ink::Failed)));
    if model.retries() > 0 {
        parts.push((count_of(model.retries(), "retry", "retries"), None));
    }
    parts
}

fn wait_line(model: &Model, look: Look, width: usize, now: Instant) -> Option<String> {
    let (text, since, number) = model.wait()?;
    let more = match number {
        1 => String::new(),
        number => format!(", and {} more", number - 1),
    };
    let since = clock(now.saturating_duration_since(since));
    let end = format!(" ({since}{more})");
    let room = width.saturating_sub(4 + end.chars().count());
    let line = format!("  ! {}{end}", shorten(text, room));
    Some(look.painter.paint(Ink::Caution, &shorten(&line, width)))
}

/// Why an image failed last. All causes are told at the end.
fn failure_line(model: &Model, look: Look, width: usize) -> Option<String> {
    let cause = model.last_failure().filter(|_| model.images().failed > 0)?;
    let line = format!("  ! failed: {}", cut(cause, width.saturating_sub(12)));
    Some(look.painter.paint(Ink::Failed, &shorten(&line, width)))
}

/// What was tried in vain, why, and when it is tried again. The end of a long cause is cut; the rest is in the log.
fn trouble_line(trouble: &Trouble, look: Look, width: usize, now: Instant) -> String {
    let outlook = trouble.outlook(now);
    let room = width.saturating_sub(4);
    let at = short_name(&trouble.at, (room / 3).max(room.saturating_sub(100)));
    let cause_room = room.saturating_sub(at.chars().count() + 2 + outlook.chars().count());
    let line = format!("  ! {at}: {}{outlook}", shorten(&trouble.cause, cause_room));
    look.painter.paint(Ink::Caution, &shorten(&line, width))
}

/// The image, the platforms on their way where it has several, and how far it is.
fn image_line(image: &MovingImage<'_>, width: usize) -> String {
    let percent = image.position.saturating_mul(100).checked_div(image.size);
    let percent = format!("{:>4}%", percent.unwrap_or(100));
    let figures = match width {
        WITH_BYTES.. => format!(
            "{:>10} of {:>10}{percent}",
            bytes(image.position),
            bytes(image.size)
        ),
        _ => percent,
    };
    let room = width.saturating_sub(4 + figures.chars().count());
    let mut platforms = image.platforms.iter();
    let platforms = match (platforms.next(), platforms.len()) {
        (None, _) => String::new(),
        (Some(one), 0) => format!(" {one}"),
        (Some(first), more) => format!(" {first} +{more}"),
    };
    // A name matters more than the platforms.
    let platforms = if platforms.chars().count() * 2 > room {
        String::new()
    } else {
        platforms
    };
    let name = short_name(image.image, room - platforms.chars().count());
    let name = name + &platforms;
    shorten(&format!("  {name:<room$}  {figures}"), width)
}

/// A text whose end is cut where it is too long.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests;
