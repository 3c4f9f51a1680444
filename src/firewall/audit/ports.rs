//! Ports that rules tell apart, and those that they do not.

use std::collections::BTreeSet;

use crate::firewall::{Match, PortSpan, Ruleset};

/// More pieces of one range than these are not looked at each.
const MOST: usize = 64;

/// The ports that are in both.
pub(super) fn intersected(one: &[PortSpan], other: &[PortSpan]) -> Vec<PortSpan> {
    let mut both = Vec::new();
    for a in one {
        for b in other {
            let (first, last) = (a.first.max(b.first), a.last.min(b.last));
            if first <= last {
                both.push(PortSpan { first, last });
            }
        }
    }
    both
}

/// Every span of ports that a rule names.
pub(super) fn named(ruleset: &Ruleset) -> Vec<PortSpan> {
    let mut spans = BTreeSet::new();
    let rules = ruleset
        .tables
        .iter()
        .flat_map(|table| &table.chains)
        .flat_map(|chain| chain.rules.iter());
    for one in rules.flat_map(|rule| &rule.matches) {
        collect(one, &mut spans);
    }
    spans.into_iter().collect()
}

fn collect(one: &Match, spans: &mut BTreeSet<PortSpan>) {
    match one {
        Match::Not(inner) => collect(inner, spans),
        Match::Port(_, span) | Match::OriginalPort(span) => {
            spans.insert(*span);
        }
        Match::Ports(_, several) => spans.extend(several),
        _ => {}
    }
}

/// Cuts a range where a rule begins or ends to mean some of its ports: what holds for the first port of a piece holds for
/// all of it. `false`: there were too many pieces, and the last one is what was left.
pub(super) fn pieces(whole: PortSpan, named: &[PortSpan]) -> (Vec<PortSpan>, bool) {
    let ends = named
        .iter()
        .flat_map(|span| [Some(span.first), span.last.checked_add(1)]);
    let cuts: BTreeSet<u16> = ends
        .flatten()
        .filter(|cut| whole.first < *cut && *cut <= whole.last)
        .collect();
    let exact = cuts.len() < MOST;
    let starts: Vec<u16> = [whole.first].into_iter().chain(cuts).take(MOST).collect();
    let last = |index: usize| starts.get(index + 1).map_or(whole.last, |next| next - 1);
    let pieces = starts.iter().enumerate().map(|(index, first)| PortSpan {
        first: *first,
        last: last(index),
    });
    (pieces.collect(), exact)
}

/// `22`, `8000-8010`.
pub(super) fn written(span: PortSpan) -> String {
    if span.first == span.last {
        span.first.to_string()
    } else {
        format!("{}-{}", span.first, span.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u16, last: u16) -> PortSpan {
        PortSpan { first, last }
    }

    #[test]
    fn a_range_is_cut_where_rules_tell_its_ports_apart() {
        let (pieces, exact) = pieces(span(8000, 8010), &[span(8003, 8003), span(8009, 9000), span(22, 22)]);
        assert_eq!(
            pieces,
            [span(8000, 8002), span(8003, 8003), span(8004, 8008), span(8009, 8010)]
        );
        assert!(exact);
    }

    #[test]
    fn the_highest_port_has_none_after_it() {
        assert_eq!(
            pieces(span(65_535, 65_535), &[span(0, 65_535)]).0,
            [span(65_535, 65_535)]
        );
    }
}
