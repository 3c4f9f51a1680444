//! What a host has, what it should have, and so what to do: `(observed, desired) → Unchanged | Change | Stop`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::firewall::{self, Change, Counter, Family, Generation, Mark, Ruleset, Standing, View};
use crate::mapping::{Direct, Mapping, MappingSet, Protocol};

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

/// A host as it was found.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The families whose rules we manage.
    pub families: Vec<Managed>,
    /// Our address as the host sees it.
    pub here: Option<IpAddr>,
    /// Addresses that the host says it has, of global scope.
    pub addresses: Vec<IpAddr>,
    /// The generation that is kept for the next boot.
    pub current: Option<u32>,
    /// How long the host runs, seconds.
    pub uptime: u64,
    /// Things worth saying.
    pub warnings: Vec<String>,
}

type Sections = BTreeMap<String, String>;

impl Observed {
    /// Reads what the agent's `observe` answered.
    ///
    /// # Errors
    /// When something is missing on the host, or its rules are in both backends or not readable.
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
        let mut observed = Self {
            families: Vec::new(),
            here: fact("ssh")
                .and_then(|ssh| ssh.split(' ').next()?.parse().ok())
                .map(|ip: IpAddr| ip.to_canonical()),
            addresses: addresses(sections),
            current: fact("current").and_then(|current| current.parse().ok()),
            uptime: fact("uptime")
                .and_then(|uptime| uptime.parse().ok())
                .unwrap_or_default(),
            warnings: Vec::new(),
        };
        let v4 = managed(sections, Family::V4)?.ok_or_else(|| {
            Stop::failed(
                "iptables is not installed on the host",
                "install it there, on Debian and Ubuntu: apt install iptables",
            )
        })?;
        observed.families.push(v4);
        observed.read_v6(sections, fact("ipv6").is_some(), fact("nat6") == Some("no"))?;
        Ok(observed)
    }

    fn read_v6(&mut self, sections: &Sections, on: bool, without_nat: bool) -> Result<(), Stop> {
        if !on {
            self.warnings
                .push("IPv6 is off on this host: only IPv4 is managed".to_owned());
            return Ok(());
        }
        match managed(sections, Family::V6)? {
            Some(mut v6) => {
                v6.view.nat = !without_nat;
                self.families.push(v6);
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

    /// Treats a family as one without a nat table: its guard alone is managed.
    pub fn without_nat(&mut self, family: Family) {
        for managed in self.families.iter_mut().filter(|managed| managed.view.family == family) {
            managed.view.nat = false;
        }
    }

    /// What is there to do.
    #[must_use]
    pub fn plan(&self, desired: &MappingSet, mark: impl Fn(Family) -> Mark) -> Plan {
        let standings: Vec<_> = self
            .families
            .iter()
            .map(|managed| firewall::standing(&managed.view, desired))
            .collect();
        if standings.iter().all(|standing| *standing == Standing::Absent) {
            return Plan::Unchanged(None);
        }
        let in_sync = standings.iter().map(|standing| match standing {
            Standing::InSync(generation) if Some(generation.0) == self.current => Some(*generation),
            _ => None,
        });
        let first = in_sync.clone().next().flatten();
        if first.is_some() && in_sync.clone().all(|generation| generation == first) {
            return Plan::Unchanged(first);
        }
        let differences = standings
            .iter()
            .zip(&self.families)
            .flat_map(|(standing, managed)| match standing {
                Standing::Differs(reasons) => reasons
                    .iter()
                    .map(|reason| format!("{}: {reason}", managed.view.family.name()))
                    .collect(),
                _ => Vec::new(),
            });
        let differences = differences.collect();
        let generation = self.next_generation();
        let families = self.families.iter().map(|managed| {
            let family = managed.view.family;
            FamilyChange {
                family,
                tool: managed.tool.clone(),
                nat: managed.view.nat,
                change: firewall::change(&managed.view, desired, generation, &mark(family)),
            }
        });
        Plan::Change(Box::new(HostChange {
            generation,
            families: families.collect(),
            differences,
        }))
    }

    fn next_generation(&self) -> Generation {
        let seen = self
            .families
            .iter()
            .filter_map(|managed| firewall::installed(&managed.view.ruleset).highest);
        let highest = seen
            .map(|generation| generation.0)
            .chain(self.current)
            .max()
            .unwrap_or_default();
        Generation(highest.saturating_add(1))
    }
}

/// What to do with a host.
#[derive(Debug)]
pub enum Plan {
    /// It runs what it should: this generation, or nothing of ours.
    Unchanged(Option<Generation>),
    /// It needs a new generation.
    Change(Box<HostChange>),
}

/// The change of a host.
#[derive(Debug)]
pub struct HostChange {
    /// Its new generation.
    pub generation: Generation,
    /// By family.
    pub families: Vec<FamilyChange>,
    /// How it differs from what it should be.
    pub differences: Vec<String>,
}

/// The change of one family.
#[derive(Debug)]
pub struct FamilyChange {
    /// Which family.
    pub family: Family,
    /// What to run.
    pub tool: String,
    /// Whether it has a nat table.
    pub nat: bool,
    /// The change.
    pub change: Change,
}

/// Packets of our probes by family.
pub type Counts = BTreeMap<(Family, Counter), u64>;

impl HostChange {
    /// The tool of a family, `-` where it is not managed.
    #[must_use]
    pub fn tool(&self, family: Family) -> &str {
        self.families
            .iter()
            .find(|one| one.family == family)
            .map_or("-", |one| one.tool.as_str())
    }

    /// The transaction's files on the host, by the names that the agent knows.
    #[must_use]
    pub fn files(&self) -> Vec<(String, String)> {
        self.families.iter().flat_map(FamilyChange::files).collect()
    }

    /// Reads rules back, as answered by the agent's `rules`.
    ///
    /// # Errors
    /// When a family's rules are missing or cannot be read.
    pub fn read_back(&self, sections: &Sections) -> Result<Vec<Ruleset>, String> {
        let one = |family: &FamilyChange| {
            let title = format!("rules {} {}", digit(family.family), family.tool);
            let text = sections
                .get(&title)
                .ok_or_else(|| format!("{} rules could not be read back", family.family.name()))?;
            Ruleset::parse(text)
                .map_err(|error| format!("{} rules could not be read back: {error}", family.family.name()))
        };
        self.families.iter().map(one).collect()
    }

    /// Compares rules that were read back after `loosen`, or after `tighten`, with what should be there.
    ///
    /// # Errors
    /// What is not as it should be.
    pub fn check(&self, rules: &[Ruleset], tightened: bool) -> Result<(), String> {
        for (family, ruleset) in self.families.iter().zip(rules) {
            let checked = if tightened {
                family.change.check_tightened(ruleset)
            } else {
                family.change.check_loosened(ruleset)
            };
            checked.map_err(|faults| {
                format!(
                    "the host's {} rules do not read back as written: {}",
                    family.family.name(),
                    faults.join("; ")
                )
            })?;
        }
        Ok(())
    }

    /// What our probes' counters show.
    #[must_use]
    pub fn counted(&self, rules: &[Ruleset]) -> Counts {
        let families = self.families.iter().zip(rules);
        families
            .flat_map(|(family, ruleset)| {
                let counted = family.change.counted(ruleset);
                counted
                    .into_iter()
                    .map(|(counter, packets)| ((family.family, counter), packets))
            })
            .collect()
    }

    /// What the operator should know.
    pub fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        self.families.iter().flat_map(|one| {
            one.change
                .warnings
                .iter()
                .map(|warning| format!("{}: {warning}", one.family.name()))
        })
    }
}

impl FamilyChange {
    fn files(&self) -> Vec<(String, String)> {
        let change = &self.change;
        let name = |what: String| format!("{}.{what}", digit(self.family));
        let lines = |lines: &[String]| lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
        let mut files = vec![
            (name("stage".to_owned()), change.stage.clone()),
            (name("loosen".to_owned()), change.loosen.clone()),
            (name("undo".to_owned()), change.undo.loosen.clone()),
            (name("rejump".to_owned()), lines(&change.undo.rejump)),
            (name("after".to_owned()), lines(&change.undo.after)),
        ];
        files.extend(change.place.iter().map(|text| (name("place".to_owned()), text.clone())));
        files.extend(
            change
                .tighten
                .iter()
                .map(|text| (name("tighten".to_owned()), text.clone())),
        );
        for undo in &change.undo.tables {
            files.push((name(format!("{}.want", undo.table)), lines(&undo.want)));
            let levels = undo.levels.iter().enumerate();
            files.extend(levels.map(|(level, text)| (name(format!("{}.{}", undo.table, level + 1)), text.clone())));
        }
        for (what, inputs) in [("clean", &change.clean), ("boot", &change.boot)] {
            for (place, input) in inputs.iter().enumerate() {
                let tries = input.tries.iter().enumerate();
                files.extend(
                    tries.map(|(attempt, text)| (name(format!("{what}.{}.{}", place + 1, attempt + 1)), text.clone())),
                );
            }
        }
        if !self.nat {
            files.push((name("nonat".to_owned()), "no nat table\n".to_owned()));
        }
        files
    }
}

fn digit(family: Family) -> char {
    match family {
        Family::V4 => '4',
        Family::V6 => '6',
    }
}

fn facts(sections: &Sections) -> BTreeMap<&str, &str> {
    let text = sections.get("facts").map_or("", String::as_str);
    text.lines().filter_map(|line| line.split_once(' ')).collect()
}

/// The tool that has a family's rules. `None`: there is none.
fn managed(sections: &Sections, family: Family) -> Result<Option<Managed>, Stop> {
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
    // The one that has rules is in force; with none in any, the host's own choice.
    found.sort_by_key(|(tool, _, ruleset)| (!ruleset.has_rules(), tool.contains('-')));
    if let [first, second, ..] = found.as_slice()
        && second.2.has_rules()
    {
        return Err(both_backends(&first.0, &second.0));
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

/// proc(5), `/proc/net/if_inet6`: address, index, prefix length, scope (00: global), flags, name.
fn addresses(sections: &Sections) -> Vec<IpAddr> {
    const TEMPORARY_DEPRECATED_TENTATIVE: u32 = 0x01 | 0x20 | 0x40;
    let v6 = sections
        .get("addresses6")
        .map_or("", String::as_str)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = u128::from_str_radix(words.next()?, 16).ok()?;
            let (scope, flags) = (words.nth(2)?, u32::from_str_radix(words.next()?, 16).ok()?);
            (scope == "00" && flags & TEMPORARY_DEPRECATED_TENTATIVE == 0).then(|| Ipv6Addr::from(address).into())
        });
    let v4 = sections
        .get("addresses4")
        .map_or("", String::as_str)
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" inet ")?;
            let global = !before.contains(" lo") && line.contains("scope global");
            let address = after.split(['/', ' ']).next()?;
            global.then(|| address.parse().ok()).flatten()
        });
    v4.chain(v6).collect()
}

/// Ports by which sshd may be reached before and after, the likeliest first: the one that ssh itself would use,
/// mapped ports that lead to it, where it leads itself, and those that the operator named.
#[must_use]
pub fn ways_in(management: u16, set: &MappingSet, previous: &[u16]) -> Vec<u16> {
    let redirects: Vec<_> = tcp(set).flat_map(Mapping::redirects).collect();
    let to_it = redirects
        .iter()
        .filter(|(_, to)| *to == management)
        .map(|(port, _)| port.first());
    let from_it = redirects
        .iter()
        .filter(|(port, _)| port.contains(management))
        .map(|(_, to)| *to);
    let mut ways: Vec<u16> = vec![management];
    for way in to_it.chain(from_it).chain(previous.iter().copied()) {
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

/// The port by which operators reach sshd from now on.
#[must_use]
pub fn way_after(management: u16, set: &MappingSet, here: Option<IpAddr>) -> u16 {
    let leads = tcp(set).flat_map(|mapping| mapping.redirects().into_iter().map(move |redirect| (mapping, redirect)));
    let mut closing = leads.filter(|(mapping, (_, to))| {
        let spared = here.is_some_and(|here| mapping.direct_source.iter().any(|net| net.contains(&here)));
        *to == management && mapping.direct != Direct::Allow && !spared
    });
    closing.next().map_or(management, |(_, (port, _))| port.first())
}

fn tcp(set: &MappingSet) -> impl Iterator<Item = &Mapping> {
    set.mappings()
        .iter()
        .filter(|mapping| mapping.protocol == Protocol::Tcp)
}
