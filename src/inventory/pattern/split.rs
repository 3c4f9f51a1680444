//! A text becomes terms, as Ansible's `split_host_pattern` does it.

/// White space as Python's `str.strip` and `\s` see it: Rust counts the four separators of ASCII as no space.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// The terms of a text. With a comma anywhere only commas split; else what may be one address, with its port or its
/// ranges, is one term; else colons and blanks split, outside of brackets.
pub(super) fn split(text: &str) -> Vec<String> {
    let parts: Vec<&str> = if text.contains(',') {
        text.split(',').collect()
    } else if is_address(text) {
        vec![text]
    } else {
        words(text)
    };
    let terms = parts.into_iter().map(|part| part.trim_matches(is_space));
    terms.filter(|term| !term.is_empty()).map(str::to_owned).collect()
}

/// What stands between blanks, colons and brackets that are not closed; a closed pair of brackets is part of a word.
fn words(text: &str) -> Vec<&str> {
    let last_close = text.rfind(']');
    let (mut words, mut begin, mut inside) = (Vec::new(), None, false);
    for (at, c) in text.char_indices() {
        if inside {
            inside = c != ']';
            continue;
        }
        inside = c == '[' && last_close > Some(at);
        if inside || !(is_space(c) || matches!(c, ':' | '[' | ']')) {
            begin.get_or_insert(at);
        } else if let Some(begin) = begin.take() {
            words.extend(text.get(begin..at));
        }
    }
    words.extend(begin.and_then(|begin| text.get(begin..)));
    words
}

/// Whether Ansible's `parse_address` takes the text for a host, IPv4 or IPv6 address, perhaps with a port, in which
/// ranges may stand for parts.
fn is_address(text: &str) -> bool {
    let host = without_port(in_brackets(without_newline(text)));
    let host = without_newline(host);
    is_host_name(host) || is_ipv6(host)
}

/// Python's `$` lets one newline follow.
fn without_newline(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

/// `[address]:port` without brackets and port.
fn in_brackets(text: &str) -> &str {
    let inside = text
        .strip_prefix('[')
        .and_then(|rest| rest.rsplit_once("]:"))
        .filter(|(inside, port)| !inside.is_empty() && !inside.contains('\n') && is_digits(port));
    inside.map_or(text, |(inside, _)| inside)
}

/// `host:port` without the port, where the host has no colon outside of ranges.
fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if is_digits(port) && split_outside(host, ':').is_some_and(|parts| parts.len() == 1) => host,
        _ => text,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parts between separators outside of brackets; `None` where brackets are not in pairs.
fn split_outside(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut begin, mut open) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' if !open => open = true,
            ']' if open => open = false,
            ']' => return None,
            c if c == separator && !open => {
                parts.push(text.get(begin..at)?);
                begin = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..)?);
    (!open).then_some(parts)
}

fn is_host_name(text: &str) -> bool {
    split_outside(text, '.').is_some_and(|labels| labels.into_iter().all(is_label))
}

/// Letters, digits, `-`, `_` and ranges, of which `-` does not begin and neither `-` nor `_` ends a label.
fn is_label(label: &str) -> bool {
    if label.starts_with('-') || label.ends_with(['-', '_']) {
        return false;
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    !label.is_empty()
        && pieces(label).all(|(text, range)| text.chars().all(is_word) && range.is_none_or(is_letter_range))
}

/// A text before each range in brackets, and what the brackets hold.
fn pieces(label: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    label.split(']').map(|piece| match piece.split_once('[') {
        Some((text, range)) => (text, Some(range)),
        None => (piece, None),
    })
}

/// The bounds of a range, whose step, when there is one, is a number.
fn bounds(range: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = range.split(':').collect();
    match *parts.as_slice() {
        [begin, end] => Some((begin, end)),
        [begin, end, step] if is_digits(step) => Some((begin, end)),
        _ => None,
    }
}

/// `a:f` or `01:20`.
fn is_letter_range(range: &str) -> bool {
    let is_letter = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    bounds(range)
        .is_some_and(|(begin, end)| (is_digits(begin) && is_digits(end)) || (is_letter(begin) && is_letter(end)))
}

/// All ways to write an IPv6 address, ranges in place of its parts included.
fn is_ipv6(text: &str) -> bool {
    let Some(parts) = split_outside(text, ':') else {
        return false;
    };
    match parts.iter().position(|part| part.is_empty()) {
        None => is_uncompressed(&parts),
        Some(at) => {
            let (head, tail) = parts.split_at(at);
            // The two colons stand between parts, or at an end, where they leave one more part empty.
            match (head, tail) {
                ([], ["", "", ""]) => true,
                ([], ["", "", tail @ ..]) => !tail.is_empty() && is_compressed(&[], tail),
                ([_, ..], ["", ""]) => is_compressed(head, &[]),
                ([_, ..], ["", tail @ ..]) => !tail.is_empty() && is_compressed(head, tail),
                _ => false,
            }
        }
    }
}

fn is_uncompressed(parts: &[&str]) -> bool {
    let zeros = |parts: &[&str]| parts.iter().all(|part| *part == "0");
    match parts {
        [parts @ .., last] if last.contains('.') => {
            let mapped = parts
                .split_last()
                .is_some_and(|(last, rest)| is_ffff(last) && zeros(rest));
            parts.len() == 6 && (zeros(parts) || mapped) && is_quad(last)
        }
        _ => parts.len() == 8 && parts.iter().all(|part| is_component(part)),
    }
}

fn is_compressed(head: &[&str], tail: &[&str]) -> bool {
    if let ([], [quad] | [_, quad]) = (head, tail)
        && quad.contains('.')
    {
        return is_quad(quad) && (tail.len() == 1 || tail.first().is_some_and(|part| is_ffff(part)));
    }
    let fits = match (head.len(), tail.len()) {
        (0, tail) => tail <= 6,
        (head, 0) => head <= 6,
        (head, tail) => head <= 6 && head + tail <= 7,
    };
    fits && head.iter().chain(tail).all(|part| is_component(part))
}

fn is_ffff(part: &str) -> bool {
    part.eq_ignore_ascii_case("ffff")
}

/// Ansible lets the four parts of an IPv4 address be hexadecimal here.
fn is_quad(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 4 && parts.iter().all(|part| is_component(part))
}

/// Up to four hexadecimal digits, or a range of such.
fn is_component(text: &str) -> bool {
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(range) => bounds(range).is_some_and(|(begin, end)| is_hex(begin) && is_hex(end)),
        None => text.len() <= 4 && is_hex(text),
    }
}
