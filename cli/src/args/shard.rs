//! Which shard of a run this is, as people and Kubernetes write it.

use transload_transfer::job::Shard;

/// What a Kubernetes Indexed Job tells each of its pods: its number, from 0.
const INDEX: &str = "JOB_COMPLETION_INDEX";

/// The shard that `2/4` means, or `4` in the pods of an Indexed Job.
pub(super) fn parse(text: &str) -> Result<Shard, String> {
    read(text, std::env::var(INDEX).ok().as_deref())
}

fn read(text: &str, index: Option<&str>) -> Result<Shard, String> {
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let (own, of) = match text.split_once('/') {
        Some((own, of)) => (number(own), number(of)),
        None => {
            let Some(index) = index else {
                return Err(format!(
                    "expected I/N, such as 2/4; N alone is for the pods of an Indexed Job, which have {INDEX}"
                ));
            };
            (number(index).and_then(|index| index.checked_add(1)), number(text))
        }
    };
    match (own, of) {
        (Some(own), Some(of)) => Shard::new(own, of)
            .ok_or_else(|| format!("there is no shard {own} of {of}: they are counted from 1")),
        _ => Err("expected I/N, such as 2/4 for the second of four".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_1_and_indexed_jobs_count_from_0() {
        for (text, index, shard) in [
            ("1/1", None, (1, 1)),
            (" 2 / 4 ", Some("0"), (2, 4)),
            ("4", Some("0"), (1, 4)),
            ("4", Some("3"), (4, 4)),
        ] {
            assert_eq!(read(text, index).ok(), Shard::new(shard.0, shard.1), "{text}");
        }
        for (text, index) in [
            ("4", None),
            ("4", Some("4")),
            ("4", Some("x")),
            ("4", Some("18446744073709551615")),
            ("0/4", None),
            ("5/4", None),
            ("1/0", None),
            ("a/b", None),
            ("1/", None),
            ("-1/2", None),
            ("", None),
        ] {
            assert!(read(text, index).is_err(), "{text}");
        }
    }
}
