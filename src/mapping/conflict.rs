//! What two mappings of one host must not do to each other, and a mapping not to itself.

use ipnet::IpNet;

use super::Mapping;
use super::parse::Written;
use crate::problem::{Location, Problem};

/// All conflicts; of each kind the first of a mapping.
pub(super) fn find(written: &[Written]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (position, one) in written.iter().enumerate() {
        let earlier = || {
            written
                .iter()
                .take(position)
                .filter(|other| other.mapping.protocol == one.mapping.protocol)
        };
        let all = || {
            written
                .iter()
                .filter(|other| other.mapping.protocol == one.mapping.protocol)
        };
        problems.extend(onto_itself(one).or_else(|| all().find_map(|other| onto_mapped(one, other))));
        problems.extend(earlier().find_map(|other| overlap(one, other)));
        problems.extend(earlier().find_map(|other| direct(one, other)));
    }
    problems
}

/// A mapping to its own port would close the port that it opens.
fn onto_itself(one: &Written) -> Option<Problem> {
    let Mapping { port, to_port, .. } = one.mapping;
    if port == to_port {
        let problem = Problem::at(&one.to_port, format!("port and to_port are both {port}"));
        return Some(problem.hint("a service that listens on the port itself needs no mapping"));
    }
    port.overlaps(to_port).then(|| {
        Problem::at(&one.to_port, format!("to_port {to_port} lies within port {port}"))
            .hint("what a mapping leads to must be outside of what it takes")
    })
}

/// REDIRECT is applied once: what arrives by one mapping is not mapped again, and the port is hidden by the other.
fn onto_mapped(one: &Written, other: &Written) -> Option<Problem> {
    if std::ptr::eq(one, other) || !one.mapping.to_port.overlaps(other.mapping.port) {
        return None;
    }
    let problem = Problem::at(
        &one.to_port,
        format!("to_port {} is the port of another mapping", one.mapping.to_port),
    );
    let label = format!("mapped to {} at {}", other.mapping.to_port, other.port);
    Some(
        problem
            .label(label)
            .hint("a packet is mapped once only; lead both to the port that the service listens on"),
    )
}

fn overlap(one: &Written, other: &Written) -> Option<Problem> {
    let (a, b) = (&one.mapping, &other.mapping);
    if !a.port.overlaps(b.port) || disjoint(a, b) {
        return None;
    }
    let message = if a.port == b.port {
        format!("port {}/{} is mapped twice", a.port, a.protocol)
    } else {
        format!("port {}/{} overlaps another mapping's, {}", a.port, a.protocol, b.port)
    };
    let hint = "two mappings of a port need sources or interfaces that have nothing in common";
    Some(Problem::at(&one.port, message).label(first_at(&other.port)).hint(hint))
}

fn first_at(location: &Location) -> String {
    format!("first at {location}")
}

/// Whether no packet can be meant by both. What the host sends to itself has neither source nor interface to tell by.
fn disjoint(a: &Mapping, b: &Mapping) -> bool {
    !(a.loopback && b.loopback) && (other_interfaces(a, b) || other_sources(&a.source, &b.source))
}

fn other_interfaces(a: &Mapping, b: &Mapping) -> bool {
    let (Some(a), Some(b)) = (&a.interface, &b.interface) else {
        return false;
    };
    match (a.strip_suffix('+'), b.strip_suffix('+')) {
        (Some(a), Some(b)) => !a.starts_with(b) && !b.starts_with(a),
        (Some(a), None) => !b.starts_with(a),
        (None, Some(b)) => !a.starts_with(b),
        (None, None) => a != b,
    }
}

fn other_sources(a: &[IpNet], b: &[IpNet]) -> bool {
    let meet = |one: &IpNet| b.iter().any(|other| one.contains(other) || other.contains(one));
    !a.is_empty() && !b.is_empty() && !a.iter().any(meet)
}

/// One target port has one guard: it cannot both drop and allow.
fn direct(one: &Written, other: &Written) -> Option<Problem> {
    let (a, b) = (&one.mapping, &other.mapping);
    if !a.to_port.overlaps(b.to_port) || (a.direct == b.direct && sorted(&a.direct_source) == sorted(&b.direct_source))
    {
        return None;
    }
    let message = format!(
        "direct access to {}/{} is governed otherwise by another mapping",
        a.to_port, a.protocol
    );
    let hint = "give all mappings to one port the same `direct` and `direct_source`";
    Some(
        Problem::at(&one.direct, message)
            .label(first_at(&other.direct))
            .hint(hint),
    )
}

fn sorted(nets: &[IpNet]) -> Vec<IpNet> {
    let mut nets = nets.to_vec();
    nets.sort();
    nets.dedup();
    nets
}
