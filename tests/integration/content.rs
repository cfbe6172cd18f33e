//! Every kind of content, through stores and registries.
