//! Random inventories: what each source and file says, as data for the model and as text for the program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use portmap_deploy::inventory::Request;
use portmap_deploy::world::InMemory;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Their order by name is not that of their depth: a group has children behind it in this list only.
pub const GROUPS: [&str; 9] = ["web", "alpha", "zone", "web2", "middle", "beta", "x", "db", "apple"];
const HOSTS: [&str; 6] = ["web1", "db1", "h1", "h2", "x.example", "a-host"];
const FOLDERS: [&str; 4] = ["", "one", "two", "play"];
/// As they are looked for.
pub const EXTENSIONS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
/// In a file, and of a host, the last is a variable like any other.
const NAMES: [&str; 5] = ["v1", "v2", "v3", "v4", "ansible_group_priority"];

pub type Vars = BTreeMap<String, String>;

/// What one source says of a group.
#[derive(Debug, Clone)]
pub struct Block {
    pub group: &'static str,
    pub vars: Vars,
    pub priority: Option<i8>,
    pub children: Vec<&'static str>,
    pub hosts: Vec<(&'static str, Vars)>,
}

#[derive(Debug, Clone)]
pub struct SourceFile {
    pub folder: &'static str,
    is_ini: bool,
    pub blocks: Vec<Block>,
}

/// The folder of a vars file, the group or host that it is of, and its extension.
pub type Place = (&'static str, &'static str, usize);

#[derive(Debug, Clone)]
pub struct Case {
    pub sources: Vec<SourceFile>,
    pub playbook_folder: &'static str,
    pub files: BTreeMap<Place, Vars>,
    pub extra: Vars,
}

/// Terms with their signs.
#[derive(Debug, Clone)]
pub struct Limit {
    pub terms: Vec<(Sign, String)>,
    separator: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Add,
    Keep,
    Remove,
}

pub fn case() -> impl Strategy<Value = Case> {
    let sources = prop::collection::vec(source(), 1..4);
    let entities: Vec<&'static str> = ["all", "ungrouped"].into_iter().chain(GROUPS).chain(HOSTS).collect();
    let place = (select(&FOLDERS[..]), select(entities), 0..EXTENSIONS.len());
    let files = prop::collection::btree_map(place, vars(&NAMES), 0..16);
    let extra = prop_oneof![3 => Just(Vars::new()), 1 => vars(&NAMES)];
    (sources, select(&FOLDERS[..]), files, extra).prop_map(|(sources, playbook_folder, files, extra)| {
        Case {
            sources,
            playbook_folder,
            files,
            extra,
        }
        .signed()
    })
}

fn source() -> impl Strategy<Value = SourceFile> {
    let groups: Vec<usize> = (0..GROUPS.len()).collect();
    let ordinary = subsequence(groups, 0..=GROUPS.len()).prop_shuffle();
    let ordinary = ordinary.prop_flat_map(|groups| groups.into_iter().map(block).collect::<Vec<_>>());
    let special = |group, chance| prop::option::weighted(chance, special(group));
    let blocks = (ordinary, special("all", 0.6), special("ungrouped", 0.4));
    let blocks = blocks.prop_map(|(mut blocks, all, ungrouped)| {
        blocks.extend(all);
        blocks.extend(ungrouped);
        blocks
    });
    let shuffled = blocks.prop_shuffle();
    (select(&FOLDERS[..3]), any::<bool>(), shuffled).prop_map(|(folder, is_ini, blocks)| SourceFile {
        folder,
        is_ini,
        blocks,
    })
}

fn block(index: usize) -> impl Strategy<Value = Block> {
    let below = GROUPS[index + 1..].to_vec();
    let most = below.len().min(4);
    parts(GROUPS[index], subsequence(below, 0..=most))
}

/// `all`, which has all groups below it, or `ungrouped`, which has none.
fn special(group: &'static str) -> impl Strategy<Value = Block> {
    let below = if group == "all" { GROUPS.to_vec() } else { Vec::new() };
    let most = below.len().min(3);
    parts(group, subsequence(below, 0..=most))
}

fn parts(group: &'static str, children: impl Strategy<Value = Vec<&'static str>>) -> impl Strategy<Value = Block> {
    let hosts = prop::collection::btree_map(select(&HOSTS[..]), vars(&NAMES), 0..4);
    let priority = prop::option::weighted(0.3, -3..12_i8);
    (vars(&NAMES[..4]), priority, children, hosts).prop_map(move |(vars, priority, children, hosts)| Block {
        group,
        vars,
        priority,
        children,
        hosts: hosts.into_iter().collect(),
    })
}

fn vars(names: &'static [&'static str]) -> impl Strategy<Value = Vars> {
    subsequence(names, 0..=names.len().min(3))
        .prop_map(|names| names.into_iter().map(|name| (name.to_owned(), String::new())).collect())
}

pub fn limit() -> impl Strategy<Value = Limit> {
    let globs = ["web*", "*1", "a*", "*e*", "?b*", "none", "*"];
    let names: Vec<&str> = GROUPS
        .into_iter()
        .chain(HOSTS)
        .chain(["all", "ungrouped"])
        .chain(globs)
        .collect();
    let sign = prop_oneof![3 => Just(Sign::Add), 1 => Just(Sign::Keep), 1 => Just(Sign::Remove)];
    let terms = prop::collection::vec((sign, select(names).prop_map(str::to_owned)), 1..5);
    (terms, select(vec![":", ",", " , "])).prop_map(|(terms, separator)| Limit { terms, separator })
}

impl Limit {
    pub fn text(&self) -> String {
        let term = |(sign, name): &(Sign, String)| match sign {
            Sign::Add => name.clone(),
            Sign::Keep => format!("&{name}"),
            Sign::Remove => format!("!{name}"),
        };
        self.terms.iter().map(term).collect::<Vec<_>>().join(self.separator)
    }
}

impl Case {
    /// Every value says where it stands, so that no two are alike.
    fn signed(mut self) -> Self {
        let sign = |vars: &mut Vars, place: &str| vars.values_mut().for_each(|value| place.clone_into(value));
        for (at, source) in self.sources.iter_mut().enumerate() {
            for block in &mut source.blocks {
                sign(&mut block.vars, &format!("source{at}/{}", block.group));
                for (host, vars) in &mut block.hosts {
                    sign(vars, &format!("source{at}/{}/{host}", block.group));
                }
            }
        }
        for ((folder, entity, extension), vars) in &mut self.files {
            sign(vars, &format!("file/{folder}/{entity}{}", EXTENSIONS[*extension]));
        }
        sign(&mut self.extra, "extra");
        self
    }

    fn path(folder: &str, file: &str) -> PathBuf {
        PathBuf::from(folder).join(file)
    }

    fn source_path(&self, at: usize) -> PathBuf {
        let source = &self.sources[at];
        let extension = if source.is_ini { "ini" } else { "yml" };
        Self::path(source.folder, &format!("hosts{at}.{extension}"))
    }

    pub fn world(&self) -> InMemory {
        let mut world = InMemory::default();
        for (at, source) in self.sources.iter().enumerate() {
            let text = if source.is_ini { source.ini() } else { source.yaml() };
            world = world.file(self.source_path(at), text);
        }
        for ((folder, entity, extension), vars) in &self.files {
            let kind = if HOSTS.contains(entity) {
                "host_vars"
            } else {
                "group_vars"
            };
            let path = Self::path(folder, &format!("{kind}/{entity}{}", EXTENSIONS[*extension]));
            world = world.file(path, flow(vars));
        }
        world
    }

    pub fn request(&self) -> Request {
        let sources = 0..self.sources.len();
        let extra = self.extra.iter().map(|(name, value)| format!("{name}={value}"));
        Request {
            inventory: sources.map(|at| self.source_path(at).display().to_string()).collect(),
            extra_vars: extra.collect(),
            playbook_folder: Some(self.playbook_folder.into()),
            ..Request::default()
        }
    }
}

/// A map in YAML, and in JSON as well.
fn flow(vars: &Vars) -> String {
    let entries: Vec<String> = vars
        .iter()
        .map(|(name, value)| format!("\"{name}\": \"{value}\""))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

impl SourceFile {
    fn yaml(&self) -> String {
        // An empty file would be none of YAML.
        let mut text = "all:\n".to_owned();
        if self.blocks.iter().any(|block| block.group == "all") {
            text.clear();
        }
        for block in &self.blocks {
            let mut vars = flow(&block.vars);
            if let Some(priority) = block.priority {
                let comma = if block.vars.is_empty() { "" } else { ", " };
                vars = format!("{{ansible_group_priority: {priority}{comma}{}", &vars[1..]);
            }
            let children: Vec<String> = block.children.iter().map(|child| format!("{child}: ")).collect();
            let hosts: Vec<String> = block
                .hosts
                .iter()
                .map(|(host, vars)| format!("{host}: {}", flow(vars)))
                .collect();
            writeln!(
                text,
                "{}: {{vars: {vars}, children: {{{}}}, hosts: {{{}}}}}",
                block.group,
                children.join(", "),
                hosts.join(", ")
            )
            .unwrap();
        }
        text
    }

    fn ini(&self) -> String {
        let mut text = String::new();
        for block in &self.blocks {
            let group = block.group;
            writeln!(text, "[{group}]").unwrap();
            for (host, vars) in &block.hosts {
                let vars: Vec<String> = vars.iter().map(|(name, value)| format!(" {name}={value}")).collect();
                writeln!(text, "{host}{}", vars.join("")).unwrap();
            }
            writeln!(text, "[{group}:vars]").unwrap();
            for (name, value) in &block.vars {
                writeln!(text, "{name} = {value}").unwrap();
            }
            if let Some(priority) = block.priority {
                writeln!(text, "ansible_group_priority={priority}").unwrap();
            }
            // Each must have a section of its own in the file; `ungrouped` may have none for children.
            for child in &block.children {
                writeln!(text, "[{child}]\n[{group}:children]\n{child}").unwrap();
            }
        }
        text
    }
}
