//! Numbers as Python writes and shows them.

use super::{Item, Kind, NoLiteral, Number, Read, Reader, is_name};
use crate::yaml::{Style, Value};

impl Reader<'_> {
    /// A number without a sign.
    pub(super) fn number(&mut self) -> Read<Item> {
        let start = self.at;
        let text = self.rest();
        let length = length(text).ok_or(NoLiteral)?;
        let (number, behind) = text.split_at(length);
        if behind.starts_with(is_name) {
            return Err(NoLiteral);
        }
        self.at += length;
        let (value, number) = value(number).ok_or(NoLiteral)?;
        Ok(self.item(start, value, Style::Plain, Kind::Number(number)))
    }
}

/// How many bytes of the text are a number.
fn length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if let Some(radix) = radix(text) {
        let digits = text.get(2..)?;
        let prefix = usize::from(digits.starts_with('_'));
        return digits_length(digits.get(prefix..)?, radix).map(|length| 2 + prefix + length);
    }
    let mut at = digits_length(text, 10).unwrap_or(0);
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        match digits_length(text.get(at..)?, 10) {
            Some(length) => at += length,
            None if at == 1 => return None,
            None => {}
        }
    }
    if at == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at += digits_length(text.get(at..)?, 10)?;
    }
    Some(at + usize::from(matches!(bytes.get(at), Some(b'j' | b'J'))))
}

fn radix(text: &str) -> Option<u32> {
    match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => Some(16),
        [b'0', b'o' | b'O', ..] => Some(8),
        [b'0', b'b' | b'B', ..] => Some(2),
        _ => None,
    }
}

/// Digits with single underscores between them.
fn digits_length(text: &str, radix: u32) -> Option<usize> {
    let end = text
        .find(|c: char| c != '_' && !c.is_digit(radix))
        .unwrap_or(text.len());
    let digits = text.get(..end)?;
    let is_good = !digits.is_empty() && !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    is_good.then_some(end)
}

/// The value, and what it is for arithmetics.
fn value(text: &str) -> Option<(Value, Number)> {
    let plain = text.replace('_', "");
    if let Some(radix) = radix(text) {
        return Some(integer(plain.get(2..)?, radix, text));
    }
    if let Some(imaginary) = plain.strip_suffix(['j', 'J']) {
        let imaginary = imaginary.parse().ok()?;
        return Some((Value::String(complex(0.0, imaginary)), Number::Imaginary(imaginary)));
    }
    if plain.contains(['.', 'e', 'E']) {
        let float = plain.parse().ok()?;
        return Some((Value::Float(float), Number::Real(float)));
    }
    let is_octal = plain.starts_with('0') && plain.contains(|c| c != '0');
    (!is_octal).then(|| integer(&plain, 10, text))
}

/// Those beyond 128 bits stay text, as they do in YAML.
fn integer(digits: &str, radix: u32, written: &str) -> (Value, Number) {
    match i128::from_str_radix(digits, radix) {
        #[expect(clippy::cast_precision_loss, reason = "Python rounds as well")]
        Ok(number) => (Value::Int(number), Number::Real(number as f64)),
        Err(_) => (
            Value::String(written.to_owned()),
            Number::Real(digits.parse().unwrap_or(f64::NAN)),
        ),
    }
}

/// The value under a sign; `written`: with the sign.
pub(super) fn signed(value: Value, number: Number, minus: bool, written: &str) -> (Value, Number) {
    if !minus {
        return (value, number);
    }
    match (value, number) {
        (Value::Int(value), Number::Real(number)) => (Value::Int(-value), Number::Real(-number)),
        (Value::Float(value), _) => (Value::Float(-value), Number::Real(-value)),
        (_, Number::Imaginary(number)) => (Value::String(complex(-0.0, -number)), Number::Imaginary(-number)),
        (_, Number::Real(number)) => (Value::String(written.to_owned()), Number::Real(-number)),
    }
}

/// A complex number as Python's `str` shows it.
pub(super) fn complex(real: f64, imaginary: f64) -> String {
    if real == 0.0 && real.is_sign_positive() {
        return format!("{}j", shown(imaginary));
    }
    let plus = if imaginary.is_sign_negative() { "" } else { "+" };
    format!("({}{plus}{}j)", shown(real), shown(imaginary))
}

/// The shortest digits that mean this number, with an exponent where Python writes one.
fn shown(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(-4..=15) | Err(_) => number.to_string(),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
    }
}
