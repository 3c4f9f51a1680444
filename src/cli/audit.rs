//! `portmap-deploy audit`: every REDIRECT of hosts, or of files, and what it comes to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::unbounded_channel;

use super::args::{self, Finds};
use super::deploy;
use super::error::{self, Error};
use super::invocation::Invocation;
use super::journaling;
use super::looks;
use super::machine;
use super::output_file::OutputFile;
use super::request::Request;
use super::rules_file::RulesFile;
use super::work::Fleetwork;
use crate::audit::{self, Looked, Overview, Unseen};
use crate::firewall::Family;
use crate::firewall::audit::{Rules, Subject};
use crate::firewall::trace::Host;
use crate::plan::Observed;
use crate::playbook::Run;
use crate::remote::ssh;
use crate::report::{ExitCode, Look, sanitise};
use crate::rollout::HostId;

/// Looks at what the arguments name.
pub(super) fn run(args: args::Audit, invocation: Invocation) -> Result<ExitCode, Error> {
    let file = args.written.output_file.clone().map(OutputFile::at).transpose()?;
    let written = Written {
        form: args.written.output,
        file,
    };
    if args.rules.is_some() || args.rules6.is_some() {
        let overview = of_files(&args)?;
        written.write(&overview)?;
        return Ok(overview.exit_code());
    }
    let world = machine();
    let request = Request::audit(args.hosts, args.login, invocation, &*world)?;
    let run = deploy::planned(&request, &world)?;
    deploy::to_its_end(of_hosts(request, run, args.interface, written))
}

/// Where it goes.
struct Written {
    form: Finds,
    file: Option<OutputFile>,
}

impl Written {
    fn write(&self, overview: &Overview) -> Result<(), Error> {
        let plain = Look {
            width: None,
            rows: None,
            color: false,
        };
        let look = if self.file.is_some() { plain } else { deploy::look() };
        let text = match self.form {
            Finds::Text => audit::text(overview, look),
            Finds::Json => audit::document(overview) + "\n",
            Finds::Sarif => audit::sarif(overview) + "\n",
        };
        if let Some(file) = &self.file {
            return file.replace(&text);
        }
        deploy::print(&text);
        Ok(())
    }
}

fn of_files(args: &args::Audit) -> Result<Overview, Error> {
    if !args.hosts.says_nothing() {
        return Err(Error::RulesAndHosts);
    }
    let given = [
        (args.rules.as_ref(), args.family.map(Family::from)),
        (args.rules6.as_ref(), Some(Family::V6)),
    ];
    let read = |(path, family): (Option<&PathBuf>, Option<Family>)| Some(RulesFile::read(path?, family));
    let files = given.into_iter().filter_map(read).collect::<Result<Vec<_>, _>>()?;
    if let [one, other] = files.as_slice()
        && one.family == other.family
    {
        return Err(Error::SameFamily(one.name.clone()));
    }
    let families: Vec<Rules<'_>> = files
        .iter()
        .map(|file| Rules {
            family: file.family,
            ruleset: &file.ruleset,
            text: Some(&file.text),
        })
        .collect();
    let report = crate::firewall::audit::audit(&Subject {
        families: &families,
        host: &Host::default(),
        operator: None,
        outside: args.interface.as_deref(),
    });
    let missing = match files.as_slice() {
        [one] if one.family == Family::V4 && !report.redirects.is_empty() => {
            Some("IPv6 was not looked at: give its rules as well, --rules6 FILE".to_owned())
        }
        _ => None,
    };
    let name = files.first().map(|file| file.name.clone()).unwrap_or_default();
    let looked = Looked {
        name,
        files: files.iter().map(|file| (file.family, file.name.clone())).collect(),
        found: Ok(report),
        remarks: missing.into_iter().collect(),
    };
    Ok(Overview {
        looked: vec![looked],
        interrupted: false,
    })
}

async fn of_hosts(request: Request, run: Run, interface: Option<String>, written: Written) -> ExitCode {
    let names: Vec<String> = run.turns.iter().map(|turn| turn.host.name.clone()).collect();
    let (events, received) = unbounded_channel();
    deploy::tell_dialogue(received, request.verbosity);
    ssh::sweep();
    let forks = run.plan.forks();
    let fleet = Arc::new(Fleetwork::new(
        &request,
        &journaling::run_id(),
        run.turns,
        forks,
        events,
    ));
    let (found, interrupted) = seen(&fleet, names.len(), interface.as_deref()).await;
    fleet.close().await;
    let looked = names.into_iter().zip(found).filter_map(|(name, found)| {
        let (found, remarks) = found?;
        Some(Looked {
            name,
            files: BTreeMap::new(),
            found,
            remarks,
        })
    });
    let overview = Overview {
        looked: looked.collect(),
        interrupted,
    };
    match written.write(&overview) {
        Ok(()) => overview.exit_code(),
        Err(error) => error::print(&error),
    }
}

type Seen = (Result<crate::firewall::audit::Report, Unseen>, Vec<String>);

/// One login to each host, so many at a time as there are forks; `true`: an interrupt ended it.
async fn seen(fleet: &Arc<Fleetwork>, hosts: usize, interface: Option<&str>) -> (Vec<Option<Seen>>, bool) {
    let mut found: Vec<Option<Seen>> = (0..hosts).map(|_| None).collect();
    let look = |host| {
        let (fleet, interface) = (Arc::clone(fleet), interface.map(str::to_owned));
        async move { one(&fleet, host, interface.as_deref()).await }
    };
    let interrupted = looks::all(hosts, look, broken, |host, seen| {
        if let Some(place) = found.get_mut(host) {
            *place = Some(seen);
        }
    });
    let interrupted = interrupted.await;
    (found, interrupted)
}

fn broken() -> Seen {
    let unseen = Unseen {
        unreachable: false,
        reason: "a fault in this program".to_owned(),
        hint: Some("please report this fault".to_owned()),
    };
    (Err(unseen), vec![])
}

async fn one(fleet: &Fleetwork, host: HostId, interface: Option<&str>) -> Seen {
    match fleet.observe(host).await {
        Ok(observed) => {
            let remarks = observed.warnings.iter().map(|warning| sanitise(warning)).collect();
            (Ok(report(&observed, interface)), remarks)
        }
        Err(status) => {
            let unseen = Unseen {
                unreachable: status.state == crate::status::State::Unreachable,
                reason: status.first_reason(),
                hint: status.hint.clone(),
            };
            (Err(unseen), vec![])
        }
    }
}

fn report(observed: &Observed, interface: Option<&str>) -> crate::firewall::audit::Report {
    let families: Vec<Rules<'_>> = observed
        .families
        .iter()
        .map(|managed| Rules {
            family: managed.view.family,
            ruleset: &managed.view.ruleset,
            text: None,
        })
        .collect();
    crate::firewall::audit::audit(&Subject {
        families: &families,
        host: &observed.host,
        operator: observed.here,
        outside: interface,
    })
}
