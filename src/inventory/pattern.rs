//! Host patterns: which hosts a play's `hosts:` and a limit (`-l`) mean. What Ansible's `InventoryManager` does in
//! `get_hosts` and `subset`.
//!
//! Terms add hosts, then `&` keeps some of them, then `!` takes some away, wherever they are written. A term is a name,
//! a glob or (`~`) a regular expression of groups and hosts, of which a position or a slice may follow in brackets.
//! Ansible warns about terms that match nothing; here the caller decides what becomes of them.

mod chosen;
mod glob;
mod position;
mod regex;
mod split;

use std::path::Path;

use indexmap::IndexSet;

use self::chosen::{Chosen, Slot, set};
use self::glob::Glob;
use self::position::{Found, Position};
pub(super) use self::regex::Expression;
use self::split::{is_space, split};
use super::data::{ALL, GroupId, HostId};
use crate::problem::{Problem, nearest};
use crate::world::{Kind, World};

/// Names of this machine that need not be in the inventory.
pub(super) const LOCALHOST: [&str; 3] = ["127.0.0.1", "localhost", "::1"];
/// A look for similar names goes through all of them: enough terms to see what is wrong, and names to search.
const MAX_HINTS: usize = 5;
const MAX_SEARCHED: usize = 20_000;

/// Hosts and groups by their names.
pub(super) trait Members {
    /// All groups, in the order in which they were added: `all`, `ungrouped`, then the others.
    fn groups(&self) -> impl Iterator<Item = (&str, GroupId)>;
    /// A group by its name.
    fn group(&self, name: &str) -> Option<GroupId>;
    /// The hosts of a group and of all groups below it, each once, in Ansible's order.
    fn hosts_of(&self, group: GroupId) -> &[HostId];
    /// The names of all hosts by their ids, from 0.
    fn hosts(&self) -> impl ExactSizeIterator<Item = &str>;
    /// A host by its name.
    fn host(&self, name: &str) -> Option<HostId>;
}

/// Terms, in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Patterns {
    terms: IndexSet<String>,
    /// Whether there was a term, be it a file without any.
    is_written: bool,
}

/// A host that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Selected {
    /// One of the inventory.
    Host(HostId),
    /// This machine, by the name that it was asked for first; no host of the inventory stands for it.
    Localhost(&'static str),
}

/// What patterns mean in an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Selection {
    /// Each host once.
    pub hosts: Vec<Selected>,
    /// The terms that match no host and no group, which Ansible warns about and ignores.
    pub unmatched: Vec<Problem>,
    /// Whatever else should be said.
    pub warnings: Vec<Problem>,
}

/// Whether a pattern has no term, as `,` and ` : `: Ansible would take it for all hosts.
pub(crate) fn names_nothing(text: &str) -> bool {
    Patterns::parse([text]).is_empty()
}

impl Patterns {
    /// A play's `hosts:`, one text or a list of them.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let terms: IndexSet<String> = texts.into_iter().flat_map(split).collect();
        let is_written = !terms.is_empty();
        Self { terms, is_written }
    }

    /// A limit, in which `@file` stands for a file with a term a line.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn limit<'t>(texts: impl IntoIterator<Item = &'t str>, world: &dyn World) -> Result<Self, Problem> {
        let written = Self::parse(texts);
        let mut limit = Self {
            terms: IndexSet::new(),
            ..written
        };
        for term in written.terms {
            match term.strip_prefix('@') {
                Some(file) => limit.terms.extend(lines(file, world)?),
                None => limit.terms.extend([term]),
            }
        }
        Ok(limit)
    }

    /// Whether nothing is named at all; that means all hosts to Ansible.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Terms in the order in which they are applied; `all` where there is none to begin with.
    fn ordered(&self) -> impl Iterator<Item = &str> {
        let of = |signs: [Sign; 1]| {
            let terms = self.terms.iter().map(String::as_str);
            terms.filter(move |term| signs.contains(&Sign::of(term)))
        };
        let nothing_to_begin_with = of([Sign::Add]).next().is_none();
        let all = nothing_to_begin_with.then_some(ALL);
        all.into_iter()
            .chain(of([Sign::Add]))
            .chain(of([Sign::Keep]))
            .chain(of([Sign::Remove]))
    }
}

/// The trimmed lines of a limit's file, those that hold something.
fn lines(file: &str, world: &dyn World) -> Result<Vec<String>, Problem> {
    let path = Path::new(file);
    match world.kind(path) {
        None => return Err(Problem::new(format!("there is no file {file}, which the limit names"))),
        Some(Kind::Folder) => return Err(Problem::new(format!("{file}, which the limit names, is a folder"))),
        Some(Kind::File { .. }) => {}
    }
    let unreadable =
        |error: &dyn std::fmt::Display| Problem::new(format!("cannot read the limit's file {file}: {error}"));
    let bytes = world.read(path).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is not UTF-8"))?;
    let lines = text.split(['\n', '\r']).map(|line| line.trim_matches(is_space));
    Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// What a term does with the hosts that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Add,
    Keep,
    Remove,
}

impl Sign {
    fn of(term: &str) -> Self {
        match term.as_bytes().first() {
            Some(b'&') => Self::Keep,
            Some(b'!') => Self::Remove,
            _ => Self::Add,
        }
    }
}

/// The hosts that a play's pattern means, and of these the ones that the limit leaves, in the order of the pattern.
/// A limit that names nothing leaves all.
///
/// # Errors
/// A term that is no pattern, or a position that there is not.
pub(super) fn select(members: &impl Members, hosts: &Patterns, limit: Option<&Patterns>) -> Result<Selection, Problem> {
    let mut search = Search::new(members);
    let mut selected = search.evaluate(hosts)?;
    if let Some(limit) = limit.filter(|limit| limit.is_written) {
        let left = search.evaluate(limit)?;
        let mut is_left = vec![false; search.slots()];
        for slot in left {
            set(&mut is_left, slot, true);
        }
        selected.retain(|slot| is_left.get(*slot) == Some(&true));
    }
    Ok(search.selection(&selected))
}

/// Looks for the hosts of terms, and remembers what should be said about them.
struct Search<'m, M> {
    members: &'m M,
    host_count: usize,
    /// The name by which this machine was asked for first.
    localhost: Option<&'static str>,
    unmatched: IndexSet<String>,
    warnings: IndexSet<String>,
}

impl<'m, M: Members> Search<'m, M> {
    fn new(members: &'m M) -> Self {
        Self {
            members,
            host_count: members.hosts().len(),
            localhost: None,
            unmatched: IndexSet::new(),
            warnings: IndexSet::new(),
        }
    }

    fn slots(&self) -> usize {
        self.host_count + 1
    }

    fn evaluate(&mut self, patterns: &Patterns) -> Result<Vec<Slot>, Problem> {
        let mut chosen = Chosen::new(self.slots());
        for term in patterns.ordered() {
            // A name of a host is that host, whatever else it could mean.
            if let Some(HostId(host)) = self.members.host(term) {
                chosen.add(host);
                continue;
            }
            let sign = Sign::of(term);
            let matched = self.matches(
                if sign == Sign::Add {
                    term
                } else {
                    term.get(1..).unwrap_or_default()
                },
                term,
            )?;
            match sign {
                Sign::Add => matched.into_iter().for_each(|slot| chosen.add(slot)),
                Sign::Keep => chosen.keep(&matched),
                Sign::Remove => matched.into_iter().for_each(|slot| chosen.remove(slot)),
            }
        }
        Ok(chosen.hosts().collect())
    }

    /// The hosts of a term without its sign.
    fn matches(&mut self, name: &str, term: &str) -> Result<Vec<Slot>, Problem> {
        if name.is_empty() {
            return Err(Problem::new(format!("`{term}` in a pattern names nothing")));
        }
        let (name, position) = Position::split(name);
        let mut found = self.find(name)?;
        if matches!(position, Position::Slice { dash: true, .. }) {
            let hint = format!("`{term}`: a slice is written [x:y]; [x-y] is about to go");
            self.warnings.insert(hint);
        }
        if found.count() == 0 {
            found.hosts = self.nothing(name, found.groups.is_empty());
        }
        if found.count() == 0 {
            return Ok(Vec::new());
        }
        let missing = || {
            let count = found.count();
            Problem::new(format!("`{term}`: `{name}` has no such position"))
                .hint(format!("it has {count} hosts, of which the first is [0]"))
        };
        position.of(&found, self.slots()).ok_or_else(missing)
    }

    /// The groups and hosts that a name, a glob or an expression matches.
    fn find(&self, name: &str) -> Result<Found<'m>, Problem> {
        let matcher = Matcher::new(name).map_err(|reason| invalid(name, &reason))?;
        let groups = matcher
            .groups(self.members)
            .map_err(|reason: String| invalid(name, &reason))?;
        let has_special = name.starts_with('~') || name.contains(['.', '?', '*', '[']);
        let hosts = if groups.is_empty() || has_special {
            matcher.hosts(self.members).map_err(|reason| invalid(name, &reason))?
        } else {
            Vec::new()
        };
        let groups = groups.into_iter().map(|group| self.members.hosts_of(group)).collect();
        Ok(Found { groups, hosts })
    }

    /// What a name means that matches no host: this machine, or nothing.
    fn nothing(&mut self, name: &str, no_group: bool) -> Vec<Slot> {
        if let Some(own) = LOCALHOST.into_iter().find(|own| *own == name) {
            return vec![self.localhost(own)];
        }
        if no_group && name != ALL {
            self.unmatched.insert(name.to_owned());
        }
        Vec::new()
    }

    /// The host that stands for this machine by another of its names, or this machine itself.
    fn localhost(&mut self, name: &'static str) -> Slot {
        let known = LOCALHOST.into_iter().filter_map(|name| self.members.host(name)).min();
        known.map_or_else(
            || {
                self.localhost.get_or_insert(name);
                self.host_count
            },
            |HostId(host)| host,
        )
    }

    fn selection(&self, slots: &[Slot]) -> Selection {
        let host = |slot: &Slot| match self.localhost {
            Some(name) if *slot == self.host_count => Selected::Localhost(name),
            _ => Selected::Host(HostId(*slot)),
        };
        Selection {
            hosts: slots.iter().map(host).collect(),
            unmatched: self.unmatched(),
            warnings: self.warnings.iter().map(Problem::new).collect(),
        }
    }

    fn unmatched(&self) -> Vec<Problem> {
        let hosts = self.members.hosts();
        let names = self.members.groups().map(|(name, _)| name).chain(hosts);
        let known: Vec<&str> = if self.unmatched.is_empty() {
            vec![]
        } else {
            names.take(MAX_SEARCHED).collect()
        };
        let problem = |(at, name): (usize, &String)| {
            let problem = Problem::new(format!("no host or group matches `{name}`"));
            let known = if at < MAX_HINTS { known.as_slice() } else { &[] };
            match nearest(name, known) {
                Some(known) => problem.hint(format!("did you mean `{known}`?")),
                None => problem,
            }
        };
        self.unmatched.iter().enumerate().map(problem).collect()
    }
}

fn invalid(name: &str, reason: &str) -> Problem {
    Problem::new(format!("`{name}` is no host pattern: {reason}"))
}

/// What a name, a glob or an expression is compared with names by.
enum Matcher<'t> {
    Name(&'t str),
    Glob(Glob),
    Expression(Expression),
}

impl<'t> Matcher<'t> {
    fn new(text: &'t str) -> Result<Self, String> {
        match text.strip_prefix('~') {
            Some(expression) => Expression::new(expression).map(Self::Expression),
            None if text.contains(['*', '?', '[']) => Ok(Self::Glob(Glob::new(text))),
            None => Ok(Self::Name(text)),
        }
    }

    fn groups(&self, members: &impl Members) -> Result<Vec<GroupId>, String> {
        match self {
            Self::Name(name) => Ok(members.group(name).into_iter().collect()),
            _ => self.filter(members.groups()),
        }
    }

    fn hosts(&self, members: &impl Members) -> Result<Vec<Slot>, String> {
        match self {
            Self::Name(name) => Ok(members.host(name).map(|HostId(host)| host).into_iter().collect()),
            _ => self.filter(members.hosts().zip(0..)),
        }
    }

    fn filter<'n, T>(&self, names: impl Iterator<Item = (&'n str, T)>) -> Result<Vec<T>, String> {
        let matched = names.map(|(name, item)| Ok(self.matches(name)?.then_some(item)));
        matched.filter_map(Result::transpose).collect()
    }

    fn matches(&self, name: &str) -> Result<bool, String> {
        match self {
            Self::Name(own) => Ok(*own == name),
            Self::Glob(glob) => Ok(glob.matches(name)),
            Self::Expression(expression) => expression.matches(name),
        }
    }
}

#[cfg(test)]
mod tests;
