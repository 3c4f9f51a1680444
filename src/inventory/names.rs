//! Host keys: `web[01:20:2].example.com`, `db-[a:f]`, `bastion:2222`, `[2001:db8::1]:22`.
//!
//! As `parse_address` and `expand_hostname_range` of Ansible, except that a range without hosts is an error.

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use crate::problem::is_unprintable;

/// The most hosts that one key may name.
const MAX_HOSTS: usize = 65_536;

/// The hosts that a key names, and the port written behind it.
pub(super) fn expand(key: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (name, port) = split_port(key)?;
    let names = if name.parse::<Ipv6Addr>().is_ok() {
        vec![name.to_owned()]
    } else {
        ranges(name)?
    };
    match names.iter().find_map(|name| bad_name(name)) {
        Some(why) => Err(why),
        None => Ok((names, port)),
    }
}

fn split_port(key: &str) -> Result<(&str, Option<u16>), String> {
    if key.parse::<Ipv6Addr>().is_ok() {
        return Ok((key, None));
    }
    if let Some((address, rest)) = key.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && address.parse::<Ipv6Addr>().is_ok()
    {
        let port = rest.strip_prefix(':').map(port).transpose()?;
        return if port.is_some() || rest.is_empty() {
            Ok((address, port))
        } else {
            Err(format!("`{rest}` is not a port"))
        };
    }
    match key.rsplit_once(':') {
        // A colon within brackets belongs to a range.
        Some((name, digits)) if !digits.contains(']') => Ok((name, Some(port(digits)?))),
        _ => Ok((key, None)),
    }
}

fn port(digits: &str) -> Result<u16, String> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = if plain {
        digits.parse().ok().filter(|port| *port > 0)
    } else {
        None
    };
    port.ok_or_else(|| format!("`{digits}` is not a port"))
}

fn bad_name(name: &str) -> Option<String> {
    let shown = |c: char| c.is_whitespace() || is_unprintable(c) || "[]{}()<>|;&$`'\"\\,!*?:".contains(c);
    if name.parse::<Ipv6Addr>().is_ok() {
        return None;
    }
    if name.is_empty() || name.starts_with('-') || name.len() > 255 {
        return Some(format!("`{name}` is not a host name"));
    }
    name.chars()
        .find(|&c| shown(c))
        .map(|c| format!("a host name cannot hold {:?}", c.to_string()))
}

/// All names of a pattern with any number of ranges.
fn ranges(pattern: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once('[') {
        let (bounds, after) = behind
            .split_once(']')
            .ok_or("a range begins with `[` and ends with `]`")?;
        names = product(&names, before, &range(bounds)?)?;
        rest = after;
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok(names)
}

fn product(names: &[String], before: &str, values: &[String]) -> Result<Vec<String>, String> {
    if names.len().saturating_mul(values.len()) > MAX_HOSTS {
        return Err(format!("this names more than {MAX_HOSTS} hosts"));
    }
    Ok(names
        .iter()
        .flat_map(|name| values.iter().map(move |value| format!("{name}{before}{value}")))
        .collect())
}

/// `begin:end` or `begin:end:step`, both ends included; numbers or letters.
fn range(bounds: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = bounds.split(':').collect();
    let (begin, end, step) = match parts.as_slice() {
        [begin, end] => (*begin, *end, 1),
        [begin, end, step] => (
            *begin,
            *end,
            step.parse()
                .ok()
                .filter(|step| *step > 0)
                .ok_or("the step of a range is a number above 0")?,
        ),
        _ => return Err("a range is begin:end or begin:end:step".to_owned()),
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    let values = match (letter(begin), letter(end)) {
        (Some(first), Some(last)) => letters(first..=last, step),
        _ => numbers(begin, end, step)?,
    };
    if values.is_empty() {
        Err(format!("the range {bounds} is empty: its begin is behind its end"))
    } else {
        Ok(values)
    }
}

/// Letters count from a to z, then from A to Z.
fn letter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [c @ b'a'..=b'z'] => Some(c - b'a'),
        [c @ b'A'..=b'Z'] => Some(c - b'A' + 26),
        _ => None,
    }
}

fn letters(range: RangeInclusive<u8>, step: usize) -> Vec<String> {
    let shown = |at: u8| char::from(if at < 26 { b'a' + at } else { b'A' + at - 26 }).to_string();
    range.step_by(step).map(shown).collect()
}

/// A leading zero in the begin sets the width, and the end must be as wide.
fn numbers(begin: &str, end: &str, step: usize) -> Result<Vec<String>, String> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = if plain { text.parse::<u32>().ok() } else { None };
        value.ok_or_else(|| format!("`{text}` is not the end of a range: write two numbers or two letters"))
    };
    let (first, last) = (number(begin)?, number(end)?);
    let padded = begin.len() > 1 && begin.starts_with('0');
    if padded && begin.len() != end.len() {
        return Err(format!("{begin} and {end} must have as many digits"));
    }
    let width = if padded { begin.len() } else { 0 };
    let values = (first..=last).step_by(step).take(MAX_HOSTS + 1);
    Ok(values.map(|value| format!("{value:0width$}")).collect())
}
