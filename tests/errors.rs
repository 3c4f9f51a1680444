//! Errors name the host or the line and the remedy, change nothing, and let the other hosts go on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

#[path = "errors/before.rs"]
mod before;
#[path = "errors/hosts.rs"]
mod hosts;
#[path = "errors/rollout.rs"]
mod rollout;
