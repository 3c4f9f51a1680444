//! What a plain scalar means: the implicit resolvers and constructors of `PyYAML` 6 (`resolver.py`,
//! `constructor.py`), in their order.

use super::Value;
use super::time::{iso, looks_like_date};

/// The value of a plain scalar.
///
/// # Errors
/// `PyYAML` takes it for a date or a number, and it is none.
pub fn resolve(text: &str) -> Result<Value, String> {
    // Nothing but text begins with most letters.
    let first = text.bytes().next().unwrap_or(b'~');
    if !matches!(first, b'0'..=b'9' | b'+' | b'-' | b'.' | b'~' | b'<' | b'=') && !b"nNyYtTfFoO".contains(&first) {
        return Ok(Value::String(text.to_owned()));
    }
    if matches!(text, "<<" | "=") {
        return Err(format!("a plain `{text}` is no value"));
    }
    let value = null(text).or_else(|| boolean(text));
    let value = value.or_else(|| float(text).map(Value::Float));
    if let Some(value) = value.or_else(|| integer(text).map(Value::Int)) {
        return Ok(value);
    }
    if looks_like_date(text) {
        return Ok(Value::Timestamp(iso(text)?));
    }
    if is_radix_without_digits(text) {
        return Err(format!(
            "`{text}` is a number without digits; put it in quotes if it is text"
        ));
    }
    Ok(Value::String(text.to_owned()))
}

/// `0x_`: what `PyYAML` takes for a number, and cannot read.
fn is_radix_without_digits(text: &str) -> bool {
    let (rest, _) = unsigned(text);
    let digits = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0b"));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte == b'_'))
}

/// The integer of a text under the tag `!!int`; text where it is beyond 128 bits.
pub(super) fn tagged_integer(text: &str) -> Option<Value> {
    let text = text.trim();
    let (digits, _) = unsigned(text);
    let is_long = digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() > 38;
    integer(text)
        .map(Value::Int)
        .or_else(|| is_long.then(|| Value::String(text.to_owned())))
}

/// The float of a text under the tag `!!float`.
pub(super) fn tagged_float(text: &str) -> Option<f64> {
    let text = text.replace('_', "").to_lowercase();
    float(&text)
        .or_else(|| float(&format!("{text}.")))
        .or_else(|| text.trim().parse().ok())
}

/// The yes or no of a text under the tag `!!bool`.
pub(super) fn tagged_boolean(text: &str) -> Option<bool> {
    match boolean(&text.to_lowercase()) {
        Some(Value::Bool(value)) => Some(value),
        _ => None,
    }
}

fn null(text: &str) -> Option<Value> {
    matches!(text, "" | "~" | "null" | "Null" | "NULL").then_some(Value::Null)
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(Value::Bool(true)),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// The text without its sign, and whether the sign was a minus.
fn unsigned(text: &str) -> (&str, bool) {
    match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    }
}

fn all(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    text.chars().all(|c| c == '_' || allowed(c))
}

fn is_digits(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && all(text, |c| c.is_ascii_digit())
}

/// Base 60 parts after the first: `[0-5]?[0-9]`.
fn is_sixtieth(part: &str) -> bool {
    match part.as_bytes() {
        [b'0'..=b'9'] => true,
        [tens, ones] => (b'0'..=b'5').contains(tens) && ones.is_ascii_digit(),
        _ => false,
    }
}

/// A float needs a dot, and an exponent needs a sign.
fn float(text: &str) -> Option<f64> {
    let (rest, negative) = unsigned(text);
    let sign = if negative { -1.0 } else { 1.0 };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if rest == text => return Some(f64::NAN),
        _ => {}
    }
    let (whole, fraction) = rest.split_once('.')?;
    let magnitude = if let Some((first, parts)) = whole.split_once(':') {
        base_60_float(first, parts, fraction)
    } else {
        // A bare fraction (`.5`) takes no sign and must start with a digit.
        let bare = whole.is_empty() && rest == text && fraction.starts_with(|c: char| c.is_ascii_digit());
        (is_digits(whole) || bare).then(|| decimal(whole, fraction)).flatten()
    };
    magnitude.map(|value| sign * value)
}

fn decimal(whole: &str, fraction: &str) -> Option<f64> {
    let (digits, exponent) = match fraction.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, Some(exponent)),
        None => (fraction, None),
    };
    let signed = |text: &str| {
        text.strip_prefix(['-', '+'])
            .is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
    };
    if !all(digits, |c| c.is_ascii_digit()) || !exponent.is_none_or(signed) {
        return None;
    }
    format!("{whole}.{digits}e{}", exponent.unwrap_or("+0"))
        .replace('_', "")
        .parse()
        .ok()
}

fn base_60_float(first: &str, parts: &str, fraction: &str) -> Option<f64> {
    if !is_digits(first) || !parts.split(':').all(is_sixtieth) || !all(fraction, |c| c.is_ascii_digit()) {
        return None;
    }
    let whole: f64 = std::iter::once(first.replace('_', "").as_str())
        .chain(parts.split(':'))
        .try_fold(0.0, |sum, part| {
            part.parse::<f64>().ok().map(|value| sum * 60.0 + value)
        })?;
    let rest: f64 = format!("0.{fraction}").replace('_', "").parse().ok()?;
    Some(whole + rest)
}

fn integer(text: &str) -> Option<i128> {
    let (rest, negative) = unsigned(text);
    let magnitude = magnitude(rest)?;
    Some(if negative { -magnitude } else { magnitude })
}

fn magnitude(text: &str) -> Option<i128> {
    if let Some(bits) = text.strip_prefix("0b") {
        return radix(bits, 2);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if text == "0" {
        return Some(0);
    }
    if let Some(octal) = text.strip_prefix('0') {
        // `0_` is the one digit 0 with a decoration.
        return if octal.chars().all(|c| c == '_') {
            Some(0)
        } else {
            radix(octal, 8)
        };
    }
    match text.split_once(':') {
        Some((first, parts)) => base_60(first, parts),
        None => radix(text, 10),
    }
}

fn radix(digits: &str, radix: u32) -> Option<i128> {
    if !all(digits, |c| c.is_digit(radix)) || (radix == 10 && !is_digits(digits)) {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), radix).ok()
}

fn base_60(first: &str, parts: &str) -> Option<i128> {
    if !parts.split(':').all(is_sixtieth) {
        return None;
    }
    parts.split(':').try_fold(radix(first, 10)?, |sum, part| {
        sum.checked_mul(60)?.checked_add(part.parse().ok()?)
    })
}
