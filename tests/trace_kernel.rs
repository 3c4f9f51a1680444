//! The tracer against the kernel: rules are loaded in a network namespace, real packets are sent through them, and what
//! becomes of each is compared with what the tracer says: verdict, and address and port as delivered. Rules are random
//! (over everything that is modelled), of shapes that are easy to get wrong, the project's own, and those of real hosts
//! where they lie beside the checkout; both backends, both families. Needs root, `ip`, `nft`, `ipset` and iptables.
//!
//! A wrong trace is shown with the fewest rules that show it. `PORTMAP_TRACE_SEED` repeats a run of random rules,
//! `PORTMAP_TRACE_PACKETS` says how many packets one sends (4,000 unless it says otherwise; 20,000 take half a minute), `PORTMAP_ALL_DUMPS` has real
//! rule sets on both backends instead of one of them each.
//!
//! With `PORTMAP_SHOW_REFUSED` rule sets that the kernel does not take are said with its complaint, with
//! `PORTMAP_SHOW_UNKNOWN` those of modelled parts that are traced as unknown.
//!
//! Packets come in by TUN devices, so they have no MAC and no packet type; the host has `rp_filter` off, forwarding on and a default route.
//! Not sent: what comes in by `lo`, fragments, RELATED ones but of tcp and udp.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

#[path = "trace_kernel/compare.rs"]
mod compare;
#[path = "trace_kernel/dumps.rs"]
mod dumps;
#[path = "trace_kernel/generate.rs"]
mod generate;
#[path = "trace_kernel/json.rs"]
mod json;
#[path = "trace_kernel/netlink.rs"]
mod netlink;
#[path = "trace_kernel/pools.rs"]
mod pools;
#[path = "trace_kernel/random.rs"]
mod random;
#[path = "trace_kernel/shapes.rs"]
mod shapes;
#[path = "trace_kernel/targets.rs"]
mod targets;
#[path = "trace_kernel/wire.rs"]
mod wire;
#[path = "trace_kernel/words.rs"]
mod words;
#[path = "trace_kernel/world.rs"]
mod world;

use std::io::Write as _;
use std::path::Path;
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
    for (place, (backend, family)) in GROUNDS.into_iter().enumerate() {
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
    assert!(tally.wrong == 0, "{}", tally.reports.join("\n"));
    assert_eq!(tally.unknowns(), 0);
}

#[test]
fn all_rules() {
    let tally = random_rules(true);
    assert!(tally.wrong == 0, "{}", tally.reports.join("\n"));
}

/// Both backends, both families.
const GROUNDS: [(&str, Family); 4] = [
    ("nft", Family::V4),
    ("legacy", Family::V4),
    ("nft", Family::V6),
    ("legacy", Family::V6),
];

#[test]
fn shapes_by_hand() {
    let mut tally = Tally::default();
    for (backend, family) in GROUNDS {
        tally.add(shapes::run(backend, family));
    }
    say(&format!("shapes by hand: {tally}"));
    assert!(tally.wrong == 0, "{}", tally.reports.join("\n"));
    assert_eq!((tally.unknowns(), tally.refused), (0, 0));
}

/// Rule sets of a folder, each on one backend in turn, with `PORTMAP_ALL_DUMPS` in the environment on both.
fn dumps_of(folder: &str, packets: usize) -> Option<Tally> {
    let began = Instant::now();
    let dumps = dumps::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))?;
    let both = std::env::var_os("PORTMAP_ALL_DUMPS").is_some();
    let mut tally = Tally::default();
    for (place, dump) in dumps.iter().enumerate() {
        for (turn, backend) in ["nft", "legacy"].into_iter().enumerate() {
            if both || place % 2 == turn {
                tally.add(dumps::run(backend, dump, packets));
            }
        }
    }
    say(&format!("{folder}: {tally}, in {:?}", began.elapsed()));
    Some(tally)
}

#[test]
fn rule_sets_of_the_project() {
    let tally = dumps_of("tests/cases/rulesets", 100).unwrap();
    assert!(tally.wrong == 0, "{}", tally.reports.join("\n"));
    // Some of them limit rates.
    let by_luck = |reason: &String| reason.starts_with("limit") || reason.starts_with("recent");
    assert!(tally.unknown.keys().all(by_luck), "{tally}");
}

#[test]
fn rule_sets_of_others() {
    let (mut sent, mut unknown, mut wrong) = (0, 0, vec![]);
    for folder in ["../shared/rulesets/dumps", "../shared/rulesets/seeds"] {
        let Some(tally) = dumps_of(folder, 100) else {
            say(&format!(
                "SKIPPED: rule sets of others: there is no {folder} beside the checkout"
            ));
            continue;
        };
        sent += tally.packets;
        unknown += tally.unknowns();
        wrong.extend(tally.reports);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unknown * 20 <= sent, "{unknown} of {sent} unknown");
}

#[test]
fn shapes_through_the_program() {
    let (mut count, mut wrong) = (0, vec![]);
    for (backend, family) in GROUNDS {
        let (more, failed) = json::run(backend, family);
        count += more;
        wrong.extend(failed);
    }
    say(&format!(
        "shapes through the program: {count} packets, {} wrong",
        wrong.len()
    ));
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
}
