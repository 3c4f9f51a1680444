//! The hooks of netfilter in their order, from where a packet comes in to where it is delivered.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::condition::{Facts, protocol};
use super::nat;
use super::program::Program;
use super::routing::{self, Road};
use super::walk::Walk;
use super::way::{Cause, End, Way, merge};
use super::{Host, Packet, State, Trace, Verdict};
use crate::firewall::Ruleset;

/// Tables in the order of their priorities at a hook.
const OUTPUT: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];
const PREROUTING: [&str; 3] = ["raw", "mangle", "nat"];
const INPUT: [&str; 2] = ["mangle", "filter"];
const FORWARD: [&str; 3] = ["mangle", "filter", "security"];
const POSTROUTING: [&str; 2] = ["mangle", "nat"];

pub(super) fn trace<'a>(program: &Program, ruleset: &'a Ruleset, host: &Host, packet: &Packet) -> Trace<'a> {
    let mut walk = Walk::new(program, ruleset, host);
    let facts = facts(packet, host);
    match routing::refused(&facts) {
        Some(reason) => lose(&mut walk, vec![Way::new(facts)], Verdict::Drop, reason),
        None => travel(&mut walk, facts),
    }
    finish(walk)
}

fn travel(walk: &mut Walk<'_, '_>, facts: Facts) {
    let mut ways = vec![Way::new(facts)];
    if ways.iter().all(Way::loops) {
        ways = leave(walk, ways);
    }
    ways = pass(walk, "PREROUTING", &PREROUTING, ways);
    let (local, forward) = route(walk, ways);
    let both = !local.is_empty() && !forward.is_empty();
    if both {
        walk.part();
    }
    let local = input(walk, local);
    deliver(walk, local, true);
    let forward = pass(walk, "FORWARD", &FORWARD, forward);
    let forward = post(walk, forward);
    deliver(walk, forward, false);
}

/// The legacy tables ask security before nat, nft's after it: where nat gives a packet another source, either may be.
fn input<'t>(walk: &mut Walk<'t, '_>, ways: Vec<Way<'t>>) -> Vec<Way<'t>> {
    let before = pass(walk, "INPUT", &INPUT, ways);
    let mut ways = pass(walk, "INPUT", &["nat"], before.clone());
    let rewritten = ways.iter().any(|way| way.facts.snat) && before.iter().any(|way| !way.facts.snat);
    if rewritten {
        walk.part();
        ways.extend(before.into_iter().map(|mut way| {
            way.parted(ORDER, false);
            way
        }));
    }
    pass(walk, "INPUT", &["security"], ways)
}

const ORDER: &str = "whether security comes before nat depends on the backend";

/// What the host sends to itself passes its way out first, and comes in by `lo`.
fn leave<'t>(walk: &mut Walk<'t, '_>, mut ways: Vec<Way<'t>>) -> Vec<Way<'t>> {
    for way in &mut ways {
        way.facts.in_interface = Some(String::new());
        way.facts.out_interface = Some("lo".to_owned());
    }
    let mut ways = pass(walk, "OUTPUT", &OUTPUT, ways);
    for way in &mut ways {
        if way.facts.to_us == Some(false) {
            way.facts.out_interface = routing::way_out(&way.facts, walk.host);
        }
    }
    let ways = post(walk, ways);
    let (mut near, far): (Vec<_>, Vec<_>) = ways.into_iter().partition(|way| way.facts.to_us != Some(false));
    deliver(walk, far, false);
    for way in &mut near {
        way.facts.in_interface = Some("lo".to_owned());
        way.facts.out_interface = Some(String::new());
        way.forget_passing();
    }
    near
}

/// Leads ways through the tables of a hook.
fn pass<'t>(
    walk: &mut Walk<'t, '_>,
    hook: &'static str,
    tables: &[&'static str],
    mut ways: Vec<Way<'t>>,
) -> Vec<Way<'t>> {
    for table in tables {
        let (asked, others): (Vec<_>, Vec<_>) = ways.into_iter().partition(|way| *table != "nat" || nat::is_asked(way));
        ways = walk.hook(table, hook, asked);
        ways.extend(others);
        merge(&mut ways);
    }
    for way in &mut ways {
        way.forget_passing();
    }
    ways
}

fn post<'t>(walk: &mut Walk<'t, '_>, mut ways: Vec<Way<'t>>) -> Vec<Way<'t>> {
    for way in &mut ways {
        way.facts.in_interface = Some(String::new());
    }
    pass(walk, "POSTROUTING", &POSTROUTING, ways)
}

/// The routing decision: what is for this host, and what goes on.
fn route<'t>(walk: &mut Walk<'t, '_>, ways: Vec<Way<'t>>) -> (Vec<Way<'t>>, Vec<Way<'t>>) {
    let (mut local, mut forward) = (Vec::new(), Vec::new());
    for mut way in ways {
        match routing::road(&way.facts, walk.host) {
            Road::Local => local.push(way),
            Road::Forward => {
                way.facts.out_interface = routing::way_out(&way.facts, walk.host);
                way.facts.to_us = Some(false);
                forward.push(way);
            }
            Road::Lost(reason) => lose(walk, vec![way], Verdict::Drop, reason),
            Road::Refused(reason) => lose(walk, vec![way], Verdict::Reject, reason),
            Road::Unclear(reason) => lose(walk, vec![way], Verdict::Unknown, reason),
            Road::Group => {
                let mut other = way.clone();
                other.parted(routing::GROUP, false);
                way.parted(routing::GROUP, true);
                lose(walk, vec![other], Verdict::Drop, routing::GROUP);
                local.push(way);
            }
        }
    }
    (local, forward)
}

/// Where no rule takes packets, but the kernel itself.
fn lose<'t>(walk: &mut Walk<'t, '_>, mut ways: Vec<Way<'t>>, verdict: Verdict, reason: &'static str) {
    for way in &mut ways {
        way.causes.push(Cause { reason, holds: true });
    }
    walk.end(ways, verdict, None);
}

fn deliver<'t>(walk: &mut Walk<'t, '_>, ways: Vec<Way<'t>>, local: bool) {
    walk.ends.extend(ways.into_iter().map(|way| End {
        verdict: Verdict::Accept,
        destination: way.facts.destination,
        port: way.facts.destination_port,
        local: Some(local),
        causes: way.causes,
    }));
}

/// What all ends have in common.
fn finish<'a>(mut walk: Walk<'_, 'a>) -> Trace<'a> {
    let ends = std::mem::take(&mut walk.ends);
    let verdict = same(ends.iter().map(|end| end.verdict)).unwrap_or(Verdict::Unknown);
    walk.decide(verdict);
    let told = |yes: bool| yes.then_some(());
    let accepted = told(verdict == Verdict::Accept);
    let reason = match verdict {
        Verdict::Unknown => Some(reason(&ends)),
        Verdict::Drop | Verdict::Reject if !walk.steps.iter().any(|step| step.decides) => {
            let cause = ends.first().and_then(|end| end.causes.last());
            cause.map(|cause| cause.reason.to_owned())
        }
        _ => None,
    };
    Trace {
        verdict,
        destination: accepted
            .and_then(|()| same(ends.iter().map(|end| end.destination)))
            .flatten(),
        destination_port: accepted.and_then(|()| same(ends.iter().map(|end| end.port))).flatten(),
        local: same(ends.iter().map(|end| end.local)).flatten(),
        steps: walk.steps,
        reason,
    }
}

/// The one value that all have.
fn same<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// What made the difference: what is not modelled, or the first condition on which the end depends.
fn reason(ends: &[End<'_>]) -> String {
    let unmodelled = ends.iter().find(|end| end.verdict == Verdict::Unknown);
    let causes = || ends.iter().flat_map(|end| &end.causes);
    let cause = unmodelled
        .and_then(|end| end.causes.last())
        .or_else(|| causes().find(|cause| divides(ends, cause.reason)))
        .or_else(|| causes().next());
    cause.map_or_else(
        || "its ways end differently".to_owned(),
        |cause| cause.reason.to_owned(),
    )
}

/// Whether ways on which a condition held end otherwise than those on which it did not.
fn divides(ends: &[End<'_>], reason: &str) -> bool {
    let verdicts = |holds: bool| -> BTreeSet<Verdict> {
        let has = |end: &&End<'_>| {
            end.causes
                .iter()
                .any(|cause| cause.reason == reason && cause.holds == holds)
        };
        ends.iter().filter(has).map(|end| end.verdict).collect()
    };
    let (with, without) = (verdicts(true), verdicts(false));
    !with.is_empty() && !without.is_empty() && with != without
}

/// What is known of a packet that comes in.
fn facts(packet: &Packet, host: &Host) -> Facts {
    let number = protocol::of_packet(&packet.protocol, packet.family);
    let ported = number.is_none_or(protocol::has_ports);
    let port = |port: Option<u16>| port.filter(|_| ported);
    let told = !host.interfaces.is_empty();
    let tracked = packet.state == State::New;
    Facts {
        family: packet.family,
        protocol: number,
        source: packet.source,
        destination: packet.destination,
        to_us: (!told || packet.destination.is_none()).then_some(true),
        source_port: port(packet.source_port),
        destination_port: port(packet.destination_port),
        in_interface: in_interface(packet, host),
        out_interface: Some(String::new()),
        table: "raw",
        hook: "PREROUTING",
        state: packet.state,
        original_destination: packet.destination,
        original_destination_port: port(packet.destination_port),
        original_source: packet.source,
        original_source_port: port(packet.source_port),
        dnat: false,
        snat: false,
        mark: Some(0),
        connmark: tracked.then_some(0),
        changed_sets: Vec::new(),
    }
}

/// Where the packet comes in: where it says, else where such a packet can only come in.
fn in_interface(packet: &Packet, host: &Host) -> Option<String> {
    let only = || {
        let mut others = host
            .interfaces
            .iter()
            .map(|(name, _)| name)
            .filter(|name| *name != "lo");
        others.next().filter(|_| others.next().is_none()).cloned()
    };
    if packet.in_interface.is_some() {
        packet.in_interface.clone()
    } else if packet.destination.is_some_and(|address: IpAddr| address.is_loopback()) {
        Some("lo".to_owned())
    } else {
        host.default_interface.clone().or_else(only)
    }
}
