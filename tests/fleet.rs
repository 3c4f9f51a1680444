//! A fleet's update as safe as one host's: batches, budgets, and the way back, on real hosts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

#[path = "fleet/interrupts.rs"]
mod interrupts;
#[path = "fleet/taken_back.rs"]
mod taken_back;
