//! Rule sets of others, with packets aimed at what their rules mention.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use fastrand::Rng;
use ipnet::IpNet;
use portmap_deploy::firewall::trace::{Host, Packet, State};
use portmap_deploy::firewall::{Family, Match, Rule, Ruleset, Side};

use super::compare::{Case, Ground, Tally};
use super::pools::{self, choose, is_plain};
use super::world::World;

/// Most interfaces that a host gets.
const MOST_INTERFACES: usize = 12;
/// Most addresses beside the usual ones.
const MOST_ADDRESSES: usize = 24;

/// A file with rules.
#[derive(Debug, Clone)]
pub struct Dump {
    /// The file's name.
    pub name: String,
    /// By its name's ending.
    pub family: Family,
    /// What is in it.
    pub text: String,
}

/// All of a folder; `None` where it is not there.
pub fn all(folder: &Path) -> Option<Vec<Dump>> {
    let mut dumps: Vec<Dump> = std::fs::read_dir(folder)
        .ok()?
        .map(|entry| {
            let path = entry.unwrap().path();
            Dump {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                family: if path.extension().is_some_and(|end| end == "v6") {
                    Family::V6
                } else {
                    Family::V4
                },
                text: std::fs::read_to_string(&path).unwrap(),
            }
        })
        .collect();
    dumps.sort_by(|one, other| one.name.cmp(&other.name));
    Some(dumps)
}

/// Sends packets through it.
pub fn run(backend: &'static str, dump: &Dump, packets: usize) -> Tally {
    let Ok(ruleset) = Ruleset::parse_file(&dump.text) else {
        let mut tally = Tally::default();
        tally.report(format!("{}: the rules are not read", dump.name));
        return tally;
    };
    let aims: Vec<Aim> = rules(&ruleset).map(|(chain, rule)| Aim::of(chain, rule)).collect();
    let host = host(&aims, dump.family);
    World::with(backend, &host, |world| {
        world.make_sets(dump.family, &dump.text);
        let ground = Ground {
            world,
            host: &host,
            family: dump.family,
        };
        let cases = cases(&aims, &host, dump.family, packets);
        ground.compare(&dump.name, &dump.text, &cases)
    })
}

fn rules(ruleset: &Ruleset) -> impl Iterator<Item = (&str, &Rule)> {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    chains.flat_map(|chain| chain.rules.iter().map(|rule| (chain.name.as_str(), rule)))
}

/// What a rule is about; nothing where it does not say.
#[derive(Debug, Clone, Default)]
struct Aim {
    protocol: Option<String>,
    source: Option<IpNet>,
    destination: Option<IpNet>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    interface: Option<String>,
    out: Option<String>,
}

impl Aim {
    fn of(_chain: &str, rule: &Rule) -> Self {
        let mut aim = Self::default();
        for one in &rule.matches {
            aim.note(one);
        }
        aim
    }

    fn note(&mut self, one: &Match) {
        match one {
            Match::Not(inner) => self.note(inner),
            Match::Protocol(name) => self.protocol = Some(name.clone()),
            Match::Address(Side::Source, net) => self.source = Some(*net),
            Match::Address(_, net) => self.destination = Some(*net),
            Match::InInterface(name) => self.interface = Some(name.replace('+', "0")),
            Match::OutInterface(name) => self.out = Some(name.replace('+', "0")),
            Match::Port(Side::Source, ports) => self.source_port = Some(ports.first),
            Match::Port(_, ports) | Match::OriginalPort(ports) => self.destination_port = Some(ports.first),
            Match::Ports(side, ports) => {
                let port = ports.last().map(|ports| ports.last);
                let place = if *side == Side::Source {
                    &mut self.source_port
                } else {
                    &mut self.destination_port
                };
                *place = port;
            }
            _ => {}
        }
    }

    /// Some of this and some of the other.
    fn mixed(&self, other: &Self, rng: &mut Rng) -> Self {
        fn pick<T: Clone>(rng: &mut Rng, one: Option<&T>, other: Option<&T>) -> Option<T> {
            if rng.u32(..4) == 0 {
                other.or(one).cloned()
            } else {
                one.or(other).cloned()
            }
        }
        Self {
            protocol: pick(rng, self.protocol.as_ref(), other.protocol.as_ref()),
            source: pick(rng, self.source.as_ref(), other.source.as_ref()),
            destination: pick(rng, self.destination.as_ref(), other.destination.as_ref()),
            source_port: pick(rng, self.source_port.as_ref(), None),
            destination_port: pick(rng, self.destination_port.as_ref(), other.destination_port.as_ref()),
            interface: pick(rng, self.interface.as_ref(), other.interface.as_ref()),
            out: None,
        }
    }
}

/// The interfaces that the rules name, and as addresses of the first some that they are about.
fn host(aims: &[Aim], family: Family) -> Host {
    let mut host = pools::host();
    let named = aims.iter().flat_map(|aim| [&aim.interface, &aim.out]).flatten();
    for name in named {
        let usable = name.len() < 16 && !name.contains(['/', ' ', ':']) && !name.is_empty();
        let known = host.interfaces.iter().any(|(known, _)| known == name);
        if usable && !known && host.interfaces.len() < MOST_INTERFACES {
            host.interfaces.push((name.clone(), vec![]));
        }
    }
    // Some host addresses that rules mention become this host's.
    let single = |net: &IpNet| net.prefix_len() == net.max_prefix_len() && family.holds(net) && is_plain(net.addr());
    let mentioned: BTreeSet<IpNet> = aims.iter().filter_map(|aim| aim.destination).filter(single).collect();
    let count = host.interfaces.len();
    let known: BTreeSet<IpAddr> = host
        .interfaces
        .iter()
        .flat_map(|(_, nets)| nets)
        .map(IpNet::addr)
        .collect();
    let new = mentioned.into_iter().filter(|net| !known.contains(&net.addr()));
    for (number, net) in new.step_by(2).take(MOST_ADDRESSES).enumerate() {
        host.interfaces[1 + number % (count - 1)].1.push(net);
    }
    host
}

fn cases(aims: &[Aim], host: &Host, family: Family, count: usize) -> Vec<Case> {
    let rng = &mut Rng::with_seed(7);
    let nothing = [Aim::default()];
    let aims = if aims.is_empty() { &nothing[..] } else { aims };
    let mut senders = BTreeSet::new();
    let mut cases = vec![];
    let mut number = 0;
    while cases.len() < count && number < count * 10 {
        number += 1;
        // Each rule's turn comes, in large rule sets that of some.
        let at = if aims.len() < count {
            number % aims.len()
        } else {
            rng.usize(..aims.len())
        };
        let aim = aims[at].mixed(&aims[rng.usize(..aims.len())], rng);
        let packet = packet(&aim, host, family, rng);
        if senders.insert((packet.protocol.clone(), packet.source, packet.source_port)) {
            cases.push(Case::new(u32::try_from(cases.len() + 1).unwrap(), packet));
        }
    }
    cases
}

fn packet(aim: &Aim, host: &Host, family: Family, rng: &mut Rng) -> Packet {
    let icmp = if family == Family::V4 { "icmp" } else { "ipv6-icmp" };
    let known = |name: &&String| {
        matches!(
            name.as_str(),
            "tcp" | "udp" | "icmp" | "ipv6-icmp" | "sctp" | "gre" | "esp"
        ) || name
            .parse::<u8>()
            .is_ok_and(|number| number > 60 && number != 132 && number != 136)
    };
    let protocol = match aim.protocol.as_ref().filter(known) {
        Some(name) if name.contains("icmp") => icmp.to_owned(),
        Some(name) => name.clone(),
        None => choose(rng, &["tcp", "tcp", "udp", icmp]).to_owned(),
    };
    let has_ports = matches!(protocol.as_str(), "tcp" | "udp" | "sctp");
    let interfaces: Vec<&String> = host
        .interfaces
        .iter()
        .map(|(name, _)| name)
        .filter(|name| *name != "lo")
        .collect();
    let wanted = aim.interface.as_ref().filter(|name| interfaces.contains(name));
    let interface = wanted.unwrap_or_else(|| interfaces[rng.usize(..interfaces.len())]);
    let own: Vec<IpAddr> = host
        .interfaces
        .iter()
        .flat_map(|(_, nets)| nets)
        .map(IpNet::addr)
        .collect();
    let ours: Vec<IpAddr> = own
        .iter()
        .copied()
        .filter(|ip| family.is_of(*ip) && is_plain(*ip))
        .collect();
    let inside = |rng: &mut Rng, net: Option<IpNet>| {
        net.filter(|net| family.holds(net))
            .map(|net| member(rng, net))
            .filter(|ip| is_plain(*ip))
    };
    let destination = inside(rng, aim.destination).unwrap_or_else(|| match rng.u32(..5) {
        0 => pools::receiver(rng, family),
        _ => choose(rng, &ours),
    });
    let source = inside(rng, aim.source)
        .filter(|ip| !own.contains(ip))
        .unwrap_or_else(|| pools::sender(rng, family));
    let state = match rng.u32(..24) {
        0 if matches!(protocol.as_str(), "tcp" | "udp" | "icmp" | "ipv6-icmp") => State::Established,
        1 if has_ports => State::Invalid,
        2 => State::Untracked,
        _ => State::New,
    };
    Packet {
        family,
        source: Some(source),
        destination: Some(destination),
        source_port: has_ports.then(|| aim.source_port.unwrap_or_else(|| rng.u16(1024..))),
        destination_port: has_ports.then(|| aim.destination_port.unwrap_or_else(|| pools::port(rng))),
        protocol,
        in_interface: Some(interface.clone()),
        state,
    }
}

/// An address of a network.
fn member(rng: &mut Rng, net: IpNet) -> IpAddr {
    match net {
        IpNet::V4(net) => (u32::from(net.network()) | rng.u32(..) & u32::from(net.hostmask()))
            .to_be_bytes()
            .into(),
        IpNet::V6(net) => (u128::from(net.network()) | rng.u128(..) & u128::from(net.hostmask()))
            .to_be_bytes()
            .into(),
    }
}

/// The sets that a text's rules ask, with how many fields each takes.
pub fn sets(text: &str) -> BTreeMap<&str, usize> {
    let mut sets = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        for three in words.windows(3) {
            if matches!(three[0], "--match-set" | "--add-set" | "--del-set") {
                sets.insert(three[1], three[2].split(',').count());
            }
        }
    }
    sets
}
