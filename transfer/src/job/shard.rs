//! One of several runs that share a task's work, on machines that don't talk to each other.

use std::collections::BTreeSet;

/// A part of a task's images, by the repositories that they go to: in the order of their names, neighbours stay together, since images of one
/// project share blobs. All images of a repository are in one shard, so that each blob comes into it once.
///
/// Which repositories there are follows from the task alone: tags that come or go between the runs leave no image out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    of: usize,
}

impl Shard {
    /// The shard with this number, from 1, of so many; none where there is no such one.
    pub fn new(number: usize, of: usize) -> Option<Shard> {
        (1..=of).contains(&number).then_some(Shard { number, of })
    }

    /// Which of the repositories are its own.
    pub(crate) fn own(self, repositories: &BTreeSet<String>) -> BTreeSet<String> {
        let share = |number: usize| (repositories.len() as u128 * number as u128 / self.of as u128) as usize;
        let (start, end) = (share(self.number - 1), share(self.number));
        repositories
            .iter()
            .skip(start)
            .take(end - start)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_all_repositories_once_in_shares_that_differ_by_one() {
        for count in 0..20 {
            let all: BTreeSet<String> = (0..count).map(|number| format!("project/{number:02}")).collect();
            for of in 1..=25 {
                let shards =
                    (1..=of).map(|number| Shard::new(number, of).expect("a number among them").own(&all));
                let shards: Vec<BTreeSet<String>> = shards.collect();
                let sizes: Vec<usize> = shards.iter().map(BTreeSet::len).collect();
                assert!(
                    sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1,
                    "{sizes:?}"
                );
                assert_eq!(sizes.iter().sum::<usize>(), count);
                assert_eq!(shards.into_iter().flatten().collect::<BTreeSet<_>>(), all);
            }
        }
        assert_eq!(
            (Shard::new(0, 3), Shard::new(4, 3), Shard::new(1, 0)),
            (None, None, None)
        );
    }
}
