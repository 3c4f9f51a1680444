//! YAML as data: the JSON that `record.py` makes of Ansible's YAML, made of ours.
//!
//! The reader is the tests' own, as the program's may err the way its writer errs. Plain scalars are read as YAML
//! 1.1, as far as a sane writer leaves scalars plain.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Number, Value, json};

type Events<'a> = Parser<'a, StrInput<'a>>;

/// The data of a YAML document; none for what is no YAML, and for aliases.
pub fn read(text: &str) -> Option<Value> {
    let mut events = Parser::new_from_str(text);
    loop {
        let event = next(&mut events)?;
        if !matches!(event, Event::StreamStart | Event::DocumentStart(_)) {
            return node(event, &mut events);
        }
    }
}

/// The next event; none at the end and at an error.
fn next<'a>(events: &mut Events<'a>) -> Option<Event<'a>> {
    events.next()?.ok().map(|(event, _)| event)
}

/// The value that an event starts.
fn node(event: Event, events: &mut Events) -> Option<Value> {
    match event {
        Event::Scalar(text, _, _, Some(tag)) => Some(json!({ (tag.to_string()): text })),
        Event::Scalar(text, ScalarStyle::Plain, ..) => Some(plain(&text)),
        Event::Scalar(text, ..) => Some(Value::String(text.into())),
        Event::SequenceStart(..) => list(events),
        Event::MappingStart(..) => map(events),
        _ => None,
    }
}

fn list(events: &mut Events) -> Option<Value> {
    let mut list = Vec::new();
    loop {
        match next(events)? {
            Event::SequenceEnd => return Some(Value::Array(list)),
            event => list.push(node(event, events)?),
        }
    }
}

fn map(events: &mut Events) -> Option<Value> {
    let mut map = Map::new();
    loop {
        let key = match next(events)? {
            Event::MappingEnd => return Some(Value::Object(map)),
            event => match node(event, events)? {
                Value::String(text) => text,
                other => format!("!{other}"),
            },
        };
        let event = next(events)?;
        map.insert(key, node(event, events)?);
    }
}

/// What a plain scalar means.
fn plain(text: &str) -> Value {
    match text.to_ascii_lowercase().as_str() {
        "" | "~" | "null" => Value::Null,
        "true" | "yes" | "on" => Value::Bool(true),
        "false" | "no" | "off" => Value::Bool(false),
        ".inf" | "-.inf" | ".nan" => text.replace('.', "").into(),
        _ => serde_json::from_str::<Number>(text).map_or_else(|_| text.into(), Value::Number),
    }
}
