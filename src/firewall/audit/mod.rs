//! Finds every REDIRECT of a host, whoever made it, and says what it comes to.
//!
//! Judged by packets alone: one to the mapped port and one to the port behind it walk through the rules by
//! [`super::trace`], from anybody, and where that cannot be told from a stranger and from every network and interface that
//! the rules name. Causes are found the same way: a rule is to blame where the packet fares otherwise without it.

mod beside;
mod callers;
mod calm;
mod causes;
mod finding;
mod findings;
mod ground;
mod judge;
mod lines;
mod ports;
mod probe;
mod redirects;
mod remedy;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use super::trace::Host;
use super::{Family, Ruleset};
use findings::Auditor;
use ground::Ground;

pub use finding::{Finding, Judged, Kind, Level, Place, Remedy, Report, Verdict, Way};

/// One family's rules.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Which.
    pub family: Family,
    /// All its tables.
    pub ruleset: &'a Ruleset,
    /// The text that they were read from, for the numbers of its lines.
    pub text: Option<&'a str>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// One family, or both.
    pub families: &'a [Rules<'a>],
    /// What is known of the host.
    pub host: &'a Host,
    /// The operator's address as the host sees it.
    pub operator: Option<IpAddr>,
    /// The interface by which everybody comes; `None`: the host's default one, else each that the rules name is tried.
    pub outside: Option<&'a str>,
}

/// Looks at one host's rules.
#[must_use]
pub fn audit(subject: &Subject<'_>) -> Report {
    let grounds: Vec<Ground<'_>> = subject
        .families
        .iter()
        .map(|rules| Ground::new(subject, rules.family, rules.ruleset, rules.text))
        .collect();
    Auditor::of(&grounds).report()
}
