//! Why images failed: those that failed alike are told of together.

use std::collections::HashSet;
use std::fmt::Write as _;

use transload_transfer::{Fault, ImageOutcome, Status, THE_TASK};

use super::format::{count, short_name, way, wrap};
use super::paint::{Ink, Painter};

/// How many causes are told, how many images of each by name, and how many where each image has a hint of its own.
const MOST_CAUSES: usize = 8;
const MOST_NAMES: usize = 8;
const MOST_WITH_HINTS: usize = 4;

/// The shortest run of hexadecimal digits that is taken for a digest's.
const DIGEST: usize = 32;

/// Returns why an image failed, without its own names and digests: the same for images that fail alike.
pub(super) fn cause(outcome: &ImageOutcome, fault: &Fault) -> String {
    let side = fault.side().map(|side| format!("{side}: ")).unwrap_or_default();
    format!("{side}{}", without_names(&fault.brief(), outcome))
}

/// Images that failed alike.
struct Group<'a> {
    cause: String,
    images: Vec<(&'a ImageOutcome, &'a Fault)>,
}

impl<'a> Group<'a> {
    /// The hint that all of its images have; none where they have several.
    fn hint(&self) -> Option<&'a str> {
        let hint = self.images.first()?.1.hint();
        self.images
            .iter()
            .all(|(_, fault)| fault.hint() == hint)
            .then_some(hint)?
    }

    fn has_own_hints(&self) -> bool {
        self.hint().is_none() && self.images.iter().any(|(_, fault)| fault.hint().is_some())
    }
}

/// Tells of the images that failed, by their causes; of none, nothing. On a terminal, lines are no longer than `width`. Where images
/// are left out, `all` says what lists each.
pub(super) fn failures<'a>(
    images: impl Iterator<Item = &'a ImageOutcome>,
    all: &str,
    width: Option<usize>,
    painter: Painter,
) -> String {
    let groups = by_hint(groups(images));
    let mut text = String::new();
    for (at, group) in groups.iter().take(MOST_CAUSES).enumerate() {
        group_text(&mut text, group, width, painter);
        let hint = group.hint();
        let next = groups.get(at + 1).filter(|_| at + 1 < MOST_CAUSES);
        if let Some(hint) = hint.filter(|_| next.and_then(Group::hint) != hint) {
            let _ = writeln!(text, "{}", wrap(&format!("hint: {hint}"), "  ", width));
        }
    }
    let untold: usize = groups
        .iter()
        .skip(MOST_CAUSES)
        .map(|group| group.images.len())
        .sum();
    if untold > 0 {
        let causes = count(groups.len() - MOST_CAUSES, "more cause");
        let _ = writeln!(text, "  and {} for {causes}", count(untold, "image"));
    }
    if untold > 0 || groups.iter().any(|group| group.images.len() > MOST_NAMES) {
        let _ = writeln!(text, "  ({all})");
    }
    text
}

fn groups<'a>(images: impl Iterator<Item = &'a ImageOutcome>) -> Vec<Group<'a>> {
    let failed: Vec<(&ImageOutcome, &Fault)> = images
        .filter_map(|outcome| match &outcome.status {
            Status::Failed(fault) => Some((outcome, fault)),
            _ => None,
        })
        .collect();
    // A refusal that ends several images may name the one that met it.
    let all: HashSet<&str> = failed.iter().flat_map(|(outcome, _)| names(outcome)).collect();
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (outcome, fault) in failed {
        let cause = without_words(&cause(outcome, fault), &all);
        match groups.iter_mut().find(|group| group.cause == cause) {
            Some(group) => group.images.push((outcome, fault)),
            None => groups.push(Group {
                cause,
                images: vec![(outcome, fault)],
            }),
        }
    }
    groups
}

/// Those with the same hint one after another, so that it is told once.
fn by_hint(mut groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let hints: Vec<Option<&str>> = groups.iter().map(Group::hint).collect();
    groups.sort_by_cached_key(|group| hints.iter().position(|hint| *hint == group.hint()));
    groups
}

fn group_text(text: &mut String, group: &Group<'_>, width: Option<usize>, painter: Painter) {
    let mark = |line: String| match line.strip_prefix("  ") {
        Some(rest) => format!("  {}", painter.paint(Ink::Failed, rest)),
        None => line,
    };
    let name_width = width.map_or(usize::MAX, |width| width.saturating_sub(4));
    if let [(outcome, fault)] = group.images[..] {
        let way = way(&outcome.source, &outcome.destination);
        let name = match width {
            Some(width) if way.chars().count() + 2 > width => short_name(name(outcome), width - 2),
            _ => way,
        };
        let _ = writeln!(text, "{}", mark(format!("  {name}")));
        let _ = writeln!(text, "{}", wrap(&fault.to_string(), "    ", width));
        return;
    }
    let heading = format!("{}: {}", count(group.images.len(), "image"), group.cause);
    let lines = wrap(&heading, "  ", width);
    for line in lines.lines() {
        let _ = writeln!(text, "{}", mark(line.to_owned()));
    }
    let has_own_hints = group.has_own_hints();
    let most = if has_own_hints {
        MOST_WITH_HINTS
    } else {
        MOST_NAMES
    };
    for (outcome, fault) in group.images.iter().take(most) {
        let _ = writeln!(text, "    {}", short_name(name(outcome), name_width));
        if let Some(hint) = fault.hint().filter(|_| has_own_hints) {
            let _ = writeln!(text, "{}", wrap(&format!("hint: {hint}"), "      ", width));
        }
    }
    if let more @ 1.. = group.images.len().saturating_sub(most) {
        let _ = writeln!(text, "    and {more} more");
    }
    if let Some(request) = group.images.first().and_then(|(_, fault)| fault.request()) {
        let _ = writeln!(text, "{}", wrap(&format!("as in: {request}"), "    ", width));
    }
}

/// An image's name, without the directory that it is in; with its destination, where it goes to several.
pub(super) fn name(outcome: &ImageOutcome) -> &str {
    match outcome.source.as_str() {
        _ if outcome.image == THE_TASK => THE_TASK,
        _ if outcome.label != outcome.image => &outcome.label,
        // Names of images have no spaces.
        source => source.split(" in ").next().unwrap_or(source),
    }
}

/// The names of an image's two ends, with and without their tags and registries.
fn names(outcome: &ImageOutcome) -> Vec<&str> {
    let mut names = Vec::new();
    for end in [&outcome.source, &outcome.destination, &outcome.image] {
        let name = end.split(" in ").next().unwrap_or(end);
        let repository = name.split('@').next().unwrap_or(name);
        let repository = match repository.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => before,
            _ => repository,
        };
        let path = repository.split_once('/').map_or("", |(_, path)| path);
        names.extend([name, repository, path]);
    }
    // Short words may be a part of others.
    names.retain(|name| name.contains(['/', ':']));
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
}

fn without_names(text: &str, outcome: &ImageOutcome) -> String {
    let named = names(outcome)
        .into_iter()
        .fold(text.to_owned(), |text, name| text.replace(name, "…"));
    without_digests(&named)
}

/// A text without these words, whatever punctuation follows them.
fn without_words(text: &str, words: &HashSet<&str>) -> String {
    let shown = text.split(' ').map(|word| {
        let core = word.trim_end_matches([',', ';', ':', '.', ')']);
        match words.contains(core) {
            true => format!("…{}", &word[core.len()..]),
            false => word.to_owned(),
        }
    });
    shown.collect::<Vec<String>>().join(" ")
}

fn without_digests(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        if end >= DIGEST {
            shown.push('…');
        } else {
            shown.push_str(&rest[..end]);
        }
        let next = rest[end..].find(|c: char| c.is_ascii_hexdigit());
        let next = next.map_or(rest.len(), |next| end + next);
        shown.push_str(&rest[end..next]);
        rest = &rest[next..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use transload_transfer::{Fault, Route};

    use super::*;

    fn failed(image: &str, message: &str, hint: Option<&str>) -> ImageOutcome {
        let route = Route {
            image: image.to_owned(),
            label: image.to_owned(),
            source: image.to_owned(),
            destination: format!("{image} in ./out"),
        };
        let fault = Fault::refused(None, message).maybe_hint(hint);
        ImageOutcome::blank(route, Status::Failed(fault))
    }

    fn told(images: &[ImageOutcome]) -> String {
        failures(
            images.iter(),
            "--report FILE lists each image",
            Some(60),
            Painter(false),
        )
    }

    #[test]
    fn images_that_fail_alike_are_told_of_once_with_their_hint() {
        let image = |number: usize| {
            let name = format!("hub.example.com/team/app-{number}:v1");
            let message = format!("{name} lacks linux/s390x, says sha256:{number:064}");
            failed(&name, &message, Some("take another platform"))
        };
        let images: Vec<ImageOutcome> = (0..3).map(image).collect();
        assert_eq!(
            told(&images),
            "  3 images: … lacks linux/s390x, says sha256:…\n\
             \x20   hub.example.com/team/app-0:v1\n\
             \x20   hub.example.com/team/app-1:v1\n\
             \x20   hub.example.com/team/app-2:v1\n\
             \x20 hint: take another platform\n"
        );
    }

    #[test]
    fn a_refusal_that_names_the_image_that_met_it_is_the_cause_of_the_others_too() {
        let image = |number: usize| {
            let name = format!("hub.local/theirs/app-{number}:v1");
            failed(&name, "unauthorized: theirs/app-0, action: push", None)
        };
        let images: Vec<ImageOutcome> = (0..3).map(image).collect();
        let told = told(&images);
        assert!(
            told.starts_with("  3 images: unauthorized: …, action: push\n"),
            "{told}"
        );
    }

    #[test]
    fn a_hint_that_several_causes_share_is_told_after_the_last_of_them() {
        let images = [
            failed("a:1", "no password", Some("log in")),
            failed("b:1", "no room", None),
            failed("c:1", "no token", Some("log in")),
        ];
        let told = told(&images);
        assert_eq!(told.matches("log in").count(), 1, "{told}");
        assert!(told.find("no token") < told.find("log in"), "{told}");
    }

    #[test]
    fn many_failures_fit_a_screen_and_their_number_is_told() {
        for (causes, hints) in [(1, 1), (1, 40), (40, 1), (40, 40)] {
            let images: Vec<ImageOutcome> = (0..1000)
                .map(|number| {
                    let name = format!("hub.example.com/a-team-with-a-long-name/app-{number}:v1");
                    let hint = format!("hint {}", number % hints);
                    failed(&name, &format!("cause {}", number % causes), Some(&hint))
                })
                .collect();
            let told = told(&images);
            assert!(told.lines().count() <= 100, "{}", told.lines().count());
            assert!(told.lines().all(|line| line.chars().count() <= 60), "{told}");
            assert!(told.contains("more"), "{told}");
            if causes == 1 {
                assert!(told.lines().count() <= 14, "{told}");
                assert!(told.starts_with("  1000 images: cause 0\n"), "{told}");
            }
        }
    }
}
