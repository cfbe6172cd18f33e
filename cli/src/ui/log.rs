//! The log: what programmers and curious users want to see, on stderr with the progress.

use std::sync::Arc;

use env_logger::{Builder, Env, Logger, Target, WriteStyle};
use log::{Level, Log, Metadata, Record};
use transload_layout_store::{WAIT_IS_OVER, WAITING};
use transload_reference::printable;

use super::paint::Painter;
use super::progress::Progress;

/// How many characters of a message are shown.
const LONGEST: usize = 4000;

/// The programs' parts that would log whole URLs, headers and bodies, and with them signatures and tokens.
const TALKATIVE: [&str; 3] = ["ureq", "ureq_proto", "rustls"];

/// Begins to log above the progress: errors if `quiet`, else warnings, and more with each `verbose`; or what `RUST_LOG` says.
pub fn start_log(quiet: bool, verbose: u8, progress: &Arc<Progress>) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug,ureq=info,ureq_proto=info,rustls=info",
        (false, _) => "trace",
    };
    let logger = Builder::from_env(Env::default().default_filter_or(level))
        .target(Target::Pipe(progress.log_target()))
        .write_style(if Painter::of_err().0 {
            WriteStyle::Always
        } else {
            WriteStyle::Never
        })
        .format_target(false)
        .build();
    let most = logger.filter();
    // A second logger in one process would be refused; there is none.
    if log::set_boxed_logger(Box::new(Discreet(logger, Some(Arc::clone(progress))))).is_ok() {
        log::set_max_level(most);
    }
}

/// A logger that keeps to itself what some parts say beyond `debug`, whatever was asked for, and that shows messages short and
/// without anything that a terminal would obey: they may quote what a server sent.
///
/// They ask [`Log::enabled`] how much they may show of a URL, too.
struct Discreet(Logger, Option<Arc<Progress>>);

impl Log for Discreet {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let part = metadata.target().split("::").next().unwrap_or_default();
        (metadata.level() <= Level::Debug || !TALKATIVE.contains(&part)) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = record.args().to_string();
            let shown = printable(&message, LONGEST);
            if let Some(progress) = &self.1
                && (record.target() == WAITING && progress.wait_began(&shown)
                    || record.target() == WAIT_IS_OVER && progress.wait_ended())
            {
                return;
            }
            self.0.log(
                &Record::builder()
                    .metadata(record.metadata().clone())
                    .module_path(record.module_path())
                    .file(record.file())
                    .line(record.line())
                    .args(format_args!("{shown}"))
                    .build(),
            );
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_would_show_secrets_are_held_back_whatever_is_asked_for() {
        let logger = Discreet(
            Builder::new()
                .parse_filters("trace,ureq::run=trace,rustls=trace")
                .build(),
            None,
        );
        let cases = [
            ("ureq::util", Level::Trace, false),
            ("ureq::run", Level::Trace, false),
            ("ureq::run", Level::Debug, true),
            ("ureq_proto::util", Level::Trace, false),
            ("rustls::client::hs", Level::Trace, false),
            ("transload::transfer", Level::Trace, true),
            ("ureq_of_another_kind", Level::Trace, true),
        ];
        for (target, level, expected) in cases {
            let metadata = Metadata::builder().target(target).level(level).build();
            assert_eq!(logger.enabled(&metadata), expected, "{target} {level}");
        }
    }
}
