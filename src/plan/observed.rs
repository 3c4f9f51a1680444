//! A host as its agent described it: untrusted text into typed values.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use super::sockets::{Listener, interfaces, listeners};
use super::{Before, Held, Made, Sections, digit};
use crate::firewall::trace::Host;
use crate::firewall::{self, BaseChain, Family, HOST_RULE, Nft, Ruleset, View};
use crate::mapping::MappingSet;

/// Why a host is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// `true`: a change would be wrong; `false`: something is missing.
    pub refused: bool,
    /// One sentence.
    pub reason: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Stop {
    fn failed(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            refused: false,
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }

    fn refused(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            refused: true,
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }
}

/// One family of a host, with the tool that has its rules.
#[derive(Debug, Clone)]
pub struct Managed {
    /// The tool's name: `iptables`, `iptables-legacy`, `ip6tables-nft`, …
    pub tool: String,
    /// Its rules.
    pub view: View,
}

impl Managed {
    /// Whether no rule and no chain of ours is there.
    #[must_use]
    pub fn is_without_us(&self) -> bool {
        firewall::standing(&self.view, &MappingSet::default()) == firewall::Standing::Absent
    }
}

/// Whether our rules are loaded when a host boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// They are, or there are none.
    Settled,
    /// What does so was taken away.
    Missing,
    /// There is nothing that could do so, or the operator forbade it.
    Never,
}

impl Boot {
    fn read(fact: Option<&str>) -> Self {
        match fact {
            None | Some("yes") => Self::Settled,
            Some("missing") => Self::Missing,
            Some(_) => Self::Never,
        }
    }
}

/// A host as it was found.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The families whose rules we manage.
    pub families: Vec<Managed>,
    /// Our address as the host sees it.
    pub here: Option<IpAddr>,
    /// The port of the host's own sshd, whatever port we came in by.
    pub sshd: Option<u16>,
    /// Addresses that the host says it has, of global scope.
    pub addresses: Vec<IpAddr>,
    /// Its interfaces, for a trace; none are known where iproute2 is missing.
    pub host: Host,
    /// The address of the host that we came in by.
    pub there: Option<IpAddr>,
    /// What it listens on; empty: not known.
    pub listeners: Vec<Listener>,
    /// The generation that is kept for the next boot.
    pub current: Option<u32>,
    /// Who made that generation, and of what; generations of older versions of this program do not tell.
    pub made: Option<Made>,
    /// The change that is under way there.
    pub held: Option<Held>,
    /// Whether our rules are loaded at the host's boot, where there are some to load.
    pub boot: Boot,
    /// Whether firewalld runs, which knows nothing of our rules.
    pub firewalld: bool,
    /// Files in which another tool has saved rules of ours.
    pub saved: Option<String>,
    /// Whether files of ours are on the host.
    pub has_files: bool,
    /// How long the host runs, seconds.
    pub uptime: u64,
    /// Rules of nft beside those of iptables, which may take away packets that iptables accepts.
    pub nft: Nft,
    /// Rules are in both backends: the tool that the host prefers is taken for the one, and the other's rules are not known.
    pub both_backends: Option<Stop>,
    /// Things worth saying.
    pub warnings: Vec<String>,
}

impl Observed {
    /// Reads what the agent's `observe` answered.
    ///
    /// # Errors
    /// When something is missing on the host, or its rules are not readable.
    pub fn read(sections: &Sections) -> Result<Self, Stop> {
        let facts = facts(sections);
        let fact = |key: &str| facts.get(key).copied();
        if fact("uid") != Some("0") {
            return Err(Stop::failed(
                format!(
                    "logged in without root's rights (uid {})",
                    fact("uid").unwrap_or("unknown")
                ),
                "log in as root, or set ansible_become: true for a user with password-less sudo",
            ));
        }
        let ssh = |number| fact("ssh").and_then(|ssh| ssh.split(' ').nth(number));
        let address = |number| Some(ssh(number)?.parse::<IpAddr>().ok()?.to_canonical());
        let there = address(2);
        let host = interfaces(sections, there);
        let mut observed = Self {
            families: Vec::new(),
            here: address(0),
            sshd: ssh(3).and_then(|port| port.parse().ok()),
            addresses: addresses(sections, there),
            there,
            listeners: listeners(sections, &host),
            host,
            current: fact("current").and_then(|current| current.parse().ok()),
            made: fact("made").and_then(Made::read),
            held: Held::of(sections),
            boot: Boot::read(fact("boot")),
            firewalld: fact("firewalld").is_some(),
            saved: fact("saved").map(|files| files.split(' ').collect::<Vec<_>>().join(", ")),
            has_files: fact("files") == Some("yes"),
            uptime: fact("uptime")
                .and_then(|uptime| uptime.parse().ok())
                .unwrap_or_default(),
            both_backends: None,
            nft: sections.get("nft").map_or_else(Nft::default, |text| Nft::read(text)),
            warnings: [
                fact("saved").map(saved_elsewhere),
                fact("firewalld").map(|_| by_firewalld()),
            ]
            .into_iter()
            .flatten()
            .collect(),
        };
        observed.warnings.extend(observed.beside_iptables());
        let v4 = observed.managed(sections, Family::V4)?.ok_or_else(|| {
            Stop::failed(
                "iptables is not installed on the host",
                "install it there, on Debian and Ubuntu: apt install iptables",
            )
        })?;
        observed.families.push(v4);
        observed.read_v6(sections, fact("ipv6").is_some(), fact("nat6") == Some("no"))?;
        Ok(observed)
    }

    fn beside_iptables(&self) -> Option<String> {
        let chains: Vec<_> = self.nft.taking().map(BaseChain::describe).collect();
        let chains = chains.join(", ");
        (!chains.is_empty()).then(|| {
            format!("nft has rules of its own on this host; what they drop, no accept of iptables lets in: {chains}")
        })
    }

    /// Names the chains of nft where a rule of the host was found to be in the way.
    #[must_use]
    pub fn blame(&self, why: String) -> String {
        match self.beside_iptables() {
            Some(chains) if why.contains(HOST_RULE) => format!("{why}; {chains}"),
            _ => why,
        }
    }

    fn read_v6(&mut self, sections: &Sections, on: bool, without_nat: bool) -> Result<(), Stop> {
        if !on {
            self.warnings
                .push("IPv6 is off on this host: only IPv4 is managed".to_owned());
            return Ok(());
        }
        match self.managed(sections, Family::V6)? {
            Some(v6) => {
                self.families.push(v6);
                if without_nat {
                    self.without_nat(Family::V6);
                }
            }
            None if self.addresses.iter().any(IpAddr::is_ipv6) => self.warnings.push(
                "there is no ip6tables on this host: over IPv6 the target ports stay as open as they are".to_owned(),
            ),
            None => self
                .warnings
                .push("there is no ip6tables on this host: only IPv4 is managed".to_owned()),
        }
        Ok(())
    }

    /// The tool that has a family's rules. `None`: there is none.
    fn managed(&mut self, sections: &Sections, family: Family) -> Result<Option<Managed>, Stop> {
        let prefix = format!("rules {} ", digit(family));
        let mut found = Vec::new();
        for (title, text) in sections {
            let Some((tool, version)) = title
                .strip_prefix(&prefix)
                .map(|rest| rest.split_once(' ').unwrap_or((rest, "")))
            else {
                continue;
            };
            let ruleset = Ruleset::parse(text).map_err(|error| unreadable(tool, text, &error))?;
            found.push((tool.to_owned(), version.to_owned(), ruleset));
        }
        // The one that has rules is in force; with none in any, or some in both, the host's own choice.
        found.sort_by_key(|(tool, _, ruleset)| (!ruleset.has_rules(), tool.contains('-')));
        if let [first, second, ..] = found.as_slice()
            && second.2.has_rules()
        {
            self.both_backends
                .get_or_insert_with(|| both_backends(&first.0, &second.0));
        }
        let Some((tool, version, ruleset)) = found.into_iter().next() else {
            return Ok(None);
        };
        recent(&tool, &version)?;
        Ok(Some(Managed {
            tool,
            view: View {
                family,
                ruleset,
                nat: true,
            },
        }))
    }

    /// The host, unless its rules are in both backends: then nobody knows what they do together.
    ///
    /// # Errors
    /// Where they are.
    pub fn in_one_backend(self) -> Result<Self, Stop> {
        match self.both_backends {
            Some(stop) => Err(stop),
            None => Ok(self),
        }
    }

    /// How this port leads to the host's sshd now.
    #[must_use]
    pub fn before(&self, port: u16) -> Before {
        let mut families = self.families.iter();
        Before {
            port,
            mapped: families.any(|managed| firewall::redirects(&managed.view.ruleset, port)),
            sshd: self.sshd,
        }
    }

    /// Treats a family as one without a nat table: its guard alone is managed.
    pub fn without_nat(&mut self, family: Family) {
        for managed in self.families.iter_mut().filter(|managed| managed.view.family == family) {
            managed.view.nat = false;
            self.warnings.push(format!(
                "{}: no nat table: mappings do not work, direct access is closed",
                family.name()
            ));
        }
    }
}

fn by_firewalld() -> String {
    "firewalld runs on this host, and `firewall-cmd --reload` takes away all rules that are not its own: deploy again after it".to_owned()
}

fn saved_elsewhere(files: &str) -> String {
    format!(
        "another tool has saved chains of portmap-deploy on the host ({}): when they come from there at a boot, \
         portmap-deploy puts its confirmed rules in their place",
        files.split(' ').collect::<Vec<_>>().join(", ")
    )
}

pub(super) fn facts(sections: &Sections) -> BTreeMap<&str, &str> {
    let text = sections.get("facts").map_or("", String::as_str);
    text.lines().filter_map(|line| line.split_once(' ')).collect()
}

fn both_backends(first: &str, second: &str) -> Stop {
    Stop::refused(
        format!("rules are in both {first} and {second}: both are in force, and neither shows the other's"),
        format!("move them into one of them (compare {first}-save and {second}-save), then run again"),
    )
}

fn unreadable(tool: &str, text: &str, error: &firewall::ParseError) -> Stop {
    let line = text.lines().nth(error.line.saturating_sub(1)).unwrap_or_default();
    Stop::failed(
        format!(
            "cannot read the rules that {tool}-save prints, {error}: {}",
            line.chars().take(200).collect::<String>()
        ),
        format!("look at {tool}-save on the host; rules that only nft can express stop it"),
    )
}

/// iptables 1.8 is the first with two backends to tell apart.
fn recent(tool: &str, version: &str) -> Result<(), Stop> {
    let number = version
        .split_whitespace()
        .find_map(|word| word.strip_prefix('v'))
        .unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    if (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) >= (1, 8) {
        return Ok(());
    }
    Err(Stop::failed(
        format!("{tool} on the host is version {number:?}; 1.8 or newer is needed"),
        "update iptables on the host",
    ))
}

/// Global addresses, those of the interface that has `ours` (where we came in) first: the host may have others
/// that nobody outside reaches, such as a container bridge's.
fn addresses(sections: &Sections, ours: Option<IpAddr>) -> Vec<IpAddr> {
    let lines = |title| sections.get(title).map_or("", String::as_str).lines();
    let v4 = lines("addresses").filter_map(address4);
    let mut found: Vec<(&str, IpAddr)> = v4.chain(lines("addresses6").filter_map(address6)).collect();
    let way_in = found
        .iter()
        .find(|(_, address)| Some(*address) == ours)
        .map(|(name, _)| *name);
    found.sort_by_key(|(name, _)| way_in != Some(*name));
    found.into_iter().map(|(_, address)| address).collect()
}

/// `ip -o addr show`: `2: eth0    inet 192.0.2.1/24 brd … scope global eth0`.
fn address4(line: &str) -> Option<(&str, IpAddr)> {
    let (before, after) = line.split_once(" inet ")?;
    let name = before.split_whitespace().nth(1)?;
    let address = after.split(['/', ' ']).next()?.parse().ok()?;
    (name != "lo" && line.contains("scope global")).then_some((name, address))
}

/// proc(5), `/proc/net/if_inet6`: address, index, prefix length, scope (00: global), flags, name.
fn address6(line: &str) -> Option<(&str, IpAddr)> {
    const TEMPORARY_DEPRECATED_TENTATIVE: u32 = 0x01 | 0x20 | 0x40;
    let mut words = line.split_whitespace();
    let address = u128::from_str_radix(words.next()?, 16).ok()?;
    let (scope, flags) = (words.nth(2)?, u32::from_str_radix(words.next()?, 16).ok()?);
    let name = words.next()?;
    (scope == "00" && flags & TEMPORARY_DEPRECATED_TENTATIVE == 0).then(|| (name, Ipv6Addr::from(address).into()))
}
