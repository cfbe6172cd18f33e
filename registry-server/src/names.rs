//! Which repository a request means.
//!
//! | asked by | request | means |
//! | --- | --- | --- |
//! | containerd, through a mirror | `/v2/library/alpine/…?ns=docker.io` | `docker.io/library/alpine` |
//! | docker, podman, `transload` | `/v2/quay.io/team/app/…` | `quay.io/team/app` |
//! | anybody who pushed it here | `/v2/team/app/…` | `HOST/team/app`, with the host that was asked |
//! | docker's `registry-mirrors` | `/v2/library/alpine/…` | `docker.io/library/alpine` |
//! | podman's and CRI-O's mirrors | `/v2/team/app/…` | the only repository of that path |

use transload_reference::{Registry, Repository};

use crate::problem::{Code, Problem};

/// What a client asks for, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The name in the path.
    pub name: &'a str,
    /// The parameter `ns`: the registry that a mirror is asked in the place of. It is a key to look up, never an address to call.
    pub namespace: Option<&'a str>,
    /// The registry that names without one are in: that of `--as`, or the one that the client takes this server for.
    pub own: Option<&'a Registry>,
}

/// The repositories that a request may mean, the likeliest first, before any of them is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meanings {
    pub repositories: Vec<Repository>,
    /// The path of which there may be only one repository; none where the request itself tells the registry.
    pub any_of_path: Option<String>,
}

impl Asked<'_> {
    /// Tells what it may mean.
    ///
    /// A client that names a registry, by `ns` or in the path, gets an image of that registry or none: another registry's of the same path
    /// may be somebody else's.
    pub fn meanings(&self) -> Result<Meanings, Problem> {
        let named = self.registry_in_path()?;
        let mut repositories = Vec::new();
        if let Some(namespace) = self.namespace {
            let registry = self.namespace_registry(namespace)?;
            repositories.extend(Repository::new(registry, self.name).ok());
            repositories.extend(named);
            if repositories.is_empty() {
                return Err(self.invalid());
            }
            return Ok(Meanings {
                repositories,
                any_of_path: None,
            });
        }
        if let Some(named) = named {
            return Ok(Meanings {
                repositories: vec![named],
                any_of_path: None,
            });
        }
        let hub = Repository::new(Registry::docker_hub(), self.name).map_err(|_| self.invalid())?;
        if let Some(own) = self.own {
            repositories.extend(Repository::new(own.clone(), self.name).ok());
        }
        repositories.push(hub);
        repositories.dedup();
        Ok(Meanings {
            repositories,
            any_of_path: Some(self.name.to_owned()),
        })
    }

    /// Tells where a push goes. What was pushed is found by the same name, since it is the first of its meanings.
    pub fn pushed(&self) -> Result<Repository, Problem> {
        if let Some(namespace) = self.namespace {
            let registry = self.namespace_registry(namespace)?;
            if let Ok(repository) = Repository::new(registry, self.name) {
                return Ok(repository);
            }
        }
        if let Some(named) = self.registry_in_path()? {
            return Ok(named);
        }
        let Some(own) = self.own else {
            let message = "the request has no usable Host, so the registry of the name isn't known: ask by another address, or start the server with --as";
            return Err(Problem::new(Code::NameInvalid, message));
        };
        Repository::new(own.clone(), self.name).map_err(|_| self.invalid())
    }

    fn namespace_registry(&self, namespace: &str) -> Result<Registry, Problem> {
        namespace.parse().map_err(|error| {
            Problem::new(
                Code::NameInvalid,
                format!("the parameter ns isn't a registry: {error}"),
            )
        })
    }

    /// The repository whose registry is the path's first component, if that looks like a host.
    fn registry_in_path(&self) -> Result<Option<Repository>, Problem> {
        let Some((first, path)) = self
            .name
            .split_once('/')
            .filter(|(first, _)| looks_like_a_host(first))
        else {
            return Ok(None);
        };
        let repository = first
            .parse::<Registry>()
            .and_then(|registry| Repository::new(registry, path));
        match repository {
            Ok(repository) => Ok(Some(repository)),
            // `a.b/c` may be a path, too.
            Err(_) if Repository::new(Registry::docker_hub(), self.name).is_ok() => Ok(None),
            Err(error) => Err(Problem::new(
                Code::NameInvalid,
                format!("the name is invalid: {error}"),
            )),
        }
    }

    fn invalid(&self) -> Problem {
        let reason = Repository::new(Registry::docker_hub(), self.name)
            .err()
            .map_or_else(String::new, |error| format!(": {error}"));
        Problem::new(Code::NameInvalid, format!("the name is invalid{reason}"))
    }
}

/// Docker's rule of what is a registry in a name.
fn looks_like_a_host(component: &str) -> bool {
    component == "localhost"
        || component.contains(['.', ':', '['])
        || component.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meanings(name: &str, namespace: Option<&str>, host: Option<&str>) -> Option<(Vec<String>, bool)> {
        let own = host.map(|host| host.parse().unwrap());
        let asked = Asked {
            name,
            namespace,
            own: own.as_ref(),
        };
        let meanings = asked.meanings().ok()?;
        let names = meanings.repositories.iter().map(Repository::to_string).collect();
        Some((names, meanings.any_of_path.is_some()))
    }

    #[test]
    fn each_clients_requests_mean_what_the_client_means() {
        // Name, ns, host; what it means in order, and whether the only repository of the path may be meant.
        type Row<'a> = (&'a str, &'a str, Option<&'a str>, &'a str, &'a [&'a str], bool);
        let rows: &[Row<'_>] = &[
            (
                "containerd, hosts.toml",
                "library/alpine",
                Some("docker.io"),
                "10.0.0.1:5000",
                &["docker.io/library/alpine"],
                false,
            ),
            (
                "containerd, hosts.toml",
                "pause",
                Some("registry.k8s.io"),
                "10.0.0.1:5000",
                &["registry.k8s.io/pause"],
                false,
            ),
            (
                "containerd, a port",
                "app",
                Some("hub.local:5000"),
                "10.0.0.1:5000",
                &["hub.local:5000/app"],
                false,
            ),
            (
                "k3s with a rewrite",
                "docker.io/library/alpine",
                Some("docker.io"),
                "node1:5000",
                &["docker.io/docker.io/library/alpine", "docker.io/library/alpine"],
                false,
            ),
            (
                "containerd, Hub's API host",
                "library/alpine",
                Some("registry-1.docker.io"),
                "node1:5000",
                &["docker.io/library/alpine"],
                false,
            ),
            (
                "docker pull node1:5000/quay.io/team/app",
                "quay.io/team/app",
                None,
                "node1:5000",
                &["quay.io/team/app"],
                false,
            ),
            (
                "docker pull node1:5000/hub.local:8443/app",
                "hub.local:8443/app",
                None,
                "node1:5000",
                &["hub.local:8443/app"],
                false,
            ),
            (
                "docker pull node1:5000/localhost/app",
                "localhost/app",
                None,
                "node1:5000",
                &["localhost/app"],
                false,
            ),
            (
                "docker, registry-mirrors",
                "library/alpine",
                None,
                "node1:5000",
                &["node1:5000/library/alpine", "docker.io/library/alpine"],
                true,
            ),
            (
                "podman pull node1:5000/alpine",
                "alpine",
                None,
                "node1:5000",
                &["node1:5000/alpine", "docker.io/library/alpine"],
                true,
            ),
            (
                "podman, a mirror of quay.io",
                "team/app",
                None,
                "node1:5000",
                &["node1:5000/team/app", "docker.io/team/app"],
                true,
            ),
            (
                "CRI-O, a mirror with a path",
                "quay.io/team/app",
                None,
                "node1:5000",
                &["quay.io/team/app"],
                false,
            ),
            (
                "asked by an IPv6 address",
                "[::1]:5000/app",
                None,
                "node1:5000",
                &["[::1]:5000/app"],
                false,
            ),
            (
                "asked for as docker.io itself",
                "library/alpine",
                None,
                "docker.io",
                &["docker.io/library/alpine"],
                true,
            ),
        ];
        for (client, name, namespace, host, expected, any) in rows {
            let (names, is_any) =
                meanings(name, *namespace, Some(host)).unwrap_or_else(|| panic!("{client}"));
            assert_eq!(names, *expected, "{client}");
            assert_eq!(is_any, *any, "{client}");
        }
    }

    #[test]
    fn names_that_climb_or_are_none_are_refused() {
        for name in [
            "",
            "..",
            "../etc",
            "a/../b",
            "a//b",
            "/a",
            "a/",
            "A/B",
            "a b",
            "quay.io/../x",
            "quay.io/",
            "a_/b",
            "-a",
        ] {
            assert_eq!(meanings(name, None, Some("node1:5000")), None, "{name:?}");
        }
        for namespace in ["", "../..", "http://evil", "a/b", "-"] {
            assert_eq!(meanings("app", Some(namespace), None), None, "{namespace:?}");
        }
    }

    #[test]
    fn a_push_goes_where_a_pull_of_the_same_name_looks_first() {
        for (name, namespace) in [
            ("team/app", None),
            ("quay.io/team/app", None),
            ("app", Some("docker.io")),
            ("docker.io/library/alpine", Some("docker.io")),
        ] {
            for own in ["node1:5000", "localhost:5000", "127.0.0.1:5000", "docker.io"] {
                let own = own.parse().unwrap();
                let asked = Asked {
                    name,
                    namespace,
                    own: Some(&own),
                };
                let meanings = asked.meanings().unwrap().repositories;
                assert_eq!(asked.pushed().unwrap(), meanings[0], "{name} {namespace:?} {own}");
            }
        }
        let asked = Asked {
            name: "team/app",
            namespace: None,
            own: None,
        };
        assert_eq!(asked.pushed().unwrap_err().status(), 400);
    }

    proptest! {
        #[test]
        fn no_name_means_a_path_that_climbs(name in "[a-z./:_-]{0,20}", namespace in prop::option::of("[a-z./:]{0,10}")) {
            let asked = Asked { name: &name, namespace: namespace.as_deref(), own: None };
            if let Ok(meanings) = asked.meanings() {
                for repository in meanings.repositories {
                    prop_assert!(repository.path().split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
                }
            }
        }
    }
}
