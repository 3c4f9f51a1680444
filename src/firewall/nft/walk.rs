//! What a base chain of nft does with a new connection, as far as its rules are simple: each condition holds, does not, or
//! may. Of what is not modelled everything is thought possible.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::{BitOr, BitOrAssign};

use ipnet::IpNet;
use serde_json::Value;

use super::{Arrival, BaseChain, Passes, Table};
use crate::firewall::Family;
use crate::mapping::Protocol;

/// Chains in chains are followed this deep.
const DEEPEST: usize = 16;

/// What nat runs at in hook prerouting, and conntrack (nft(8), "Standard priority names").
const DSTNAT: i64 = -100;
const CONNTRACK: i64 = -200;

/// What may become of a packet at a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of fates: each may be possible beside the others"
)]
struct Fates {
    accepted: bool,
    taken: bool,
    /// It leaves the chain undecided.
    returned: bool,
    /// It comes to the next rule.
    goes_on: bool,
}

const ACCEPTED: Fates = fates(true, false, false, false);
const TAKEN: Fates = fates(false, true, false, false);
const RETURNED: Fates = fates(false, false, true, false);
const GOES_ON: Fates = fates(false, false, false, true);
const ANYTHING: Fates = fates(true, true, false, true);

#[expect(clippy::fn_params_excessive_bools, reason = "the fields in their order")]
const fn fates(accepted: bool, taken: bool, returned: bool, goes_on: bool) -> Fates {
    Fates {
        accepted,
        taken,
        returned,
        goes_on,
    }
}

impl BitOr for Fates {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        fates(
            self.accepted | other.accepted,
            self.taken | other.taken,
            self.returned | other.returned,
            self.goes_on | other.goes_on,
        )
    }
}

impl BitOrAssign for Fates {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    Maybe,
}

impl Holds {
    fn when(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
        }
    }

    /// Whether any of these holds.
    fn any(all: impl Iterator<Item = Self>) -> Self {
        let mut any = Self::No;
        for one in all {
            match one {
                Self::Yes => return Self::Yes,
                Self::Maybe => any = Self::Maybe,
                Self::No => {}
            }
        }
        any
    }
}

/// Whether a chain, or one that it leads to, has a rule that may take a packet away.
pub(super) fn may_take(table: &Table, chain: &str) -> bool {
    let mut walked = vec![chain];
    let mut next = 0;
    while let Some(name) = walked.get(next).copied() {
        next += 1;
        let statements = table.get(name).into_iter().flatten().flatten();
        for (kind, value) in statements.filter_map(single) {
            match kind {
                "match" | "counter" | "log" | "accept" | "return" | "limit" | "quota" | "notrack" | "mangle"
                | "ct helper" | "ct timeout" | "redirect" | "dnat" | "set" => {}
                "jump" | "goto" => {
                    let target = value.get("target").and_then(Value::as_str);
                    walked.extend(target.filter(|target| !walked.contains(target)));
                }
                _ => return true,
            }
        }
    }
    false
}

/// What becomes of an arrival.
pub(super) fn passes(table: &Table, chain: &BaseChain, arrival: &Arrival<'_>) -> Passes {
    let walk = Walk {
        table,
        arrival,
        priority: priority(&chain.priority),
        is_input: chain.hook == "input",
        is_ingress: chain.hook == "ingress",
        known: RefCell::default(),
    };
    let mut fates = walk.chain(&chain.name, 0);
    if fates.goes_on {
        fates |= if chain.drops { TAKEN } else { ACCEPTED };
    }
    match (fates.accepted, fates.taken) {
        (true, false) => Passes::Surely,
        (false, true) => Passes::Never,
        _ => Passes::Unknown,
    }
}

/// `filter`, `mangle + 10`, `-300`; `None`: not known.
fn priority(text: &str) -> Option<i64> {
    let mut words = text.split(' ');
    let base = match words.next()? {
        "raw" => -300,
        "mangle" => -150,
        "dstnat" => DSTNAT,
        "filter" => 0,
        "security" => 50,
        "srcnat" => 100,
        number => number.parse().ok()?,
    };
    match (words.next(), words.next()) {
        (None, _) => Some(base),
        (Some("+"), Some(more)) => Some(base + more.parse::<i64>().ok()?),
        (Some("-"), Some(less)) => Some(base - less.parse::<i64>().ok()?),
        _ => None,
    }
}

struct Walk<'a> {
    table: &'a Table,
    arrival: &'a Arrival<'a>,
    priority: Option<i64>,
    is_input: bool,
    is_ingress: bool,
    /// Chains that were walked. Of those being walked everything is thought possible, which ends cycles.
    known: RefCell<HashMap<String, Fates>>,
}

impl Walk<'_> {
    /// Through a chain; it goes on where the chain leaves it undecided.
    fn chain(&self, name: &str, depth: usize) -> Fates {
        let Some(rules) = self.table.get(name).filter(|_| depth < DEEPEST) else {
            return ANYTHING;
        };
        if let Some(known) = self.known.borrow().get(name) {
            return *known;
        }
        self.known.borrow_mut().insert(name.to_owned(), ANYTHING);
        let fates = self.walked(rules, depth);
        self.known.borrow_mut().insert(name.to_owned(), fates);
        fates
    }

    fn walked(&self, rules: &[Vec<Value>], depth: usize) -> Fates {
        let mut fates = Fates::default();
        for rule in rules {
            let here = self.rule(rule, depth);
            fates |= Fates { goes_on: false, ..here };
            if !here.goes_on {
                return left(fates);
            }
        }
        left(fates | GOES_ON)
    }

    fn rule(&self, statements: &[Value], depth: usize) -> Fates {
        let mut fates = Fates::default();
        for (kind, value) in statements.iter().filter_map(single) {
            let here = match kind {
                "match" => match self.condition(value) {
                    Holds::No => return fates | GOES_ON,
                    Holds::Maybe => {
                        fates |= GOES_ON;
                        continue;
                    }
                    Holds::Yes => continue,
                },
                "limit" | "quota" | "ct count" => {
                    fates |= GOES_ON;
                    continue;
                }
                "vmap" => self.verdict_map(value, depth),
                _ => self.verdict(kind, value, depth),
            };
            if here != GOES_ON {
                fates |= Fates { goes_on: false, ..here };
                if !here.goes_on {
                    return fates;
                }
            }
        }
        fates | GOES_ON
    }

    fn verdict(&self, kind: &str, value: &Value, depth: usize) -> Fates {
        let target = || value.get("target").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "counter" | "log" | "notrack" | "ct helper" | "ct timeout" | "set" | "continue" => GOES_ON,
            "accept" => ACCEPTED,
            "drop" | "reject" => TAKEN,
            "return" => RETURNED,
            "jump" => self.chain(target(), depth + 1),
            "goto" => {
                let inner = self.chain(target(), depth + 1);
                Fates {
                    returned: inner.returned | inner.goes_on,
                    goes_on: false,
                    ..inner
                }
            }
            _ => ANYTHING,
        }
    }

    /// `vmap { key : verdict, … }`; a named map's members are not known.
    fn verdict_map(&self, map: &Value, depth: usize) -> Fates {
        let members = map.get("data").and_then(|data| data.get("set")?.as_array());
        let (Some(members), Some(key)) = (members, map.get("key")) else {
            return ANYTHING;
        };
        let mut fates = Fates::default();
        for member in members {
            let Some([value, verdict]) = member.as_array().map(Vec::as_slice) else {
                return ANYTHING;
            };
            let here = match (self.compare(key, value), single(verdict)) {
                (Holds::No, _) => continue,
                (_, None) => ANYTHING,
                (_, Some((kind, target))) => self.verdict(kind, target, depth),
            };
            fates |= here;
            if self.compare(key, value) == Holds::Yes {
                return fates;
            }
        }
        fates | GOES_ON
    }

    fn condition(&self, condition: &Value) -> Holds {
        let parts = (condition.get("left"), condition.get("right"), condition.get("op"));
        let (Some(left), Some(right), Some(op)) = parts else {
            return Holds::Maybe;
        };
        match op.as_str() {
            Some("==" | "in") => self.compare(left, right),
            Some("!=") => self.compare(left, right).not(),
            _ => Holds::Maybe,
        }
    }

    /// Whether what `left` looks at is, or is among, `right`.
    fn compare(&self, left: &Value, right: &Value) -> Holds {
        let Some((kind, of)) = single(left) else {
            return Holds::Maybe;
        };
        let word = |key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default();
        match kind {
            "meta" => self.meta(word("key"), right),
            "payload" => self.payload(word("protocol"), word("field"), right),
            "ct" => self.conntrack(word("key"), right),
            "&" => self.flags(of, right),
            // Where packets from there come in by another interface: ours did not.
            "fib" if word("result") == "oif" && right == &Value::Bool(false) => Holds::No,
            _ => Holds::Maybe,
        }
    }

    fn meta(&self, key: &str, right: &Value) -> Holds {
        let (protocol, number) = self.protocol();
        match key {
            "iifname" | "iif" => each(right, |one| self.interface(one)),
            "l4proto" => is_among(right, &[protocol], number),
            "nfproto" => is_among(right, &[self.family("ipv4", "ipv6")], self.family(2, 10)),
            "protocol" => is_among(right, &[self.family("ip", "ip6")], self.family(0x800, 0x86dd)),
            _ => Holds::Maybe,
        }
    }

    fn family<T>(&self, v4: T, v6: T) -> T {
        match self.arrival.family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }

    fn protocol(&self) -> (&'static str, u64) {
        match self.arrival.protocol {
            Protocol::Tcp => ("tcp", 6),
            Protocol::Udp => ("udp", 17),
        }
    }

    /// A name may end in `*`.
    fn interface(&self, one: &Value) -> Holds {
        let Some(name) = one.as_str().filter(|name| !name.starts_with('@')) else {
            return Holds::Maybe;
        };
        match (self.arrival.interface, name.strip_suffix('*')) {
            (Some(ours), Some(start)) => Holds::when(ours.starts_with(start)),
            (Some(ours), None) => Holds::when(ours == name),
            (None, _) if name == "lo" => Holds::No,
            (None, _) => Holds::Maybe,
        }
    }

    fn payload(&self, protocol: &str, field: &str, right: &Value) -> Holds {
        let (name, number) = self.protocol();
        match (protocol, field) {
            ("tcp" | "udp" | "sctp" | "icmp" | "icmpv6", _) if protocol != name => Holds::No,
            ("ip", _) if self.arrival.family == Family::V6 => Holds::No,
            ("ip6", _) if self.arrival.family == Family::V4 => Holds::No,
            ("tcp" | "udp" | "th", "dport") => self
                .port()
                .map_or(Holds::Maybe, |port| is_among(right, &[], u64::from(port))),
            ("tcp", "flags") => is_among(right, &["syn"], 2),
            ("ip", "protocol") | ("ip6", "nexthdr") => is_among(right, &[name], number),
            ("ip" | "ip6", "saddr") => self.arrival.source.map_or(Holds::Maybe, |source| {
                each(right, |one| address(one, source.to_canonical()))
            }),
            _ => Holds::Maybe,
        }
    }

    /// The port that it has here; nat of ours and theirs may run at the same priority.
    fn port(&self) -> Option<u16> {
        let Arrival { port, to_port, .. } = *self.arrival;
        match self.priority {
            _ if port == to_port || self.is_input => Some(to_port),
            _ if self.is_ingress => Some(port),
            Some(priority) if priority < DSTNAT => Some(port),
            Some(priority) if priority > DSTNAT => Some(to_port),
            _ => None,
        }
    }

    fn conntrack(&self, key: &str, right: &Value) -> Holds {
        let is_tracked =
            self.is_input || !self.is_ingress && self.priority.is_some_and(|priority| priority > CONNTRACK);
        match key {
            "state" if is_tracked => is_among(right, &["new"], u64::MAX),
            "status" if self.is_input => {
                let redirected = self.arrival.port != self.arrival.to_port;
                each(right, |one| match one.as_str() {
                    Some("dnat") => Holds::when(redirected),
                    Some("snat" | "assured" | "seen-reply") => Holds::No,
                    _ => Holds::Maybe,
                })
            }
            _ => Holds::Maybe,
        }
    }

    /// `tcp flags & (fin | syn | rst | ack) == syn`, of a packet that has SYN alone.
    fn flags(&self, parts: &Value, right: &Value) -> Holds {
        let Some([left, mask]) = parts.as_array().map(Vec::as_slice) else {
            return Holds::Maybe;
        };
        let of_tcp = single(left).is_some_and(|(kind, of)| {
            kind == "payload" && of.get("protocol") == Some(&"tcp".into()) && of.get("field") == Some(&"flags".into())
        });
        match (of_tcp, words(mask), words(right)) {
            (true, ..) if self.arrival.protocol != Protocol::Tcp => Holds::No,
            (true, Some(mask), Some(set)) => Holds::when(set == [if mask.contains(&"syn") { "syn" } else { "" }]),
            _ => Holds::Maybe,
        }
    }
}

/// A chain's end leads back, as a return does.
fn left(fates: Fates) -> Fates {
    Fates {
        goes_on: fates.goes_on | fates.returned,
        returned: false,
        ..fates
    }
}

/// The one entry of an object: `{"drop": null}`. A statement may also be a bare word.
fn single(statement: &Value) -> Option<(&str, &Value)> {
    match statement {
        Value::String(word) => Some((word, &Value::Null)),
        Value::Object(map) => map.iter().next().map(|(kind, value)| (kind.as_str(), value)),
        _ => None,
    }
}

fn words(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(word) => Some(vec![word]),
        Value::Array(many) => many.iter().map(Value::as_str).collect(),
        Value::Object(map) => words(map.get("|")?),
        _ => None,
    }
}

/// Whether any member of a set, or the one value, matches.
fn each(right: &Value, matches: impl Fn(&Value) -> Holds) -> Holds {
    let members = right.get("set").unwrap_or(right);
    match members {
        Value::Array(members) => Holds::any(members.iter().map(|member| matches(element(member)))),
        one => matches(one),
    }
}

/// A set's member may come with a counter or a comment.
fn element(member: &Value) -> &Value {
    member.get("elem").and_then(|elem| elem.get("val")).unwrap_or(member)
}

/// Whether one of these names, or the number, is there.
fn is_among(right: &Value, names: &[&str], number: u64) -> Holds {
    each(right, |one| match one {
        Value::String(word) if word.starts_with('@') => Holds::Maybe,
        Value::String(word) => Holds::when(names.contains(&word.as_str())),
        Value::Number(other) => Holds::when(other.as_u64() == Some(number)),
        other => match range(other) {
            Some((first, last)) => Holds::when((first..=last).contains(&number)),
            None => Holds::Maybe,
        },
    })
}

fn range(value: &Value) -> Option<(u64, u64)> {
    match value.get("range")?.as_array()?.as_slice() {
        [first, last] => first.as_u64().zip(last.as_u64()),
        _ => None,
    }
}

/// `"192.0.2.1"`, `{"prefix": {"addr": …, "len": …}}` or a range.
fn address(one: &Value, source: IpAddr) -> Holds {
    let ip = |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    if let Some(address) = ip(one) {
        return Holds::when(address == source);
    }
    let prefix = one.get("prefix").and_then(|prefix| {
        let len = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
        IpNet::new(ip(prefix.get("addr")?)?, len).ok()
    });
    if let Some(net) = prefix {
        return Holds::when(net.contains(&source));
    }
    match one.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        Some([first, last]) => ip(first).zip(ip(last)).map_or(Holds::Maybe, |(first, last)| {
            Holds::when((first..=last).contains(&source))
        }),
        _ => Holds::Maybe,
    }
}
