//! What the counting rules of a generation tell about our own probes.

use std::collections::HashMap;

use super::change::Change;
use super::rule::Rule;
use super::ruleset::Ruleset;
use crate::mapping::{PortRange, Protocol};

/// Something that our probes' packets are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counter {
    /// Came to a mapped port, just before the redirect.
    Redirected {
        /// TCP or UDP.
        protocol: Protocol,
        /// The mapped port(s) of one redirect ([`crate::mapping::Mapping::redirects`]).
        port: PortRange,
    },
    /// Passed the redirect and all of filter INPUT: was delivered.
    Seen {
        /// TCP or UDP.
        protocol: Protocol,
        /// The mapped port(s) of one redirect.
        port: PortRange,
        /// Where it leads.
        to_port: u16,
    },
    /// Came to a target port directly and was taken away by the guard.
    Guarded {
        /// TCP or UDP.
        protocol: Protocol,
        /// The target port.
        to_port: u16,
    },
}

impl Change {
    /// How many packets of our probes each counting rule of this generation has counted, summed over its chains, in
    /// rules that were read with counters (`iptables-save -c`). Counters without a rule are missing.
    #[must_use]
    pub fn counted(&self, ruleset: &Ruleset) -> HashMap<Counter, u64> {
        let mut sums = HashMap::new();
        for (table, chain, lines) in self.chains() {
            let live = ruleset.rules(table, &chain);
            let packets: HashMap<_, _> = live.iter().map(|rule| (rule.meaning(), packets(rule))).collect();
            for (counter, rule) in lines.iter().filter_map(|line| line.counter.zip(line.rule())) {
                if let Some(packets) = packets.get(&rule.meaning()) {
                    *sums.entry(counter).or_insert(0) += packets;
                }
            }
        }
        sums
    }
}

fn packets(rule: &Rule) -> u64 {
    rule.counters.map_or(0, |(packets, _)| packets)
}
