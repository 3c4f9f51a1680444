//! Values as Python's `repr` writes them.

use std::fmt::Write as _;

use crate::yaml::{Node, Value};

/// `repr` of a float: the shortest digits that mean it, with an exponent from 1e16 on and below 0.0001.
pub(in crate::inventory) fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent
            .strip_prefix('-')
            .map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{value:?}")
}

/// `str` of a value: text as it is, all else as `repr`.
pub(super) fn text(node: &Node) -> String {
    match &node.value {
        Value::String(text) => text.clone(),
        Value::Timestamp(text) => text.replacen('T', " ", 1),
        _ => repr(node),
    }
}

fn repr(node: &Node) -> String {
    match &node.value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.is_finite() => float(*value),
        Value::Float(value) => float(*value).to_lowercase().replace("inity", ""),
        Value::String(text) => quoted(text),
        Value::Timestamp(text) => moment(text).unwrap_or_else(|| quoted(text)),
        Value::Vault(text) => format!("EncryptedString(ciphertext={})", quoted(text)),
        Value::List(items) => format!("[{}]", joined(items.iter().map(repr))),
        Value::Map(entries) => {
            let entry = |(key, value): &(Node, Node)| format!("{}: {}", repr(key), repr(value));
            format!("{{{}}}", joined(entries.iter().map(entry)))
        }
    }
}

/// A date or time, from the text that `isoformat` gives.
fn moment(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked(10)?;
    let numbers = |text: &str, separator: char| -> Option<Vec<u32>> {
        text.split(separator).map(|part| part.parse().ok()).collect()
    };
    let date = numbers(date, '-')?;
    let Some(rest) = rest.strip_prefix(['T', ' ']) else {
        return Some(format!("datetime.date({})", joined(date.iter().map(u32::to_string))));
    };
    let zone = rest
        .find(['+', '-'])
        .map_or("", |at| rest.get(at..).unwrap_or_default());
    let time = rest.strip_suffix(zone)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts: Vec<u32> = date.into_iter().chain(numbers(time, ':')?).collect();
    let micros: u32 = fraction.parse().ok()?;
    if micros > 0 {
        parts.push(micros);
    } else if parts.last() == Some(&0) {
        parts.pop();
    }
    let mut shown: Vec<String> = parts.iter().map(u32::to_string).collect();
    if !zone.is_empty() {
        shown.push(format!("tzinfo={}", time_zone(zone)?));
    }
    Some(format!("datetime.datetime({})", shown.join(", ")))
}

/// `+02:00` as Python's `timezone`.
fn time_zone(zone: &str) -> Option<String> {
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    Some(match seconds {
        0 => "datetime.timezone.utc".to_owned(),
        _ if sign == "-" => {
            let seconds = 24 * 3600 - seconds;
            format!("datetime.timezone(datetime.timedelta(days=-1, seconds={seconds}))")
        }
        _ => format!("datetime.timezone(datetime.timedelta(seconds={seconds}))"),
    })
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// In single quotes, unless the text holds some and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c == quote => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if !is_printable(c) => {
                let _ = match u32::from(c) {
                    code @ ..0x100 => write!(quoted, "\\x{code:02x}"),
                    code @ ..0x1_0000 => write!(quoted, "\\u{code:04x}"),
                    code => write!(quoted, "\\U{code:08x}"),
                };
            }
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}

/// As `str.isprintable`, for the characters that people meet.
fn is_printable(c: char) -> bool {
    let is_blank = c != ' ' && c.is_whitespace();
    let is_format = matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..);
    !c.is_control() && !is_blank && !is_format
}
