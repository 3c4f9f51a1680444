//! Finds the rules of nat that send packets to another port of the host itself.

use std::net::IpAddr;

use ipnet::IpNet;

use super::ports::{intersected, named};
use crate::firewall::{Match, PortSpan, Rule, Ruleset, Side, Target};

/// Chains in chains are followed this deep.
const DEEPEST: usize = 16;

/// More than any host has; a rule set that is made to be slow ends here.
const MOST: usize = 2000;

/// A rule and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At<'a> {
    pub chain: &'a str,
    /// From 1.
    pub number: usize,
    pub rule: &'a Rule,
}

/// A rule that sends packets to a port of this host, and the rules that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect<'a> {
    /// `PREROUTING` or `OUTPUT`.
    pub hook: &'a str,
    /// From the built-in chain on; the last one is the rule itself.
    pub way: Vec<At<'a>>,
    /// The ports that packets are sent to; `None`: they keep theirs.
    pub to: Option<PortSpan>,
}

impl<'a> Redirect<'a> {
    /// The rule itself.
    pub fn at(&self) -> Option<At<'a>> {
        self.way.last().copied()
    }

    fn matches(&self) -> impl Iterator<Item = &'a Match> {
        self.way.iter().flat_map(|at| at.rule.matches.iter())
    }

    /// The protocol by name; TCP where the rules do not say.
    pub fn protocol(&self) -> &'a str {
        let name = self.matches().find_map(|one| match one {
            Match::Protocol(name) => Some(name.as_str()),
            _ => None,
        });
        name.unwrap_or("tcp")
    }

    /// The destination ports that it takes; `None`: every one.
    pub fn ports(&self) -> Option<Vec<PortSpan>> {
        let said = self.matches().filter_map(|one| match one {
            Match::Port(Side::Destination, span) => Some(vec![*span]),
            Match::Ports(Side::Destination | Side::Either, spans) => Some(spans.clone()),
            _ => None,
        });
        said.reduce(|one, other| intersected(&one, &other))
    }

    /// The one network that packets must come from, where the rules name one.
    pub fn source(&self) -> Option<IpNet> {
        self.address(Side::Source)
    }

    /// The address that packets must go to, where the rules name one.
    pub fn destination(&self) -> Option<IpAddr> {
        self.address(Side::Destination)
            .filter(|net| net.prefix_len() == net.max_prefix_len())
            .map(|net| net.addr())
    }

    fn address(&self, side: Side) -> Option<IpNet> {
        let nets = self.matches().filter_map(|one| match one {
            Match::Address(of, net) if *of == side => Some(*net),
            _ => None,
        });
        nets.max_by_key(IpNet::prefix_len)
    }

    /// The interfaces that packets must come in by, as the rules write them.
    pub fn interface(&self) -> Option<&'a str> {
        self.matches().find_map(|one| match one {
            Match::InInterface(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// All of a family's redirects, in the order in which packets come to them. `own`: whether an address is this host's.
pub(super) fn redirects<'a>(ruleset: &'a Ruleset, own: &impl Fn(IpAddr) -> bool) -> Vec<Redirect<'a>> {
    let mut found = Vec::new();
    for hook in ["PREROUTING", "OUTPUT"] {
        let mut walk = Walk {
            ruleset,
            own,
            hook,
            way: Vec::new(),
            found: &mut found,
        };
        walk.chain(hook);
    }
    found
}

struct Walk<'a, 'f, F> {
    ruleset: &'a Ruleset,
    own: &'f F,
    hook: &'a str,
    way: Vec<At<'a>>,
    found: &'f mut Vec<Redirect<'a>>,
}

impl<'a, F: Fn(IpAddr) -> bool> Walk<'a, '_, F> {
    fn chain(&mut self, name: &str) {
        let Some(chain) = self.ruleset.chain("nat", name) else {
            return;
        };
        for (index, rule) in chain.rules.iter().enumerate() {
            if self.found.len() >= MOST {
                return;
            }
            self.way.push(At {
                chain: &chain.name,
                number: index + 1,
                rule,
            });
            self.rule(rule);
            self.way.pop();
        }
    }

    fn rule(&mut self, rule: &'a Rule) {
        if let Some(to) = self.sends_to(rule) {
            self.found.push(Redirect {
                hook: self.hook,
                way: self.way.clone(),
                to,
            });
        } else if let Some(chain) = rule.leads_to()
            && self.way.len() < DEEPEST
        {
            self.chain(chain);
        }
    }

    /// The ports of this host that a rule sends packets to; `None`: it does not do so.
    #[expect(clippy::option_option, reason = "sends them here, and perhaps to another port")]
    fn sends_to(&self, rule: &Rule) -> Option<Option<PortSpan>> {
        let Target::Jump { name, options } = &rule.target else {
            return None;
        };
        let value = |option: &str| {
            let at = options.iter().position(|word| word == option)?;
            options.get(at + 1).map(String::as_str)
        };
        match name.as_str() {
            "REDIRECT" => Some(value("--to-ports").or(value("--to-port")).and_then(span)),
            "DNAT" => {
                let (address, ports) = destination(value("--to-destination")?)?;
                let named = self.way.iter().any(|at| {
                    let goes_to = |one: &Match| {
                        matches!(one, Match::Address(Side::Destination, net)
                            if net.prefix_len() == net.max_prefix_len() && Some(net.addr()) == address)
                    };
                    at.rule.matches.iter().any(goes_to)
                });
                address
                    .is_none_or(|address| named || address.is_loopback() || (self.own)(address))
                    .then_some(ports)
            }
            _ => None,
        }
    }
}

/// `22`, or `8000-8010`.
fn span(text: &str) -> Option<PortSpan> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let span = PortSpan {
        first: first.parse().ok()?,
        last: last.parse().ok()?,
    };
    (span.first <= span.last).then_some(span)
}

/// `1.2.3.4`, `1.2.3.4:22`, `:22`, `[2001:db8::1]:22`, of ranges of addresses nothing.
fn destination(text: &str) -> Option<(Option<IpAddr>, Option<PortSpan>)> {
    if let Ok(address) = text.parse() {
        return Some((Some(address), None));
    }
    let (address, ports) = text.rsplit_once(':')?;
    let ports = ports.split('/').next().and_then(span);
    match address.trim_matches(['[', ']']) {
        "" => Some((None, ports)),
        address => Some((Some(address.parse().ok()?), ports)),
    }
}

/// A port that stands for all those that no rule names.
pub(super) fn unnamed_port(ruleset: &Ruleset) -> u16 {
    let named = named(ruleset);
    let free = |port: &u16| !named.iter().any(|span| span.first == *port || span.last == *port);
    (47_001..=u16::MAX).find(free).unwrap_or(47_001)
}
