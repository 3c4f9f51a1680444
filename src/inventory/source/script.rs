//! Executable files: what Ansible's `script` plugin makes of the JSON that they print.

mod answer;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use self::answer::Answered;
use crate::inventory::data::{Data, GroupId};
use crate::problem::{Location, Problem, Source};
use crate::world::World;
use crate::yaml::{self, Node, Value};

/// The most problems of one answer: nobody reads more.
const MAX_PROBLEMS: usize = 1000;

/// Asks a script for its groups, and for the variables of each host unless they came along. `false`: the file is no
/// program, whatever its mode says.
///
/// # Errors
/// It fails, does not end, or prints what is no inventory.
pub(super) fn read(path: &Path, world: &dyn World, data: &mut Data) -> Result<bool, Vec<Problem>> {
    let Answered::Text(source) = answer::ask(path, &["--list"], "--list", world, data).map_err(one)? else {
        return Ok(false);
    };
    let mut reader = Reader::new(data);
    let hostvars = reader.list(&source)?;
    match hostvars {
        Some(hostvars) => reader.given(&hostvars).map_err(one)?,
        None => reader.asked(path, world).map_err(one)?,
    }
    Ok(true)
}

/// Runs a program that prints an inventory with the variables of all hosts.
///
/// # Errors
/// As for [`read`].
pub(super) fn ask(
    program: &Path,
    arguments: &[&str],
    world: &dyn World,
    data: &mut Data,
) -> Result<bool, Vec<Problem>> {
    let Answered::Text(source) = answer::ask(program, arguments, "--list", world, data).map_err(one)? else {
        let problem = Problem::new(format!("{} is no program", program.display()));
        return Err(vec![problem]);
    };
    let mut reader = Reader::new(data);
    if let Some(hostvars) = reader.list(&source)? {
        reader.given(&hostvars).map_err(one)?;
    }
    Ok(true)
}

fn one(problem: Problem) -> Vec<Problem> {
    vec![problem]
}

/// What a script printed.
fn json(source: &Arc<Source>) -> Result<Node, Vec<Problem>> {
    yaml::read_json(source).map(|document| document.root)
}

fn entries<'n>(node: &'n Node, what: &str) -> Result<&'n [(Node, Node)], Problem> {
    match &node.value {
        Value::Map(entries) => Ok(entries),
        other => Err(Problem::at(
            &node.at,
            format!("{what} is {}, and must be a map", other.kind()),
        )),
    }
}

/// A name where Ansible has no use for anything but text.
fn name<'n>(node: &'n Node, what: &str) -> Result<&'n str, Problem> {
    node.as_str().filter(|name| !name.is_empty()).ok_or_else(|| {
        let kind = if node.as_str().is_some() {
            "empty"
        } else {
            node.value.kind()
        };
        Problem::at(&node.at, format!("the name of {what} is {kind}"))
    })
}

struct Reader<'d> {
    data: &'d mut Data,
    /// The script's hosts in the order in which it names them.
    hosts: Vec<(String, Location)>,
    known: HashSet<String>,
}

impl<'d> Reader<'d> {
    fn new(data: &'d mut Data) -> Self {
        Self {
            data,
            hosts: Vec::new(),
            known: HashSet::new(),
        }
    }

    /// Adds the groups, and finds the variables of the hosts.
    fn list(&mut self, source: &Arc<Source>) -> Result<Option<Node>, Vec<Problem>> {
        let root = json(source)?;
        let groups = entries(&root, "what the script printed").map_err(one)?;
        let meta = root.get("_meta").map(hostvars).transpose().map_err(one)?;
        let mut problems = Vec::new();
        for (key, body) in groups.iter().filter(|(key, _)| key.as_str() != Some("_meta")) {
            problems.extend(self.group(key, body).err());
            if problems.len() >= MAX_PROBLEMS {
                break;
            }
        }
        if problems.is_empty() { Ok(meta) } else { Err(problems) }
    }

    fn group(&mut self, key: &Node, body: &Node) -> Result<(), Problem> {
        let name = name(key, "a group")?;
        let group = self.data.add_group(name, &key.at)?;
        let Value::Map(parts) = &body.value else {
            return self.hosts(group, name, body);
        };
        let known = ["hosts", "vars", "children"];
        if !known.iter().any(|part| body.get(part).is_some()) {
            return self.host_of_its_own(group, key, parts);
        }
        if let Some(hosts) = body.get("hosts") {
            self.hosts(group, name, hosts)?;
        }
        if let Some(vars) = body.get("vars") {
            for (key, value) in entries(vars, &format!("vars of the group {name}"))? {
                let key = key.as_str().unwrap_or_default();
                self.data.set_group_variable(group, key, value.clone())?;
            }
        }
        body.get("children")
            .map_or(Ok(()), |children| self.children(group, name, children))
    }

    /// A map of anything else: a group of one host, with variables that are no templates.
    fn host_of_its_own(&mut self, group: GroupId, key: &Node, vars: &[(Node, Node)]) -> Result<(), Problem> {
        let name = name(key, "a group")?;
        let message =
            format!("the group {name} has no hosts, vars or children: Ansible takes it for a host of this name");
        self.data.warnings.push(Problem::at(&key.at, message));
        self.host(group, key)?;
        for (key, value) in vars {
            let key = key.as_str().unwrap_or_default();
            self.data.set_group_variable(group, key, yaml::made_unsafe(value))?;
        }
        Ok(())
    }

    fn hosts(&mut self, group: GroupId, name: &str, hosts: &Node) -> Result<(), Problem> {
        let Value::List(items) = &hosts.value else {
            let message = format!(
                "hosts of the group {name} is {}, and must be a list",
                hosts.value.kind()
            );
            return Err(Problem::at(&hosts.at, message));
        };
        items.iter().try_for_each(|host| self.host(group, host))
    }

    fn host(&mut self, group: GroupId, host: &Node) -> Result<(), Problem> {
        let name = name(host, "a host")?;
        self.data.add_host(name, Some(group), None, &host.at)?;
        if self.known.insert(name.to_owned()) {
            self.hosts.push((name.to_owned(), host.at.clone()));
        }
        Ok(())
    }

    /// Whatever Python can walk: the items of a list, the keys of a map, the letters of a text.
    fn children(&mut self, group: GroupId, of: &str, children: &Node) -> Result<(), Problem> {
        match &children.value {
            Value::List(items) => items
                .iter()
                .try_for_each(|child| self.child(group, name(child, "a group")?, &child.at)),
            Value::Map(items) => items
                .iter()
                .try_for_each(|(child, _)| self.child(group, name(child, "a group")?, &child.at)),
            Value::String(text) => text
                .chars()
                .try_for_each(|child| self.child(group, &child.to_string(), &children.at)),
            other => {
                let message = format!("children of the group {of} is {}, and must be a list", other.kind());
                Err(Problem::at(&children.at, message))
            }
        }
    }

    fn child(&mut self, group: GroupId, name: &str, at: &Location) -> Result<(), Problem> {
        let child = self.data.add_group(name, at)?;
        self.data.add_child(group, child, at)
    }

    /// Variables that came along. Those of hosts that no group has are not looked at.
    fn given(&mut self, hostvars: &Node) -> Result<(), Problem> {
        let entries = entries(hostvars, "hostvars")?;
        for (host, vars) in entries {
            if let Some(host) = host.as_str().filter(|host| self.known.contains(*host)) {
                set(self.data, host, vars)?;
            }
        }
        Ok(())
    }

    /// Asks the script for the variables of each host. One that fails will fail for the rest, too.
    fn asked(&mut self, path: &Path, world: &dyn World) -> Result<(), Problem> {
        if let Some((_, at)) = self.hosts.first() {
            let problem = Problem::at(at, "the script has no `_meta`, so that it is run again for every host");
            let hint = "print the variables of all hosts under `_meta: {hostvars: {}}`; Ansible will ask for that, too";
            self.data.warnings.push(problem.hint(hint));
        }
        for (host, _) in std::mem::take(&mut self.hosts) {
            let option = format!("--host {host}");
            let answer = answer::ask(path, &["--host", &host], &option, world, self.data)?;
            if let Answered::Text(source) = answer
                && !source.text.trim_matches(crate::inventory::literal::is_space).is_empty()
            {
                let vars = json(&source).map_err(first)?;
                set(self.data, &host, &vars)?;
            }
        }
        Ok(())
    }
}

fn first(problems: Vec<Problem>) -> Problem {
    problems
        .into_iter()
        .next()
        .unwrap_or_else(|| Problem::new("the script printed no JSON"))
}

fn set(data: &mut Data, host: &str, vars: &Node) -> Result<(), Problem> {
    for (key, value) in entries(vars, &format!("what the script says of the host {host}"))? {
        data.set_variable(host, key.as_str().unwrap_or_default(), value.clone())?;
    }
    Ok(())
}

/// The variables of hosts in `_meta`, which may also name the form of it all.
fn hostvars(meta: &Node) -> Result<Node, Problem> {
    entries(meta, "`_meta`")?;
    if let Some(profile) = meta
        .get("profile")
        .filter(|profile| profile.as_str() != Some("inventory_legacy"))
    {
        let message = "this profile of `_meta` is unknown";
        return Err(Problem::at(&profile.at, message).hint("there is `inventory_legacy`"));
    }
    let hostvars = meta
        .get("hostvars")
        .ok_or_else(|| Problem::at(&meta.at, "`_meta` has no hostvars"))?;
    entries(hostvars, "hostvars of `_meta`")?;
    Ok(hostvars.clone())
}

/// As [`io::Error`] says it, where a program cannot be run at all.
fn is_no_program(error: &io::Error) -> bool {
    /// `ENOEXEC`: neither a binary of this machine, nor a text with an interpreter.
    const NO_FORMAT: i32 = 8;
    error.raw_os_error() == Some(NO_FORMAT)
}

#[cfg(test)]
mod tests;
