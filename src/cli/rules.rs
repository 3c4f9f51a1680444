//! `portmap-deploy rules`: rule sets as text, without any host.

use std::io::Write as _;

use super::args::{IpFamily, RulesCommand, Sources};
use super::error::{self, Error};
use super::{deploy, machine, rules_file, sources};
use crate::firewall::{self, Family, Generation};
use crate::inventory::{self, HostSpec, Settings};
use crate::report::{ExitCode, sanitise};

/// Runs the command.
pub(super) fn run(command: RulesCommand) -> Result<ExitCode, Error> {
    let text = match command {
        RulesCommand::Fmt { file, counters } => {
            let source = rules_file::text(&file)?;
            firewall::format(&source.text, counters).map_err(|error| rules_file::unreadable(&source, &error))?
        }
        RulesCommand::Render { sources, family } => render(sources, family)?,
    };
    // A reader that went away does not make it a failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::Done)
}

/// The first generation of each host.
fn render(sources: Sources, family: Option<IpFamily>) -> Result<String, Error> {
    let world = machine();
    if sources.says_nothing() {
        return Err(Error::NothingAsked);
    }
    let settings = Settings::read(&*world).map_err(Error::Problems)?;
    error::warn(&settings.warnings);
    let request = sources::request(sources, &settings, None, &*world)?;
    let loaded = inventory::load(&request, &world).map_err(Error::Problems)?;
    error::warn(&loaded.warnings);
    let (hosts, without): (Vec<_>, Vec<_>) = loaded.hosts.iter().partition(|host| host.has_portmap);
    let without: Vec<String> = without.into_iter().map(|host| host.name.clone()).collect();
    deploy::say_untouched(&without);
    let families = family.map_or_else(|| vec![Family::V4, Family::V6], |family| vec![family.into()]);
    let texts = hosts
        .into_iter()
        .flat_map(|host| families.iter().map(|family| one(host, *family)));
    Ok(texts.collect())
}

/// One family of a host. The first line says whose it is, and what loads it.
fn one(host: &HostSpec, family: Family) -> String {
    let tool = match family {
        Family::V4 => "iptables-restore --noflush",
        Family::V6 => "ip6tables-restore --noflush",
    };
    let name = sanitise(&host.name);
    let rules = firewall::fresh(family, &host.mappings, Generation(1));
    let empty = if rules.is_empty() {
        " (no mappings, no rules)"
    } else {
        ""
    };
    format!("# {name}, {}: {tool}{empty}\n{rules}", family.name())
}
