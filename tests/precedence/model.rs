//! Ansible's rules, each written out as one would say it, however slow.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, EXTENSIONS, Limit, Sign, Vars};

/// What a case means.
pub struct Model<'c> {
    case: &'c Case,
    /// All groups.
    pub groups: Names,
    /// All hosts.
    pub hosts: Names,
    /// Of each group those right below it.
    pub children: BTreeMap<String, Names>,
    /// Of each group those right in it.
    pub own_hosts: BTreeMap<String, Names>,
    /// Of each group those in it and below it.
    hosts_below: BTreeMap<String, Names>,
    depths: BTreeMap<String, usize>,
}

type Names = BTreeSet<String>;

impl<'c> Model<'c> {
    pub fn of(case: &'c Case) -> Self {
        let mut model = Self {
            case,
            groups: Names::new(),
            hosts: Names::new(),
            children: BTreeMap::new(),
            own_hosts: BTreeMap::new(),
            hosts_below: BTreeMap::new(),
            depths: BTreeMap::new(),
        };
        model.groups = model.find_groups();
        model.hosts = model.find_hosts();
        model.children = model.of_each_group(Self::find_children);
        model.own_hosts = model.of_each_group(Self::find_own_hosts);
        model.hosts_below = model.of_each_group(Self::find_hosts_below);
        model.depths = model.of_each_group(Self::find_depth);
        model
    }

    fn of_each_group<T>(&self, find: impl Fn(&Self, &str) -> T) -> BTreeMap<String, T> {
        let found = |group: &String| (group.clone(), find(self, group));
        self.groups.iter().map(found).collect()
    }

    /// All groups that any source names.
    fn find_groups(&self) -> Names {
        let mut groups = BTreeSet::from(["all".to_owned(), "ungrouped".to_owned()]);
        for source in &self.case.sources {
            for block in &source.blocks {
                groups.insert(block.group.to_owned());
                groups.extend(block.children.iter().map(|child| (*child).to_owned()));
            }
        }
        groups
    }

    fn find_hosts(&self) -> Names {
        let mut hosts = BTreeSet::new();
        for group in &self.groups {
            hosts.extend(self.written_hosts(group));
        }
        hosts
    }

    /// The hosts that sources put into a group.
    fn written_hosts(&self, group: &str) -> Names {
        let mut hosts = BTreeSet::new();
        for source in &self.case.sources {
            for block in source.blocks.iter().filter(|block| block.group == group) {
                hosts.extend(block.hosts.iter().map(|(host, _)| (*host).to_owned()));
            }
        }
        hosts
    }

    /// `ungrouped` has the hosts that are in no group but `all`, and no others.
    fn find_own_hosts(&self, group: &str) -> Names {
        if group != "ungrouped" {
            return self.written_hosts(group);
        }
        let mut alone = self.hosts.clone();
        for other in &self.groups {
            if other != "all" && other != "ungrouped" {
                for host in self.written_hosts(other) {
                    alone.remove(&host);
                }
            }
        }
        alone
    }

    fn written_children(&self, group: &str) -> Names {
        let mut children = BTreeSet::new();
        for source in &self.case.sources {
            for block in source.blocks.iter().filter(|block| block.group == group) {
                children.extend(block.children.iter().map(|child| (*child).to_owned()));
            }
        }
        children
    }

    /// What is below no other group is below `all`.
    fn find_children(&self, group: &str) -> Names {
        let mut children = self.written_children(group);
        if group == "all" {
            let groups = &self.groups;
            for child in groups.iter().filter(|child| *child != "all") {
                let has_parent = groups
                    .iter()
                    .any(|parent| self.written_children(parent).contains(child));
                if !has_parent {
                    children.insert(child.clone());
                }
            }
        }
        children
    }

    /// The longest way from `all`.
    fn find_depth(&self, group: &str) -> usize {
        let parents = self
            .groups
            .iter()
            .filter(|parent| self.children[*parent].contains(group));
        let above = parents.map(|parent| self.find_depth(parent) + 1);
        above.max().unwrap_or(0)
    }

    /// The one that was said last; 1 if none was.
    fn priority(&self, group: &str) -> i8 {
        let mut priority = 1;
        for source in &self.case.sources {
            for block in source.blocks.iter().filter(|block| block.group == group) {
                priority = block.priority.unwrap_or(priority);
            }
        }
        priority
    }

    /// All hosts in a group and below it.
    fn find_hosts_below(&self, group: &str) -> Names {
        let mut hosts = self.own_hosts[group].clone();
        for child in &self.children[group] {
            hosts.extend(self.find_hosts_below(child));
        }
        hosts
    }

    /// The groups of a host, those above them included: the weakest first.
    fn groups_of(&self, host: &str) -> Vec<String> {
        let groups = self.groups.iter().cloned();
        let mut groups: Vec<String> = groups.filter(|group| self.hosts_below[group].contains(host)).collect();
        groups.sort_by_key(|group| (self.depths[group], self.priority(group), group.clone()));
        groups
    }

    pub fn variables(&self, host: &str) -> Vars {
        let groups = self.groups_of(host);
        let without_all: Vec<String> = groups.iter().filter(|group| *group != "all").cloned().collect();
        let mut vars = Vars::new();
        for group in &groups {
            self.add_inline_of_group(group, &mut vars);
        }
        self.add_files(&["all".to_owned()], &mut vars);
        self.add_files(&without_all, &mut vars);
        self.add_inline_of_host(host, &mut vars);
        self.add_files(&[host.to_owned()], &mut vars);
        vars.extend(self.case.extra.clone());
        vars
    }

    fn add_inline_of_group(&self, group: &str, vars: &mut Vars) {
        for source in &self.case.sources {
            for block in source.blocks.iter().filter(|block| block.group == group) {
                vars.extend(block.vars.clone());
            }
        }
    }

    /// In the order in which they are written: what is said later wins.
    fn add_inline_of_host(&self, host: &str, vars: &mut Vars) {
        for source in &self.case.sources {
            for block in &source.blocks {
                for (_, own) in block.hosts.iter().filter(|(name, _)| *name == host) {
                    vars.extend(own.clone());
                }
            }
        }
    }

    /// Folder by folder: those of the sources, then the playbook's; within each, in the order of the groups.
    fn add_files(&self, entities: &[String], vars: &mut Vars) {
        let sources = self.case.sources.iter().map(|source| source.folder);
        for folder in sources.chain([self.case.playbook_folder]) {
            for entity in entities {
                vars.extend(self.file(folder, entity));
            }
        }
    }

    /// The first of the extensions is read alone.
    fn file(&self, folder: &str, entity: &str) -> Vars {
        for extension in 0..EXTENSIONS.len() {
            let found = self
                .case
                .files
                .iter()
                .find(|((at, of, end), _)| (*at, *of, *end) == (folder, entity, extension));
            if let Some((_, vars)) = found {
                return vars.clone();
            }
        }
        BTreeMap::new()
    }

    /// Hosts to add, then those to keep, then those to take away, wherever they are written; nothing to add: all.
    pub fn limited(&self, limit: &Limit) -> Names {
        let of = |sign: Sign| {
            limit
                .terms
                .iter()
                .filter(move |(own, _)| *own == sign)
                .map(|(_, name)| name)
        };
        let mut left = BTreeSet::new();
        if of(Sign::Add).next().is_none() {
            left.clone_from(&self.hosts);
        }
        for name in of(Sign::Add) {
            left.extend(self.named(name));
        }
        for name in of(Sign::Keep) {
            let named = self.named(name);
            left.retain(|host| named.contains(host));
        }
        for name in of(Sign::Remove) {
            let named = self.named(name);
            left.retain(|host| !named.contains(host));
        }
        left
    }

    /// The hosts of all groups that a name or a glob means, and the hosts that it means.
    fn named(&self, name: &str) -> Names {
        let mut hosts: Names = self.hosts.iter().filter(|host| matches(name, host)).cloned().collect();
        for group in self.groups.iter().filter(|group| matches(name, group)) {
            hosts.extend(self.hosts_below[group].clone());
        }
        hosts
    }
}

/// `*` is anything, `?` one character.
fn matches(glob: &str, name: &str) -> bool {
    match glob.chars().next() {
        None => name.is_empty(),
        Some('*') => (0..=name.len()).any(|at| matches(&glob[1..], &name[at..])),
        Some(first) => name
            .chars()
            .next()
            .is_some_and(|own| (first == '?' || first == own) && matches(&glob[1..], &name[1..])),
    }
}
