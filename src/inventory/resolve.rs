//! Groups of groups, and which variable wins: as Ansible's `Group.depth` and `combine_vars` over groups sorted by
//! depth, priority and name.

use indexmap::{IndexMap, IndexSet};

use super::read::{Draft, Group};
use super::{Host, Inventory};
use crate::problem::{Location, Problem};

const ALL: &str = "all";
const UNGROUPED: &str = "ungrouped";

/// The groups as a graph. Numbers are positions in the draft's `groups`.
struct Graph {
    parents: Vec<Vec<usize>>,
    /// The longest path from `all`.
    depth: Vec<usize>,
}

/// Turns what was read into an inventory.
pub(super) fn inventory(mut draft: Draft) -> Result<Inventory, Vec<Problem>> {
    draft.groups.entry(ALL.to_owned()).or_default();
    draft.groups.entry(UNGROUPED.to_owned()).or_default();
    let graph = Graph::of(&draft.groups);
    draft.problems.extend(graph.as_ref().err().cloned());
    let (Ok(graph), true) = (graph, draft.problems.is_empty()) else {
        return Err(draft.problems);
    };
    warn_of_shared_names(&mut draft);
    let members = memberships(&draft, &graph);
    let mut inventory = Inventory {
        hosts: IndexMap::new(),
        groups: IndexMap::new(),
        warnings: draft.warnings,
    };
    for group in draft.groups.keys() {
        inventory.groups.insert(group.clone(), IndexSet::new());
    }
    for (position, ((name, own), groups)) in draft.hosts.into_iter().zip(members).enumerate() {
        let mut host = Host {
            name: name.clone(),
            at: own.at,
            groups: Vec::new(),
            vars: IndexMap::new(),
        };
        for group in groups {
            let Some((group_name, group)) = draft.groups.get_index(group) else {
                continue;
            };
            host.vars
                .extend(group.vars.iter().map(|(name, value)| (name.clone(), value.clone())));
            inventory.groups.entry(group_name.clone()).or_default().insert(position);
            if group_name != ALL {
                host.groups.push(group_name.clone());
            }
        }
        host.vars.extend(own.vars);
        inventory.hosts.insert(name, host);
    }
    Ok(inventory)
}

fn warn_of_shared_names(draft: &mut Draft) {
    for (name, host) in &draft.hosts {
        if draft.groups.contains_key(name) {
            draft.warnings.push(Problem::at(
                &host.at,
                format!("{name} is the name of a host and of a group"),
            ));
        }
    }
}

/// Each host's groups, ancestors included, in the order in which their variables apply.
fn memberships(draft: &Draft, graph: &Graph) -> Vec<Vec<usize>> {
    let mut direct: Vec<Vec<usize>> = vec![Vec::new(); draft.hosts.len()];
    for (position, group) in draft.groups.values().enumerate() {
        for host in group.hosts.iter().filter_map(|host| draft.hosts.get_index_of(host)) {
            if let Some(groups) = direct.get_mut(host) {
                groups.push(position);
            }
        }
    }
    direct
        .into_iter()
        .map(|groups| ordered(&draft.groups, graph, graph.with_ancestors(&draft.groups, groups)))
        .collect()
}

fn ordered(groups: &IndexMap<String, Group>, graph: &Graph, members: IndexSet<usize>) -> Vec<usize> {
    let mut members: Vec<usize> = members.into_iter().collect();
    members.sort_by_key(|&member| {
        let depth = graph.depth.get(member).copied().unwrap_or_default();
        groups
            .get_index(member)
            .map(|(name, group)| (depth, group.priority, name))
    });
    members
}

impl Graph {
    fn of(groups: &IndexMap<String, Group>) -> Result<Self, Problem> {
        let mut parents = vec![Vec::new(); groups.len()];
        for (parent, group) in groups.values().enumerate() {
            for child in group.children.keys().filter_map(|child| groups.get_index_of(child)) {
                if let Some(parents) = parents.get_mut(child) {
                    parents.push(parent);
                }
            }
        }
        let all = groups.get_index_of(ALL).unwrap_or_default();
        for (position, parents) in parents.iter_mut().enumerate() {
            if parents.is_empty() && position != all {
                parents.push(all);
            }
        }
        let depth = depths(groups, &parents)?;
        Ok(Self { parents, depth })
    }

    /// All groups of a host that is directly in `direct`. A host in no group is in `ungrouped`, any other is not.
    fn with_ancestors(&self, groups: &IndexMap<String, Group>, direct: Vec<usize>) -> IndexSet<usize> {
        let (all, ungrouped) = (groups.get_index_of(ALL), groups.get_index_of(UNGROUPED));
        let mut direct: Vec<usize> = direct
            .into_iter()
            .filter(|group| ![all, ungrouped].contains(&Some(*group)))
            .collect();
        if direct.is_empty() {
            direct.extend(ungrouped);
        }
        let mut found: IndexSet<usize> = all.into_iter().collect();
        while let Some(group) = direct.pop() {
            if found.insert(group) {
                direct.extend(self.parents.get(group).into_iter().flatten());
            }
        }
        found
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

/// Where the last link of a circle is written.
fn place(groups: &IndexMap<String, Group>, names: &[&str]) -> Option<Location> {
    let [.., parent, child] = names else {
        return None;
    };
    groups.get(*parent)?.children.get(*child).cloned()
}
