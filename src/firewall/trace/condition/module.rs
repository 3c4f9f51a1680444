//! Options that rules keep word for word, by the module that they belong to.

use super::address::{Net, Nets};
use super::conntrack::About;
use super::device::{PacketType, Physdev};
use super::packet::{self, Text};
use super::ports::{Ports, service_span};
use super::reverse::ReversePath;
use super::set::SetMatch;
use super::special::Special;
use super::words::{self, Choice, choices};
use super::{Test, addrtype, chance, conntrack, icmp, protocol};
use crate::firewall::{Family, PortSpan, Side};

/// What the options of a module ask.
pub(super) fn test(module: &str, words: &[String], family: Family) -> Test {
    if module == "string" {
        let text = Text::read(words).map(|(text, negated)| Test::Text(text).turned(negated));
        return text.unwrap_or_else(|| unknown(module, None));
    }
    let choices = choices(words);
    if let Some(together) = together(module, &choices, family) {
        return together;
    }
    let mut tests: Vec<Test> = choices.iter().map(|choice| one(module, choice, family)).collect();
    match tests.len() {
        0 => bare(module),
        1 => tests.remove(0),
        _ => Test::All(tests),
    }
}

fn unknown(module: &str, option: Option<&str>) -> Test {
    let name = [module, option.unwrap_or("")].join(" ");
    Test::Unknown(name.trim().to_owned())
}

/// Modules whose options make one question; `None`: those whose options are asked one by one, or whose options cannot be
/// read.
fn together(module: &str, choices: &[Choice<'_>], family: Family) -> Option<Test> {
    match module {
        "addrtype" => addrtype::together(choices, family),
        "rpfilter" => ReversePath::read(choices),
        "set" => SetMatch::read(choices),
        "policy" => policy(choices),
        "ipv6header" => packet::headers(choices),
        "recent" | "statistic" | "time" | "connlimit" => chance::together(module, choices),
        "ah" => Some(Special::Header(51).test(false)),
        "esp" => Some(Special::Header(50).test(false)),
        "ipcomp" => Some(Special::Header(108).test(false)),
        "mh" => Some(Special::Header(135).test(false)),
        "frag" => Some(Special::Header(44).test(false)),
        "rt" | "srh" => Some(Special::Header(43).test(false)),
        "hbh" => Some(Special::Header(0).test(false)),
        "dst" => Some(Special::Header(60).test(false)),
        "nfacct" => Some(Test::Fixed(true)),
        "connbytes" => Some(Special::Bytes.test(false)),
        "cgroup" => Some(Special::Cgroup.test(false)),
        _ => chance::reason(module).map(Test::Maybe),
    }
}

/// A module without options.
fn bare(module: &str) -> Test {
    match module {
        "" | "tcp" | "udp" | "comment" | "conntrack" | "state" | "sctp" | "dccp" | "udplite" | "standard" | "icmp"
        | "icmp6" | "icmpv6" | "multiport" | "length" => Test::Fixed(true),
        _ => unknown(module, None),
    }
}

fn one(module: &str, choice: &Choice<'_>, family: Family) -> Test {
    known(module, choice, family).unwrap_or_else(|| unknown(module, Some(choice.name)))
}

fn known(module: &str, choice: &Choice<'_>, family: Family) -> Option<Test> {
    let named = |name: &str, test: Test| (choice.name == name).then(|| test.turned(choice.negated));
    match module {
        "" | "tcp" | "udp" | "sctp" | "dccp" | "udplite" | "multiport" => general(choice, family),
        "conntrack" | "state" => conntrack::option(choice, family),
        "icmp" | "icmp6" | "icmpv6" => icmp::option(choice, family),
        "mark" => {
            let (value, mask) = words::masked(choice.value())?;
            named("--mark", Test::Mark { value, mask })
        }
        "connmark" => {
            let (value, mask) = words::masked(choice.value())?;
            named("--mark", conntrack::entry(About::Mark { value, mask }, false))
        }
        "iprange" => range(choice, family),
        "mac" => (choice.name == "--mac-source").then(|| Special::Mac.test(choice.negated)),
        "owner" => owner(choice),
        "physdev" => Physdev::option(choice).map(|one| Special::Physdev(one).test(choice.negated)),
        "pkttype" => PacketType::option(choice),
        "connlabel" if choice.name == "--set" => Some(Test::Fixed(true)),
        "connlabel" => named("--label", Special::Label.test(false)),
        "helper" => named("--helper", Special::Helper.test(false)),
        "ecn" => packet::ecn(choice),
        "length" => {
            let PortSpan { first, last } = service_span(choice.value())?;
            named("--length", Test::Length { first, last })
        }
        _ => None,
    }
}

/// Options of the rule itself and of the protocols' own modules, with values that the rule's reader could not read.
fn general(choice: &Choice<'_>, family: Family) -> Option<Test> {
    let value = choice.value();
    let nets = |side| Some(Test::Nets(side, Nets::read(value, family)?));
    let test = match choice.name {
        "-p" | "--protocol" | "--proto" => match protocol::number(value)? {
            0 => Test::Fixed(true),
            number => Test::Protocol(number),
        },
        "-s" | "--source" | "--src" => nets(Side::Source)?,
        "-d" | "--destination" | "--dst" => nets(Side::Destination)?,
        "-i" | "--in-interface" | "-o" | "--out-interface" if value == "+" => Test::Fixed(true),
        "-f" | "--fragment" => Test::Fixed(false),
        "--sport" | "--source-port" | "--sports" | "--source-ports" => spans(Side::Source, value)?,
        "--dport" | "--destination-port" | "--dports" | "--destination-ports" => spans(Side::Destination, value)?,
        "--ports" => spans(Side::Either, value)?,
        "--tcp-option" => Test::Maybe("tcp: the packet's options are not told"),
        "--chunk-types" => Test::Maybe("sctp: the packet's chunks are not told"),
        "--dccp-types" | "--dccp-option" => Test::Maybe("dccp: the packet's type is not told"),
        _ => return None,
    };
    Some(test.turned(choice.negated))
}

fn spans(side: Side, text: &str) -> Option<Test> {
    let spans = text.split(',').map(service_span).collect::<Option<_>>()?;
    Some(Test::Ports(Ports::new(side, spans)))
}

fn range(choice: &Choice<'_>, family: Family) -> Option<Test> {
    let side = match choice.name {
        "--src-range" => Side::Source,
        "--dst-range" => Side::Destination,
        _ => return None,
    };
    let nets = Nets::new(vec![Net::range(choice.value(), family)?]);
    Some(Test::Nets(side, nets).turned(choice.negated))
}

fn owner(choice: &Choice<'_>) -> Option<Test> {
    let is_one = matches!(
        choice.name,
        "--uid-owner"
            | "--gid-owner"
            | "--pid-owner"
            | "--sid-owner"
            | "--cmd-owner"
            | "--socket-exists"
            | "--suppl-groups"
    );
    is_one.then(|| Special::Owner.test(choice.negated))
}

/// An ordinary packet has no policy of `IPsec`.
fn policy(choices: &[Choice<'_>]) -> Option<Test> {
    let choice = choices.iter().find(|choice| choice.name == "--pol")?;
    match choice.value() {
        "none" => Some(Test::Fixed(true)),
        "ipsec" => Some(Test::Fixed(false)),
        _ => None,
    }
}
