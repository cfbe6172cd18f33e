//! Test support: a scripted registry with faults, real registries, image builders.
