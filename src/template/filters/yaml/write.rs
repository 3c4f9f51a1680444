//! Writes YAML as `PyYAML` with libyaml does: plain where that reads back the same, in single quotes else.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use crate::template::calls::{Call, entries, fault, list};
use crate::template::lazy::{Date, Omit};
use crate::template::output::{MAX_DEPTH, MAX_TEXT};
use crate::template::python;
use crate::yaml;

/// Lines are broken at a blank beyond this column.
const WIDTH: usize = 80;

/// How collections are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Never,
    /// Where all that they hold are scalars.
    Innermost,
    Always,
}

pub(super) fn to_yaml(call: &mut Call) -> Result<Value, Error> {
    written(call, Flow::Innermost, 2)
}

pub(super) fn to_nice_yaml(call: &mut Call) -> Result<Value, Error> {
    written(call, Flow::Never, 4)
}

fn written(call: &mut Call, flow: Flow, indent: i64) -> Result<Value, Error> {
    let place = if flow == Flow::Never { 0 } else { usize::MAX };
    let indent = call.integer(place, "indent")?.unwrap_or(indent);
    let flow = match call.argument(usize::MAX, "default_flow_style")? {
        None => flow,
        Some(style) if style.is_none() => Flow::Innermost,
        Some(style) => {
            if style.is_true() {
                Flow::Always
            } else {
                Flow::Never
            }
        }
    };
    let sorted = call
        .argument(usize::MAX, "sort_keys")?
        .is_none_or(|sorted| sorted.is_true());
    let width = call
        .integer(usize::MAX, "width")?
        .and_then(|width| usize::try_from(width).ok());
    call.argument(usize::MAX, "allow_unicode")?;
    call.done(1)?;
    let mut writer = Writer {
        out: String::new(),
        column: 0,
        // libyaml takes widths from 2 to 9.
        indent: usize::try_from(indent)
            .ok()
            .filter(|indent| (2..10).contains(indent))
            .unwrap_or(2),
        width: width.unwrap_or(WIDTH),
        flow,
        sorted,
    };
    writer.root(&call.value)?;
    writer.out.push('\n');
    Ok(Value::from(writer.out))
}

struct Writer {
    out: String,
    column: usize,
    indent: usize,
    width: usize,
    flow: Flow,
    sorted: bool,
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map)
}

fn is_omit(value: &Value) -> bool {
    value.downcast_object_ref::<Omit>().is_some()
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.out += text;
        self.column += text.chars().count();
    }

    fn line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out += &" ".repeat(indent);
        self.column = indent;
    }

    fn root(&mut self, value: &Value) -> Result<(), Error> {
        if is_scalar(value) {
            self.scalar(value, 0, false, true)
        } else {
            self.collection(value, 0, 0, false)
        }
    }

    fn pairs(&self, value: &Value) -> Result<Vec<(Value, Value)>, Error> {
        let mut pairs = entries(value, "this")?;
        pairs.retain(|(_, item)| !is_omit(item));
        let comparable =
            pairs.iter().all(|(key, _)| key.as_str().is_some()) || pairs.iter().all(|(key, _)| key.is_number());
        if self.sorted && comparable {
            pairs.sort_by(|(ours, _), (theirs, _)| ours.cmp(theirs));
        }
        Ok(pairs)
    }

    /// Whether a collection is written in brackets.
    fn is_flow(&self, value: &Value) -> Result<bool, Error> {
        let items = if value.kind() == ValueKind::Map {
            self.pairs(value)?.into_iter().map(|(_, item)| item).collect()
        } else {
            list(value)?
        };
        Ok(match self.flow {
            _ if items.is_empty() => true,
            Flow::Always => true,
            Flow::Never => false,
            Flow::Innermost => items.iter().all(is_scalar),
        })
    }

    /// A list or map whose first item stands where the writer is; `beside` a dash, in the same line.
    fn collection(&mut self, value: &Value, indent: usize, depth: usize, _beside: bool) -> Result<(), Error> {
        if depth > MAX_DEPTH || self.out.len() > MAX_TEXT {
            return Err(fault("this value is too large or too deep to be written"));
        }
        if self.is_flow(value)? {
            return self.in_brackets(value, indent, depth);
        }
        if value.kind() == ValueKind::Map {
            for (index, (key, item)) in self.pairs(value)?.iter().enumerate() {
                if index > 0 {
                    self.line(indent);
                }
                self.scalar(key, indent, false, false)?;
                self.put(":");
                self.entry(item, indent, depth)?;
            }
            return Ok(());
        }
        for (index, item) in list(value)?.iter().filter(|item| !is_omit(item)).enumerate() {
            if index > 0 {
                self.line(indent);
            }
            self.put("-");
            self.item(item, indent, depth)?;
        }
        Ok(())
    }

    /// What follows the colon of a key. A list stands as deep as its key.
    fn entry(&mut self, item: &Value, indent: usize, depth: usize) -> Result<(), Error> {
        if is_scalar(item) || self.is_flow(item)? {
            self.put(" ");
            return self.value(item, indent + self.indent, depth + 1, false);
        }
        let deeper = if item.kind() == ValueKind::Map {
            indent + self.indent
        } else {
            indent
        };
        self.line(deeper);
        self.collection(item, deeper, depth + 1, false)
    }

    /// What follows a dash: collections line up with what stands beside it.
    fn item(&mut self, item: &Value, indent: usize, depth: usize) -> Result<(), Error> {
        if is_scalar(item) || self.is_flow(item)? {
            self.put(" ");
            return self.value(item, indent + self.indent, depth + 1, false);
        }
        self.put(&" ".repeat(self.indent - 1));
        self.collection(item, indent + self.indent, depth + 1, true)
    }

    fn value(&mut self, value: &Value, indent: usize, depth: usize, flow: bool) -> Result<(), Error> {
        if is_scalar(value) {
            self.scalar(value, indent, flow, true)
        } else {
            self.in_brackets(value, indent, depth)
        }
    }

    fn in_brackets(&mut self, value: &Value, indent: usize, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(fault("this value is too deep to be written"));
        }
        let is_map = value.kind() == ValueKind::Map;
        let pairs = if is_map {
            self.pairs(value)?
                .into_iter()
                .map(|(key, item)| (Some(key), item))
                .collect()
        } else {
            list(value)?
                .into_iter()
                .filter(|item| !is_omit(item))
                .map(|item| (None, item))
                .collect::<Vec<_>>()
        };
        self.put(if is_map { "{" } else { "[" });
        for (index, (key, item)) in pairs.iter().enumerate() {
            if index > 0 {
                self.put(",");
                if self.column <= self.width {
                    self.put(" ");
                }
            }
            if self.column > self.width {
                self.line(indent.max(self.indent));
            }
            if let Some(key) = key {
                self.scalar(key, indent, true, false)?;
                self.put(": ");
            }
            self.value(item, indent + self.indent, depth + 1, true)?;
        }
        self.put(if is_map { "}" } else { "]" });
        Ok(())
    }

    fn scalar(&mut self, value: &Value, indent: usize, flow: bool, breaks: bool) -> Result<(), Error> {
        let text = match value.kind() {
            ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
            ValueKind::None => "null".to_owned(),
            ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
            ValueKind::Number => number(value)?,
            ValueKind::String => return self.text(value.as_str().unwrap_or_default(), indent, flow, breaks),
            _ => match value.downcast_object_ref::<Date>() {
                Some(date) => date.0.replacen('T', " ", 1),
                None => return Err(fault("this value cannot be written as YAML")),
            },
        };
        self.put(&text);
        Ok(())
    }

    fn text(&mut self, text: &str, indent: usize, flow: bool, breaks: bool) -> Result<(), Error> {
        let broken = text.contains('\n');
        if is_special(text) || (broken && !breaks) {
            self.double_quoted(text);
        } else if !broken && is_plain(text, flow) {
            self.folded(text, indent, breaks);
        } else {
            self.put("'");
            for (index, line) in text.split('\n').enumerate() {
                if index > 0 {
                    // Two line ends in the file are one in the text.
                    if index == 1 || !self.out.ends_with('\n') {
                        self.out.push('\n');
                    }
                    self.out.push('\n');
                    self.column = 0;
                    if !line.is_empty() || text.split('\n').count() == index + 1 {
                        self.put(&" ".repeat(indent));
                    }
                }
                self.folded(&line.replace('\'', "''"), indent, breaks);
            }
            self.put("'");
        }
        if self.out.len() > MAX_TEXT {
            return Err(fault("this value is too large to be written"));
        }
        Ok(())
    }

    /// Text with line ends in place of single blanks where lines get long.
    fn folded(&mut self, text: &str, indent: usize, breaks: bool) {
        let mut characters = text.char_indices().peekable();
        let mut last = None;
        while let Some((at, c)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            let single = c == ' ' && last != Some(' ') && next.is_some_and(|next| next != ' ') && at > 0;
            if single && breaks && self.column > self.width {
                self.line(indent);
            } else {
                self.out.push(c);
                self.column += 1;
            }
            last = Some(c);
        }
    }

    fn double_quoted(&mut self, text: &str) {
        let mut quoted = String::from("\"");
        for c in text.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                '\0' => quoted += "\\0",
                '\u{7}' => quoted += "\\a",
                '\u{8}' => quoted += "\\b",
                '\t' => quoted += "\\t",
                '\n' => quoted += "\\n",
                '\u{b}' => quoted += "\\v",
                '\u{c}' => quoted += "\\f",
                '\r' => quoted += "\\r",
                '\u{1b}' => quoted += "\\e",
                c if is_printable(c) => quoted.push(c),
                c => {
                    let _ = write!(quoted, "\\x{:02X}", u32::from(c));
                }
            }
        }
        self.put(&(quoted + "\""));
    }
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether only double quotes will do: control characters, or blanks around line ends.
fn is_special(text: &str) -> bool {
    text.chars().any(|c| c != '\n' && !is_printable(c)) || text.contains(" \n") || text.contains("\n ")
}

/// Whether a text reads back as itself without quotes.
fn is_plain(text: &str, flow: bool) -> bool {
    let blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let mut characters = text.chars();
    let (Some(first), second) = (characters.next(), characters.next()) else {
        return false;
    };
    let indicator = "#,[]{}&*!|>'\"%@`".contains(first) || (matches!(first, '-' | '?' | ':') && blank(second));
    let mut inner = text.chars().zip(text.chars().skip(1).map(Some).chain([None]));
    let mapping = inner.any(|(c, next)| c == ':' && blank(next));
    let flow_sign = flow && (matches!(first, '?' | ':') || text.chars().skip(1).any(|c| ",?[]{}:".contains(c)));
    let is_text =
        matches!(yaml::resolve(text), Ok(yaml::Value::String(_))) && !matches!(text, "=" | "<<") && !is_date(text);
    let outer = text.starts_with("---") || text.starts_with("...") || text.trim() != text;
    !(indicator || mapping || flow_sign || outer || text.contains(" #")) && is_text
}

/// Whether it begins as dates do: 2020-01-01.
fn is_date(text: &str) -> bool {
    let digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    (0..4).all(digit) && text.as_bytes().get(4) == Some(&b'-') && digit(5)
}

/// As Python's, with a dot where there is an exponent.
fn number(value: &Value) -> Result<String, Error> {
    let text = python::repr(value)?;
    Ok(match text.as_str() {
        "nan" => ".nan".to_owned(),
        "inf" => ".inf".to_owned(),
        "-inf" => "-.inf".to_owned(),
        text if text.contains('e') && !text.contains('.') => text.replacen('e', ".0e", 1),
        text => text.to_owned(),
    })
}
