//! Ports behind names and addresses: what `parse_address` of Ansible's `parsing/utils/addresses.py` takes for some.

use std::ops::Range;

/// Python takes no longer number.
const MAX_DIGITS: usize = 4300;

/// The host, without the brackets of an IPv6 address, and where the digits of its port are. `None`: there is no port,
/// or the rest is neither a host's name nor an address, ranges in them included.
pub(super) fn split(text: &str) -> Option<(&str, Range<usize>)> {
    // As `$` in Python.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (host, port) = if let Some((inner, digits)) = bracketed(text) {
        // Ansible looks again in what was in the brackets.
        with_port(inner).map_or_else(
            || (inner, ending(text.len(), digits)),
            |(name, digits)| (name, ending(inner.len() + 1, digits)),
        )
    } else {
        let (name, digits) = with_port(text)?;
        (name, ending(text.len(), digits))
    };
    let is_address = is_host_name(host) || is_ipv6(host);
    (is_address && port.len() <= MAX_DIGITS).then_some((host, port))
}

fn ending(end: usize, digits: &str) -> Range<usize> {
    end - digits.len()..end
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `[anything]:port`
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (inner, digits) = text.strip_prefix('[')?.rsplit_once("]:")?;
    (!inner.is_empty() && is_digits(digits)).then_some((inner, digits))
}

/// `name:port`, the name without colons but for those in brackets.
fn with_port(text: &str) -> Option<(&str, &str)> {
    let (name, digits) = text.rsplit_once(':')?;
    (is_digits(digits) && colons_are_in_brackets(name)).then_some((name, digits))
}

fn colons_are_in_brackets(name: &str) -> bool {
    let mut rest = name;
    while let Some(at) = rest.find([':', '[', ']']) {
        let (_, found) = rest.split_at(at);
        let Some((_, behind)) = found.strip_prefix('[').and_then(|inner| inner.split_once(']')) else {
            return false;
        };
        rest = behind;
    }
    true
}

/// Labels with dots between them. A label consists of letters, digits, `_`, `-` and ranges, and neither begins with
/// `-` nor ends with `-` or `_`.
fn is_host_name(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let mut rest = label;
    let mut is_first = true;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '[' => range_length(rest, is_range_of_names),
            '-' if !is_first => Some(1),
            _ if c == '_' || c.is_alphanumeric() => Some(c.len_utf8()),
            _ => None,
        };
        let Some(behind) = length.and_then(|length| rest.get(length..)) else {
            return false;
        };
        rest = behind;
        is_first = false;
    }
    !label.is_empty() && !label.ends_with(['-', '_'])
}

/// The length of the range that the text begins with, brackets included.
fn range_length(text: &str, is_range: fn(&str, &str) -> bool) -> Option<usize> {
    let (bounds, _) = text.strip_prefix('[')?.split_once(']')?;
    let mut parts = bounds.split(':');
    let (begin, end, step) = (parts.next()?, parts.next()?, parts.next());
    let is_good = is_range(begin, end) && step.is_none_or(is_digits) && parts.next().is_none();
    is_good.then_some(bounds.len() + 2)
}

fn is_range_of_names(begin: &str, end: &str) -> bool {
    let is_letter = |text: &str| matches!(text.as_bytes(), [byte] if byte.is_ascii_alphabetic());
    (is_letter(begin) && is_letter(end)) || (is_digits(begin) && is_digits(end))
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An IPv6 address, any part of which may be a range.
fn is_ipv6(text: &str) -> bool {
    match text.split_once("::") {
        Some((left, right)) => is_short_ipv6(&parts(left), &parts(right)),
        None => is_full_ipv6(&parts(text)),
    }
}

/// All eight parts, or six and an IPv4 address.
fn is_full_ipv6(all: &[&str]) -> bool {
    match all {
        ["0", "0", "0", "0", "0", sixth, ipv4] => {
            (*sixth == "0" || sixth.eq_ignore_ascii_case("ffff")) && is_dotted(ipv4)
        }
        _ => all.len() == 8 && all.iter().all(|part| is_part(part)),
    }
}

/// What is before and behind a `::`.
fn is_short_ipv6(left: &[&str], right: &[&str]) -> bool {
    match (left, right) {
        ([], [ipv4]) if is_dotted(ipv4) => true,
        ([], [ffff, ipv4]) if ffff.eq_ignore_ascii_case("ffff") && is_dotted(ipv4) => true,
        _ => {
            let is_short = left.len() <= 6 && right.len() <= 6 && left.len() + right.len() <= 7;
            is_short && left.iter().chain(right).all(|part| is_part(part))
        }
    }
}

/// Ansible takes any parts of an IPv6 address between these dots.
fn is_dotted(text: &str) -> bool {
    let mut parts = text.split('.');
    parts.clone().count() == 4 && parts.all(is_part)
}

/// What stands between the colons that are in no brackets; nothing for no text.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_colon = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ':' && depth == 0
    };
    if text.is_empty() {
        Vec::new()
    } else {
        text.split(is_colon).collect()
    }
}

fn is_part(part: &str) -> bool {
    let is_range = || range_length(part, |begin, end| is_hex(begin) && is_hex(end)) == Some(part.len());
    (is_hex(part) && part.len() <= 4) || is_range()
}
