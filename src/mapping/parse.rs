//! Mappings as people write them.

use std::net::IpAddr;

use ipnet::IpNet;

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

const KEYS: [&str; 9] = [
    "name",
    "port",
    "to_port",
    "protocol",
    "source",
    "interface",
    "direct",
    "direct_source",
    "loopback",
];

const SHORT_FORM: &str = "the short form is \"port:to_port\" or \"port:to_port/protocol\", such as \"2222:22\" or \"53:5353/udp\"";

/// Reads all mappings of a list.
pub(super) fn list(node: &Node) -> Result<Vec<Written>, Vec<Problem>> {
    let Value::List(items) = &node.value else {
        return Err(vec![not_a_list(node)]);
    };
    if items.len() > MAX_MAPPINGS {
        let message = format!(
            "{} mappings are more than the {MAX_MAPPINGS} that a host may have",
            items.len()
        );
        return Err(vec![Problem::at(&node.at, message)]);
    }
    let (mut written, mut problems) = (Vec::new(), Vec::new());
    for item in items.iter() {
        match one(item) {
            Ok(mapping) => written.push(mapping),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(too_many_redirects(node, &written));
    if problems.is_empty() {
        Ok(written)
    } else {
        Err(problems)
    }
}

fn not_a_list(node: &Node) -> Problem {
    let hint = match &node.value {
        Value::Null => {
            "write `portmap: []` for a host without mappings, or leave `portmap` out".to_owned()
        }
        Value::String(text) => format!("write `portmap: [\"{text}\"]`"),
        Value::Int(_) if node.raw().contains(':') => {
            format!("write `portmap: [\"{}\"]`", node.raw())
        }
        Value::Map(_) => "begin each mapping with `- `".to_owned(),
        _ => "write `portmap: [\"2222:22\"]`".to_owned(),
    };
    Problem::at(
        &node.at,
        format!(
            "portmap is {}, and must be a list of mappings",
            node.value.kind()
        ),
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
        .hint(
            "a range to an equally long range takes a rule per port; a range to one port takes one",
        )
    })
}

fn one(item: &Node) -> Result<Written, Vec<Problem>> {
    match &item.value {
        Value::String(text) => short(item, text).map_err(|problem| vec![problem]),
        Value::Map(entries) => Fields {
            item,
            entries,
            problems: Vec::new(),
        }
        .read(),
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
    let (ports, protocol) = match text.rsplit_once('/') {
        Some((ports, protocol)) => (ports, Some(protocol)),
        None => (text, None),
    };
    let Some((from, to)) = ports.split_once(':').filter(|(_, to)| !to.contains(':')) else {
        return Err(Problem::at(&item.at, format!("`{text}` is not a mapping")).hint(SHORT_FORM));
    };
    let from_at = item.part(0..from.len());
    let to_at = item.part(from.len() + 1..ports.len());
    let protocol = match protocol {
        Some(name) => protocol_of(name, &item.part(ports.len() + 1..text.len()))?,
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

fn bare(port: PortRange, to_port: PortRange, protocol: Protocol) -> Mapping {
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
fn check_lengths(port: PortRange, to_port: PortRange, at: &Location) -> Result<(), Problem> {
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
        return Err(Problem::at(at, format!("{from} ports cannot lead to {to}")).hint(hint));
    }
    if from > MAX_RANGE {
        let message = format!(
            "{from} ports to {to} would take as many rules; at most {MAX_RANGE} are allowed"
        );
        return Err(Problem::at(at, message).hint("a range of any length may lead to one port"));
    }
    Ok(())
}

/// The long form, read key by key so that every mistake in it is found.
struct Fields<'a> {
    item: &'a Node,
    entries: &'a [(Node, Node)],
    problems: Vec<Problem>,
}

impl Fields<'_> {
    fn read(mut self) -> Result<Written, Vec<Problem>> {
        self.refuse_unknown_keys();
        let name = self.field("name", |node| {
            text(node, "name").and_then(|name| checked_name(name, node))
        });
        let port = self.required("port", |node| port::range(node, "port"));
        let to_port = self.required("to_port", |node| port::range(node, "to_port"));
        let protocol = self.field("protocol", |node| {
            protocol_of(text(node, "protocol")?, &node.at)
        });
        let source = self.nets("source");
        let interface = self.field("interface", |node| {
            text(node, "interface").and_then(|name| checked_interface(name, node))
        });
        let direct = self.field("direct", direct_of);
        let direct_source = self.nets("direct_source");
        let loopback = self.field("loopback", boolean);
        self.refuse_contradictions(port, to_port, direct, &direct_source);
        let (Some(port), Some(to_port), true) = (port, to_port, self.problems.is_empty()) else {
            return Err(self.problems);
        };
        let mapping = Mapping {
            name,
            source,
            interface,
            direct: direct.unwrap_or_default(),
            direct_source,
            loopback: loopback.unwrap_or_default(),
            ..bare(port, to_port, protocol.unwrap_or(Protocol::Tcp))
        };
        Ok(self.written(mapping))
    }

    fn written(&self, mapping: Mapping) -> Written {
        let place = |key| self.item.get(key).map(|node| node.at.clone());
        let whole = self.item.at.clone();
        let to_port = place("to_port").unwrap_or_else(|| whole.clone());
        let direct = place("direct")
            .or_else(|| place("direct_source"))
            .unwrap_or_else(|| to_port.clone());
        Written {
            mapping,
            port: place("port").unwrap_or(whole),
            to_port,
            direct,
        }
    }

    fn refuse_unknown_keys(&mut self) {
        for (key, value) in self.entries {
            if !key.as_str().is_some_and(|name| KEYS.contains(&name)) {
                self.problems.push(unknown_key(key, value));
            }
        }
    }

    fn field<T>(&mut self, key: &str, read: impl FnOnce(&Node) -> Result<T, Problem>) -> Option<T> {
        match read(self.item.get(key)?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn required<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&Node) -> Result<T, Problem>,
    ) -> Option<T> {
        if self.item.get(key).is_none() {
            let problem = Problem::at(&self.item.at, format!("this mapping has no `{key}`"));
            self.problems
                .push(problem.hint("a mapping needs `port` and `to_port`"));
        }
        self.field(key, read)
    }

    fn nets(&mut self, key: &str) -> Vec<IpNet> {
        let Some(node) = self.item.get(key) else {
            return Vec::new();
        };
        let one = [node.clone()];
        let items = match &node.value {
            Value::List(items) => items,
            _ => one.as_slice(),
        };
        if items.is_empty() && key == "source" {
            let problem = Problem::at(
                &node.at,
                "source is an empty list: nobody could use the mapping",
            );
            self.problems
                .push(problem.hint("leave `source` out to let anyone use it"));
        }
        let (nets, problems): (Vec<_>, Vec<_>) = items
            .iter()
            .map(|item| net(item, key))
            .partition(Result::is_ok);
        self.problems
            .extend(problems.into_iter().filter_map(Result::err));
        nets.into_iter().filter_map(Result::ok).collect()
    }

    fn refuse_contradictions(
        &mut self,
        port: Option<PortRange>,
        to_port: Option<PortRange>,
        direct: Option<Direct>,
        direct_source: &[IpNet],
    ) {
        if let (Some(port), Some(to_port), Some(node)) = (port, to_port, self.item.get("to_port")) {
            self.problems
                .extend(check_lengths(port, to_port, &node.at).err());
        }
        if let (Some(Direct::Allow), false, Some(node)) = (
            direct,
            direct_source.is_empty(),
            self.item.get("direct_source"),
        ) {
            let problem = Problem::at(
                &node.at,
                "direct_source limits nothing where `direct` is allow",
            );
            self.problems.push(problem.hint("remove one of the two"));
        }
    }
}

fn unknown_key(key: &Node, value: &Node) -> Problem {
    let problem = Problem::at(&key.at, format!("a mapping has no key `{}`", key.raw()));
    match (&key.value, &value.value) {
        (Value::Int(_), Value::Int(_)) => problem.hint(format!(
            "put the short form in quotes: `- \"{}:{}\"`",
            key.raw(),
            value.raw()
        )),
        (Value::Int(_), _) if key.raw().contains(':') => problem.hint(format!(
            "put the short form in quotes: `- \"{}\"`",
            key.raw()
        )),
        (Value::String(name), _) => match nearest(name, &KEYS) {
            Some(known) => problem.hint(format!("did you mean `{known}`?")),
            None => problem.hint(format!("the keys are {}", KEYS.join(", "))),
        },
        _ => problem.hint(format!("the keys are {}", KEYS.join(", "))),
    }
}

/// The known word that is most like the one written, if any is.
pub(crate) fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let lower = written.to_lowercase().replace('-', "_");
    let likeness = |word: &str| strsim::jaro_winkler(&lower, word);
    let best = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.75).then_some(*best)
}

fn text<'n>(node: &'n Node, what: &str) -> Result<&'n str, Problem> {
    node.as_str().ok_or_else(|| {
        let problem = Problem::at(
            &node.at,
            format!("{what} is {}, and must be text", node.value.kind()),
        );
        match node.value {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                problem.hint(format!("put it in quotes: \"{}\"", node.raw()))
            }
            _ => problem,
        }
    })
}

fn checked_name(name: &str, node: &Node) -> Result<String, Problem> {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Problem::at(
            &node.at,
            "a name has 1 to 100 characters, and no control characters",
        ));
    }
    Ok(name.to_owned())
}

fn protocol_of(name: &str, at: &Location) -> Result<Protocol, Problem> {
    match name {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(
            Problem::at(at, format!("`{name}` is not a protocol that can be mapped"))
                .hint("write tcp or udp"),
        ),
    }
}

fn direct_of(node: &Node) -> Result<Direct, Problem> {
    match node.as_str() {
        Some("drop") => Ok(Direct::Drop),
        Some("reject") => Ok(Direct::Reject),
        Some("allow") => Ok(Direct::Allow),
        _ => Err(Problem::at(&node.at, "direct is drop, reject or allow")
            .hint("drop, the default, closes direct access without an answer")),
    }
}

fn boolean(node: &Node) -> Result<bool, Problem> {
    match node.value {
        Value::Bool(value) => Ok(value),
        _ => Err(Problem::at(&node.at, "loopback is true or false")),
    }
}

/// An address or a network, without bits beyond its prefix.
fn net(node: &Node, key: &str) -> Result<IpNet, Problem> {
    let text = text(node, key)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let net: IpNet = text.parse().map_err(|_| {
        Problem::at(&node.at, format!("`{text}` is not an address or network"))
            .hint("write an address such as 203.0.113.7, or a network such as 203.0.113.0/24 or 2001:db8::/32")
    })?;
    if net.addr() == net.network() {
        return Ok(net);
    }
    let hint = format!(
        "for the whole network write {}; for the one address, {}",
        net.trunc(),
        net.addr()
    );
    Err(Problem::at(
        &node.at,
        format!("{text} is an address within a network, not a network"),
    )
    .hint(hint))
}

/// The kernel's rules (`dev_valid_name`: up to 15 bytes, no slash, colon or white space), with the trailing `+` by
/// which iptables(8) means every name that begins so; narrowed to characters that need no quoting anywhere.
fn checked_interface(name: &str, node: &Node) -> Result<String, Problem> {
    let refuse = |why: &str| {
        Err(Problem::at(
            &node.at,
            format!("`{name}` is not an interface name: {why}"),
        ))
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@+".contains(c);
    match name {
        "" => refuse("it is empty"),
        "." | ".." => refuse("the kernel refuses it"),
        "lo" => refuse("what the host sends to itself does not pass here")
            .map_err(|problem: Problem| problem.hint("write `loopback: true` instead")),
        "+" => refuse("it means any interface")
            .map_err(|problem| problem.hint("leave `interface` out")),
        _ if name.len() > 15 => refuse("it is longer than 15 characters"),
        _ if name.starts_with(['-', '!']) => refuse("it begins like an option"),
        _ if !name.chars().all(plain) => refuse(
            "only letters, digits and . _ - @ are allowed, and a + at its end for any ending",
        ),
        _ if name.trim_end_matches('+').len() + 1 < name.len()
            || name.strip_suffix('+').unwrap_or(name).contains('+') =>
        {
            refuse("a + stands at its end, for any ending")
        }
        _ => Ok(name.to_owned()),
    }
}
