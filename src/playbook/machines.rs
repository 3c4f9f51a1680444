//! What hosts are to each other: those that lead to others come after them, and none is there under two names.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Run;
use super::run::Part;
use crate::inventory::HostSpec;
use crate::problem::Problem;
use crate::rollout::RolloutPlan;

/// How a host is reached, as far as that is known before the run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Way {
    /// What ssh makes of the host's address, where it was asked.
    pub hostname: Option<String>,
    /// The hosts that it is reached through: each with its names and addresses, and its port.
    pub through: Vec<(Vec<String>, Option<u16>)>,
}

impl Run {
    /// The same run in which a host through which others are reached has its turn apart from them and after them, at the
    /// end of its play. `ways` are those of its turns, in their order.
    ///
    /// # Errors
    /// Hosts that come in a play before one behind them, and hosts that lead to each other.
    pub fn with_bastions_last(self, ways: &[Way]) -> Result<Self, Vec<Problem>> {
        let bastions = self.bastions(ways);
        if bastions.iter().all(Vec::is_empty) {
            return Ok(self);
        }
        let problems = self.in_wrong_plays(&bastions);
        if !problems.is_empty() {
            return Err(problems);
        }
        let levels = levels(&bastions).map_err(|circle| vec![self.circle(&circle)])?;
        Ok(self.by_level(&levels))
    }

    /// Hosts of the inventory that are one machine: the same address and port, reached the same way.
    #[must_use]
    pub fn named_twice(&self) -> Vec<Problem> {
        let mut names: HashMap<_, &str> = HashMap::new();
        let mut problems = Vec::new();
        for HostSpec { name, connection, .. } in self.turns.iter().map(|turn| &turn.host) {
            let address = spelled(&connection.host);
            let way = (&connection.common_args, &connection.extra_args);
            let first = *names.entry((address, connection.port, way)).or_insert(name);
            if first != name {
                problems.push(one_machine(first, name, &connection.host, connection.port));
            }
        }
        problems
    }

    /// For each turn those of the hosts that it is reached through.
    fn bastions(&self, ways: &[Way]) -> Vec<Vec<usize>> {
        let known = Names::of(self, ways);
        let through = |(host, way): (usize, &Way)| {
            let hops = way.through.iter();
            let mut found: Vec<usize> = hops.flat_map(|(names, port)| known.find(names, *port)).collect();
            found.retain(|bastion| *bastion != host);
            found.sort_unstable();
            found.dedup();
            found
        };
        let mut bastions: Vec<Vec<usize>> = ways.iter().enumerate().map(through).collect();
        bastions.resize_with(self.turns.len(), Vec::new);
        bastions
    }

    /// The part that each turn is of.
    fn parts_of_turns(&self) -> Vec<usize> {
        let parts = self.parts.iter().enumerate();
        parts
            .flat_map(|(index, part)| std::iter::repeat_n(index, part.hosts))
            .collect()
    }

    fn in_wrong_plays(&self, bastions: &[Vec<usize>]) -> Vec<Problem> {
        let parts = self.parts_of_turns();
        let part_of = |host: usize| parts.get(host).copied().unwrap_or_default();
        let mut told = HashMap::new();
        for (host, through) in bastions.iter().enumerate() {
            for bastion in through.iter().filter(|bastion| part_of(**bastion) < part_of(host)) {
                told.entry((*bastion, part_of(host))).or_insert(host);
            }
        }
        let mut told: Vec<_> = told.into_iter().collect();
        told.sort_unstable();
        let problem = |((bastion, part), host)| self.too_early(bastion, host, part);
        told.into_iter().filter_map(problem).collect()
    }

    fn too_early(&self, bastion: usize, host: usize, part: usize) -> Option<Problem> {
        let at = self.parts.get(part)?.at.as_ref()?;
        let (bastion, host) = (self.name(bastion), self.name(host));
        let message = format!("{host} of this play is reached through {bastion}, which an earlier play updates");
        let hint = format!("put the play with {bastion} after this one: a fault there must not cut the way to others");
        Some(Problem::at(at, message).hint(hint))
    }

    fn circle(&self, hosts: &[usize]) -> Problem {
        let names: Vec<&str> = hosts.iter().take(3).map(|host| self.name(*host)).collect();
        let message = format!(
            "hosts are reached through each other, so that none can come after the others: {}",
            names.join(", ")
        );
        Problem::new(message).hint("update some of them in a run of their own, with --limit")
    }

    fn name(&self, host: usize) -> &str {
        self.turns.get(host).map_or("", |turn| &turn.host.name)
    }

    /// Within each play hosts of level 0 first, those that lead to them next, and so on: groups that never mix.
    fn by_level(mut self, levels: &[usize]) -> Self {
        let parts = self.parts_of_turns();
        let key = |host: usize| (parts.get(host).copied(), levels.get(host).copied());
        let mut keyed: Vec<_> = self.turns.into_iter().enumerate().collect();
        keyed.sort_by_key(|(host, _)| key(*host));
        let keys: Vec<_> = keyed.iter().map(|(host, _)| key(*host)).collect();
        self.turns = keyed.into_iter().map(|(_, turn)| turn).collect();
        let groups: Vec<usize> = keys.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
        let mut groups = groups.into_iter();
        let mut plan = RolloutPlan::new(self.forks);
        for part in &self.parts {
            plan = plan.then(&groups_of(part, &mut groups), &part.serial, part.policy);
        }
        self.plan = plan;
        self
    }
}

/// The next groups, as many as make up the play.
fn groups_of(part: &Part, groups: &mut impl Iterator<Item = usize>) -> Vec<usize> {
    let mut left = part.hosts;
    let mut own = Vec::new();
    while left > 0 {
        let Some(group) = groups.next() else { break };
        left = left.saturating_sub(group);
        own.push(group);
    }
    own
}

fn one_machine(first: &str, second: &str, address: &str, port: Option<u16>) -> Problem {
    let port = port.map_or_else(String::new, |port| format!(", port {port}"));
    let message = format!("{first} and {second} are one machine: the address of both is {address}{port}");
    Problem::new(message).hint("keep one of the two names: a host can be in several groups under one")
}

/// The hosts of a run by their names and addresses.
struct Names<'r> {
    run: &'r Run,
    by_name: HashMap<&'r str, usize>,
    by_address: HashMap<String, Vec<usize>>,
}

impl<'r> Names<'r> {
    fn of(run: &'r Run, ways: &[Way]) -> Self {
        let mut names = Self {
            run,
            by_name: HashMap::new(),
            by_address: HashMap::new(),
        };
        for (index, turn) in run.turns.iter().enumerate() {
            names.by_name.insert(&turn.host.name, index);
            let address = spelled(&turn.host.connection.host);
            let resolved = ways.get(index).and_then(|way| way.hostname.as_deref()).map(spelled);
            let resolved = resolved.filter(|resolved| *resolved != address);
            for address in resolved.into_iter().chain([address]) {
                names.by_address.entry(address).or_default().push(index);
            }
        }
        names
    }

    /// The hosts that a hop is. Of several at one address, which are forwarded ports, those at its port.
    fn find(&self, names: &[String], port: Option<u16>) -> Vec<usize> {
        if let Some(host) = names.iter().find_map(|name| self.by_name.get(name.as_str())) {
            return vec![*host];
        }
        let found = names.iter().find_map(|name| self.by_address.get(&spelled(name)));
        let found = found.map_or(&[][..], Vec::as_slice);
        let is_there = |host: &usize| {
            let own = self.run.turns.get(*host).and_then(|turn| turn.host.connection.port);
            found.len() == 1 || own.unwrap_or(22) == port.unwrap_or(22)
        };
        found.iter().copied().filter(is_there).collect()
    }
}

/// An address as it is compared.
fn spelled(address: &str) -> String {
    let bare = address.trim_matches(['[', ']']);
    bare.parse::<IpAddr>()
        .map_or_else(|_| bare.to_lowercase(), |address| address.to_canonical().to_string())
}

/// How many hosts are behind each, one behind the other; the hosts of a circle where there is one.
fn levels(bastions: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut behind = vec![0_usize; bastions.len()];
    for bastion in bastions.iter().flatten() {
        if let Some(count) = behind.get_mut(*bastion) {
            *count += 1;
        }
    }
    let mut levels = vec![0_usize; bastions.len()];
    let mut ready: Vec<usize> = (0..bastions.len())
        .filter(|host| behind.get(*host) == Some(&0))
        .collect();
    while let Some(host) = ready.pop() {
        let next = levels.get(host).map_or(0, |level| level + 1);
        for &bastion in bastions.get(host).into_iter().flatten() {
            let (Some(level), Some(count)) = (levels.get_mut(bastion), behind.get_mut(bastion)) else {
                continue;
            };
            *level = next.max(*level);
            *count -= 1;
            if *count == 0 {
                ready.push(bastion);
            }
        }
    }
    let circle: Vec<usize> = (0..behind.len()).filter(|host| behind.get(*host) != Some(&0)).collect();
    if circle.is_empty() { Ok(levels) } else { Err(circle) }
}
