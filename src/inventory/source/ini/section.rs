//! `[group]`, `[group:vars]`, `[group:children]`, and the names of groups below the last.

use std::ops::Range;

use super::line::Line;
use crate::inventory::literal::is_space;
use crate::problem::{Problem, nearest};

/// What the lines of a section are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hosts,
    Children,
    Vars,
}

/// How a section begins.
#[derive(Debug, PartialEq)]
pub(super) struct Header<'l> {
    pub name: &'l str,
    /// Where the name is in the line.
    pub place: Range<usize>,
    pub kind: Kind,
}

/// The section that a line begins; `None` for a line that begins none.
pub(super) fn header<'l>(line: &Line<'l>) -> Option<Result<Header<'l>, Problem>> {
    let inner = line.text.strip_prefix('[')?;
    match split(inner) {
        Some((name, kind)) => Some(known(line, name, kind)),
        None => line.text.ends_with(']').then(|| Err(bad_section(line))),
    }
}

/// The name, and what is behind its colon.
fn split(inner: &str) -> Option<(&str, Option<&str>)> {
    let (name, rest) = inner.split_at(name_length(inner)?);
    let (kind, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            let (kind, rest) = rest.split_at(end);
            (Some(kind), rest)
        }
        None => (None, rest),
    };
    let rest = rest.strip_prefix(']')?;
    (kind != Some("") && is_end(rest)).then_some((name, kind))
}

/// How long the name is that a text begins with.
fn name_length(text: &str) -> Option<usize> {
    let end = text
        .find(|c: char| c == ':' || c == ']' || is_space(c))
        .unwrap_or(text.len());
    (end > 0).then_some(end)
}

/// Space, and perhaps a comment.
fn is_end(text: &str) -> bool {
    let text = text.trim_start_matches(is_space);
    text.is_empty() || text.starts_with('#')
}

fn known<'l>(line: &Line<'_>, name: &'l str, kind: Option<&str>) -> Result<Header<'l>, Problem> {
    let place = 1..1 + name.len();
    let kind = match kind {
        None | Some("hosts") => Kind::Hosts,
        Some("children") => Kind::Children,
        Some("vars") => Kind::Vars,
        Some(other) => {
            let start = place.end + 1;
            let at = line.location(start..start + other.len());
            let problem = Problem::at(&at, format!("a section [{name}:{other}] is unknown"));
            return Err(match nearest(other, &["children", "vars", "hosts"]) {
                Some(kind) => problem.hint(format!("did you mean `[{name}:{kind}]`?")),
                None => problem.hint(format!("there are [{name}], [{name}:children] and [{name}:vars]")),
            });
        }
    };
    Ok(Header { name, place, kind })
}

fn bad_section(line: &Line<'_>) -> Problem {
    let problem = Problem::at(&line.whole(), "this is neither a section nor a host");
    problem.hint("a section is [group], [group:vars] or [group:children], without spaces")
}

/// A line that was to begin a section, and was taken for a host.
pub(super) fn hint_at_section(problem: Problem, host: &str) -> Problem {
    match host.trim_start_matches('\u{feff}').strip_prefix('[') {
        Some(_) if host.starts_with('\u{feff}') => {
            problem.hint("the file begins with an invisible byte order mark: save it without one")
        }
        Some(_) => problem.hint("behind a section there may only be a comment that begins with `#`"),
        None => problem,
    }
}

/// The group that a line below `[group:children]` names, and its place.
pub(super) fn group_name<'l>(line: &Line<'l>) -> Result<(&'l str, Range<usize>), Problem> {
    let text = line.text;
    let name = name_length(text).and_then(|length| {
        let (name, rest) = text.split_at(length);
        if is_end(rest) {
            return Some(name);
        }
        // A `#` in a name is one of it, unless more follows than a name: then the last one begins a comment.
        name.rsplit_once('#')
            .map(|(name, _)| name)
            .filter(|name| !name.is_empty())
    });
    match name {
        Some(name) => Ok((name, 0..name.len())),
        None => Err(no_group(line)),
    }
}

fn no_group(line: &Line<'_>) -> Problem {
    let problem = Problem::at(&line.whole(), "the name of a group is one word, without a colon");
    if line.text.contains('=') {
        problem.hint("variables belong into a section [group:vars]")
    } else {
        problem.hint("below [group:children] there is one group a line")
    }
}
