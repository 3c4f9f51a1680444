//! The values of the options that we understand.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::rule::{Match, PortSpan, Side};

/// What the values of an option say.
pub(super) enum Typed {
    /// True of every packet.
    Always,
    Match(Match),
}

/// What an option says, where its values can be read.
pub(super) fn typed(option: &str, first: &str, second: Option<&str>) -> Option<Typed> {
    let one = match option {
        "-p" | "--protocol" | "--proto" => return Some(protocol(first)),
        "-s" | "--source" | "--src" => return address(Side::Source, first),
        "-d" | "--destination" | "--dst" => return address(Side::Destination, first),
        "-i" | "--in-interface" | "-o" | "--out-interface" if first == "+" => return Some(Typed::Always),
        "-i" | "--in-interface" => Match::InInterface(first.to_owned()),
        "-o" | "--out-interface" => Match::OutInterface(first.to_owned()),
        "--sport" | "--source-port" => Match::Port(Side::Source, span(first)?),
        "--dport" | "--destination-port" => Match::Port(Side::Destination, span(first)?),
        "--sports" | "--source-ports" => Match::Ports(Side::Source, spans(first)?),
        "--dports" | "--destination-ports" => Match::Ports(Side::Destination, spans(first)?),
        "--ports" => Match::Ports(Side::Either, spans(first)?),
        "--ctstate" | "--state" => Match::State(names(first)),
        "--comment" => Match::Comment(first.to_owned()),
        "--ctorigdstport" => Match::OriginalPort(span(first)?),
        "--src-type" => Match::AddressType(Side::Source, names(first)),
        "--dst-type" => Match::AddressType(Side::Destination, names(first)),
        "--mss" => Match::Mss(span(first)?),
        "--length" => Match::Length(span(first)?),
        "--tcp-flags" => Match::TcpFlags {
            mask: flags(first)?,
            set: flags(second?)?,
        },
        _ => return None,
    };
    Some(Typed::Match(one))
}

fn protocol(text: &str) -> Typed {
    protocol_name(text).map_or(Typed::Always, |name| Typed::Match(Match::Protocol(name)))
}

/// A protocol by the name that iptables prints, where it has one on every system; `None`: all of them.
pub(super) fn protocol_name(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let name = match lower.as_str() {
        "all" | "0" => return None,
        "1" => "icmp",
        "2" => "igmp",
        "6" => "tcp",
        "17" => "udp",
        "33" => "dccp",
        "41" => "ipv6",
        "47" => "gre",
        "50" => "esp",
        "51" => "ah",
        "58" | "icmpv6" => "ipv6-icmp",
        "89" => "ospf",
        "103" => "pim",
        "108" => "ipcomp",
        "112" => "vrrp",
        "115" => "l2tp",
        "132" => "sctp",
        "135" | "mh" | "ipv6-mh" => "mobility-header",
        "136" => "udplite",
        other => other,
    };
    Some(name.to_owned())
}

fn address(side: Side, text: &str) -> Option<Typed> {
    let net = network(text)?;
    Some(if net.prefix_len() == 0 {
        Typed::Always
    } else {
        Typed::Match(Match::Address(side, net))
    })
}

/// An address with or without `/prefix` or `/netmask`. Of an IPv4 network the last numbers may be left out.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let net = match text.split_once('/') {
        None => IpNet::from(text.parse::<std::net::IpAddr>().ok()?),
        Some((address, mask)) => {
            let address = whole(address).parse().ok()?;
            match mask.parse::<u8>() {
                Ok(prefix) => IpNet::new(address, prefix).ok()?,
                Err(_) => IpNet::with_netmask(address, mask.parse().ok()?).ok()?,
            }
        }
    };
    Some(net.trunc())
}

fn whole(address: &str) -> String {
    let numbers = address.split('.').count();
    let is_short = !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let missing = if is_short { 4_usize.saturating_sub(numbers) } else { 0 };
    address.to_owned() + &".0".repeat(missing)
}

/// `22`, `22:30`, `:30` or `22:`. Service names are not read.
fn span(text: &str) -> Option<PortSpan> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    let first = if first.is_empty() { 0 } else { first.parse().ok()? };
    let last = if last.is_empty() { u16::MAX } else { last.parse().ok()? };
    (first <= last && !text.is_empty()).then_some(PortSpan { first, last })
}

fn spans(text: &str) -> Option<Vec<PortSpan>> {
    text.split(',').map(span).collect()
}

fn names(text: &str) -> BTreeSet<String> {
    text.split(',').map(str::to_ascii_uppercase).collect()
}

pub(super) const FIN: u8 = 1;
pub(super) const SYN_FLAG: u8 = 2;
pub(super) const RST: u8 = 4;
const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;
const URG: u8 = 32;

fn flags(text: &str) -> Option<u8> {
    text.split(',').try_fold(0, |sum, flag| {
        let bit = match flag.to_ascii_uppercase().as_str() {
            "FIN" => FIN,
            "SYN" => SYN_FLAG,
            "RST" => RST,
            "PSH" => PSH,
            "ACK" => ACK,
            "URG" => URG,
            "ALL" => FIN | SYN_FLAG | RST | PSH | ACK | URG,
            "NONE" => 0,
            _ => return None,
        };
        Some(sum | bit)
    })
}
