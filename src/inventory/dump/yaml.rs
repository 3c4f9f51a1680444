//! An inventory in YAML, as `ansible-inventory --list --yaml`: the same data, in our own layout.
//!
//! Written here and not by a library, because what is written must stay what it is to readers of YAML 1.1: a library
//! that follows YAML 1.2 leaves `22:22` or `0o17` without quotes.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::{Dump, python};
use crate::inventory::data::{ALL, GroupId, HostId};
use crate::inventory::precedence::Var;
use crate::problem::Problem;
use crate::yaml::{Node, Value, resolve};

impl Dump<'_, '_> {
    /// All hosts and groups; a host's variables stand where it is named first.
    pub fn yaml(&self) -> Result<String, Vec<Problem>> {
        let mut writer = Writer {
            dump: self,
            groups: HashSet::new(),
            hosts: HashSet::new(),
        };
        let all = self.precedence.layered.inventory.data.group(ALL);
        let text = all.map(|all| writer.group(all, 0)).transpose()?.unwrap_or_default();
        Ok(if text.is_empty() { "{}\n".to_owned() } else { text })
    }

    /// A host's variables, as `ansible-inventory --host --yaml`.
    pub fn host_yaml(&self, host: HostId) -> Result<String, Vec<Problem>> {
        let vars = self.host_vars(host)?;
        let mut text = String::new();
        variables(&vars, 0, &mut text);
        if vars.is_empty() {
            text.push_str("{}\n");
        }
        Ok(text)
    }
}

struct Writer<'d, 'p, 'v> {
    dump: &'d Dump<'p, 'v>,
    /// Those that were written in full.
    groups: HashSet<GroupId>,
    hosts: HashSet<HostId>,
}

fn line(key: &str, value: &str, depth: usize) -> String {
    let gap = if value.is_empty() { "" } else { " " };
    format!("{}{}:{gap}{value}\n", "  ".repeat(depth), scalar(key))
}

impl Writer<'_, '_, '_> {
    /// A group in full; nothing for one that is empty.
    fn group(&mut self, group: GroupId, depth: usize) -> Result<String, Vec<Problem>> {
        let name = self.dump.group_name(group);
        let (children, hosts) = self.dump.members(group);
        let mut below = String::new();
        for child in children {
            below += &if self.groups.contains(&child) {
                line(self.dump.group_name(child), "{}", depth + 2)
            } else {
                self.group(child, depth + 2)?
            };
            self.groups.insert(child);
        }
        let mut within = String::new();
        for host in hosts.into_iter().filter(|_| name != ALL) {
            within += &self.host(host, depth + 2)?;
        }
        let mut text = String::new();
        for (key, part) in [("children", below), ("hosts", within)] {
            if !part.is_empty() {
                text += &(line(key, "", depth + 1) + &part);
            }
        }
        Ok(if text.is_empty() {
            text
        } else {
            line(name, "", depth) + &text
        })
    }

    fn host(&mut self, host: HostId, depth: usize) -> Result<String, Vec<Problem>> {
        let name = self.dump.host_name(host);
        let vars = if self.hosts.insert(host) {
            self.dump.host_vars(host)?
        } else {
            Vec::new()
        };
        let mut text = line(name, if vars.is_empty() { "{}" } else { "" }, depth);
        variables(&vars, depth + 1, &mut text);
        Ok(text)
    }
}

fn variables(vars: &[Var<'_>], depth: usize, text: &mut String) {
    for var in vars {
        let _ = write!(text, "{}{}:", "  ".repeat(depth), scalar(var.name));
        value(var.node, depth + 1, text);
    }
}

/// A value behind its key or dash.
fn value(node: &Node, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            text.push('\n');
            for (key, node) in entries.iter() {
                let _ = write!(text, "{indent}{}:", plain(key));
                value(node, depth + 1, text);
            }
        }
        Value::List(items) if !items.is_empty() => {
            text.push('\n');
            for item in items.iter() {
                let _ = write!(text, "{indent}-");
                value(item, depth + 1, text);
            }
        }
        Value::Vault(cipher) => {
            text.push_str(" !vault |\n");
            for line in cipher.lines() {
                let _ = writeln!(text, "{indent}{line}");
            }
        }
        _ => {
            let _ = writeln!(text, " {}", plain(node));
        }
    }
}

/// A scalar, or an empty collection.
fn plain(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => float(*value),
        Value::String(text) | Value::Vault(text) => scalar(text),
        Value::Timestamp(_) => python::text(node),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// A float of YAML 1.1 has a dot.
fn float(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = python::float(value);
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

/// Text, in quotes wherever a reader could take it for anything else.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || "_./@+=".contains(c);
    let inner = |c: char| word(c) || "- ".contains(c);
    let is_plain = text.starts_with(word)
        && text.ends_with(word)
        && text.chars().all(inner)
        && !text.starts_with(['=', '@'])
        && resolve(text) == Ok(Value::String(text.to_owned()));
    if is_plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' | '\u{a1}'..='\u{d7ff}' | '\u{10000}'.. if !"\u{2028}\u{2029}".contains(c) => quoted.push(c),
            _ => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}
