//! The run as people see it: what is on a real terminal, looked at there.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test stops where something is not as expected"
)]

mod support;

#[path = "screen/feed.rs"]
mod feed;
#[path = "screen/fleets.rs"]
mod fleets;
#[path = "screen/lab.rs"]
mod lab;
#[path = "screen/script.rs"]
mod script;
#[path = "screen/tmux.rs"]
mod tmux;
