//! A packet as a line of JSON.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use crate::firewall::Family;
use crate::firewall::trace::{Host, Packet, State};

/// What is asked: what becomes of this packet on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The packet.
    pub packet: Packet,
    /// The host; without interfaces, its one address is the packet's destination.
    pub host: Host,
}

/// The line as it is written. What it has beyond this says nothing.
#[derive(Debug, Deserialize)]
struct Line {
    proto: Option<Value>,
    family: Option<Value>,
    src: Option<String>,
    dst: Option<String>,
    sport: Option<u16>,
    dport: Option<u16>,
    in_iface: Option<String>,
    state: Option<String>,
    host: Option<HostLine>,
}

#[derive(Debug, Default, Deserialize)]
struct HostLine {
    addrs: Option<Interfaces>,
    default_iface: Option<String>,
    sets: Option<BTreeMap<String, Vec<Value>>>,
}

type Interfaces = BTreeMap<String, Vec<String>>;

impl Question {
    /// Reads a line; `family` is that of the rules, for packets that do not say.
    ///
    /// # Errors
    /// What is wrong with the line, in words.
    pub fn read(line: &str, family: Family) -> Result<Self, String> {
        let line: Line = serde_json::from_str(line).map_err(|error| format!("not a packet: {error}"))?;
        let packet = packet(&line, family)?;
        Ok(Self {
            packet,
            host: host(line.host.unwrap_or_default())?,
        })
    }
}

fn packet(line: &Line, rules: Family) -> Result<Packet, String> {
    let source = address("src", line.src.as_deref())?;
    let destination = address("dst", line.dst.as_deref())?;
    let family = family(line.family.as_ref(), source.or(destination), rules)?;
    for (name, address) in [("src", source), ("dst", destination)] {
        if let Some(address) = address.filter(|address| !is_of(family, *address)) {
            return Err(format!(
                "not a packet: {name} {address} is no address of {}",
                family.name()
            ));
        }
    }
    Ok(Packet {
        family,
        protocol: protocol(line.proto.as_ref())?,
        source,
        destination,
        source_port: line.sport,
        destination_port: line.dport,
        in_interface: line.in_iface.clone().filter(|name| !name.is_empty()),
        state: state(line.state.as_deref().unwrap_or("NEW"))?,
    })
}

fn is_of(family: Family, address: IpAddr) -> bool {
    (family == Family::V4) == address.is_ipv4()
}

fn address(name: &str, text: Option<&str>) -> Result<Option<IpAddr>, String> {
    let read = |text: &str| {
        let bare = text.split_once('%').map_or(text, |(address, _)| address);
        bare.parse()
            .map_err(|_| format!("not a packet: {name} {text:?} is no address"))
    };
    text.filter(|text| !text.is_empty()).map(read).transpose()
}

fn family(given: Option<&Value>, address: Option<IpAddr>, rules: Family) -> Result<Family, String> {
    let Some(given) = given else {
        let of = |address: IpAddr| if address.is_ipv4() { Family::V4 } else { Family::V6 };
        return Ok(address.map_or(rules, of));
    };
    match word(given).as_deref() {
        Some("4" | "ipv4") => Ok(Family::V4),
        Some("6" | "ipv6") => Ok(Family::V6),
        _ => Err(format!("not a packet: family {given} is neither 4 nor 6")),
    }
}

fn protocol(given: Option<&Value>) -> Result<String, String> {
    let Some(given) = given else {
        return Err("not a packet: proto is missing".to_owned());
    };
    word(given)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| format!("not a packet: proto {given} is neither a name nor a number"))
}

/// A string or a number, in lower case.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_ascii_lowercase()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A state of `--ctstate`, in any case.
///
/// # Errors
/// Where it is none.
pub fn state(text: &str) -> Result<State, String> {
    match text.to_ascii_uppercase().as_str() {
        "NEW" => Ok(State::New),
        "ESTABLISHED" => Ok(State::Established),
        "RELATED" => Ok(State::Related),
        "INVALID" => Ok(State::Invalid),
        "UNTRACKED" => Ok(State::Untracked),
        _ => Err(format!(
            "not a packet: state {text:?} is none of NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED"
        )),
    }
}

fn host(line: HostLine) -> Result<Host, String> {
    let interfaces = line.addrs.unwrap_or_default().into_iter().map(|(name, nets)| {
        let nets = nets.iter().map(|net| network(net)).collect::<Result<_, _>>()?;
        Ok::<_, String>((name, nets))
    });
    let sets = line.sets.unwrap_or_default().into_iter();
    let member = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(Host {
        interfaces: interfaces.collect::<Result<_, _>>()?,
        default_interface: line.default_iface.filter(|name| !name.is_empty()),
        sets: sets
            .map(|(name, members)| (name, members.into_iter().map(member).collect()))
            .collect(),
    })
}

fn network(text: &str) -> Result<IpNet, String> {
    let alone = || Some(IpNet::from(text.parse::<IpAddr>().ok()?));
    text.parse()
        .ok()
        .or_else(alone)
        .ok_or_else(|| format!("not a host: {text:?} is no address with a prefix length"))
}
