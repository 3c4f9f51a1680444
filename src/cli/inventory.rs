//! `portmap-deploy inventory`: what an inventory says, in Ansible's own forms.

use std::io::Write as _;
use std::path::PathBuf;

use super::args;
use super::error::{self, Error};
use super::machine;
use crate::inventory::{self, Question, Request};
use crate::report::ExitCode;

/// Runs the command.
pub(super) fn run(args: args::Inventory) -> Result<ExitCode, Error> {
    if args.check {
        return check(args);
    }
    let question = question(&args);
    let request = request(&args.sources, args.playbook_dir)?;
    let answer = inventory::ask(&request, &question, &machine()).map_err(Error::Problems)?;
    error::warn(&answer.warnings);
    // A reader that went away does not make it a failure.
    let _ = std::io::stdout().lock().write_all(answer.text.as_bytes());
    Ok(ExitCode::Done)
}

/// Loads every host as a deploy would, and says that nothing is wrong.
fn check(args: args::Inventory) -> Result<ExitCode, Error> {
    let request = request(&args.sources, args.playbook_dir)?;
    let loaded = inventory::load(&request, &machine()).map_err(Error::Problems)?;
    error::warn(&loaded.warnings);
    let mappings: usize = loaded.hosts.iter().map(|host| host.mappings.mappings().len()).sum();
    let without = loaded.hosts.iter().filter(|host| !host.has_portmap).count();
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (hosts, mappings) = (plural(loaded.hosts.len(), "host"), plural(mappings, "mapping"));
    let rest = match without {
        0 => String::new(),
        without => format!(" ({without} without a `portmap` variable)"),
    };
    let _ = writeln!(std::io::stdout().lock(), "nothing is wrong: {hosts}{rest}, {mappings}");
    Ok(ExitCode::Done)
}

fn question(args: &args::Inventory) -> Question {
    match &args.host {
        Some(host) if args.yaml => return Question::HostYaml(host.clone()),
        Some(host) => return Question::Host(host.clone()),
        None => {}
    }
    if args.graph {
        return Question::Graph {
            group: args.group.clone().unwrap_or_else(|| "all".to_owned()),
            vars: args.vars,
        };
    }
    if args.list_hosts {
        Question::ListHosts
    } else if args.yaml {
        Question::ListYaml
    } else {
        Question::List
    }
}

fn request(sources: &args::Sources, playbook_folder: Option<PathBuf>) -> Result<Request, Error> {
    if sources.inventory.is_empty() {
        return Err(Error::NoInventory);
    }
    Ok(Request {
        inventory: sources.inventory.clone(),
        limit: sources.limit.iter().cloned().collect(),
        extra_vars: sources.extra_vars.clone(),
        playbook_folder: playbook_folder.unwrap_or_default(),
        ..Request::default()
    })
}
