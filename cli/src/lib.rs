//! Moves container images where registries can't reach.
