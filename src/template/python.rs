//! Values as Python writes them: `str()` and `repr()`.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::lazy::Omit;
use super::output::{MAX_DEPTH, MAX_TEXT};

/// The text of a value, as it gets into mixed text.
///
/// # Errors
/// Something undefined is in it, or it is too long or too deep.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => repr(value),
    }
}

/// The value as Python code.
///
/// # Errors
/// As [`text`].
pub(super) fn repr(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    write(value, &mut out, 0)?;
    Ok(out)
}

fn too(what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("a value is too {what} to be written as text"),
    )
}

fn write(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(too("deep"));
    }
    if out.len() > MAX_TEXT {
        return Err(too("long"));
    }
    match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Invalid => return Err(Error::new(ErrorKind::InvalidOperation, "a value cannot be rendered")),
        ValueKind::None => *out += "None",
        ValueKind::Number if !value.is_integer() => *out += &float(f64::try_from(value.clone()).unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => list(value, out, depth)?,
        ValueKind::Map => map(value, out, depth)?,
        ValueKind::String => quote(value.as_str().unwrap_or_default(), out),
        _ => {
            let _ = write!(out, "{value}");
        }
    }
    Ok(())
}

fn list(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    let mut first = true;
    out.push('[');
    for item in value.try_iter()? {
        if item.downcast_object_ref::<Omit>().is_some() {
            continue;
        }
        if !std::mem::take(&mut first) {
            *out += ", ";
        }
        write(&item, out, depth + 1)?;
    }
    out.push(']');
    Ok(())
}

fn map(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    let mut first = true;
    out.push('{');
    for key in value.try_iter()? {
        let item = value.get_item(&key)?;
        if item.downcast_object_ref::<Omit>().is_some() {
            continue;
        }
        if !std::mem::take(&mut first) {
            *out += ", ";
        }
        write(&key, out, depth + 1)?;
        *out += ": ";
        write(&item, out, depth + 1)?;
    }
    out.push('}');
    Ok(())
}

/// A string in Python's quotes: double ones only where that saves escapes.
fn quote(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\n' => *out += "\\n",
            '\r' => *out += "\\r",
            '\t' => *out += "\\t",
            '\\' => *out += "\\\\",
            c if c == mark => out.extend(['\\', c]),
            c if c.is_control() && u32::from(c) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(mark);
}

/// A float as Python's `repr` writes it: the fewest digits that give it back, in scientific form from 1e16 on and
/// below 1e-4.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}
