//! The tree of groups and hosts, as `ansible-inventory --graph`.

use super::{Dump, python};
use crate::inventory::data::{ALL, GroupId};
use crate::inventory::precedence::Var;
use crate::problem::Problem;
use crate::yaml::Value;

/// Lines of a graph; a group that hangs below many others is printed below each, so that they may be many.
const MAX_LINES: usize = 2_000_000;

impl Dump<'_, '_> {
    /// The tree from a group on, all of its hosts in it whatever the limit; with the variables of each if asked for.
    pub fn graph(&self, from: GroupId, with_vars: bool) -> Result<String, Vec<Problem>> {
        let mut graph = Graph {
            dump: self,
            with_vars,
            lines: Vec::new(),
        };
        graph.group(from, 0)?;
        Ok(graph.lines.join("\n"))
    }
}

struct Graph<'d, 'p, 'v> {
    dump: &'d Dump<'p, 'v>,
    with_vars: bool,
    lines: Vec<String>,
}

impl Graph<'_, '_, '_> {
    fn group(&mut self, group: GroupId, depth: usize) -> Result<(), Vec<Problem>> {
        if self.lines.len() > MAX_LINES {
            let message = format!("the graph has more than {MAX_LINES} lines: groups share too many children");
            return Err(vec![Problem::new(message)]);
        }
        let name = self.dump.group_name(group);
        self.line(&format!("@{name}:"), depth);
        let (children, hosts) = self.dump.members(group);
        for child in children {
            self.group(child, depth + 1)?;
        }
        for host in hosts.into_iter().filter(|_| name != ALL) {
            self.line(self.dump.host_name(host), depth + 1);
            if self.with_vars {
                self.vars(&self.dump.host_vars(host)?, depth + 2)?;
            }
        }
        if self.with_vars {
            self.vars(&self.dump.group_vars(group)?, depth + 1)?;
        }
        Ok(())
    }

    fn vars(&mut self, vars: &[Var<'_>], depth: usize) -> Result<(), Vec<Problem>> {
        for var in vars {
            let text = match &var.node.value {
                Value::Vault(cipher) => self.decrypted(var, cipher)?,
                _ => python::text(var.node),
            };
            self.line(&format!("{{{} = {text}}}", var.name), depth);
        }
        Ok(())
    }

    /// As Ansible does, this shows what is encrypted to whoever has the password.
    fn decrypted(&self, var: &Var<'_>, cipher: &str) -> Result<String, Vec<Problem>> {
        let texts = &self.dump.precedence.layered.files.texts;
        let closed = |why: String| vec![Problem::at(&var.node.at, format!("cannot decrypt {}: {why}", var.name))];
        texts.decrypt(cipher).map_err(closed)
    }

    fn line(&mut self, text: &str, depth: usize) {
        let branches = "  |".repeat(depth);
        let joint = if depth == 0 { "" } else { "--" };
        self.lines.push(format!("{branches}{joint}{text}"));
    }
}
