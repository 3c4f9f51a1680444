//! The chains that are in force between the old generation and the new one, in which every way in that works
//! before or after works as well, and nothing is open that is closed both before and after.

use std::collections::HashSet;

use super::desired::Line;
use super::names::Hook;
use super::rule::{Match, Meanings, PortSpan, Rule, Side, Target};

/// The loosened form of a chain; `None` where it is the same as the final one.
pub(super) fn loosened(hook: Hook, new: &[Line], old: &[Rule]) -> Option<Vec<Line>> {
    let lines = match hook {
        Hook::Seen => return None,
        Hook::Guard => guard(new, old),
        Hook::Accept => union(new, old.iter().filter(|rule| rule.leads_to() == Some("ACCEPT"))),
        Hook::Prerouting | Hook::Output => redirects(new, old),
    };
    (lines != new).then_some(lines)
}

/// The new lines, then those old rules that none of them repeats.
fn union<'a>(new: &[Line], old: impl Iterator<Item = &'a Rule>) -> Vec<Line> {
    let rules: Vec<_> = new.iter().filter_map(Line::rule).collect();
    let known = Meanings::of(&rules);
    let added = old
        .filter(|rule| !known.contain(rule))
        .map(|rule| Line::plain(rule.spec()));
    new.iter().cloned().chain(added).collect()
}

/// What may pass before or after, then what closes both before and after.
fn guard(new: &[Line], old: &[Rule]) -> Vec<Line> {
    let closed_before: HashSet<_> = old.iter().filter(|rule| closes(rule)).map(Rule::conditions).collect();
    let read: Vec<_> = new.iter().filter_map(|line| Some((line, line.rule()?))).collect();
    let closing = read.iter().map(|(_, rule)| rule).filter(|rule| closes(rule));
    let still: HashSet<_> = closing
        .filter(|rule| closed_before.contains(&rule.conditions()))
        .filter_map(Rule::service)
        .collect();
    let (returns, rest): (Vec<_>, Vec<_>) = read.iter().partition(|(_, rule)| returns(rule));
    let returns: Vec<_> = returns.into_iter().map(|(line, _)| (*line).clone()).collect();
    let kept = rest
        .into_iter()
        .filter(|(_, rule)| rule.service().is_some_and(|service| still.contains(&service)));
    let mut lines = union(&returns, old.iter().filter(|rule| self::returns(rule)));
    lines.extend(kept.map(|(line, _)| (*line).clone()));
    lines
}

fn returns(rule: &Rule) -> bool {
    rule.leads_to() == Some("RETURN")
}

fn closes(rule: &Rule) -> bool {
    matches!(rule.leads_to(), Some("DROP" | "REJECT"))
}

/// The new redirects first; then the old ones, but for those whose port the new ones take.
fn redirects(new: &[Line], old: &[Rule]) -> Vec<Line> {
    let read: Vec<_> = new.iter().filter_map(Line::rule).collect();
    let taking: Vec<_> = read.iter().filter_map(Redirect::of).collect();
    let known = Meanings::of(&read);
    let kept = old
        .iter()
        .filter(|rule| !known.contain(rule))
        .filter(|rule| Redirect::of(rule).is_some_and(|redirect| !taking.iter().any(|new| new.takes(&redirect))));
    union(new, kept)
}

/// A redirect: its destination ports, and whose packets.
struct Redirect<'a> {
    ports: PortSpan,
    others: Vec<&'a Match>,
}

impl<'a> Redirect<'a> {
    fn of(rule: &'a Rule) -> Option<Self> {
        let redirects = matches!(&rule.target, Target::Jump { name, .. } if name == "REDIRECT");
        let (_, ports) = rule.service().filter(|_| redirects)?;
        let mut others = rule.conditions();
        others.retain(|one| !matches!(one, Match::Port(Side::Destination, _)));
        Some(Self { ports, others })
    }

    /// Whether nothing of another redirect is left below this one.
    fn takes(&self, other: &Self) -> bool {
        self.ports.covers(other.ports) && self.others.iter().all(|one| other.others.contains(one))
    }
}
