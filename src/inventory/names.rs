//! Hosts as they are written: `web[01:20:2].example.com`, `db-[a:f]`, `bastion:2222`, `[2001:db8::1]:22`. As
//! Ansible's `_expand_hostpattern`, to the letter.

use std::ops::Range;

use super::address;
use super::data::MAX_HOSTS;
use super::literal::is_space;
use crate::problem::Location;
use crate::yaml::{Node, Style, Value};

/// The most bytes of all names of one key.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// As Python's `string.ascii_letters`.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The hosts that a key names. None at all where the end of a range of numbers is before its begin.
#[derive(Debug, PartialEq)]
pub(super) struct Names {
    pub hosts: Vec<String>,
    pub port: Option<Port>,
}

/// The port behind a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Port {
    pub number: Value,
    /// Its digits' place in the key.
    pub digits: Range<usize>,
}

impl Port {
    /// As the variable `ansible_port` that it stands for.
    pub fn node(self, at: Location) -> Node {
        Node {
            value: self.number,
            at,
            style: Style::Quoted,
        }
    }
}

/// The hosts that a key names, and the port written behind it. What is no address is the name of one host as it
/// stands, port and all.
pub(super) fn expand(key: &str) -> Result<Names, String> {
    let (name, port) = match address::split(key) {
        Some((name, port)) => (name, Some(port)),
        None => (key, None),
    };
    let hosts = if name.contains('[') {
        ranges(name)?
    } else {
        vec![name.to_owned()]
    };
    let port = port.and_then(|digits| self::port(key, digits));
    Ok(Names { hosts, port })
}

/// A port of zero is none. One beyond 128 bits stays text.
pub(super) fn port(key: &str, digits: Range<usize>) -> Option<Port> {
    let text = key.get(digits.clone())?;
    let number = match text.parse::<i128>() {
        Ok(0) => return None,
        Ok(number) => Value::Int(number),
        Err(_) => Value::String(text.to_owned()),
    };
    Some(Port { number, digits })
}

/// One range after the other: a name that still holds a bracket is expanded again.
fn ranges(pattern: &str) -> Result<Vec<String>, String> {
    let mut done = vec![String::new()];
    let mut rest = pattern;
    while rest.contains('[') {
        let (head, bounds, tail) = split(rest)?;
        let values = values(bounds)?;
        done = product(&done, head, &values, pattern.len())?;
        rest = tail;
    }
    for name in &mut done {
        name.push_str(rest);
    }
    Ok(done)
}

/// What is before, in and behind the first range. Ansible puts a bar for either bracket and splits there, so that one
/// which is there already counts as well.
fn split(pattern: &str) -> Result<(&str, &str, &str), String> {
    let (open, close) = (pattern.find('['), pattern.find(']'));
    let is_bar = |(at, c): &(usize, char)| *c == '|' || Some(*at) == open || Some(*at) == close;
    let mut bars = pattern.char_indices().filter(is_bar).map(|(at, _)| at);
    let (Some(first), Some(second), None) = (bars.next(), bars.next(), bars.next()) else {
        return Err("a range begins with `[` and ends with `]`".to_owned());
    };
    let (head, bounds) = (pattern.get(..first), pattern.get(first + 1..second));
    let tail = pattern.get(second + 1..).unwrap_or_default();
    Ok((head.unwrap_or_default(), bounds.unwrap_or_default(), tail))
}

fn product(names: &[String], head: &str, values: &[String], length: usize) -> Result<Vec<String>, String> {
    let count = names.len().saturating_mul(values.len());
    if count > MAX_HOSTS || count.saturating_mul(length) > MAX_BYTES {
        return Err(too_many());
    }
    Ok(names
        .iter()
        .flat_map(|name| values.iter().map(move |value| format!("{name}{head}{value}")))
        .collect())
}

fn too_many() -> String {
    format!("this names more than {MAX_HOSTS} hosts")
}

/// `begin:end` or `begin:end:step`, both ends included; numbers or letters. A leading zero in the begin sets the
/// width, and the end must be as wide.
fn values(bounds: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = bounds.split(':').collect();
    let (begin, end, step) = match parts.as_slice() {
        [begin, end] => (*begin, *end, "1"),
        [begin, end, step] => (*begin, *end, *step),
        _ => {
            return Err(format!(
                "`[{bounds}]` is no range: those are [begin:end] or [begin:end:step]"
            ));
        }
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    if end.is_empty() {
        return Err(format!("the range `[{bounds}]` has no end"));
    }
    let width = begin.chars().count();
    let is_padded = begin.starts_with('0') && width > 1;
    if is_padded && width != end.chars().count() {
        return Err(format!("{begin} and {end} must have as many digits"));
    }
    if let (Some(first), Some(last)) = (LETTERS.find(begin), LETTERS.find(end)) {
        return letters(bounds, first, last, step);
    }
    let ends = integer(begin).zip(integer(end));
    let ends = ends.ok_or_else(|| format!("the ends of the range `[{bounds}]` must be two numbers or two letters"))?;
    let values = numbers(ends, parsed_step(bounds, step)?)?;
    let width = if is_padded { width } else { 0 };
    Ok(values.into_iter().map(|value| padded(value, width)).collect())
}

fn parsed_step(bounds: &str, step: &str) -> Result<i128, String> {
    integer(step)
        .filter(|step| *step != 0)
        .ok_or_else(|| format!("the step of the range `[{bounds}]` must be a number, and not 0"))
}

/// From a to z, then from A to Z.
fn letters(bounds: &str, first: usize, last: usize, step: &str) -> Result<Vec<String>, String> {
    if first > last {
        return Err(format!("the begin of the range `[{bounds}]` is behind its end"));
    }
    // A step backwards leads nowhere, as in Python's slices: the begin is not behind the end.
    let step = usize::try_from(parsed_step(bounds, step)?).ok();
    let all = LETTERS.get(first..=last).unwrap_or_default();
    let chosen = step.map(|step| all.chars().step_by(step).map(String::from).collect());
    Ok(chosen.unwrap_or_default())
}

/// As Python's `range`, which may count down. Ansible adds one to the end whichever way it goes.
fn numbers((begin, end): (i128, i128), step: i128) -> Result<Vec<i128>, String> {
    let count = || {
        let end = end.checked_add(1)?;
        let distance = if step > 0 {
            end.checked_sub(begin)?
        } else {
            begin.checked_sub(end)?
        };
        let count = if distance <= 0 {
            0
        } else {
            (distance - 1) / step.checked_abs()? + 1
        };
        (count <= MAX_HOSTS as i128).then_some(count)
    };
    let count = count().ok_or_else(too_many)?;
    Ok((0..count).map(|index| begin + index * step).collect())
}

/// As Python's `int`: with white space around it, a sign, and underscores between digits.
fn integer(text: &str) -> Option<i128> {
    let text = text.trim_matches(is_space);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_good = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '_')
        && !digits.contains("__");
    if is_good {
        text.replace('_', "").parse().ok()
    } else {
        None
    }
}

/// As Python's `zfill`.
fn padded(value: i128, width: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let width = width.saturating_sub(sign.len());
    format!("{sign}{:0>width$}", value.unsigned_abs())
}

#[cfg(test)]
mod tests;
