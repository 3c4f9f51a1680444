//! What may go wrong with a change, told before it starts: packets are walked through the host's rules as they are and as
//! they will be, and what they come to is compared with what the host listens on.
//!
//! A danger refuses the change where it is certain; whatever depends on something that is not modelled is only said, and
//! the host's timer is relied on.

mod foreign;
mod look;
mod mappings;
mod services;
mod way;

use std::fmt;

use super::{Observed, Prospect};
use crate::firewall::Family;
use look::Look;

/// What may go wrong with a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Danger {
    /// What kind of thing it is.
    pub kind: Kind,
    /// The family of addresses that it is about; `None`: both, or neither.
    pub family: Option<Family>,
    /// What will happen, one sentence without its rule.
    pub sentence: String,
    /// The rule, or the policy, that causes it.
    pub rule: Option<String>,
    /// Whether it is certain and bad enough for the change not to start.
    pub refuses: bool,
    /// What to do next.
    pub hint: String,
}

/// Kinds of dangers, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Operators could not log in after the change.
    CutOff,
    /// The rules of both backends are in force.
    BothBackends,
    /// A mapping would take a port away from who has it.
    Shadowed,
    /// A mapping would not work, by a rule of others.
    Voided,
    /// Direct access would stay open, by a rule of others.
    GuardVoided,
    /// Nothing could close direct access over IPv6.
    Ipv6Open,
    /// The service listens at another address than the one that redirected packets are sent to.
    Elsewhere,
    /// Nothing listens where a mapping leads.
    NoListener,
    /// fail2ban would ban nobody.
    WrongJail,
    /// It is not known whether operators could log in after the change.
    Unknown,
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(family) = self.family {
            write!(f, "{}: ", family.name())?;
        }
        f.write_str(&self.sentence)?;
        match &self.rule {
            Some(rule) => write!(f, ": `{rule}`"),
            None => Ok(()),
        }
    }
}

/// By which ports ssh logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Now.
    pub now: u16,
    /// After the change.
    pub after: u16,
}

impl Prospect<'_> {
    /// What may go wrong with the change of this host, the worst first. Touches nothing and asks nobody.
    #[must_use]
    pub fn dangers(&self, way: Way) -> Vec<Danger> {
        let look = Look::new(self);
        let mut found: Vec<_> = self.observed.in_both_backends().into_iter().collect();
        found.extend(look.way_in(way));
        if !self.change.removes {
            found.extend(look.of_mappings(way));
            found.extend(look.shadowed());
            found.extend(look.without_listener());
            found.extend(look.open_over_ipv6());
            found.extend(look.wrong_jails());
        }
        found.sort();
        found.dedup();
        found
    }
}

impl Observed {
    fn in_both_backends(&self) -> Option<Danger> {
        let stop = self.both_backends.clone()?;
        Some(Danger {
            kind: Kind::BothBackends,
            family: None,
            sentence: stop.reason,
            rule: None,
            refuses: true,
            hint: stop.hint.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests;
