//! The client against a scripted registry.

mod alongside;
mod answers;
mod auth;
mod bodies;
mod help;
mod hostile;
mod origin;
mod pace;
mod projects;
mod pull;
mod push;
mod real;
mod referrers;
mod refusals;
mod resilience;
mod secure;
mod tokens;
mod unknown_hosts;
mod whole;
