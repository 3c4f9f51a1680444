//! YAML 1.1 and JSON as Ansible's loaders read them, with every value's place and scalar style.
//!
//! Ansible reads through `PyYAML` and libyaml, so a plain `no` is a boolean, `0644` is 420, `2222:22` the base 60
//! number 133342 and `2001-12-14` a date. This module cuts text as libyaml does, resolves scalars as `PyYAML`, and
//! keeps what a later reader needs to say so: the style, and through the place the text as written. Merge keys,
//! anchors, duplicate keys and tags follow Ansible's loader too; several documents are refused. It knows nothing of
//! inventories, decrypts nothing and evaluates no template.
//!
//! The grammar is written here, and not a library's, for want of one that reads as libyaml does: of 60,000 generated
//! documents `saphyr-parser` 0.3 read 14 % otherwise, and `libyaml-safer` 0.3, a port of libyaml, panicked on 1.9 %,
//! a block scalar at the end of a file without a line end among them (its issues 6 and 7). Whoever replaces it has
//! the recorded documents in `tests/cases/yaml` to pass.

mod build;
mod json;
mod map;
mod scalar;
mod scan;
mod tag;
mod time;

use std::ops::Range;
use std::sync::Arc;

pub use build::read;
pub use json::read_json;
pub use scalar::resolve;
pub(crate) use tag::made_unsafe;

use crate::problem::{Location, Problem, Source};

/// How a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// A scalar without quotes: the only kind whose type depends on its text.
    Plain,
    /// A scalar in single or double quotes.
    Quoted,
    /// A block scalar (`|` or `>`).
    Block,
    /// A scalar with Ansible's tag `!unsafe`: text that is no template, whatever it holds.
    Unsafe,
    /// A list or a map.
    Collection,
}

/// A value. Lists and maps are shared, so that a clone costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `~`, `null` or nothing at all.
    Null,
    /// `yes`, `no`, `true`, `false`, `on`, `off`.
    Bool(bool),
    /// An integer; those beyond 128 bits stay text.
    Int(i128),
    /// A float.
    Float(f64),
    /// Text.
    String(String),
    /// A date, or a date with a time, as `isoformat` of Python writes it.
    Timestamp(String),
    /// Text under Ansible's tag `!vault`, still encrypted.
    Vault(String),
    /// A list.
    List(Arc<[Node]>),
    /// A map, in the order written; merged keys come first. Keys are scalars and differ from each other.
    Map(Arc<[(Node, Node)]>),
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written: for an alias, where the anchor is; for a list or map, from its start to its end.
    pub at: Location,
    /// How it was written.
    pub style: Style,
}

/// A file's one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its value; `Null` for an empty file.
    pub root: Node,
    /// Things that `PyYAML` lets pass and that are hardly meant: duplicate keys.
    pub warnings: Vec<Problem>,
}

/// Reads a file of variables or an inventory as Ansible does: as JSON if it is, else as YAML.
///
/// # Errors
/// Those of [`read`].
pub fn load(source: &Arc<Source>) -> Result<Document, Vec<Problem>> {
    read_json(source).or_else(|_| read(source))
}

impl Value {
    /// What kind of value this is, for a message: `a number`, `a list`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a yes/no value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::String(_) => "text",
            Self::Timestamp(_) => "a date",
            Self::Vault(_) => "an encrypted value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// The text, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text, where nothing but text will do; `what` names the value in the message.
    ///
    /// # Errors
    /// Anything else, with quotes as the way out for scalars.
    pub fn text(&self, what: &str) -> Result<&str, Problem> {
        self.as_str().ok_or_else(|| {
            let problem = Problem::at(&self.at, format!("{what} is {}, and must be text", self.value.kind()));
            match self.value {
                Value::Null | Value::List(_) | Value::Map(_) | Value::Vault(_) => problem,
                _ => problem.hint(format!("put it in quotes: \"{}\"", self.raw())),
            }
        })
    }

    /// The value of a key of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries
            .iter()
            .find(|(name, _)| name.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// The entries of a map; nothing for anything else. They are moved, where no alias shares them, so that a large
    /// document need not stand in memory twice.
    #[must_use]
    pub fn into_entries(self) -> Vec<(Self, Self)> {
        let Value::Map(mut entries) = self.value else {
            return Vec::new();
        };
        match Arc::get_mut(&mut entries) {
            Some(entries) => entries
                .iter_mut()
                .map(|(key, value)| (key.take(), value.take()))
                .collect(),
            None => entries.to_vec(),
        }
    }

    fn take(&mut self) -> Self {
        Self {
            value: std::mem::replace(&mut self.value, Value::Null),
            at: self.at.clone(),
            style: self.style,
        }
    }

    /// The text exactly as written, quotes and all.
    #[must_use]
    pub fn raw(&self) -> &str {
        self.at.text()
    }

    /// The place of a range of bytes of a scalar's text, for carets under a part of it. Where escapes or folding
    /// make that impossible to tell, the whole scalar's place.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Location {
        let quote = usize::from(self.style == Style::Quoted);
        let raw = self.raw();
        let inner = raw.get(quote..raw.len().saturating_sub(quote));
        if self.as_str().is_none() || inner != self.as_str() || inner.and_then(|text| text.get(range.clone())).is_none()
        {
            return self.at.clone();
        }
        let start = self.at.span.start + quote;
        Location {
            source: Arc::clone(&self.at.source),
            span: start + range.start..start + range.end,
        }
    }
}

#[cfg(test)]
mod tests;
