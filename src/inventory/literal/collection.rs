//! Lists, tuples, sets and dictionaries.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Item, Kind, MAX_DEPTH, NoLiteral, Number, Read, Reader};
use crate::yaml::{Node, Style, Value};

/// What makes a key or an element of a set another than the rest.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Null,
    Int(i128),
    Float(u64),
    Text(String),
    Bytes(String),
}

impl Reader<'_> {
    pub(super) fn nested(&mut self, read: fn(&mut Self, usize) -> Read<Item>) -> Read<Item> {
        if self.depth >= MAX_DEPTH {
            return Err(NoLiteral);
        }
        let start = self.at;
        self.at += 1;
        self.depth += 1;
        self.spaces();
        let item = read(self, start);
        self.depth -= 1;
        item
    }

    /// Items with commas between them, and perhaps one behind the last, up to this byte.
    fn items(&mut self, end: u8) -> Read<Vec<Item>> {
        let items = if self.peek() == Some(end) {
            Vec::new()
        } else {
            let first = self.sum()?;
            self.tuple(first, Some(end))?
        };
        self.close(end)?;
        Ok(items)
    }

    pub(super) fn close(&mut self, end: u8) -> Read<()> {
        if self.peek() == Some(end) {
            self.at += 1;
            Ok(())
        } else {
            Err(NoLiteral)
        }
    }

    pub(super) fn brackets(&mut self, start: usize) -> Read<Item> {
        let items = self.items(b']')?;
        Ok(self.list(start, items, Kind::Mutable))
    }

    pub(super) fn parentheses(&mut self, start: usize) -> Read<Item> {
        if self.peek() == Some(b')') {
            self.at += 1;
            return Ok(self.list(start, Vec::new(), Kind::Other));
        }
        let first = self.sum()?;
        if self.peek() == Some(b')') {
            self.at += 1;
            return Ok(first);
        }
        let items = self.tuple(first, Some(b')'))?;
        self.close(b')')?;
        // A tuple is as good a key as the worst of its items.
        let is_mutable = items.iter().any(|item| item.kind == Kind::Mutable);
        let kind = if is_mutable { Kind::Mutable } else { Kind::Other };
        Ok(self.list(start, items, kind))
    }

    pub(super) fn braces(&mut self, start: usize) -> Read<Item> {
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(self.item(start, Value::Map(Arc::new([])), Style::Collection, Kind::Mutable));
        }
        let first = self.sum()?;
        if self.peek() == Some(b':') {
            return self.map(start, first);
        }
        let items = self.tuple(first, Some(b'}'))?;
        self.close(b'}')?;
        let items = self.unique(items);
        Ok(self.list(start, items, Kind::Mutable))
    }

    /// The elements of a set, each once.
    fn unique(&mut self, items: Vec<Item>) -> Vec<Item> {
        let mut seen = HashSet::new();
        let mut unique = Vec::new();
        for item in items {
            if item.kind == Kind::Mutable {
                self.refuse(&item, "an element of a set");
            }
            if identity(&item).is_none_or(|identity| seen.insert(identity)) {
                unique.push(item);
            }
        }
        unique
    }

    fn map(&mut self, start: usize, first: Item) -> Read<Item> {
        let mut pairs = vec![self.pair(first)?];
        while self.takes(b',') && self.peek() != Some(b'}') {
            self.bounded()?;
            let key = self.sum()?;
            pairs.push(self.pair(key)?);
        }
        self.close(b'}')?;
        let entries = self.entries(pairs);
        Ok(self.item(start, Value::Map(entries.into()), Style::Collection, Kind::Mutable))
    }

    fn pair(&mut self, key: Item) -> Read<(Item, Node)> {
        if !self.takes(b':') {
            return Err(NoLiteral);
        }
        Ok((key, self.sum()?.node))
    }

    /// Of equal keys the first stays, and the last value wins.
    fn entries(&mut self, pairs: Vec<(Item, Node)>) -> Vec<(Node, Node)> {
        let mut places: HashMap<Identity, usize> = HashMap::new();
        let mut entries: Vec<(Node, Node)> = Vec::new();
        for (key, value) in pairs {
            let Some(identity) = key_identity(&key) else {
                self.refuse(&key, "a key");
                continue;
            };
            if let Some(entry) = places.get(&identity).and_then(|&place| entries.get_mut(place)) {
                entry.1 = value;
            } else {
                places.insert(identity, entries.len());
                entries.push((key.node, value));
            }
        }
        entries
    }

    fn refuse(&mut self, item: &Item, what: &str) {
        let kind = match item.kind {
            Kind::Bytes => "a bytes literal",
            Kind::Odd => "such a value",
            _ => item.node.value.kind(),
        };
        self.refuse_at(&item.node.at, format!("{kind} cannot be {what}"));
    }
}

/// Only what a variable can have for a key.
fn key_identity(key: &Item) -> Option<Identity> {
    match key.kind {
        Kind::Bytes | Kind::Odd | Kind::Number(Number::Imaginary(_)) | Kind::Signed(Number::Imaginary(_)) => None,
        _ => identity(key),
    }
}

/// `None`: told apart by its place alone.
fn identity(item: &Item) -> Option<Identity> {
    match &item.node.value {
        Value::Null => Some(Identity::Null),
        Value::Bool(yes) => Some(Identity::Int((*yes).into())),
        Value::Int(number) => Some(Identity::Int(*number)),
        Value::Float(number) => Some(float_identity(*number)),
        Value::String(text) if item.kind == Kind::Bytes => Some(Identity::Bytes(text.clone())),
        Value::String(text) => Some(Identity::Text(text.clone())),
        _ => None,
    }
}

/// A whole number is the same with a fraction of zero.
fn float_identity(number: f64) -> Identity {
    #[expect(clippy::cast_possible_truncation, reason = "numbers beyond the range are left alone")]
    if number.fract() == 0.0 && number.abs() < 1e38 {
        Identity::Int(number as i128)
    } else {
        Identity::Float(number.to_bits())
    }
}
