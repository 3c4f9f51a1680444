//! Whole deploys to lab hosts on the real kernel: the program's own word is never enough, rules are read back and
//! connections made from outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod support;

#[path = "deploy/truth_table.rs"]
mod truth_table;
