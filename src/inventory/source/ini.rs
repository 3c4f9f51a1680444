//! INI inventories, as Ansible's `ini` plugin reads them.
//!
//! `[group]` holds hosts, `[group:children]` groups and `[group:vars]` variables; hosts before any section belong to
//! `ungrouped`. Values are Python literals where they are some, else text. Ansible stops at the first problem; all
//! of a file's are told here.

mod line;
mod section;
mod words;

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;

use self::line::Line;
use self::section::{Header, Kind};
use self::words::Word;
use super::super::data::{Data, GroupId, HostId, UNGROUPED};
use super::super::literal::Literals;
use super::super::names;
use crate::problem::{Location, Problem, Source};
use crate::yaml::{Node, Style, Value};

/// The most bytes of host lines when each is written out for every host that it names.
const MAX_COPIED: usize = 128 * 1024 * 1024;
/// What a host costs besides.
const COST: usize = 64;
/// The most problems of a file: nobody reads more.
const MAX_PROBLEMS: usize = 1000;

/// Adds what a file says.
///
/// # Errors
/// Everything that is wrong with it. What is right was added all the same.
pub(super) fn read(source: &Arc<Source>, data: &mut Data) -> Result<(), Vec<Problem>> {
    let mut reader = Reader::new(data);
    for line in line::lines(source) {
        if let Err(problem) = reader.line(&line) {
            reader.problems.push(problem);
        }
        if reader.problems.len() >= MAX_PROBLEMS || reader.copied > MAX_COPIED {
            break;
        }
    }
    reader.end()
}

/// A group that was named where only groups are that have a section of their own, and had none yet.
enum Pending {
    /// By `[name:vars]`.
    Vars(Location),
    /// As a child of these groups.
    Child {
        parents: Vec<GroupId>,
        parent: String,
        at: Location,
    },
}

struct Reader<'d> {
    data: &'d mut Data,
    literals: Literals,
    pending: IndexMap<String, Pending>,
    group: GroupId,
    name: String,
    /// `None` in a section that was refused: its lines may be anything.
    kind: Option<Kind>,
    copied: usize,
    problems: Vec<Problem>,
}

impl<'d> Reader<'d> {
    fn new(data: &'d mut Data) -> Self {
        Self {
            group: data.group(UNGROUPED).unwrap_or(GroupId(1)),
            data,
            literals: Literals::default(),
            pending: IndexMap::new(),
            name: UNGROUPED.to_owned(),
            kind: Some(Kind::Hosts),
            copied: 0,
            problems: Vec::new(),
        }
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        if let Some(header) = section::header(line) {
            self.kind = None;
            return self.section(line, &header?);
        }
        match self.kind {
            Some(Kind::Hosts) => self.host(line),
            Some(Kind::Vars) => self.variable(line),
            Some(Kind::Children) => self.child(line),
            None => Ok(()),
        }
    }

    fn section(&mut self, line: &Line<'_>, header: &Header<'_>) -> Result<(), Problem> {
        let (name, at) = (header.name, line.location(header.place.clone()));
        if header.kind == Kind::Vars {
            if self.data.group(name).is_none() && !self.pending.contains_key(name) {
                self.pending.insert(name.to_owned(), Pending::Vars(at.clone()));
            }
            self.group = self.data.add_group(name, &at)?;
        } else {
            self.group = self.data.add_group(name, &at)?;
            self.declared(name)?;
        }
        name.clone_into(&mut self.name);
        self.kind = Some(header.kind);
        Ok(())
    }

    /// What waited for this group's own section is done now.
    fn declared(&mut self, name: &str) -> Result<(), Problem> {
        let Some(Pending::Child { parents, at, .. }) = self.pending.shift_remove(name) else {
            return Ok(());
        };
        for parent in parents {
            self.data.add_child(parent, self.group, &at)?;
        }
        Ok(())
    }

    fn child(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        let (name, place) = section::group_name(line)?;
        let at = line.location(place);
        if let Some(child) = self.data.group(name) {
            return self.data.add_child(self.group, child, &at);
        }
        let group = self.group;
        if let Some(Pending::Child { parents, parent, .. }) = self.pending.get_mut(name) {
            parents.push(group);
            self.name.clone_into(parent);
        } else {
            let child = Pending::Child {
                parents: vec![group],
                parent: self.name.clone(),
                at,
            };
            self.pending.insert(name.to_owned(), child);
        }
        Ok(())
    }

    /// `key=value`; all behind the first `=` is the value.
    fn variable(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        let Some((key, value)) = line.text.split_once('=') else {
            return Err(no_variable(line));
        };
        let start = key.len() + 1;
        let value = line.trimmed(start..start + value.len());
        let node = self.value(
            line.slice(value.clone()),
            Style::Plain,
            &line.location(value.clone()),
            &|range| line.location(value.start + range.start..value.start + range.end),
        )?;
        let key = key.trim_end_matches(super::super::literal::is_space);
        self.data.set_group_variable(self.group, key, node)
    }

    /// A host or a range of them, and `key=value` for each variable.
    fn host(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        let words = words::split(line.text).map_err(|fault| fault.problem(line))?;
        let Some((host, variables)) = words.split_first() else {
            return Ok(());
        };
        let at = line.location(host.span.clone());
        let names = expand(host, &at)?;
        let variables = variables
            .iter()
            .map(|word| self.host_variable(line, word))
            .collect::<Result<Vec<_>, _>>()?;
        if names.hosts.is_empty() {
            self.data.warnings.push(Problem::at(
                &at,
                format!("`{}` names no hosts: its range is empty", host.text),
            ));
        }
        let copies = names.hosts.len().saturating_sub(1);
        self.copied += copies.saturating_mul(COST + line.text.len());
        if self.copied > MAX_COPIED {
            return Err(Problem::at(&at, "the ranges of this file name too many hosts"));
        }
        let port = names.port.map(|port| {
            let digits = line.location(host.place(port.digits.clone()));
            port.node(digits)
        });
        for name in &names.hosts {
            self.add_host(name, port.clone(), &variables, &at)?;
        }
        Ok(())
    }

    fn add_host(
        &mut self,
        name: &str,
        port: Option<Node>,
        variables: &[(String, Node)],
        at: &Location,
    ) -> Result<(), Problem> {
        let host: HostId = self.data.add_host(name, Some(self.group), port, at)?;
        let is_group = self.data.group(name).is_some();
        for (key, value) in variables {
            if is_group {
                self.data.set_variable(name, key, value.clone())?;
            } else {
                self.data.set_host_variable(host, key, value.clone());
            }
        }
        Ok(())
    }

    fn host_variable(&mut self, line: &Line<'_>, word: &Word<'_>) -> Result<(String, Node), Problem> {
        let Some((key, text)) = word.text.split_once('=') else {
            return Err(no_host_variable(line, word));
        };
        let start = key.len() + 1;
        let style = if word.is_quoted_from(start) {
            Style::Quoted
        } else {
            Style::Plain
        };
        let at = line.location(word.place(start..word.text.len()));
        let node = self.value(text, style, &at, &|range| {
            line.location(word.place(start + range.start..start + range.end))
        })?;
        Ok((key.to_owned(), node))
    }

    /// A literal's value, else the text; `style` is that of the text.
    fn value(
        &mut self,
        text: &str,
        style: Style,
        at: &Location,
        place: &dyn Fn(Range<usize>) -> Location,
    ) -> Result<Node, Problem> {
        let literal = self.literals.read(text, place)?;
        Ok(literal.unwrap_or_else(|| Node {
            value: Value::String(text.to_owned()),
            at: at.clone(),
            style,
        }))
    }

    fn end(mut self) -> Result<(), Vec<Problem>> {
        let pending = self.pending.iter().map(|(name, pending)| undeclared(name, pending));
        self.problems.extend(pending.take(MAX_PROBLEMS));
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(self.problems)
        }
    }
}

fn undeclared(name: &str, pending: &Pending) -> Problem {
    let (at, message) = match pending {
        Pending::Vars(at) => (at, format!("variables of the group {name}, which is not defined")),
        Pending::Child { parent, at, .. } => (at, format!("{parent} includes the group {name}, which is not defined")),
    };
    Problem::at(at, message).hint(format!("add a section [{name}], empty if need be, or mend the name"))
}

fn expand(host: &Word<'_>, at: &Location) -> Result<names::Names, Problem> {
    let problem = |why: String| Problem::at(at, format!("`{}`: {why}", host.text));
    let names = names::expand(&host.text).map_err(|why| section::hint_at_section(problem(why), &host.text))?;
    let trimmed = host.text.trim_matches(super::super::literal::is_space);
    if names.port.is_none() && trimmed.ends_with(':') {
        return Err(problem("a port is missing behind the colon".to_owned()));
    }
    if names
        .hosts
        .iter()
        .any(|name| name.trim_matches(super::super::literal::is_space) == "---")
    {
        return Err(problem("this begins a YAML file, and this is read as INI".to_owned()));
    }
    Ok(names)
}

fn no_variable(line: &Line<'_>) -> Problem {
    let problem = Problem::at(&line.whole(), "a variable is written key=value");
    match line.text.split_once(':') {
        Some((key, value)) => problem.hint(format!("did you mean `{}={}`?", key.trim(), value.trim())),
        None => problem,
    }
}

fn no_host_variable(line: &Line<'_>, word: &Word<'_>) -> Problem {
    let at = line.location(word.span.clone());
    let problem = Problem::at(
        &at,
        format!("`{}`: behind a host there are only variables, key=value", word.text),
    );
    problem.hint(if word.text.starts_with(';') {
        "a comment behind a host begins with `#`"
    } else {
        "put a value with spaces in quotes: key=\"two words\""
    })
}

#[cfg(test)]
mod tests;
