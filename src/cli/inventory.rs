//! `portmap-deploy inventory`: what an inventory says, in Ansible's own forms.

use std::io::Write as _;

use super::args;
use super::error::{self, Error};
use super::{machine, sources};
use crate::inventory::{self, Loaded, Question, Settings};
use crate::problem::Problem;
use crate::report::ExitCode;

/// Runs the command.
pub(super) fn run(args: args::Inventory) -> Result<ExitCode, Error> {
    let world = machine();
    let settings = Settings::read(&*world).map_err(Error::Problems)?;
    error::warn(&settings.warnings);
    let (check, question) = (args.check, question(&args));
    if let Some(folder) = &args.playbook_dir
        && !folder.is_dir()
    {
        error::warn(&[Problem::new(format!("{} is no folder", folder.display()))]);
    }
    let request = sources::request(args.sources, &settings, args.playbook_dir, &*world)?;
    let text = if check {
        let loaded = inventory::load(&request, &world).map_err(Error::Problems)?;
        error::warn(&loaded.warnings);
        nothing_wrong(&loaded)
    } else {
        let answer = inventory::ask(&request, &question, &world).map_err(Error::Problems)?;
        error::warn(&answer.warnings);
        answer.text
    };
    // A reader that went away does not make it a failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::Done)
}

fn nothing_wrong(loaded: &Loaded) -> String {
    let mappings: usize = loaded.hosts.iter().map(|host| host.mappings.mappings().len()).sum();
    let without = loaded.hosts.iter().filter(|host| !host.has_portmap).count();
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (hosts, mappings) = (plural(loaded.hosts.len(), "host"), plural(mappings, "mapping"));
    let rest = match without {
        0 => String::new(),
        without => format!(" ({without} without a `portmap` variable)"),
    };
    format!("nothing is wrong: {hosts}{rest}, {mappings}\n")
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
