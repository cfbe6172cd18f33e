//! How the registries of a plan would be reached, as whom, and whether they take that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use transload_reference::{Registry, Repository};
use transload_registry_client::{Access, Client, Error, ErrorKind, LoginCheck};

use crate::fault::{Fault, Side};
use crate::prepare::Mapping;

/// A registry that would be spoken to, in one way: where different credentials are for parts of it, each has its own.
#[derive(Debug)]
pub struct Host {
    /// The registry.
    pub registry: Registry,
    /// What it is for.
    pub side: Side,
    /// How many images it is that for.
    pub images: usize,
    /// How it would be reached; none where a credentials file or helper fails.
    pub access: Option<Access>,
    /// What it says to that.
    pub login: Login,
}

/// What a registry says to the credentials.
#[derive(Debug)]
pub enum Login {
    /// It takes them.
    Works,
    /// It asks for none.
    NotNeeded,
    /// It refuses them, or wants some and there are none.
    Refused(Fault),
    /// It can't be reached.
    Unreachable(Fault),
    /// Something else is wrong.
    Failed(Fault),
}

impl Login {
    fn of(side: Side, said: Result<LoginCheck, Error>) -> Login {
        match said {
            Ok(LoginCheck::Accepted) => Login::Works,
            Ok(_) => Login::NotNeeded,
            Err(error) => {
                let is_refusal = error.is_denied();
                let is_network = matches!(error.kind(), ErrorKind::Network { .. });
                let fault = Fault::registry(side, error);
                match (is_refusal, is_network) {
                    (true, _) => Login::Refused(fault),
                    (_, true) => Login::Unreachable(fault),
                    _ => Login::Failed(fault),
                }
            }
        }
    }

    /// Why it didn't work.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Login::Works | Login::NotNeeded => None,
            Login::Refused(fault) | Login::Unreachable(fault) | Login::Failed(fault) => Some(fault),
        }
    }
}

/// The registries of a task, and which of them each repository is in.
pub(super) struct Hosts {
    pub hosts: Vec<Host>,
    by_repository: HashMap<(Side, Repository), usize>,
}

/// The repositories that are reached in one way.
type Group = (Side, Registry, Option<Access>);

impl Hosts {
    /// Finds out how each registry would be reached, and says hello to it.
    pub fn look(client: &Client, images: &[Mapping], pool: &rayon::ThreadPool) -> Hosts {
        let mut counts: BTreeMap<(bool, &Repository), usize> = BTreeMap::new();
        for mapping in images {
            for (is_destination, target) in [(false, &mapping.from), (true, &mapping.to)] {
                if target.registry().is_some() {
                    let repository = target.reference().repository();
                    *counts.entry((is_destination, repository)).or_default() += 1;
                }
            }
        }
        let accesses = in_parallel(pool, counts.keys().copied().collect(), |(_, repository)| {
            client.access(repository)
        });
        let mut groups: Vec<(Group, BTreeSet<&Repository>, usize, Option<Fault>)> = Vec::new();
        for (((is_destination, repository), images), access) in counts.iter().zip(accesses) {
            let side = side(*is_destination);
            let (access, fault) = match access {
                Ok(access) => (Some(access), None),
                Err(error) => (None, Some(Fault::registry(side, error))),
            };
            let group = (side, repository.registry().clone(), access);
            match groups.iter_mut().find(|(known, ..)| *known == group) {
                Some((_, repositories, count, _)) => {
                    repositories.insert(repository);
                    *count += images;
                }
                None => groups.push((group, BTreeSet::from([*repository]), *images, fault)),
            }
        }
        let logins = in_parallel(pool, (0..groups.len()).collect(), |at| {
            let ((side, ..), repositories, _, fault) = &groups[at];
            match (fault, repositories.first()) {
                (None, Some(repository)) => {
                    Login::of(*side, client.check_login(repository, *side == Side::Destination))
                }
                (fault, _) => Login::Failed(fault.clone().unwrap_or_else(Fault::interrupted)),
            }
        });
        let mut by_repository = HashMap::new();
        let mut hosts = Vec::new();
        for (((side, registry, access), repositories, images, _), login) in groups.into_iter().zip(logins) {
            for repository in repositories {
                by_repository.insert((side, repository.clone()), hosts.len());
            }
            hosts.push(Host {
                registry,
                side,
                images,
                access,
                login,
            });
        }
        Hosts { hosts, by_repository }
    }

    /// Why an image can't be looked at: one of its registries can't be reached, and waiting for it again, image after image, would
    /// find out no more.
    pub fn unreachable(&self, mapping: &Mapping) -> Option<&Fault> {
        let ends = [(Side::Source, &mapping.from), (Side::Destination, &mapping.to)];
        ends.into_iter().find_map(|(side, target)| {
            let repository = target.reference().repository().clone();
            target.registry()?;
            let host = self.by_repository.get(&(side, repository))?;
            match &self.hosts[*host].login {
                Login::Unreachable(fault) => Some(fault),
                _ => None,
            }
        })
    }
}

fn side(is_destination: bool) -> Side {
    if is_destination {
        Side::Destination
    } else {
        Side::Source
    }
}

/// Does something for each of several things, at once.
fn in_parallel<T: Send, R: Send>(
    pool: &rayon::ThreadPool,
    things: Vec<T>,
    work: impl Fn(T) -> R + Sync + Send,
) -> Vec<R> {
    use rayon::prelude::*;
    pool.install(|| things.into_par_iter().map(work).collect())
}
