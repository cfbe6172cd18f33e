//! What a run leaves behind besides images: the lock file, the report and the receipt. They are written once, in whatever way the run ends.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use transload_transfer::{Event, ImageOutcome, Observer, Status};

use crate::lock::LockFile;
use crate::receipt::ReceiptFile;
use crate::report::{Recorder, Report, ReportFile, RunStatus};
use crate::ui::{self, Progress};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of it was tried.
    Done,
    /// The user stopped it.
    Interrupted,
    /// A bug of this program ended it.
    Broken,
}

/// An observer that keeps the lock file, the report and the receipt.
pub(crate) struct Records {
    lock: LockFile,
    report: Option<ReportFile>,
    receipt: Option<ReceiptFile>,
    recorder: Recorder,
    /// The images that arrived, for the lock file.
    arrived: Mutex<Vec<ImageOutcome>>,
    progress: Arc<Progress>,
    /// Whether all of it could be written, once it is.
    is_written: OnceLock<bool>,
}

impl Records {
    /// Of a run that begins now, with tasks of these names.
    pub fn new<'a>(
        tasks: impl IntoIterator<Item = &'a str>,
        lock: LockFile,
        (report, receipt): (Option<ReportFile>, Option<ReceiptFile>),
        progress: &Arc<Progress>,
    ) -> Records {
        if report.as_ref().is_some_and(ReportFile::is_stdout) {
            progress.give_way();
        }
        Records {
            lock,
            report,
            receipt,
            recorder: Recorder::new(tasks),
            arrived: Mutex::default(),
            progress: Arc::clone(progress),
            is_written: OnceLock::new(),
        }
    }

    /// Writes the lock file, then the report and the receipt; what can't be written is told afterwards. Returns whether all of it could be. The first call
    /// counts, and others wait for it.
    pub fn write(&self, ending: Ending) -> bool {
        *self.is_written.get_or_init(|| {
            let arrived = std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
            let is_for_nothing = arrived.is_empty() && ending != Ending::Done;
            let recorded = if is_for_nothing {
                Ok(())
            } else {
                self.lock.record(&arrived)
            };
            let reported = self.write_report(ending);
            if let Err(errors) = &recorded {
                let text = ui::errors(errors.problems(), errors.left_out());
                self.progress.print(text.trim_end());
            }
            if let Err(error) = &reported {
                self.progress.print(&format!("error: the report: {error}"));
            }
            let receipt = self.receipt.as_ref();
            let proven = receipt.map_or(Ok(()), |file| file.write(&self.report_of(ending)));
            if let Err(error) = &proven {
                self.progress.print(&format!("error: the receipt: {error}"));
            }
            recorded.is_ok() && reported.is_ok() && proven.is_ok()
        })
    }

    fn write_report(&self, ending: Ending) -> Result<(), crate::report::Unwritable> {
        let Some(file) = &self.report else {
            return Ok(());
        };
        if file.is_stdout() {
            self.progress.finish();
        }
        file.write(&self.report_of(ending))
    }

    fn report_of(&self, ending: Ending) -> Report {
        let mut report = self.recorder.report(ending != Ending::Done);
        if ending == Ending::Broken {
            report.status = RunStatus::Failed;
        }
        report
    }
}

impl Observer for Records {
    fn event(&self, event: &Event<'_>) {
        if self.report.is_some() || self.receipt.is_some() {
            self.recorder.event(event);
        }
        if let Event::ImageFinished { outcome } = event
            && self.lock.is_kept()
            && matches!(outcome.status, Status::Copied | Status::AlreadyThere)
        {
            let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            arrived.push((*outcome).clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use transload_reference::Digest;

    use super::*;
    use crate::ui::ProgressMode;
    use transload_transfer::{Route, Scheduled};

    #[test]
    fn what_arrived_before_a_run_broke_is_kept_and_the_first_word_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (lock, report) = (dir.path().join("t.lock"), dir.path().join("r.json"));
        let records = Records::new(
            ["pull"],
            LockFile::Kept(lock.clone()),
            (Some(ReportFile::prepare(&report).unwrap()), None),
            &Arc::new(Progress::new(ProgressMode::None, 1, true)),
        );
        let route = |name: &str| Route {
            image: name.to_owned(),
            label: name.to_owned(),
            source: String::new(),
            destination: String::new(),
        };
        let routes = [route("hub.local/a:1"), route("hub.local/b:1")];
        let tasks = [Scheduled {
            job: "pull".to_owned(),
            routes: Some(routes.to_vec()),
        }];
        records.event(&Event::RunStarted { tasks: &tasks });
        let reached = Event::TaskReached {
            number: 0,
            routes: &routes,
        };
        records.event(&reached);
        let outcome = ImageOutcome {
            source_digest: Some(Digest::of(b"a")),
            digest: Some(Digest::of(b"a")),
            ..ImageOutcome::blank(route("hub.local/a:1"), Status::Copied)
        };
        records.event(&Event::ImageFinished { outcome: &outcome });
        assert!(records.write(Ending::Broken) && records.write(Ending::Done));
        let text = std::fs::read_to_string(lock).unwrap();
        assert!(
            text.contains("hub.local/a:1") && !text.contains("hub.local/b:1"),
            "{text}"
        );
        let text = std::fs::read_to_string(report).unwrap();
        let report: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(report.status, RunStatus::Failed);
        assert_eq!(
            (report.totals.images.copied, report.totals.images.not_reached),
            (1, 1)
        );
    }
}
