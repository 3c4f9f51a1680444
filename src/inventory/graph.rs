//! What must hold of groups when all sources are read: every group below `all`, hosts of no other group in
//! `ungrouped`, no circles; and the order in which the variables of a host's groups apply. As Ansible's
//! `reconcile_inventory`, `Group.depth` and `sort_groups`.

use std::sync::OnceLock;

use indexmap::{IndexMap, IndexSet};

use super::data::{ALL, Data, Group, GroupId, HostId, UNGROUPED};
use super::pattern::LOCALHOST;
use crate::problem::{Location, Problem};

/// The groups as a graph, their numbers being those of [`GroupId`].
#[derive(Debug)]
pub(super) struct Graph {
    parents: Vec<Vec<usize>>,
    /// The groups in the order in which their variables apply: by depth (the longest path from `all`), priority, name.
    rank: Vec<usize>,
    /// The groups of each host, `all` and all ancestors included, in that order.
    groups_of: Vec<Vec<GroupId>>,
    /// The hosts of each group that was asked for.
    hosts_of: Vec<OnceLock<Vec<HostId>>>,
}

impl Graph {
    /// Puts the data in order.
    pub fn settle(data: &mut Data) -> Result<Self, Problem> {
        let parents = settle_parents(data);
        let depth = depths(&data.groups, &parents)?;
        settle_ungrouped(data, &parents);
        warn_of_shared_names(data);
        remark(data);
        let mut order: Vec<usize> = (0..data.groups.len()).collect();
        order.sort_by_key(|&at| {
            let depth = depth.get(at).copied().unwrap_or_default();
            data.groups
                .get_index(at)
                .map(|(name, group)| (depth, group.priority, name))
        });
        let mut rank = vec![0; order.len()];
        for (place, &group) in order.iter().enumerate() {
            if let Some(rank) = rank.get_mut(group) {
                *rank = place;
            }
        }
        let mut graph = Self {
            parents,
            rank,
            groups_of: Vec::new(),
            hosts_of: std::iter::repeat_with(OnceLock::new).take(data.groups.len()).collect(),
        };
        graph.groups_of = graph.memberships(data);
        Ok(graph)
    }

    /// The groups of a host, `all` and all ancestors included, in the order in which their variables apply.
    pub fn groups_of(&self, host: HostId) -> &[GroupId] {
        self.groups_of.get(host.0).map_or(&[], Vec::as_slice)
    }

    /// The hosts of a group and of the groups below it, each once.
    pub fn hosts_of(&self, groups: &IndexMap<String, Group>, group: GroupId) -> &[HostId] {
        let Some(known) = self.hosts_of.get(group.0) else {
            return &[];
        };
        known.get_or_init(|| hosts_of(groups, group))
    }

    fn memberships(&self, data: &Data) -> Vec<Vec<GroupId>> {
        let mut of_hosts: Vec<Vec<GroupId>> = vec![Vec::new(); data.hosts.len()];
        for (position, group) in data.groups.values().enumerate() {
            let with_ancestors = self.with_ancestors(position);
            for host in &group.hosts {
                if let Some(groups) = of_hosts.get_mut(host.0) {
                    groups.extend(with_ancestors.iter().copied());
                }
            }
        }
        for groups in &mut of_hosts {
            groups.sort_unstable_by_key(|group| self.rank.get(group.0));
            groups.dedup();
            groups.shrink_to_fit();
        }
        of_hosts
    }

    fn with_ancestors(&self, group: usize) -> Vec<GroupId> {
        let mut found = IndexSet::from([group]);
        let mut next = 0;
        while let Some(&group) = found.get_index(next) {
            found.extend(self.parents.get(group).into_iter().flatten().copied());
            next += 1;
        }
        found.into_iter().map(GroupId).collect()
    }
}

/// The hosts of a group and of the groups below it: its own, then level by level those of its children. Within the
/// second and deeper levels Ansible walks a set, whose order changes from run to run; here it is that of declaration.
fn hosts_of(groups: &IndexMap<String, Group>, group: GroupId) -> Vec<HostId> {
    let mut found = IndexSet::from([group]);
    let mut hosts = IndexSet::new();
    let mut next = 0;
    while let Some((_, group)) = found.get_index(next).and_then(|group| groups.get_index(group.0)) {
        found.extend(group.children.keys().copied());
        hosts.extend(group.hosts.iter().copied());
        next += 1;
    }
    hosts.into_iter().collect()
}

/// Every group that has no parent becomes a child of `all`.
fn settle_parents(data: &mut Data) -> Vec<Vec<usize>> {
    let mut parents = vec![Vec::new(); data.groups.len()];
    for (parent, group) in data.groups.values().enumerate() {
        for child in group.children.keys() {
            parents
                .get_mut(child.0)
                .into_iter()
                .for_each(|list: &mut Vec<usize>| list.push(parent));
        }
    }
    let Some(all) = data.group(ALL) else { return parents };
    for (child, parents) in parents.iter_mut().enumerate() {
        if parents.is_empty() && child != all.0 {
            parents.push(all.0);
            data.link(all, GroupId(child), None);
        }
    }
    parents
}

/// Hosts of no other group are in `ungrouped`, and no others. Where `ungrouped` is the child of a group, no host that is
/// written in it is ungrouped.
fn settle_ungrouped(data: &mut Data, parents: &[Vec<usize>]) {
    let (Some(all), Some(ungrouped)) = (data.group(ALL), data.group(UNGROUPED)) else {
        return;
    };
    let mut grouped = vec![false; data.hosts.len()];
    let others = data.groups.values().enumerate();
    for (_, group) in others.filter(|(at, _)| ![all.0, ungrouped.0].contains(at)) {
        for host in &group.hosts {
            grouped.get_mut(host.0).into_iter().for_each(|grouped| *grouped = true);
        }
    }
    let has_parent = parents
        .get(ungrouped.0)
        .is_some_and(|parents| parents.iter().any(|at| *at != all.0));
    let Some((_, ungrouped)) = data.groups.get_index_mut(ungrouped.0) else {
        return;
    };
    let is_alone = |host: &HostId| !grouped.get(host.0).copied().unwrap_or_default();
    let written = std::mem::take(&mut ungrouped.hosts);
    let hosts = (0..data.hosts.len()).map(HostId).filter(|host| !written.contains(host));
    let left = written.iter().copied().filter(|_| !has_parent);
    ungrouped.hosts = left.chain(hosts).filter(is_alone).collect();
}

/// What Ansible warns about.
fn remark(data: &mut Data) {
    let is_odd = |name: &&String| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        name.starts_with(|c: char| !word(c) || c.is_numeric()) || name.contains(|c| !word(c))
    };
    let odd: Vec<&str> = data.groups.keys().filter(is_odd).map(String::as_str).take(4).collect();
    if !odd.is_empty() {
        let message = format!("groups whose names are no names of variables: {}", odd.join(", "));
        data.remarks
            .push(Problem::new(message).hint("`groups.NAME` cannot name them in templates"));
    }
    let localhosts: Vec<&str> = LOCALHOST
        .into_iter()
        .filter(|name| data.hosts.contains_key(*name))
        .collect();
    if localhosts.len() > 1 {
        let message = format!("{} are all this machine", localhosts.join(", "));
        data.remarks.push(Problem::new(message));
    }
}

fn warn_of_shared_names(data: &mut Data) {
    for (name, host) in &data.hosts {
        if data.groups.contains_key(name) {
            let message = format!("{name} is the name of a host and of a group");
            data.warnings.push(Problem::at(&host.at, message));
        }
    }
}

/// The longest path to each group, by taking away groups whose parents are all known. What cannot be taken away
/// leads to a circle.
fn depths(groups: &IndexMap<String, Group>, parents: &[Vec<usize>]) -> Result<Vec<usize>, Problem> {
    let mut depth = vec![0_usize; parents.len()];
    let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut children = vec![Vec::new(); parents.len()];
    for (child, its_parents) in parents.iter().enumerate() {
        for parent in its_parents {
            children
                .get_mut(*parent)
                .into_iter()
                .for_each(|list: &mut Vec<usize>| list.push(child));
        }
    }
    let mut ready: Vec<usize> = waiting
        .iter()
        .enumerate()
        .filter(|(_, count)| **count == 0)
        .map(|(at, _)| at)
        .collect();
    let mut known = 0;
    while let Some(group) = ready.pop() {
        known += 1;
        let below = depth.get(group).copied().unwrap_or_default() + 1;
        for &child in children.get(group).into_iter().flatten() {
            if let (Some(depth), Some(waiting)) = (depth.get_mut(child), waiting.get_mut(child)) {
                *depth = below.max(*depth);
                *waiting -= 1;
                ready.extend((*waiting == 0).then_some(child));
            }
        }
    }
    if known == parents.len() {
        Ok(depth)
    } else {
        Err(circle(groups, parents, &waiting))
    }
}

/// The circle, found by walking from parent to parent among the groups that wait.
fn circle(groups: &IndexMap<String, Group>, parents: &[Vec<usize>], waiting: &[usize]) -> Problem {
    let waits = |group: &usize| waiting.get(*group).is_some_and(|count| *count > 0);
    let mut path = IndexSet::new();
    let mut next = (0..waiting.len()).find(waits);
    while let Some(group) = next.filter(|group| path.insert(*group)) {
        next = parents
            .get(group)
            .and_then(|parents| parents.iter().copied().find(waits));
    }
    let begin = next.and_then(|group| path.get_index_of(&group)).unwrap_or_default();
    let mut names: Vec<&str> = path
        .iter()
        .skip(begin)
        .filter_map(|group| groups.get_index(*group))
        .map(|(name, _)| name.as_str())
        .collect();
    names.reverse();
    names.extend(names.first().copied());
    let problem = Problem::new(format!("groups form a circle: {}", names.join(" → ")));
    Problem {
        at: place(groups, &names),
        ..problem
    }
}

/// Where a link of a circle is written: the last of those that are.
fn place(groups: &IndexMap<String, Group>, names: &[&str]) -> Option<Location> {
    let link = |pair: &[&str]| {
        let [parent, child] = pair else { return None };
        let child = GroupId(groups.get_index_of(*child)?);
        groups.get(*parent)?.children.get(&child)?.clone()
    };
    names.windows(2).rev().find_map(link)
}
