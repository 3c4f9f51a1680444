//! The tracer against the kernel.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

#[path = "trace_kernel/compare.rs"]
mod compare;
#[path = "trace_kernel/generate.rs"]
mod generate;
#[path = "trace_kernel/netlink.rs"]
mod netlink;
#[path = "trace_kernel/pools.rs"]
mod pools;
#[path = "trace_kernel/random.rs"]
mod random;
#[path = "trace_kernel/targets.rs"]
mod targets;
#[path = "trace_kernel/wire.rs"]
mod wire;
#[path = "trace_kernel/words.rs"]
mod words;
#[path = "trace_kernel/world.rs"]
mod world;

use std::io::Write as _;
use std::time::Instant;

use compare::Tally;
use portmap_deploy::firewall::Family;
use random::Run;

/// Says it on the terminal, whatever the test harness captures.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Random rules on both backends in both families.
fn random_rules(all: bool) -> Tally {
    let began = Instant::now();
    let packets = number("PORTMAP_TRACE_PACKETS").unwrap_or(4_000);
    let seed = number("PORTMAP_TRACE_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    say(&format!("PORTMAP_TRACE_SEED={seed}"));
    let mut tally = Tally::default();
    for (place, (backend, family)) in [("nft", Family::V4), ("legacy", Family::V4), ("nft", Family::V6), ("legacy", Family::V6)].into_iter().enumerate() {
        tally.add(random::run(Run {
            backend,
            family,
            packets: usize::try_from(packets / 4).unwrap(),
            all,
            seed: seed + ((place as u64) << 40),
        }));
    }
    say(&format!("random rules: {tally}, in {:?}", began.elapsed()));
    tally
}

#[test]
fn modelled_rules() {
    let tally = random_rules(false);
    assert!(tally.wrong.is_empty(), "{}", tally.wrong[0]);
    assert_eq!(tally.unknowns(), 0);
}

#[test]
fn all_rules() {
    let tally = random_rules(true);
    assert!(tally.wrong.is_empty(), "{}", tally.wrong[0]);
}
