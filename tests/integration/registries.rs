//! Every direction through every shape of a real registry, with skopeo as the judge.
