//! A host's rules as they are and as a change will leave them, ready for packets: made once for all that looks at both.

use super::{HostChange, Managed, Observed};
use crate::firewall::trace::Tracer;
use crate::firewall::{self, Ruleset};

/// A host before a change and after it.
#[derive(Debug)]
pub struct Prospect<'a> {
    pub(super) observed: &'a Observed,
    pub(super) change: &'a HostChange,
    /// The managed families.
    pub(super) families: Vec<Outlook<'a>>,
}

/// The rules of a family, before a change and after it.
#[derive(Debug)]
pub(super) struct Outlook<'a> {
    pub managed: &'a Managed,
    pub after: &'a Ruleset,
    /// Walks packets through the rules of now.
    pub now: Tracer<'a>,
    /// Walks packets through the rules of afterwards.
    pub then: Tracer<'a>,
}

impl Observed {
    /// Each family's rules as a change will leave them.
    #[must_use]
    pub fn after(&self, change: &HostChange) -> Vec<Ruleset> {
        let families = self.families.iter().zip(&change.families);
        families
            .map(|(managed, change)| firewall::after(&managed.view, &change.change))
            .collect()
    }

    /// The host before a change and after it; the rules are those that [`after`](Self::after) tells.
    #[must_use]
    pub fn prospect<'a>(&'a self, change: &'a HostChange, after: &'a [Ruleset]) -> Prospect<'a> {
        let outlook = |(managed, after): (&'a Managed, &'a Ruleset)| Outlook {
            managed,
            after,
            now: Tracer::new(&managed.view.ruleset, &self.host),
            then: Tracer::new(after, &self.host),
        };
        Prospect {
            observed: self,
            change,
            families: self.families.iter().zip(after).map(outlook).collect(),
        }
    }
}
