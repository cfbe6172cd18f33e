//! The client against a registry that does what each test tells it.

mod auth;
mod direct;
mod file;
mod help;
mod hostile;
mod pull;
mod push;
mod real;
mod resilience;
mod secure;
mod strangers;
mod whole;
