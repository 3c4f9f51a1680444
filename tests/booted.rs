//! Hosts that are whole Debian systems with systemd as PID 1. Where their system cannot be made these tests are skipped,
//! with a line that says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

#[path = "booted/boot.rs"]
mod boot;
#[path = "booted/host.rs"]
mod host;
#[path = "booted/machine.rs"]
mod machine;
#[path = "booted/neighbours.rs"]
mod neighbours;
#[path = "booted/other_inits.rs"]
mod other_inits;
