//! `rpfilter`: whether an answer would leave by the interface that the packet came in by (`ipt_rpfilter.c`).

use std::net::IpAddr;

use super::words::Choice;
use super::{Facts, Holds, Test};
use crate::firewall::trace::Host;

/// Its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ReversePath {
    /// Any way back will do.
    loose: bool,
    /// Sources that are this host's own will do.
    accepts_local: bool,
}

impl ReversePath {
    pub fn read(choices: &[Choice<'_>]) -> Option<Test> {
        let mut path = Self::default();
        let mut negated = false;
        for choice in choices {
            match choice.name {
                "--loose" => path.loose = true,
                "--accept-local" => path.accepts_local = true,
                "--validmark" => {}
                "--invert" => negated = true,
                _ => return None,
            }
        }
        Some(Test::ReversePath(path).turned(negated))
    }

    /// By the networks of the host's interfaces, and by the default one for everybody else.
    pub fn holds(self, facts: &Facts, host: &Host) -> Holds<'static> {
        if facts.in_interface.as_deref() == Some("lo") {
            return Holds::Yes;
        }
        let from = facts.in_interface.as_deref().or(host.default_interface.as_deref());
        let back = facts.source.map_or_else(
            || host.default_interface.as_deref().map(Back::By),
            |source| back(source, host),
        );
        match (back, from) {
            (Some(Back::Here), _) => Holds::when(self.accepts_local),
            (Some(Back::By(_)), _) if self.loose => Holds::Yes,
            (Some(Back::By(back)), Some(from)) => Holds::when(back == from),
            _ => Holds::Maybe("rpfilter: the way back to the packet's source is not told"),
        }
    }
}

/// Where the way back to a source begins.
enum Back<'a> {
    Here,
    By(&'a str),
}

/// By the longest prefix, as routes are chosen. A link-local source is one of the link that it came by.
fn back(source: IpAddr, host: &Host) -> Option<Back<'_>> {
    if matches!(source, IpAddr::V6(address) if address.is_unicast_link_local()) {
        return None;
    }
    let nets = host
        .interfaces
        .iter()
        .flat_map(|(name, nets)| nets.iter().map(move |net| (name.as_str(), net)));
    if nets.clone().any(|(_, net)| net.addr() == source) {
        return Some(Back::Here);
    }
    nets.filter(|(_, net)| net.contains(&source))
        .max_by_key(|(_, net)| net.prefix_len())
        .map(|(name, _)| name)
        .or(host.default_interface.as_deref())
        .map(Back::By)
}
