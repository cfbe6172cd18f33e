//! Colours: where they are wanted, and what they mean.

use std::sync::OnceLock;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::output;

/// Where colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColorMode {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl ValueEnum for ColorMode {
    fn value_variants<'a>() -> &'a [ColorMode] {
        &[ColorMode::Auto, ColorMode::Always, ColorMode::Never]
    }

    /// The names speak for themselves, and the program's own help has a line for each flag.
    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            ColorMode::Auto => "auto",
            ColorMode::Always => "always",
            ColorMode::Never => "never",
        }))
    }
}

/// A colour, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// What is done.
    Done,
    /// What failed.
    Failed,
    /// What was skipped, waits or is tried again.
    Caution,
    /// What matters less.
    Faint,
}

/// Paints, or leaves text as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Painter(pub bool);

static MODE: OnceLock<ColorMode> = OnceLock::new();

/// Sets where colours are used, for the whole program. The first call counts.
pub fn choose_colors(mode: ColorMode) {
    MODE.get_or_init(|| mode);
}

impl Painter {
    /// For standard error.
    pub fn of_err() -> Painter {
        Painter(is_wanted(output::err_is_terminal()))
    }

    /// For standard output.
    pub fn of_out() -> Painter {
        Painter(is_wanted(output::out_is_terminal()))
    }

    pub fn paint(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Done => "32",
            Ink::Failed => "31",
            Ink::Caution => "33",
            Ink::Faint => "2",
        };
        if self.0 && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn is_wanted(is_terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    match MODE.get().copied().unwrap_or_default() {
        ColorMode::Always => true,
        ColorMode::Never => false,
        ColorMode::Auto => {
            is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
        }
    }
}
