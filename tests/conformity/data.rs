//! YAML as data: the JSON that `record.py` makes of Ansible's YAML, made of ours.
//!
//! The reader is the tests' own, as the program's may err the way its writer errs. Plain scalars are read as YAML
//! 1.1, as far as a sane writer leaves scalars plain.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Number, Value, json};

/// The data of a YAML document; none for what is no YAML.
pub fn read(text: &str) -> Option<Value> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
    };
    loop {
        let event = reader.next()?;
        if !matches!(event, Event::StreamStart | Event::DocumentStart(_)) {
            return reader.node(event);
        }
    }
}

/// Values out of events.
struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Value>,
}

impl<'a> Reader<'a> {
    /// The next event; none at the end and at an error.
    fn next(&mut self) -> Option<Event<'a>> {
        self.events.next()?.ok().map(|(event, _)| event)
    }

    /// The value that an event starts.
    fn node(&mut self, event: Event) -> Option<Value> {
        let (anchor, value) = match event {
            Event::Alias(anchor) => return self.anchors.get(&anchor).cloned(),
            Event::Scalar(text, _, anchor, Some(tag)) => (anchor, json!({ (tag.to_string()): text })),
            Event::Scalar(text, ScalarStyle::Plain, anchor, None) => (anchor, plain(&text)),
            Event::Scalar(text, _, anchor, None) => (anchor, Value::String(text.into())),
            Event::SequenceStart(anchor, _) => (anchor, self.list()?),
            Event::MappingStart(anchor, _) => (anchor, self.map()?),
            _ => return None,
        };
        self.anchors.insert(anchor, value.clone());
        Some(value)
    }

    fn list(&mut self) -> Option<Value> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Some(Value::Array(list)),
                event => list.push(self.node(event)?),
            }
        }
    }

    fn map(&mut self) -> Option<Value> {
        let mut map = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Some(Value::Object(map)),
                event => match self.node(event)? {
                    Value::String(text) => text,
                    other => format!("!{other}"),
                },
            };
            let event = self.next()?;
            map.insert(key, self.node(event)?);
        }
    }
}

/// What a plain scalar means.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Bool(false),
        ".inf" | "-.inf" | ".nan" => text.replace('.', "").into(),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

/// A number, as JSON writes it too; a float has a dot, and a sign in its exponent.
fn number(text: &str) -> Option<Number> {
    let exponent = text.split_once('e').map(|(_, exponent)| exponent);
    let is_text = exponent.is_some_and(|one| !text.contains('.') || !one.starts_with(['-', '+']));
    (!is_text).then(|| serde_json::from_str(text).ok()).flatten()
}
