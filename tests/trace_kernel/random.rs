//! Random packets through random rules.

use std::collections::BTreeSet;

use fastrand::Rng;
use portmap_deploy::firewall::Family;
use portmap_deploy::firewall::trace::{Packet, State};

use super::compare::{Case, Ground, Tally};
use super::pools::{self, choose};
use super::world::World;
use super::{generate, say};

/// How many packets go through one rule set.
const PACKETS: usize = 50;

/// What is asked of one run.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// `nft` or `legacy`.
    pub backend: &'static str,
    /// The family.
    pub family: Family,
    /// Packets, at least.
    pub packets: usize,
    /// Conditions that depend on what is not told as well.
    pub all: bool,
    /// Where chance begins.
    pub seed: u64,
}

/// Compares until enough packets were sent, or one was traced wrong.
pub fn run(run: Run) -> Tally {
    let host = pools::host();
    World::with(run.backend, &host, |world| {
        let ground = Ground {
            world,
            host: &host,
            family: run.family,
        };
        if run.all {
            world.make_sets(run.family, "--match-set nets src\n--match-set ports src,dst");
        }
        let mut tally = Tally::default();
        let mut seed = run.seed;
        while tally.packets < run.packets && tally.wrong == 0 {
            let rng = &mut Rng::with_seed(seed);
            let text = generate::ruleset(rng, run.family, run.all);
            let cases = packets(rng, run.family);
            let title = format!("seed {seed}");
            let one = ground.compare(&title, &text, &cases);
            if !run.all && one.unknowns() > 0 && std::env::var_os("PORTMAP_SHOW_UNKNOWN").is_some() {
                say(&format!("{title}: {one}\n{text}"));
            }
            tally.add(one);
            seed += 1;
        }
        tally
    })
}

fn packets(rng: &mut Rng, family: Family) -> Vec<Case> {
    let mut senders = BTreeSet::new();
    let mut cases = Vec::new();
    while cases.len() < PACKETS {
        let packet = packet(rng, family);
        if senders.insert((packet.protocol.clone(), packet.source, packet.source_port)) {
            let id = u32::try_from(cases.len() + 1).unwrap();
            cases.push(Case::new(id, packet));
        }
    }
    cases
}

fn packet(rng: &mut Rng, family: Family) -> Packet {
    let icmp = if family == Family::V4 { "icmp" } else { "ipv6-icmp" };
    let protocol = choose(
        rng,
        &[
            "tcp", "tcp", "tcp", "tcp", "tcp", "udp", "udp", "udp", icmp, icmp, "sctp", "47",
        ],
    );
    let has_ports = matches!(protocol, "tcp" | "udp" | "sctp");
    let state = match rng.u32(..20) {
        0 | 1 if protocol != "47" && protocol != "sctp" => State::Established,
        2 if protocol != "47" => State::Invalid,
        3 | 4 => State::Untracked,
        5 if matches!(protocol, "tcp" | "udp") => State::Related,
        _ => State::New,
    };
    let sport = match rng.u32(..4) {
        0 => pools::port(rng),
        _ => rng.u16(1024..),
    };
    Packet {
        family,
        protocol: protocol.to_owned(),
        source: Some(pools::any_sender(rng, family)),
        destination: Some(pools::receiver(rng, family)),
        source_port: has_ports.then_some(sport),
        destination_port: has_ports.then(|| pools::port(rng)),
        in_interface: Some(choose(rng, &["eth0", "eth0", "eth0", "eth1", "eth2"]).to_owned()),
        state,
    }
}
