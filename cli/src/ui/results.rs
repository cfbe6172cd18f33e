//! What became of one image, in one line.

use std::collections::HashSet;
use std::fmt::Write as _;

use transload_transfer::{ImageOutcome, Status};

use super::causes::name;
use super::format::{bytes, clock, count, duration, platform_list, short_digest, short_name, way, wrap};
use super::paint::{Ink, Painter};

/// Where the name begins, and notes below it.
const NOTE: &str = "         ";

/// Lines aren't wider than this, whatever the terminal: they are read as a whole.
const MOST_COLUMNS: usize = 110;

/// From these widths on, a line has the size and the time, and the platforms.
const WITH_SIZE: usize = 50;
const WITH_PLATFORMS: usize = 70;

/// Returns an image's outcome in one line, with its warnings below it. On a terminal, which has a width, the line fits, and a failure has
/// none: its cause is told at the end, with those that failed alike. Elsewhere a cause is told once, and `alike` names its image.
pub(super) fn outcome_line(
    outcome: &ImageOutcome,
    alike: Option<&str>,
    width: Option<usize>,
    painter: Painter,
) -> Option<String> {
    let (mark, ink) = match &outcome.status {
        Status::Copied => ("copied", Ink::Done),
        Status::AlreadyThere => ("there", Ink::Done),
        Status::Skipped(_) => ("skipped", Ink::Caution),
        Status::Failed(_) if width.is_some() => return None,
        Status::Failed(_) => ("failed", Ink::Failed),
        Status::Interrupted => ("stopped", Ink::Caution),
    };
    let mut line = painter.paint(ink, &format!("{mark:<8}")) + " ";
    match (&outcome.status, width) {
        (Status::Copied | Status::AlreadyThere, Some(width)) => fitting(&mut line, outcome, width),
        (Status::Copied | Status::AlreadyThere, None) => whole(&mut line, outcome),
        (_, None) => line.push_str(&way(&outcome.source, &outcome.destination)),
        (_, Some(width)) => {
            let width = width.saturating_sub(NOTE.len() + 1);
            line.push_str(&short_name(name(outcome), width));
        }
    }
    if let Status::Failed(fault) = &outcome.status {
        let _ = match alike {
            Some(image) => write!(line, "  (same cause as {image})"),
            None => write!(line, "\n{NOTE}{fault}"),
        };
    }
    if let Status::Skipped(reason) = &outcome.status {
        let _ = write!(line, "\n{}", wrap(reason, NOTE, width));
    }
    if !outcome.verified_by.is_empty() {
        let verified = format!("verified by {}", outcome.verified_by.join(" and "));
        let _ = write!(line, "\n{}", wrap(&verified, NOTE, width));
    }
    for warning in &outcome.warnings {
        let warning = wrap(&format!("warning: {warning}"), NOTE, width);
        let _ = write!(line, "\n{}", painter.paint(Ink::Caution, &warning));
    }
    Some(line)
}

/// All that there is to tell, for files and programs: names are whole, and the cause of a failure stands with its image.
fn whole(line: &mut String, outcome: &ImageOutcome) {
    let way = way(&outcome.source, &outcome.destination);
    line.push_str(&way);
    if let Some(digest) = &outcome.digest {
        let _ = write!(line, "  {}", short_digest(digest));
    }
    if !outcome.platforms.is_empty() {
        let _ = write!(line, "  {}", platform_list(&outcome.platforms));
    }
    let _ = write!(line, "  {}  {}", bytes(size(outcome)), duration(outcome.elapsed));
}

fn fitting(line: &mut String, outcome: &ImageOutcome, width: usize) {
    let width = width.min(MOST_COLUMNS).saturating_sub(1);
    let size = format!("{:>10}", bytes(size(outcome)));
    let platforms = match &outcome.platforms[..] {
        [one] => one.to_string(),
        [] => String::new(),
        several => count(several.len(), "platform"),
    };
    let time = match outcome.elapsed.as_secs() {
        0..10 => format!("{:.1}s", outcome.elapsed.as_secs_f64()),
        _ => clock(outcome.elapsed),
    };
    let end = match width {
        WITH_PLATFORMS.. => format!("  {size}  {platforms:<12}{time:>6}"),
        WITH_SIZE.. => format!("  {size}{time:>8}"),
        _ => String::new(),
    };
    let room = width.saturating_sub(NOTE.len() + end.chars().count());
    let shown = short_name(name(outcome), room);
    let _ = match end.is_empty() {
        true => write!(line, "{shown}"),
        false => write!(line, "{shown:<room$}{end}"),
    };
}

/// An image's bytes: its blobs, each once.
fn size(outcome: &ImageOutcome) -> u64 {
    let mut seen = HashSet::new();
    let blobs = outcome.contents.iter().flat_map(|part| &part.blobs);
    blobs
        .filter(|blob| seen.insert(&blob.digest))
        .map(|blob| blob.size)
        .sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use transload_reference::Digest;
    use transload_transfer::{Fault, ImagePart, PartBlob, Route};

    use super::*;

    fn outcome(status: Status, platforms: &[&str]) -> ImageOutcome {
        let name = "registry.example.com/kubernetes/network/kube-proxy:v1.34.1";
        let route = Route {
            image: name.to_owned(),
            label: name.to_owned(),
            source: name.to_owned(),
            destination: format!("{name} in ./images"),
        };
        let blob = |text: &[u8], size| PartBlob {
            digest: Digest::of(text),
            size,
        };
        let part = |text: &[u8]| ImagePart {
            platform: None,
            digest: Digest::of(text),
            size: 400,
            blobs: vec![blob(b"shared", 3 << 20), blob(text, 1 << 20)],
        };
        ImageOutcome {
            platforms: platforms.iter().map(|name| name.parse().unwrap()).collect(),
            contents: [part(b"a"), part(b"b")].into(),
            elapsed: Duration::from_millis(1240),
            ..ImageOutcome::blank(route, status)
        }
    }

    fn line(outcome: &ImageOutcome, width: Option<usize>) -> Option<String> {
        outcome_line(outcome, None, width, Painter(false))
    }

    #[test]
    fn an_image_is_one_line_that_fits_with_mark_name_size_platforms_and_time() {
        let one = outcome(Status::Copied, &["linux/amd64"]);
        let two = outcome(Status::AlreadyThere, &["linux/amd64", "linux/arm64"]);
        for (outcome, width, expected) in [
            (
                &one,
                Some(80),
                "copied   …/network/kube-proxy:v1.34.1              5.00 MiB  linux/amd64   1.2s",
            ),
            (
                &two,
                Some(120),
                "there    registry.example.com/kubernetes/network/kube-proxy:v1.34.1              5.00 MiB  2 platforms   1.2s",
            ),
            (
                &one,
                Some(60),
                "copied   …/network/kube-proxy:v1.34.1      5.00 MiB    1.2s",
            ),
            (&one, Some(40), "copied   …/network/kube-proxy:v1.34.1"),
            (
                &two,
                None,
                "there    registry.example.com/kubernetes/network/kube-proxy:v1.34.1 -> ./images  linux/amd64,linux/arm64  5.00 MiB  1.2 s",
            ),
        ] {
            assert_eq!(line(outcome, width).as_deref(), Some(expected));
        }
        for width in 12..200 {
            let line = line(&one, Some(width)).unwrap();
            assert!(line.chars().count() < width, "{width}: {line}");
        }
    }

    #[test]
    fn a_failure_is_told_at_the_end_on_a_terminal_and_at_once_elsewhere_where_each_cause_is_told_once() {
        let failed = outcome(Status::Failed(Fault::refused(None, "no")), &[]);
        assert_eq!(line(&failed, Some(80)), None);
        let told = line(&failed, None).unwrap();
        assert!(told.starts_with("failed   registry.example.com/"), "{told}");
        assert!(told.ends_with(" -> ./images\n         no"), "{told}");
        let told = outcome_line(&failed, Some("hub.local/app:v1"), None, Painter(false)).unwrap();
        assert!(
            told.ends_with(" -> ./images  (same cause as hub.local/app:v1)"),
            "{told}"
        );
    }
}
