//! Mappings as people write them.

use super::long::Fields;
use super::value::protocol;
use super::{Direct, MAX_MAPPINGS, MAX_RANGE, MAX_REDIRECTS, Mapping, PortRange, Protocol, port};
use crate::problem::{Location, Problem};
use crate::yaml::{Node, Style, Value};

/// A mapping with the places that messages about it point to.
pub(super) struct Written {
    pub mapping: Mapping,
    /// The value of `port`.
    pub port: Location,
    /// The value of `to_port`.
    pub to_port: Location,
    /// The value of `direct` or `direct_source`, else of `to_port`.
    pub direct: Location,
}

const SHORT_FORM: &str =
    "the short form is \"port:to_port\" or \"port:to_port/protocol\", such as \"2222:22\" or \"53:5353/udp\"";

/// Reads all mappings of a list: those that can be read, and what is wrong with the others.
pub(super) fn list(node: &Node) -> (Vec<Written>, Vec<Problem>) {
    let Value::List(items) = &node.value else {
        return (vec![], vec![not_a_list(node)]);
    };
    if items.len() > MAX_MAPPINGS {
        let message = format!(
            "{} mappings are more than the {MAX_MAPPINGS} that a host may have",
            items.len()
        );
        return (vec![], vec![Problem::at(&node.at, message)]);
    }
    let (mut written, mut problems) = (Vec::new(), Vec::new());
    for item in items.iter() {
        match one(item) {
            Ok(mapping) => written.push(mapping),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(too_many_redirects(node, &written));
    (written, problems)
}

fn not_a_list(node: &Node) -> Problem {
    let hint = match &node.value {
        Value::Null => "write `portmap: []` for a host without mappings, or leave `portmap` out".to_owned(),
        Value::String(text) => format!("write `portmap: [\"{text}\"]`"),
        Value::Int(_) if node.raw().contains(':') => {
            format!("write `portmap: [\"{}\"]`", node.raw())
        }
        Value::Map(_) => "begin each mapping with `- `".to_owned(),
        _ => "write `portmap:` and below it a line such as `- \"2222:22\"`".to_owned(),
    };
    Problem::at(
        &node.at,
        format!("portmap is {}, and must be a list of mappings", node.value.kind()),
    )
    .hint(hint)
}

fn too_many_redirects(node: &Node, written: &[Written]) -> Option<Problem> {
    let redirects = |one: &Written| {
        if one.mapping.to_port.count() == 1 {
            1
        } else {
            one.mapping.to_port.count() as usize
        }
    };
    let total: usize = written.iter().map(redirects).sum();
    (total > MAX_REDIRECTS).then(|| {
        Problem::at(
            &node.at,
            format!("these mappings come to {total} rules; a host may have {MAX_REDIRECTS}"),
        )
        .hint("a range to an equally long range takes a rule per port; a range to one port takes one")
    })
}

fn one(item: &Node) -> Result<Written, Vec<Problem>> {
    match &item.value {
        Value::String(text) => short(item, text).map_err(|problem| vec![problem]),
        Value::Map(entries) => Fields::of(item, entries).read(),
        Value::Int(number) if item.style == Style::Plain && item.raw().contains(':') => {
            Err(vec![base_60(item, *number)])
        }
        other => {
            let message = format!(
                "a mapping is text such as \"2222:22\" or a map, and this is {}",
                other.kind()
            );
            Err(vec![Problem::at(&item.at, message)])
        }
    }
}

/// The costliest trap of all: it looks right, and is no text.
fn base_60(item: &Node, number: i128) -> Problem {
    let raw = item.raw();
    Problem::at(
        &item.at,
        format!("`{raw}` without quotes is the number {number}, not a mapping"),
    )
    .label("YAML 1.1 reads digits with colons as base 60")
    .hint(format!("put it in quotes: `- \"{raw}\"`"))
}

/// `port:to_port[/protocol]`.
fn short(item: &Node, text: &str) -> Result<Written, Problem> {
    let (ports, suffix) = match text.rsplit_once('/') {
        Some((ports, suffix)) => (ports, Some(suffix)),
        None => (text, None),
    };
    let Some((from, to)) = ports.split_once(':').filter(|(_, to)| !to.contains(':')) else {
        return Err(Problem::at(&item.at, format!("`{text}` is not a mapping")).hint(SHORT_FORM));
    };
    let from_at = item.part(0..from.len());
    let to_at = item.part(from.len() + 1..ports.len());
    let protocol = match suffix {
        Some(name) => protocol(name, &item.part(ports.len() + 1..text.len()))?,
        None => Protocol::Tcp,
    };
    let port = port::text_range(from, &from_at, "port")?;
    let to_port = port::text_range(to, &to_at, "to_port")?;
    check_lengths(port, to_port, &to_at)?;
    Ok(Written {
        mapping: bare(port, to_port, protocol),
        port: from_at,
        direct: to_at.clone(),
        to_port: to_at,
    })
}

pub(super) fn bare(port: PortRange, to_port: PortRange, protocol: Protocol) -> Mapping {
    Mapping {
        name: None,
        port,
        to_port,
        protocol,
        source: Vec::new(),
        interface: None,
        direct: Direct::default(),
        direct_source: Vec::new(),
        loopback: false,
    }
}

/// A range leads to one port, or to a range of its own length and a bounded one.
pub(super) fn check_lengths(port: PortRange, to_port: PortRange, at: &Location) -> Result<(), Problem> {
    let (from, to) = (port.count(), to_port.count());
    if to == 1 {
        return Ok(());
    }
    if from != to {
        let last = u32::from(to_port.first()) + from - 1;
        let hint = if from == 1 || last > 65535 {
            "a range leads to one port, or to a range of the same length".to_owned()
        } else {
            format!("write {}-{last}, or one port", to_port.first())
        };
        return Err(Problem::at(at, format!("{} cannot lead to {to}", ports(from))).hint(hint));
    }
    if from > MAX_RANGE {
        let message = format!("{from} ports to {to} would take as many rules; at most {MAX_RANGE} are allowed");
        return Err(Problem::at(at, message).hint("a range of any length may lead to one port"));
    }
    Ok(())
}

fn ports(count: u32) -> String {
    if count == 1 {
        "one port".to_owned()
    } else {
        format!("{count} ports")
    }
}
