//! Conditions that are asked more than once of a packet, and answer the same each time: what is not known of one, but was
//! taken for true once, stays true on that way.

use std::collections::HashMap;

use super::program::Memory;
use crate::firewall::{Match, Rule, Side};

/// Modules whose answer depends on the packet alone, or on what does not change while it passes.
const STEADY: [&str; 14] = [
    "",
    "bpf",
    "cpu",
    "devgroup",
    "geoip",
    "iprange",
    "length",
    "mac",
    "mac-address",
    "physdev",
    "pkttype",
    "policy",
    "set",
    "string",
];

/// The conditions that stand more than once in a family's rules.
pub(super) struct Memories<'a>(HashMap<&'a Match, (u32, bool)>);

impl<'a> Memories<'a> {
    pub fn of(rules: impl Iterator<Item = &'a Rule>) -> Self {
        let mut counts: HashMap<&Match, u32> = HashMap::new();
        for one in rules.flat_map(|rule| &rule.matches) {
            let (one, _) = upright(one);
            if is_steady(one) {
                *counts.entry(one).or_default() += 1;
            }
        }
        let often = counts.into_iter().filter(|(_, count)| *count > 1);
        let numbered = often
            .zip(0..)
            .map(|((one, _), number)| (one, (number, is_lasting(one))));
        Self(numbered.collect())
    }

    pub fn of_match(&self, one: &Match) -> Option<Memory> {
        let (one, turned) = upright(one);
        let (number, lasting) = self.0.get(one).copied()?;
        Some(Memory {
            number,
            turned,
            lasting,
        })
    }
}

/// A condition without the `!` before it.
fn upright(one: &Match) -> (&Match, bool) {
    match one {
        Match::Not(inner) => (inner, true),
        other => (other, false),
    }
}

fn is_steady(one: &Match) -> bool {
    match one {
        Match::Protocol(_)
        | Match::Address(..)
        | Match::InInterface(_)
        | Match::OutInterface(_)
        | Match::Port(..)
        | Match::Ports(..)
        | Match::AddressType(..)
        | Match::Mss(_)
        | Match::Length(_) => true,
        Match::Other { module, .. } => STEADY.contains(&module.as_str()),
        _ => false,
    }
}

/// Whether it looks at nothing that rewriting a destination, or going on to the next hook, changes.
fn is_lasting(one: &Match) -> bool {
    match one {
        Match::Protocol(_)
        | Match::Address(Side::Source, _)
        | Match::InInterface(_)
        | Match::Port(Side::Source, _)
        | Match::Ports(Side::Source, _)
        | Match::Mss(_)
        | Match::Length(_) => true,
        Match::Other { module, words } => {
            module == "mac"
                || (module == "set"
                    && words
                        .last()
                        .is_some_and(|flags| flags.split(',').all(|flag| flag == "src")))
        }
        _ => false,
    }
}
