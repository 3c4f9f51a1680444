//! Ports as people write them, and the traps of YAML 1.1 in their way.

use super::PortRange;
use crate::problem::{Location, Problem};
use crate::yaml::{Node, Style, Value};

/// Reads one port.
pub(crate) fn port(node: &Node, what: &str) -> Result<u16, Problem> {
    match &node.value {
        Value::Int(number) => int(node, *number, what),
        Value::String(text) => digits(text, &node.at, what),
        other => Err(wrong_type(node, what, other, "a port, from 1 to 65535")),
    }
}

/// Reads a port, or a range of ports such as `8000-8010`.
pub(super) fn range(node: &Node, what: &str) -> Result<PortRange, Problem> {
    match &node.value {
        Value::Int(number) => int(node, *number, what).and_then(|port| ordered(port, port, &node.at, what)),
        Value::String(text) => text_range(text, &node.at, what),
        other => Err(wrong_type(
            node,
            what,
            other,
            "a port, or a range such as \"8000-8010\"",
        )),
    }
}

/// Reads the text of a port or range.
pub(super) fn text_range(text: &str, at: &Location, what: &str) -> Result<PortRange, Problem> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    ordered(digits(first, at, what)?, digits(last, at, what)?, at, what)
}

fn ordered(first: u16, last: u16, at: &Location, what: &str) -> Result<PortRange, Problem> {
    PortRange::new(first, last)
        .ok_or_else(|| Problem::at(at, format!("{what} runs backwards")).hint(format!("write {last}-{first}")))
}

fn int(node: &Node, number: i128, what: &str) -> Result<u16, Problem> {
    if let Some(problem) = misread(node, number, what) {
        return Err(problem);
    }
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    port.ok_or_else(|| out_of_range(&node.at, &number.to_string(), what))
}

/// A number that does not look like what YAML 1.1 makes of it.
fn misread(node: &Node, number: i128, what: &str) -> Option<Problem> {
    let raw = node.raw();
    if node.style != Style::Plain {
        return None;
    }
    if raw.contains(':') {
        let problem = Problem::at(
            &node.at,
            format!("{what}: `{raw}` without quotes is the number {number}"),
        );
        let hint = match what {
            "port" | "to_port" => {
                format!("{what} is one port; for a whole mapping, write `- \"{raw}\"` in the list")
            }
            _ => "write one port".to_owned(),
        };
        return Some(problem.label("YAML 1.1 reads digits with colons as base 60").hint(hint));
    }
    let octal = raw.len() > 1 && raw.starts_with('0') && raw.bytes().all(|byte| byte.is_ascii_digit());
    let plain = raw.trim_start_matches('0');
    (octal && !plain.is_empty()).then(|| {
        Problem::at(&node.at, format!("{what}: `{raw}` is the number {number}"))
            .label("YAML 1.1 reads a leading zero as octal")
            .hint(format!("write {plain}"))
    })
}

fn digits(text: &str, at: &Location, what: &str) -> Result<u16, Problem> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(
            Problem::at(at, format!("{what}: `{text}` is not a port")).hint("a port is a number from 1 to 65535")
        );
    }
    let plain = text.trim_start_matches('0');
    if plain.len() < text.len() && !plain.is_empty() {
        return Err(Problem::at(at, format!("{what}: `{text}` has a leading zero")).hint(format!("write {plain}")));
    }
    text.parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| out_of_range(at, text, what))
}

fn out_of_range(at: &Location, number: &str, what: &str) -> Problem {
    Problem::at(at, format!("{what}: {number} is not a port")).hint("ports go from 1 to 65535")
}

fn wrong_type(node: &Node, what: &str, found: &Value, wanted: &str) -> Problem {
    Problem::at(&node.at, format!("{what} is {}, and must be {wanted}", found.kind()))
}
