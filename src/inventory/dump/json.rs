//! JSON as Python's `json.dumps(…, sort_keys=True, indent=4, ensure_ascii=False)` writes it: unlike a library's, with
//! `NaN` and `Infinity`, and floats as `repr`.

use std::collections::HashMap;

use super::python;
use crate::inventory::precedence::Var;
use crate::inventory::vars_files::key_text;
use crate::yaml::{Node, Style, Value};

/// Whether Ansible marks text that is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    Shown,
    Left,
}

/// Writes one value.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    /// Of each object and array that is open, whether anything is in it.
    open: Vec<bool>,
}

impl Writer {
    pub fn begin(&mut self, bracket: char) {
        self.text.push(bracket);
        self.open.push(false);
    }

    pub fn end(&mut self, bracket: char) {
        if self.open.pop() == Some(true) {
            self.line();
        }
        self.text.push(bracket);
    }

    fn line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("    ", self.open.len()));
    }

    /// Before each entry of what is open.
    fn entry(&mut self) {
        if let Some(filled) = self.open.last_mut() {
            if *filled {
                self.text.push(',');
            }
            *filled = true;
        }
        self.line();
    }

    pub fn key(&mut self, key: &str) {
        self.entry();
        self.string(key);
        self.text.push_str(": ");
    }

    pub fn string(&mut self, text: &str) {
        // Only values that are no text fail.
        self.text.push_str(&serde_json::to_string(text).unwrap_or_default());
    }

    /// An array of texts.
    pub fn strings<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) {
        self.begin('[');
        for text in texts {
            self.entry();
            self.string(text);
        }
        self.end(']');
    }

    /// An object of variables, which are sorted.
    pub fn vars(&mut self, vars: &[Var<'_>], marks: Marks) {
        self.begin('{');
        for var in vars {
            self.key(var.name);
            self.node(var.node, marks);
        }
        self.end('}');
    }

    fn node(&mut self, node: &Node, marks: Marks) {
        match &node.value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(value) => self.text.push_str(&value.to_string()),
            Value::Int(value) => self.text.push_str(&value.to_string()),
            Value::Float(value) => self.text.push_str(&python::float(*value)),
            Value::String(text) if marks == Marks::Shown && node.style == Style::Unsafe => {
                self.marked("__ansible_unsafe", text);
            }
            Value::String(text) | Value::Timestamp(text) => self.string(text),
            Value::Vault(text) => self.marked("__ansible_vault", text),
            Value::List(items) => {
                self.begin('[');
                for item in items.iter() {
                    self.entry();
                    self.node(item, marks);
                }
                self.end(']');
            }
            Value::Map(entries) => {
                self.begin('{');
                for (key, value) in sorted(entries) {
                    self.key(&key);
                    self.node(value, marks);
                }
                self.end('}');
            }
        }
    }

    fn marked(&mut self, mark: &str, text: &str) {
        self.begin('{');
        self.key(mark);
        self.string(text);
        self.end('}');
    }

    pub fn finish(self) -> String {
        self.text
    }
}

/// The entries of a map by their keys' text; of equal ones the last.
fn sorted(entries: &[(Node, Node)]) -> Vec<(String, &Node)> {
    let mut by_text: HashMap<String, &Node> = HashMap::with_capacity(entries.len());
    by_text.extend(entries.iter().map(|(key, node)| (key_text(key), node)));
    let mut sorted: Vec<_> = by_text.into_iter().collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    sorted
}
