//! Ansible's `-l`: which hosts a run is about.

use std::collections::HashSet;

use globset::{GlobBuilder, GlobMatcher};

use super::Inventory;
use super::data::{ALL, GroupId, HostId};
use super::graph::hosts_of;
use crate::problem::{Problem, nearest};

/// What a term does; Ansible applies them in this order, wherever they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Add,
    Keep,
    Remove,
}

/// See [`Inventory::select`].
pub(super) fn select(inventory: &Inventory, limit: &[&str]) -> Result<Vec<HostId>, Problem> {
    let everything = || (0..inventory.data.hosts.len()).collect::<HashSet<usize>>();
    let mut terms = Vec::new();
    for text in limit {
        terms.extend(split(text)?);
    }
    terms.sort_by_key(|(kind, _)| *kind);
    let mut chosen = match terms.first() {
        Some((Kind::Add, _)) => HashSet::new(),
        _ => everything(),
    };
    for (kind, term) in terms {
        let matched = matches(inventory, &term)?;
        match kind {
            Kind::Add => chosen.extend(matched),
            Kind::Keep => chosen.retain(|host| matched.contains(host)),
            Kind::Remove => chosen.retain(|host| !matched.contains(host)),
        }
    }
    if chosen.is_empty() {
        return Err(nothing_left(limit));
    }
    let all = inventory
        .data
        .group(ALL)
        .map_or_else(Vec::new, |all| hosts_of(&inventory.data.groups, all));
    Ok(all.into_iter().filter(|host| chosen.contains(&host.0)).collect())
}

fn nothing_left(limit: &[&str]) -> Problem {
    if limit.is_empty() {
        return Problem::new("the inventory holds no hosts");
    }
    Problem::new(format!("the limit `{}` leaves no host", limit.join(",")))
}

/// The terms of a limit. With a comma anywhere only commas split; else colons and blanks do, outside of brackets.
fn split(text: &str) -> Result<Vec<(Kind, String)>, Problem> {
    let commas = text.contains(',');
    let mut depth = 0_i32;
    let mut parts = vec![String::new()];
    for c in text.chars() {
        depth += i32::from(c == '[') - i32::from(c == ']');
        let splits = if commas {
            c == ','
        } else {
            depth <= 0 && (c == ':' || c.is_whitespace())
        };
        match parts.last_mut() {
            Some(part) if !splits => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        parts = vec![text.to_owned()];
    }
    let terms: Vec<_> = parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
        .map(term)
        .collect();
    if terms.is_empty() {
        return Err(Problem::new("the limit is empty").hint("leave `--limit` out for all hosts"));
    }
    terms.into_iter().collect()
}

fn term(part: &str) -> Result<(Kind, String), Problem> {
    let (kind, name) = match part.split_at_checked(1) {
        Some(("!", name)) => (Kind::Remove, name),
        Some(("&", name)) => (Kind::Keep, name),
        _ => (Kind::Add, part),
    };
    let refuse = |what: &str| {
        Err(Problem::new(format!(
            "`{part}`: {what} in a limit are not supported yet"
        )))
    };
    match name.chars().next() {
        None => Err(Problem::new(format!("`{part}` in the limit names nothing"))),
        Some('~') => refuse("regular expressions"),
        Some('@') => refuse("files of patterns"),
        Some(_) if is_subscript(name) => refuse("positions such as [0] or [1:3]"),
        Some(_) => Ok((kind, name.to_owned())),
    }
}

/// Digits in brackets at the end are a position, not a glob.
fn is_subscript(name: &str) -> bool {
    let inner = name
        .strip_suffix(']')
        .and_then(|name| name.rsplit_once('['))
        .map(|(_, inner)| inner);
    inner.is_some_and(|inner| !inner.is_empty() && inner.chars().all(|c| c.is_ascii_digit() || "-:".contains(c)))
}

/// The hosts of a term: a name or a glob, of groups and of hosts.
fn matches(inventory: &Inventory, term: &str) -> Result<HashSet<usize>, Problem> {
    let pattern = Pattern::new(term)?;
    let data = &inventory.data;
    let groups = data.groups.keys().enumerate().filter(|(_, name)| pattern.matches(name));
    let hosts = data.hosts.keys().enumerate().filter(|(_, name)| pattern.matches(name));
    let known = groups.clone().count() > 0;
    let found: HashSet<usize> = groups
        .flat_map(|(at, _)| hosts_of(&data.groups, GroupId(at)))
        .map(|host| host.0)
        .chain(hosts.map(|(at, _)| at))
        .collect();
    if known || !found.is_empty() {
        return Ok(found);
    }
    let problem = Problem::new(format!("no host or group matches `{term}`"));
    let names: Vec<&str> = data
        .groups
        .keys()
        .chain(data.hosts.keys())
        .map(String::as_str)
        .collect();
    Err(match nearest(term, &names) {
        Some(name) => problem.hint(format!("did you mean `{name}`?")),
        None => problem,
    })
}

/// A name, or a glob as Python's `fnmatch` has it: `*`, `?`, `[abc]`, `[!abc]`; braces and backslashes stand for
/// themselves.
enum Pattern<'t> {
    Name(&'t str),
    Glob(GlobMatcher),
}

impl<'t> Pattern<'t> {
    fn new(term: &'t str) -> Result<Self, Problem> {
        if !term.contains(['*', '?', '[']) {
            return Ok(Self::Name(term));
        }
        let braces: String = term
            .chars()
            .map(|c| if "{}".contains(c) { format!("[{c}]") } else { c.into() })
            .collect();
        let glob = GlobBuilder::new(&braces)
            .literal_separator(false)
            .backslash_escape(false)
            .build();
        let refuse = |error: globset::Error| Problem::new(format!("`{term}` is not a pattern: {}", error.kind()));
        glob.map(|glob| Self::Glob(glob.compile_matcher())).map_err(refuse)
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(term) => name == *term,
            Self::Glob(glob) => glob.is_match(name),
        }
    }
}
