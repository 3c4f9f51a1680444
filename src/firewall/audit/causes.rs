//! Which rules are to blame: those without which a packet fares otherwise.

use std::sync::Arc;

use super::finding::{Place, Way};
use super::ground::Ground;
use super::judge::Case;
use super::probe::{Caller, Met, Probe, Prober};
use crate::firewall::{Match, PortSpan, Rule, Ruleset, Side, Target};

/// So many rules in a row are thought away.
const MOST: usize = 4;

/// A rule's table, chain and number.
type Key = (String, String, usize);

impl Met {
    fn key(&self) -> Key {
        (self.table.clone(), self.chain.clone(), self.number)
    }
}

/// The same rules, of which some do nothing. Policies count as rules.
fn without(ruleset: &Ruleset, keys: &[Key]) -> Ruleset {
    let mut left = ruleset.clone();
    for (table, chain, number) in keys {
        let tables = left.tables.iter_mut().filter(|one| one.name == *table);
        for chain in tables
            .flat_map(|table| &mut table.chains)
            .filter(|one| one.name == *chain)
        {
            match number.checked_sub(1) {
                None => chain.policy = Some("ACCEPT".to_owned()),
                Some(index) => {
                    if let Some(rule) = Arc::make_mut(&mut chain.rules).get_mut(index) {
                        rule.matches.clear();
                        rule.target = Target::None;
                    }
                }
            }
        }
    }
    left
}

/// Whether a rule is about this port rather than about many.
fn names(rule: &Rule, port: u16) -> bool {
    const FEW: u16 = 1024;
    let is_it = |span: &PortSpan| span.contains(port) && span.last - span.first < FEW;
    rule.matches.iter().any(|one| match one {
        Match::Port(Side::Destination, span) => is_it(span),
        Match::Ports(Side::Destination | Side::Either, spans) => spans.iter().any(is_it),
        _ => false,
    })
}

impl Ground<'_> {
    /// The rule that a packet met; none for a policy.
    pub fn rule(&self, met: &Met) -> Option<&Rule> {
        let index = met.number.checked_sub(1)?;
        self.ruleset.rules(&met.table, &met.chain).get(index)
    }

    pub fn place_of(&self, met: &Met) -> Place {
        self.place(&met.table, &met.chain, met.number)
    }

    fn sent_without(&self, keys: &[Key], case: &Case<'_>, port: u16, caller: &Caller) -> Probe {
        let (real, calm) = (without(self.ruleset, keys), without(&self.calm, keys));
        let prober = Prober::new(self.family, &real, &calm, &self.host);
        prober.send(&case.judged.protocol, port, caller)
    }

    /// The rule that closes the way once those before it are thought away that accept first.
    pub fn guard_below(&self, case: &Case<'_>) -> Option<Met> {
        let port = case.judged.to_port?;
        let mut keys = vec![case.direct.decider().filter(|met| met.number > 0)?.key()];
        for _ in 0..MOST {
            let probe = self.sent_without(&keys, case, port, &case.callers.1);
            let decider = probe.decider().filter(|met| met.number > 0)?.clone();
            match probe.way {
                Way::Closed => {
                    return self
                        .rule(&decider)
                        .filter(|rule| names(rule, port))
                        .map(|_| decider.clone());
                }
                Way::Open => keys.push(decider.key()),
                Way::Some | Way::Unknown => return None,
            }
        }
        None
    }

    /// The rule that accepts once those before it are thought away that close first.
    pub fn accept_below(&self, case: &Case<'_>) -> Option<Met> {
        let port = case.judged.to_port?;
        let mut keys = vec![case.mapped.decider().filter(|met| met.number > 0)?.key()];
        for _ in 0..MOST {
            let probe = self.sent_without(&keys, case, case.port, &case.callers.0);
            let decider = probe.decider().filter(|met| met.number > 0)?.clone();
            let speaks_of_it = |rule: &&Rule| {
                names(rule, port) || rule.matches.iter().any(|one| matches!(one, Match::OriginalPort(_)))
            };
            match probe.way {
                Way::Open => return self.rule(&decider).filter(speaks_of_it).map(|_| decider.clone()),
                Way::Closed => keys.push(decider.key()),
                Way::Some | Way::Unknown => return None,
            }
        }
        None
    }

    /// The rule that would accept the mapped port if nothing rewrote it: INPUT never sees that port.
    pub fn accept_of_mapped_port(&self, case: &Case<'_>) -> Option<Met> {
        let at = case.redirect.at()?;
        let key = ("nat".to_owned(), at.chain.to_owned(), at.number);
        let probe = self.sent_without(&[key], case, case.port, &case.callers.0);
        let decider = probe.decider().filter(|met| met.number > 0)?.clone();
        let says = self.rule(&decider).is_some_and(|rule| names(rule, case.port));
        (probe.way == Way::Open && says).then_some(decider)
    }

    /// The rule of nat that decided about a packet.
    pub fn taker(&self, probe: &Probe) -> Option<Met> {
        let takes = |met: &&Met| {
            let target = self.rule(met).and_then(Rule::leads_to);
            met.table == "nat" && target.is_some_and(|name| self.ruleset.chain("nat", name).is_none())
        };
        probe.met.iter().find(takes).cloned()
    }

    /// The rule that keeps conntrack from the packets of a redirect.
    pub fn notrack(&self, probe: &Probe) -> Option<Met> {
        let keeps = |met: &&Met| {
            self.rule(met).is_some_and(|rule| match &rule.target {
                Target::Jump { name, options } => {
                    name == "NOTRACK" || name == "CT" && options.iter().any(|word| word == "--notrack")
                }
                _ => false,
            })
        };
        probe.met.iter().find(|met| met.table == "raw" && keeps(met)).cloned()
    }
}
