//! `portmap-deploy explain`: the ways of packets through netfilter as a picture.

use super::args::{self, Explain};
use super::deploy;
use super::error::{self, Error};
use super::output_file::OutputFile;
use super::rules_file::RulesFile;
use super::{machine, sources};
use crate::explain::{Pen, Sheet, svg, terminal};
use crate::firewall::explain::{Call, Policy, explain, made};
use crate::firewall::trace::Host;
use crate::firewall::{Family, Ruleset};
use crate::inventory::{self, HostSpec, Settings};
use crate::mapping::{Mapping, MappingSet};
use crate::problem::Source;
use crate::report::{ExitCode, sanitise};
use crate::yaml;

/// Columns where there is no terminal.
const WIDTH: u16 = 80;

/// Draws what the arguments ask for.
pub(super) fn run(args: &Explain) -> Result<ExitCode, Error> {
    let file = args.svg.clone().map(OutputFile::at).transpose()?;
    let asked = asked(args)?;
    let given = args.family.map(Family::from);
    let (ruleset, family, of) = rules(args, given, &asked)?;
    let call = call(args, &asked, family)?;
    let host = host(&call);
    let picture = explain(&ruleset, &host, &call);
    let sheet = Sheet {
        picture: &picture,
        of: &of,
    };
    match file {
        Some(file) => file.replace(&svg(&sheet))?,
        None => deploy::print(&terminal(&sheet, pen())),
    }
    Ok(ExitCode::Done)
}

/// Mappings, and whose they are.
struct Asked {
    set: MappingSet,
    host: Option<String>,
}

fn asked(args: &Explain) -> Result<Asked, Error> {
    if let Some(text) = &args.mapping {
        let set = written(text)?;
        return Ok(Asked { set, host: None });
    }
    let name = args.host.clone().unwrap_or_default();
    let host = of_inventory(args, &name)?;
    Ok(Asked {
        set: host.mappings,
        host: Some(name),
    })
}

/// A mapping of the command line, in the short form or the long one.
fn written(text: &str) -> Result<MappingSet, Error> {
    let long = text.trim_start().starts_with('{');
    let quoted = serde_json::Value::from(text).to_string();
    let list = if long {
        format!("[{text}]")
    } else {
        format!("[{quoted}]")
    };
    let source = Source::new("MAPPING", list);
    let document = yaml::read(&source).map_err(Error::Problems)?;
    MappingSet::parse(&document.root).map_err(Error::Problems)
}

fn of_inventory(args: &Explain, name: &str) -> Result<HostSpec, Error> {
    let world = machine();
    let settings = Settings::read(&*world).map_err(Error::Problems)?;
    error::warn(&settings.warnings);
    let sources = args::Sources {
        inventory: args.sources.inventory.clone(),
        limit: Some(name.to_owned()),
        extra_vars: args.sources.extra_vars.clone(),
        vault_password_file: args.sources.vault_password_file.clone(),
        vault_id: args.sources.vault_id.clone(),
        ask_vault_pass: args.sources.ask_vault_pass,
    };
    let request = sources::request(sources, &settings, None, &*world)?;
    let loaded = inventory::load(&request, &world).map_err(Error::Problems)?;
    error::warn(&loaded.warnings);
    let mut hosts = loaded.hosts.into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Ok(host),
        _ => Err(Error::NotOneHost(name.to_owned())),
    }
}

/// The rules, their family, and whose they are.
fn rules(args: &Explain, given: Option<Family>, asked: &Asked) -> Result<(Ruleset, Family, String), Error> {
    if let Some(path) = &args.rules {
        let file = RulesFile::read(path, given)?;
        let name = if file.name == "-" { "standard input" } else { &file.name };
        return Ok((file.ruleset, file.family, format!("the rules in {}", sanitise(name))));
    }
    let family = given.unwrap_or(Family::V4);
    let (policy, word) = match args.policy {
        args::Policy::Drop => (Policy::Drop, "DROP"),
        args::Policy::Accept => (Policy::Accept, "ACCEPT"),
    };
    let whose = asked
        .host
        .as_ref()
        .map_or_else(String::new, |host| format!(" for {}", sanitise(host)));
    let of = format!("the rules that portmap-deploy makes{whose}, INPUT policy {word}");
    Ok((made(&asked.set, family, policy), family, of))
}

fn call(args: &Explain, asked: &Asked, family: Family) -> Result<Call, Error> {
    let wanted = |mapping: &&Mapping| args.port.is_none_or(|port| mapping.port.contains(port));
    let mapping = asked.set.mappings().iter().find(wanted);
    let whose = asked
        .host
        .as_ref()
        .map_or_else(String::new, |host| format!(" of {}", sanitise(host)));
    let call = mapping.and_then(|mapping| Call::to(mapping, family, args.port));
    let mut call = call.ok_or_else(|| {
        let port = args.port.map_or_else(String::new, |port| format!(" with port {port}"));
        Error::NoMapping(format!(
            "no mapping{whose}{port} that anybody may use over {}",
            family.name()
        ))
    })?;
    if let Some(from) = args.from {
        if !family.is_of(from) {
            return Err(Error::NoMapping(format!(
                "--from {from} is no address of {}",
                family.name()
            )));
        }
        call.source = Some(from);
    }
    call.interface = args.interface.clone().or(call.interface);
    Ok(call)
}

/// Nothing is known of the host but that the packets are for it.
fn host(call: &Call) -> Host {
    Host {
        default_interface: call.interface.clone(),
        ..Host::default()
    }
}

fn pen() -> Pen {
    let look = deploy::look();
    Pen {
        width: usize::from(look.width.unwrap_or(WIDTH)),
        color: look.color,
        unicode: is_utf8(),
    }
}

/// Whether the locale's characters are Unicode's, by the first variable that says (locale(7)).
fn is_utf8() -> bool {
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"];
    let said = variables
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let said = said.unwrap_or_default().to_ascii_lowercase();
    said.contains("utf-8") || said.contains("utf8")
}
