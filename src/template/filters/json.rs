//! JSON, as Python's `json` writes and reads it.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::Table;
use crate::template::calls::{Call, entries, fault, list};
use crate::template::lazy::{Date, Omit};
use crate::template::output::{MAX_DEPTH, MAX_TEXT};
use crate::template::python;

pub(super) const FILTERS: Table = &[
    ("from_json", from_json),
    ("to_json", to_json),
    ("to_nice_json", to_nice_json),
    ("tojson", tojson),
];

/// How it is written.
struct Style {
    indent: Option<usize>,
    sorted: bool,
    ascii: bool,
    item: &'static str,
}

fn to_json(call: &mut Call) -> Result<Value, Error> {
    written(call, None, false)
}

fn to_nice_json(call: &mut Call) -> Result<Value, Error> {
    written(call, Some(4), true)
}

fn written(call: &mut Call, indent: Option<usize>, sorted: bool) -> Result<Value, Error> {
    let at = if indent.is_some() { 0 } else { usize::MAX };
    let indent = match call.integer(at, "indent")? {
        Some(width) => Some(usize::try_from(width).unwrap_or_default().min(100)),
        None => indent,
    };
    let flag = |name: &str, default: bool| {
        Ok::<_, Error>(
            call.argument(usize::MAX, name)?
                .map_or(default, |value| value.is_true()),
        )
    };
    let style = Style {
        indent,
        sorted: flag("sort_keys", sorted)?,
        ascii: flag("ensure_ascii", true)?,
        item: if indent.is_some() { "," } else { ", " },
    };
    for ignored in ["vault_to_text", "preprocess_unsafe"] {
        flag(ignored, false)?;
    }
    call.done(1)?;
    text(&call.value, &style)
}

/// Jinja2's own: keys sorted, fit for HTML.
fn tojson(call: &mut Call) -> Result<Value, Error> {
    let indent = call
        .integer(0, "indent")?
        .map(|width| usize::try_from(width).unwrap_or_default().min(100));
    call.done(1)?;
    let style = Style {
        indent,
        sorted: true,
        ascii: true,
        item: if indent.is_some() { "," } else { ", " },
    };
    let text = text(&call.value, &style)?;
    let codes = [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\'', "\\u0027")];
    let safe = |text: String, (c, code): &(char, &str)| text.replace(*c, code);
    Ok(Value::from(
        codes.iter().fold(text.as_str().unwrap_or_default().to_owned(), safe),
    ))
}

fn text(value: &Value, style: &Style) -> Result<Value, Error> {
    let mut out = String::new();
    write(value, style, &mut out, 0)?;
    Ok(Value::from(out))
}

fn write(value: &Value, style: &Style, out: &mut String, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH || out.len() > MAX_TEXT {
        return Err(fault("this value is too large or too deep to be written"));
    }
    match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => *out += "null",
        ValueKind::Bool => *out += if value.is_true() { "true" } else { "false" },
        ValueKind::Number => *out += &number(value)?,
        ValueKind::String => quote(value.as_str().unwrap_or_default(), style.ascii, out),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = list(value)?;
            let shown = items.iter().filter(|item| item.downcast_object_ref::<Omit>().is_none());
            block(shown, ['[', ']'], style, out, depth, |item, out| {
                write(item, style, out, depth + 1)
            })?;
        }
        ValueKind::Map => map(value, style, out, depth)?,
        _ => match value.downcast_object_ref::<Date>() {
            Some(date) => quote(&date.0, style.ascii, out),
            None => return Err(fault("this value cannot be written as JSON")),
        },
    }
    Ok(())
}

fn number(value: &Value) -> Result<String, Error> {
    Ok(match python::repr(value)?.as_str() {
        "nan" => "NaN".to_owned(),
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        number => number.to_owned(),
    })
}

fn map(value: &Value, style: &Style, out: &mut String, depth: usize) -> Result<(), Error> {
    let mut keyed = Vec::new();
    for (key, item) in entries(value, "this")? {
        keyed.push((key_text(&key)?, item));
    }
    if style.sorted {
        keyed.sort_by(|(ours, _), (theirs, _)| ours.cmp(theirs));
    }
    let shown = keyed
        .iter()
        .filter(|(_, item)| item.downcast_object_ref::<Omit>().is_none());
    block(shown, ['{', '}'], style, out, depth, |(key, item), out| {
        quote(key, style.ascii, out);
        *out += ": ";
        write(item, style, out, depth + 1)
    })
}

fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::None => Ok("null".to_owned()),
        _ => python::text(key),
    }
}

/// Items between brackets, one a line with an indent.
fn block<T>(
    items: impl Iterator<Item = T>,
    [open, close]: [char; 2],
    style: &Style,
    out: &mut String,
    depth: usize,
    mut one: impl FnMut(T, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = style.indent {
            out.push('\n');
            *out += &" ".repeat(indent * depth);
        }
    };
    out.push(open);
    let mut any = false;
    for item in items {
        if std::mem::replace(&mut any, true) {
            *out += style.item;
        }
        line(out, depth + 1);
        one(item, out)?;
    }
    if any {
        line(out, depth);
    }
    out.push(close);
    Ok(())
}

fn quote(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => *out += "\\\"",
            '\\' => *out += "\\\\",
            '\n' => *out += "\\n",
            '\r' => *out += "\\r",
            '\t' => *out += "\\t",
            '\u{8}' => *out += "\\b",
            '\u{c}' => *out += "\\f",
            c if c < ' ' || (ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn from_json(call: &mut Call) -> Result<Value, Error> {
    let _ = call.argument(usize::MAX, "profile")?;
    call.done(0)?;
    let text = call.value.as_str().ok_or_else(|| fault("JSON is text"))?;
    let parsed: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        fault(format!(
            "this is not JSON, from line {} column {} on",
            error.line(),
            error.column()
        ))
    })?;
    Ok(value(parsed))
}

fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => items.into_iter().map(value).collect(),
        serde_json::Value::Object(entries) => {
            Value::from_pairs(entries.into_iter().map(|(key, item)| (key, value(item))))
        }
    }
}
