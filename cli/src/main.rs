//! transload: moves container images where registries can't reach.
fn main() {}
