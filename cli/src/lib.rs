//! transload copies container images into and out of air-gapped networks.
//!
//! A task file ([`task`]) or the command line ([`args`], [`jobs`]) becomes [`Job`](transload_transfer::job::Job)s, which hold nothing but
//! checked values; `transload-transfer` does them and tells an observer what happens; [`ui`] shows it, [`report`] keeps it. [`app`] is the program.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod args;
mod atomic;
mod bundling;
mod commands;
#[cfg(test)]
mod committed;
mod course;
mod endpoint;
mod images;
pub mod jobs;
pub mod journal;
pub mod lock;
mod open_files;
mod page;
mod receipt;
mod records;
pub mod report;
mod run;
mod signals;
pub mod task;
mod trust;
pub mod ui;
mod yaml;
