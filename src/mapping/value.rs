//! The values of a mapping's keys other than ports.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Direct, Protocol};
use crate::problem::{Location, Problem, is_unprintable};
use crate::yaml::{Node, Value};

/// Checks a name for people.
pub(super) fn name(name: &str, node: &Node) -> Result<String, Problem> {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(is_unprintable) {
        return Err(Problem::at(
            &node.at,
            "a name has 1 to 100 characters, and no control or invisible characters",
        ));
    }
    Ok(name.to_owned())
}

/// Reads a protocol.
pub(super) fn protocol(name: &str, at: &Location) -> Result<Protocol, Problem> {
    match name {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(Problem::at(at, format!("`{name}` is not a protocol that can be mapped")).hint("write tcp or udp")),
    }
}

/// Reads `direct`.
pub(super) fn direct(node: &Node) -> Result<Direct, Problem> {
    match node.as_str() {
        Some("drop") => Ok(Direct::Drop),
        Some("reject") => Ok(Direct::Reject),
        Some("allow") => Ok(Direct::Allow),
        _ => Err(Problem::at(&node.at, "direct is drop, reject or allow")
            .hint("drop, the default, closes direct access without an answer")),
    }
}

/// Reads `loopback`.
pub(super) fn loopback(node: &Node) -> Result<bool, Problem> {
    match node.value {
        Value::Bool(value) => Ok(value),
        _ => Err(Problem::at(&node.at, "loopback is true or false")),
    }
}

/// An address or a network, without bits beyond its prefix.
pub(super) fn net(node: &Node, key: &str) -> Result<IpNet, Problem> {
    let text = node.text(key)?;
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
pub(super) fn interface(name: &str, node: &Node) -> Result<String, Problem> {
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
        "+" => refuse("it means any interface").map_err(|problem| problem.hint("leave `interface` out")),
        _ if name.len() > 15 => refuse("it is longer than 15 characters"),
        _ if name.starts_with(['-', '!']) => refuse("it begins like an option"),
        _ if !name.chars().all(plain) => {
            refuse("only letters, digits and . _ - @ are allowed, and a + at its end for any ending")
        }
        _ if name.trim_end_matches('+').len() + 1 < name.len()
            || name.strip_suffix('+').unwrap_or(name).contains('+') =>
        {
            refuse("a + stands at its end, for any ending")
        }
        _ => Ok(name.to_owned()),
    }
}
