//! Options that rules keep word for word, by the module that they belong to.

use super::address::{Net, Nets};
use super::words::{self, Choice, choices};
use super::{Test, addrtype, conntrack, protocol, span_test};
use crate::firewall::{Family, Side};

/// What the options of a module ask.
pub(super) fn test(module: &str, words: &[String], family: Family) -> Test {
    let mut tests: Vec<Test> = choices(words)
        .iter()
        .map(|choice| one(module, choice, family))
        .collect();
    match (tests.len(), module) {
        (0, _) => bare(module),
        (1, _) => tests.remove(0),
        _ => Test::All(tests),
    }
}

/// A module without options.
fn bare(module: &str) -> Test {
    match module {
        "" | "tcp" | "udp" | "comment" | "conntrack" | "state" | "sctp" | "dccp" | "udplite" | "standard" | "icmp"
        | "icmp6" | "icmpv6" | "multiport" => Test::Fixed(true),
        _ => Test::Unknown(module.to_owned()),
    }
}

fn one(module: &str, choice: &Choice<'_>, family: Family) -> Test {
    known(module, choice, family).unwrap_or_else(|| {
        let name = [module, choice.name].join(" ");
        Test::Unknown(name.trim().to_owned())
    })
}

fn known(module: &str, choice: &Choice<'_>, family: Family) -> Option<Test> {
    let test = match module {
        "" | "tcp" | "udp" | "sctp" | "dccp" | "udplite" | "multiport" => return general(choice, family),
        "conntrack" | "state" => return conntrack::option(choice, family),
        "mark" => marks(choice, |value, mask| Test::Mark { value, mask })?,
        "connmark" => marks(choice, |value, mask| Test::Connmark { value, mask })?,
        "addrtype" => return types(choice, family),
        _ => return None,
    };
    Some(test.turned(choice.negated))
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
        "--sport" | "--source-port" => span_test(Side::Source, value)?,
        "--dport" | "--destination-port" => span_test(Side::Destination, value)?,
        "--sports" | "--source-ports" => spans(Side::Source, value)?,
        "--dports" | "--destination-ports" => spans(Side::Destination, value)?,
        "--ports" => spans(Side::Either, value)?,
        _ => return None,
    };
    Some(test.turned(choice.negated))
}

fn spans(side: Side, text: &str) -> Option<Test> {
    let spans = text.split(',').map(super::service_span).collect::<Option<_>>()?;
    Some(Test::Ports(super::Ports::new(side, spans)))
}

/// A value with more bits than its mask never holds, as in the kernel.
fn marks(choice: &Choice<'_>, test: fn(u32, u32) -> Test) -> Option<Test> {
    let (value, mask) = words::masked(choice.value())?;
    (choice.name == "--mark").then(|| test(value, mask))
}

fn types(choice: &Choice<'_>, family: Family) -> Option<Test> {
    let names = choice.value().split(',');
    match choice.name {
        "--src-type" => Some(addrtype::test(Side::Source, names, family).turned(choice.negated)),
        "--dst-type" => Some(addrtype::test(Side::Destination, names, family).turned(choice.negated)),
        _ => None,
    }
}

#[expect(unused, reason = "ranges come next")]
fn range(text: &str, family: Family) -> Option<Net> {
    Net::range(text, family)
}
