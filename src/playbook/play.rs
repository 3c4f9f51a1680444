//! One play.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::Check;
use super::fields::{Fields, unknown};
use super::setting::{Keyword, Render, Setting};
use super::value::{Hosts, Tags, time};
use super::{foreign, vars};
use crate::inventory::{MAX_ROLLBACK_AFTER, MIN_ROLLBACK_AFTER, boolean, unsupported_become};
use crate::mapping::{MappingSet, port};
use crate::problem::{Location, Problem};
use crate::rollout::{BatchSize, OnFailure, Order, Pause, Percentage, Policy};
use crate::yaml::{Node, Value};

/// The keys of a play.
pub const KEYS: [&str; 24] = [
    "name",
    "hosts",
    "vars",
    "vars_files",
    "portmap",
    "serial",
    "order",
    "max_fail_percentage",
    "max_failures",
    "any_errors_fatal",
    "on_failure",
    "pause",
    "soak",
    "verify",
    "rollback_after",
    "remote_user",
    "port",
    "become",
    "become_user",
    "become_method",
    "become_exe",
    "become_flags",
    "tags",
    "gather_facts",
];

/// Keywords that say how a host is reached, and the variables of hosts that say so with more weight.
const CONNECTION: [(&str, &str); 7] = [
    ("port", "ansible_port"),
    ("remote_user", "ansible_user"),
    ("become", "ansible_become"),
    ("become_user", "ansible_become_user"),
    ("become_method", "ansible_become_method"),
    ("become_exe", "ansible_become_exe"),
    ("become_flags", "ansible_become_flags"),
];

/// A play as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// A name for people; it may hold templates.
    pub name: Option<Node>,
    /// Where it stands.
    pub at: Location,
    /// The folder of its file, from which its `vars_files` are looked up.
    pub folder: PathBuf,
    /// Which hosts it is for.
    pub hosts: Setting<Hosts>,
    /// Its batches.
    pub serial: Option<Setting<Vec<BatchSize>>>,
    /// In which order hosts come.
    pub order: Option<Setting<Order>>,
    /// How many of a hundred hosts of a batch may fail.
    pub max_fail_percentage: Option<Setting<Percentage>>,
    /// How many hosts of the whole play may fail.
    pub max_failures: Option<Setting<u32>>,
    /// Whether the first failure ends the play.
    pub any_errors_fatal: Option<Setting<bool>>,
    /// What happens when too many failed.
    pub on_failure: Option<Setting<OnFailure>>,
    /// What is between two batches.
    pub pause: Option<Setting<Pause>>,
    /// How long a batch is watched before the next one.
    pub soak: Option<Setting<Duration>>,
    /// Its own tags and those of the imports that led to it.
    pub tags: Vec<Setting<Tags>>,
    /// Its variables, as written; a later one wins over an earlier one of the same name.
    pub vars: Vec<(String, Node)>,
    /// Files with more variables: for each its candidates, of which the first that exists is read.
    pub vars_files: Vec<Vec<Node>>,
    /// What stands for the variable `portmap` of all of its hosts.
    pub portmap: Option<Node>,
    /// What stands for their variable `portmap_rollback_after`.
    pub rollback_after: Option<Node>,
    /// What has to hold before a host's change is confirmed; see [`Check::list`].
    pub verify: Option<Node>,
    connection: Vec<(&'static str, Node)>,
}

/// What shapes the rollout of a play, all templates rendered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settled {
    /// The host patterns.
    pub hosts: Vec<String>,
    /// Sizes of batches; empty: all hosts at once.
    pub serial: Vec<BatchSize>,
    /// In which order hosts come.
    pub order: Order,
    /// How careful it is.
    pub policy: Policy,
    /// All of its tags, each once.
    pub tags: Vec<String>,
}

impl Play {
    pub(super) fn read(node: &Node, folder: &Path) -> Result<Self, Vec<Problem>> {
        let mut fields = Fields::of(node);
        refuse_keys(&mut fields);
        let play = Self {
            name: fields.read("name", name),
            at: node.at.clone(),
            folder: folder.to_owned(),
            hosts: hosts(node, &mut fields),
            serial: given(&mut fields, "serial"),
            order: fields.setting("order"),
            max_fail_percentage: fields.setting("max_fail_percentage"),
            max_failures: fields.setting("max_failures"),
            any_errors_fatal: fields.setting("any_errors_fatal"),
            on_failure: fields.setting("on_failure"),
            pause: fields.setting("pause"),
            soak: fields.setting("soak"),
            tags: given(&mut fields, "tags").into_iter().collect(),
            vars: fields.several("vars", vars::vars),
            vars_files: fields.several("vars_files", vars::files),
            portmap: fields.checked("portmap", |node| MappingSet::parse(node).map(drop)),
            rollback_after: window(&mut fields),
            verify: verify(&mut fields),
            connection: connection(&mut fields),
        };
        let mut problems = fields.problems;
        problems.sort_by_key(|problem| problem.at.as_ref().map(|at| at.span.start));
        if problems.is_empty() { Ok(play) } else { Err(problems) }
    }

    /// What connection keywords of the play set, by the names of the variables that win over them wherever the
    /// inventory has them.
    pub fn keywords(&self) -> impl Iterator<Item = (&'static str, &Node)> {
        self.connection.iter().map(|(name, node)| (*name, node))
    }

    /// Renders what shapes the rollout.
    ///
    /// # Errors
    /// What `render` says, and everything that is wrong with what it made of templates.
    pub fn settle(&self, render: &mut Render<'_>) -> Result<Settled, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut settle = Settle {
            render,
            problems: &mut problems,
        };
        let settled = Settled {
            hosts: settle.one(Some(&self.hosts)).map_or_else(Vec::new, |hosts| hosts.0),
            serial: settle.one(self.serial.as_ref()).unwrap_or_default(),
            order: settle.one(self.order.as_ref()).unwrap_or_default(),
            policy: Policy {
                max_fail_percentage: settle.one(self.max_fail_percentage.as_ref()),
                max_failures: settle.one(self.max_failures.as_ref()),
                any_errors_fatal: settle.one(self.any_errors_fatal.as_ref()).unwrap_or_default(),
                on_failure: settle.one(self.on_failure.as_ref()).unwrap_or_default(),
                pause: settle.one(self.pause.as_ref()),
                soak: settle.one(self.soak.as_ref()).unwrap_or_default(),
            },
            tags: settle.tags(&self.tags),
        };
        if problems.is_empty() {
            Ok(settled)
        } else {
            Err(problems)
        }
    }
}

/// Rendering that goes on after a problem.
struct Settle<'r, 'f> {
    render: &'r mut Render<'f>,
    problems: &'r mut Vec<Problem>,
}

impl Settle<'_, '_> {
    fn one<T: Keyword>(&mut self, setting: Option<&Setting<T>>) -> Option<T> {
        match setting?.resolve(self.render) {
            Ok(value) => Some(value),
            Err(found) => {
                self.problems.extend(found);
                None
            }
        }
    }

    fn tags(&mut self, settings: &[Setting<Tags>]) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for tag in settings
            .iter()
            .filter_map(|setting| self.one(Some(setting)))
            .flat_map(|tags| tags.0)
        {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }
}

fn refuse_keys(fields: &mut Fields<'_>) {
    for (key, value) in fields.entries() {
        let name = key.as_str().unwrap_or_default();
        let is_known = KEYS.contains(&name) && (name != "gather_facts" || foreign::is_harmless(value));
        if !is_known {
            let problem = foreign::refusal(name, key).unwrap_or_else(|| unknown(key, &KEYS, "a play"));
            fields.problems.push(problem);
        }
    }
}

/// `hosts`, or something in its place to read on with: the play is refused then.
fn hosts(play: &Node, fields: &mut Fields<'_>) -> Setting<Hosts> {
    let written = fields.find_even_null("hosts");
    if written.is_none() {
        let problem = Problem::at(&play.at, "this play has no `hosts`");
        fields
            .problems
            .push(problem.hint("name groups or hosts; `all` for every host"));
    }
    let read = written.map(|node| Setting::read(node, "hosts"));
    let hosts = read.and_then(|read| fields.note(read));
    hosts.unwrap_or_else(|| Setting::stand_in(play))
}

/// A keyword that Ansible does not let be null.
fn given<T: Keyword>(fields: &mut Fields<'_>, key: &'static str) -> Option<Setting<T>> {
    let read = Setting::read(fields.find_even_null(key)?, key);
    fields.note(read)
}

/// A name is for people: a number will do.
fn name(node: &Node) -> Result<Node, Problem> {
    match node.value {
        Value::List(_) | Value::Map(_) | Value::Vault(_) => node.text("name").map(|_| node.clone()),
        _ => Ok(node.clone()),
    }
}

fn window(fields: &mut Fields<'_>) -> Option<Node> {
    let range = MIN_ROLLBACK_AFTER..=MAX_ROLLBACK_AFTER;
    fields.find("rollback_after")?;
    fields.checked("rollback_after", |node| {
        time(node, "rollback_after", &range)
            .map(drop)
            .map_err(|problem| vec![problem])
    })
}

fn verify(fields: &mut Fields<'_>) -> Option<Node> {
    let node = fields.find("verify")?;
    fields.problems.extend(Check::inspect(node));
    Some(node.clone())
}

/// The variables that connection keywords stand for, checked as far as no template hides them.
fn connection(fields: &mut Fields<'_>) -> Vec<(&'static str, Node)> {
    let mut read = |&(key, variable): &(&'static str, &'static str)| {
        fields.find(key)?;
        let node = fields.checked(key, |node| check_connection(key, node).map_err(|problem| vec![problem]))?;
        Some((variable, node))
    };
    CONNECTION.iter().filter_map(&mut read).collect()
}

fn check_connection(key: &str, node: &Node) -> Result<(), Problem> {
    match key {
        "port" => port(node, "the play's port").map(drop),
        "become" => boolean(node, key).map(drop),
        _ => match unsupported_become(key, node.text(key)?) {
            Some(why) => Err(Problem::at(&node.at, format!("{key}: {why}"))),
            None => Ok(()),
        },
    }
}
