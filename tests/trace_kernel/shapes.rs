//! Rules that are easy to get wrong, each with packets of every kind that the pools have.

use std::fmt::Write as _;

use portmap_deploy::firewall::Family;
use portmap_deploy::firewall::trace::{Packet, State};

use super::compare::{Case, Ground, Tally};
use super::pools;
use super::world::World;

/// A name, and lines: `table CHAIN words…`, `table :CHAIN` for a chain of the user's, `table :CHAIN DROP` for a policy.
/// `{A}` and `{B}` are an interface's first and second address, `{C}` another interface's, `{X}` is elsewhere, `{N}` a
/// network that packets come from, `{[A]}` an address before a port, `{icmp}` the family's ICMP.
const SHAPES: &[(&str, &str)] = &[
    (
        "goto out of nested chains",
        "filter :A\nfilter :B\nfilter :C\nfilter INPUT -p tcp -j A\nfilter INPUT -p tcp --dport 22 -j DROP\nfilter A -p tcp -g B\n\
         filter A -j DROP\nfilter B -p tcp --dport 80 -j C\nfilter B -p tcp --dport 443 -j REJECT\nfilter C -p tcp --dport 80 -j RETURN",
    ),
    (
        "goto from a built-in chain ends in the policy",
        "filter :INPUT DROP\nfilter :A\nfilter INPUT -p tcp --dport 22 -g A\nfilter INPUT -j ACCEPT\nfilter A -p tcp --dport 23 -j ACCEPT",
    ),
    (
        "return from a built-in chain",
        "filter :INPUT DROP\nfilter INPUT -p tcp --dport 22 -j RETURN\nfilter INPUT -p tcp -j ACCEPT\nmangle PREROUTING -p udp -j RETURN\n\
         mangle PREROUTING -p udp -j DROP\nnat PREROUTING -p udp --dport 53 -j RETURN\nnat PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 80",
    ),
    (
        "dnat to itself",
        "nat PREROUTING -p tcp -d {A} --dport 22 -j DNAT --to-destination {[A]}:22\nfilter INPUT -m conntrack --ctstate DNAT -j DROP",
    ),
    (
        "redirect with a range",
        "nat PREROUTING -p tcp -j REDIRECT --to-ports 9000-9002\nfilter INPUT -p tcp --dport 9001 -j REJECT",
    ),
    (
        "redirect from any protocol",
        "nat PREROUTING -j REDIRECT\nfilter INPUT -d {B} -j DROP\nfilter INPUT -d {C} -j REJECT",
    ),
    (
        "redirect of what is routed",
        "nat PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nnat PREROUTING -p udp -m addrtype --dst-type LOCAL -j REDIRECT --to-ports 443",
    ),
    (
        "the two lines of the design",
        "nat PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\nfilter :INPUT DROP\nfilter INPUT -p tcp --dport 22 -m conntrack --ctorigdstport 2222 -j ACCEPT",
    ),
    (
        "mark in mangle, match in filter",
        "mangle PREROUTING -p tcp --dport 22 -j MARK --set-mark 7\nfilter INPUT -m mark --mark 0x7 -j REJECT\nfilter INPUT -m mark ! --mark 0 -j DROP",
    ),
    (
        "marks saved and restored",
        "mangle PREROUTING -p tcp -j CONNMARK --restore-mark\nmangle PREROUTING -p tcp --dport 22 -j MARK --set-xmark 0x5/0xf\n\
         mangle PREROUTING -j CONNMARK --save-mark --nfmask 0x1 --ctmask 0xff\nfilter INPUT -m connmark --mark 0x1 -j DROP\nfilter INPUT -m mark --mark 0x5 -j REJECT\n\
         mangle INPUT -j MARK --set-mark 0\nmangle INPUT -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0x1",
    ),
    (
        "notrack, then redirect",
        "raw PREROUTING -p tcp --dport 2222 -j NOTRACK\nnat PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\nfilter INPUT -m conntrack --ctstate UNTRACKED -j DROP",
    ),
    (
        "notrack does not end the table",
        "raw PREROUTING -p tcp -j CT --notrack\nraw PREROUTING -p tcp --dport 22 -j DROP",
    ),
    (
        "accept in nat before redirect",
        "nat PREROUTING -p tcp --dport 2222 -j ACCEPT\nnat PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\nnat PREROUTING -d {B} -j ACCEPT\nnat PREROUTING -p tcp -j REDIRECT --to-ports 53",
    ),
    (
        "accept in raw and mangle goes on elsewhere",
        "raw PREROUTING -j ACCEPT\nmangle PREROUTING -j ACCEPT\nmangle INPUT -p udp -j ACCEPT\nfilter INPUT -j DROP",
    ),
    (
        "forwarded with another source",
        "nat POSTROUTING -o eth0 -j SNAT --to-source {A}\nnat POSTROUTING -o eth1 -j MASQUERADE\nfilter FORWARD -m conntrack --ctstate SNAT -j DROP\nmangle POSTROUTING -s {N} -j ACCEPT",
    ),
    (
        "dnat elsewhere goes through FORWARD",
        "nat PREROUTING -p tcp --dport 80 -j DNAT --to-destination {[X]}:8080\nfilter FORWARD -d {X} -p tcp --dport 8080 -j ACCEPT\nfilter :FORWARD DROP\nfilter INPUT -p tcp --dport 80 -j DROP",
    ),
    (
        "dnat from elsewhere to here",
        "nat PREROUTING -d {X} -p tcp -j DNAT --to-destination {B}\nfilter INPUT -m conntrack --ctstate DNAT --ctorigdst {X} -j ACCEPT\nfilter INPUT -p tcp -j REJECT --reject-with tcp-reset",
    ),
    (
        "policies of every table",
        "raw :PREROUTING DROP\nraw PREROUTING -p tcp -j ACCEPT\nmangle :INPUT DROP\nmangle INPUT -p tcp --dport 22 -j ACCEPT\nmangle :FORWARD DROP\nfilter :FORWARD ACCEPT",
    ),
    (
        "drop on the way out",
        "mangle POSTROUTING -o eth1 -j DROP\nmangle :POSTROUTING ACCEPT\nfilter FORWARD -o eth0 -p udp -j REJECT",
    ),
    (
        "the other direction",
        "filter INPUT -m conntrack --ctdir REPLY -j DROP\nfilter INPUT -m conntrack --ctreplsrc {A} -j REJECT\nfilter INPUT -p tcp -m conntrack --ctreplsrcport 22 -j DROP\nnat PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22",
    ),
    (
        "snat on the way in",
        "nat INPUT -p tcp -j SNAT --to-source {X}\nfilter INPUT -s {X} -j DROP",
    ),
    ("network by network", "nat PREROUTING -p tcp -j NETMAP --to {X}/24"),
    (
        "unclaimed states",
        "filter INPUT -m state --state INVALID -j DROP\nfilter INPUT -m state --state UNTRACKED -j REJECT\nfilter INPUT -m conntrack ! --ctstate NEW -j ACCEPT\nfilter INPUT -m conntrack --ctstate NEW -p udp -j DROP",
    ),
    (
        "addresses that are many",
        "filter INPUT -m addrtype --dst-type MULTICAST -j DROP\nfilter FORWARD -j REJECT\nmangle PREROUTING -m addrtype --dst-type LOCAL -p udp -j DROP",
    ),
    (
        "addresses that are many (IPv4)",
        "filter INPUT -m addrtype --dst-type BROADCAST -j DROP\nmangle PREROUTING -p tcp -m addrtype ! --dst-type BROADCAST -j DROP",
    ),
    (
        "types by interface",
        "raw PREROUTING -m addrtype --dst-type LOCAL --limit-iface-in -p tcp -j DROP\nraw PREROUTING -m addrtype ! --dst-type LOCAL --limit-iface-in -p udp -j DROP",
    ),
    (
        "dnat in turn",
        "nat PREROUTING -p tcp -j DNAT --to-destination {B}\nnat PREROUTING -p tcp -j REDIRECT --to-ports 22\nfilter INPUT -p tcp ! -d {B} -j DROP",
    ),
    (
        "multiport both ways",
        "filter INPUT -p tcp -m multiport --ports 22,9000:9002 -j DROP\nfilter INPUT -p udp -m multiport ! --dports 53 -j REJECT",
    ),
    (
        "not this protocol",
        "filter INPUT ! -p tcp -j DROP\nfilter INPUT -p tcp ! --syn -j DROP\nfilter INPUT -p {icmp} -j REJECT",
    ),
    (
        "a counter decides nothing",
        "filter INPUT -p tcp\nfilter INPUT -p tcp -j LOG\nfilter INPUT -p tcp -j NFLOG\nfilter :INPUT DROP\nfilter INPUT -p tcp --dport 22 -j ACCEPT",
    ),
    (
        "security comes after filter",
        "filter INPUT -j ACCEPT\nsecurity INPUT -p tcp --dport 22 -j DROP\nsecurity FORWARD -p udp -j DROP\nsecurity :INPUT DROP\nsecurity INPUT -p tcp -j ACCEPT",
    ),
];

/// Every shape on a backend in a family.
pub fn run(backend: &'static str, family: Family) -> Tally {
    let host = pools::host();
    World::with(backend, &host, |world| {
        let ground = Ground {
            world,
            host: &host,
            family,
        };
        let cases = cases(family);
        let mut tally = Tally::default();
        for (name, text) in texts(family) {
            tally.add(ground.compare(name, &text, &cases));
        }
        tally
    })
}

/// The shapes that a family has, as `iptables-restore` reads them.
pub fn texts(family: Family) -> impl Iterator<Item = (&'static str, String)> {
    let here = SHAPES
        .iter()
        .filter(move |(name, _)| family == Family::V4 || !name.ends_with("(IPv4)"));
    here.map(move |(name, shape)| (*name, text(shape, family)))
}

/// One packet of each kind.
pub fn cases(family: Family) -> Vec<Case> {
    let icmp = if family == Family::V4 { "icmp" } else { "ipv6-icmp" };
    let states = [State::New, State::Established, State::Invalid, State::Untracked];
    let mut cases = vec![];
    for destination in pools::all_receivers(family) {
        for (protocol, port) in [
            ("tcp", Some(22)),
            ("tcp", Some(2222)),
            ("tcp", Some(80)),
            ("udp", Some(53)),
            (icmp, None),
        ] {
            for (state, interface) in states
                .map(|state| (state, "eth0"))
                .into_iter()
                .chain([(State::New, "eth1"), (State::New, "eth2")])
            {
                let id = u32::try_from(cases.len() + 1).unwrap();
                let sport = 20_000 + u16::try_from(cases.len()).unwrap();
                let packet = Packet {
                    family,
                    protocol: protocol.to_owned(),
                    source: Some(pools::sender(&mut fastrand::Rng::with_seed(id.into()), family)),
                    destination: Some(destination),
                    source_port: port.map(|_| sport),
                    destination_port: port,
                    in_interface: Some(interface.to_owned()),
                    state,
                };
                cases.push(Case::new(id, packet));
            }
        }
    }
    cases
}

/// What `iptables-restore` reads.
fn text(shape: &str, family: Family) -> String {
    let words: [(&str, &str); 7] = match family {
        Family::V4 => [
            ("{A}", "192.0.2.10"),
            ("{[A]}", "192.0.2.10"),
            ("{B}", "192.0.2.11"),
            ("{C}", "10.20.0.1"),
            ("{X}", "8.8.8.8"),
            ("{[X]}", "8.8.8.8"),
            ("{N}", "203.0.113.0/24"),
        ],
        Family::V6 => [
            ("{A}", "2001:db8:1::10"),
            ("{[A]}", "[2001:db8:1::10]"),
            ("{B}", "2001:db8:1::11"),
            ("{C}", "2001:db8:2::1"),
            ("{X}", "2001:db8:f::1"),
            ("{[X]}", "[2001:db8:f::1]"),
            ("{N}", "2001:db8:9::/64"),
        ],
    };
    let icmp = if family == Family::V4 { "icmp" } else { "ipv6-icmp" };
    let filled = words
        .iter()
        .fold(shape.replace("{icmp}", icmp), |text, (from, to)| text.replace(from, to));
    let lines: Vec<_> = filled
        .lines()
        .map(|line| line.trim().split_once(' ').unwrap())
        .collect();
    let mut text = String::new();
    for table in ["raw", "mangle", "nat", "filter", "security"] {
        let _ = writeln!(text, "*{table}");
        let here = || lines.iter().filter(|(name, _)| *name == table).map(|(_, words)| *words);
        for hook in super::generate::hooks(table) {
            let policy = here().find_map(|words| words.strip_prefix(&format!(":{hook} ")));
            let _ = writeln!(text, ":{hook} {} [0:0]", policy.unwrap_or("ACCEPT"));
        }
        for words in here() {
            match words.strip_prefix(':') {
                Some(chain) if !chain.contains(' ') => drop(writeln!(text, ":{chain} - [0:0]")),
                Some(_) => {}
                None => drop(writeln!(text, "-A {words}")),
            }
        }
        text += "COMMIT\n";
    }
    text
}
