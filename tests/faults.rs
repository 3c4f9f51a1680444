//! No fault leaves a host unreachable: within the window it runs its old rules, or the proven new ones, whole.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

#[path = "faults/disks.rs"]
mod disks;
#[path = "faults/host.rs"]
mod host;
#[path = "faults/killed.rs"]
mod killed;
#[path = "faults/lockout.rs"]
mod lockout;
#[path = "faults/memory.rs"]
mod memory;
#[path = "faults/removal.rs"]
mod removal;
#[path = "faults/terminal.rs"]
mod terminal;
