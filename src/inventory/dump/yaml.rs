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
use crate::yaml::{Node, Style, Value, resolve};

impl Dump<'_, '_> {
    /// All hosts and groups; a host's variables stand where it is named first.
    pub fn yaml(&self) -> Result<String, Vec<Problem>> {
        let mut writer = Writer {
            dump: self,
            groups: HashSet::new(),
            hosts: HashSet::new(),
            text: String::new(),
        };
        match self.precedence.inventory.data.group(ALL) {
            Some(all) if !writer.is_empty(all) => writer.group(all, 0)?,
            _ => writer.text.push_str("{}\n"),
        }
        Ok(writer.text)
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
    text: String,
}

impl Writer<'_, '_, '_> {
    fn is_empty(&self, group: GroupId) -> bool {
        let (children, hosts) = self.dump.members(group);
        children.is_empty() && hosts.is_empty()
    }

    fn line(&mut self, key: &str, value: &str, depth: usize) {
        let gap = if value.is_empty() { "" } else { " " };
        let _ = writeln!(self.text, "{}{}:{gap}{value}", "  ".repeat(depth), scalar(key));
    }

    fn group(&mut self, group: GroupId, depth: usize) -> Result<(), Vec<Problem>> {
        let name = self.dump.group_name(group);
        self.line(name, "", depth);
        let (children, hosts) = self.dump.members(group);
        self.children(&children, depth + 1)?;
        if name != ALL && !hosts.is_empty() {
            self.line("hosts", "", depth + 1);
            for host in hosts {
                self.host(host, depth + 2)?;
            }
        }
        Ok(())
    }

    /// Empty groups are left out, but for those that were written before.
    fn children(&mut self, children: &[GroupId], depth: usize) -> Result<(), Vec<Problem>> {
        let shown: Vec<GroupId> = children
            .iter()
            .copied()
            .filter(|child| self.groups.contains(child) || !self.is_empty(*child))
            .collect();
        if !shown.is_empty() {
            self.line("children", "", depth);
        } else if !children.is_empty() {
            self.line("children", "{}", depth);
        }
        for child in children {
            if self.groups.contains(child) {
                self.line(self.dump.group_name(*child), "{}", depth + 1);
            } else if !self.is_empty(*child) {
                self.group(*child, depth + 1)?;
            }
            self.groups.insert(*child);
        }
        Ok(())
    }

    fn host(&mut self, host: HostId, depth: usize) -> Result<(), Vec<Problem>> {
        let name = self.dump.host_name(host);
        let vars = if self.hosts.insert(host) {
            self.dump.host_vars(host)?
        } else {
            Vec::new()
        };
        self.line(name, if vars.is_empty() { "{}" } else { "" }, depth);
        variables(&vars, depth + 1, &mut self.text);
        Ok(())
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
            let tag = if node.style == Style::Unsafe { " !unsafe" } else { "" };
            let _ = writeln!(text, "{tag} {}", plain(node));
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
        Value::String(text) => scalar(text),
        Value::Timestamp(text) => text.clone(),
        Value::Vault(text) => scalar(text),
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
