//! The host's agent by itself on the real kernel: what it does when sessions, timers, rules and disks fail it at the worst
//! time. Needs root for namespaces.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "agent/boots.rs"]
mod boots;
#[path = "agent/deaths.rs"]
mod deaths;
#[path = "agent/disks.rs"]
mod disks;
#[path = "agent/foreign.rs"]
mod foreign;
#[path = "agent/framing.rs"]
mod framing;
#[path = "agent/host.rs"]
mod host;
#[path = "agent/locks.rs"]
mod locks;
#[path = "agent/prolonged.rs"]
mod prolonged;
#[path = "agent/races.rs"]
mod races;

/// Mappings before, and after.
const OLD: &str = r#"["2222:22"]"#;
const NEW: &str = r#"["2200:22", "80:8080"]"#;

/// What people type to get rid of a firewall.
const FLUSH: &str = "for f in iptables ip6tables; do for t in nat filter; do $f -t $t -F; $f -t $t -X; done; done";
