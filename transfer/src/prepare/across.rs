//! Tasks of a run that would write one image twice.

use std::collections::HashMap;

use transload_policy::PlatformSet;

use super::{Mapping, Prepared, Problem};
use crate::fault::Side;
use crate::job::{Job, Target};

/// Refuses tasks of which a later one would take a tag from an image that an earlier one copies: nobody wants the first copy then.
/// `tasks` are those whose images are known, with their numbers.
pub(crate) fn check_across(tasks: &[(usize, &Prepared<'_>)]) -> Vec<Problem> {
    let mut by_destination: HashMap<Target, (&Job, &Mapping)> = HashMap::new();
    let mut problems = Vec::new();
    for (number, prepared) in tasks {
        let job = prepared.job;
        let taken = prepared.images.iter().find_map(|mapping| {
            let (other, earlier) = by_destination.get(&mapping.to.published_as())?;
            let is_same =
                earlier.from == mapping.from && other.platforms == job.platforms && other.index == job.index;
            (!is_same).then_some((mapping, *other, *earlier))
        });
        if let Some((mapping, other, earlier)) = taken {
            problems.push(Problem {
                number: *number,
                ..taken_by_another(job, mapping, other, earlier)
            });
        }
        let ends = prepared
            .images
            .iter()
            .map(|mapping| (mapping.to.published_as(), (job, mapping)));
        for (to, writer) in ends {
            by_destination.entry(to).or_insert(writer);
        }
    }
    problems
}

fn listed(platforms: &PlatformSet) -> String {
    let patterns = platforms.patterns().unwrap_or_default();
    match patterns {
        [] => "all".to_owned(),
        _ => patterns
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Why a task can't write what an earlier one of the run writes, and what to do about it.
fn taken_by_another(job: &Job, mapping: &Mapping, other: &Job, earlier: &Mapping) -> Problem {
    let to = &mapping.to;
    let (message, hint) = if earlier.from == mapping.from {
        (
            format!(
                "the task \"{}\" writes {to} with the platforms {}, and this one would replace it with {}",
                other.name,
                listed(&other.platforms),
                listed(&job.platforms)
            ),
            "list the platforms in one task: `platform: [linux/amd64, linux/arm64]` copies one image with both",
        )
    } else {
        (
            format!(
                "the task \"{}\" writes {to} from {}, and this one would replace it with {}",
                other.name, earlier.from, mapping.from
            ),
            "give one of the tasks another dest, or run them from two files",
        )
    };
    Problem {
        number: 0,
        job: job.name.clone(),
        side: Some(Side::Destination),
        message,
        hint: Some(hint.to_owned()),
        failed: false,
        place: None,
    }
}
