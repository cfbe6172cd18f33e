//! transload moves container images between registries and directories.
//!
//! A task file ([`task`]) or the command line ([`args`], [`jobs`]) becomes [`job::Job`]s, which hold nothing but checked values;
//! [`transfer`] does them and tells an observer what happens; [`care`] looks after stores; [`ui`] shows it, [`report`] keeps it. [`app`] is the program.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod args;
mod atomic;
pub mod care;
mod commands;
#[cfg(test)]
mod committed;
pub mod inside;
pub mod job;
pub mod jobs;
pub mod journal;
pub mod lock;
mod open_files;
mod panics;
mod records;
pub mod report;
pub mod task;
pub mod transfer;
pub mod ui;
