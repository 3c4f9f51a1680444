//! `portmap-deploy trace`: a packet's way through the rules of a file, or of a host.

use std::io::{self, BufRead, Read as _};
use std::net::IpAddr;
use std::path::Path;

use tokio::sync::mpsc::unbounded_channel;

use super::args;
use super::deploy;
use super::error::{self, Error};
use super::invocation::Invocation;
use super::journaling;
use super::machine;
use super::request::Request;
use super::rules_file::RulesFile;
use super::work::Fleetwork;
use crate::firewall::trace::{Host, Packet, Trace, Tracer};
use crate::firewall::{Family, Ruleset};
use crate::plan::Observed;
use crate::playbook::Run;
use crate::remote::ssh;
use crate::report::{ExitCode, sanitise};
use crate::rollout::HostId;
use crate::status::{State, Status};
use crate::trace::{Question, answer, no_answer, text};

/// The longest line that is read as a packet, bytes.
const LONGEST: u64 = 64 << 20;

/// Traces what the arguments ask for.
pub(super) fn run(args: args::Trace, invocation: Invocation) -> Result<ExitCode, Error> {
    match &args.rules {
        Some(_) if args.host.is_some() || !args.sources.says_nothing() => Err(Error::RulesAndHosts),
        Some(path) => of_file(path, &args),
        None => of_host(args, invocation),
    }
}

fn of_file(path: &Path, args: &args::Trace) -> Result<ExitCode, Error> {
    let family = args.packet.family.map(Family::from);
    let file = RulesFile::read(path, family)?;
    if args.json && args.packet.says_nothing() {
        if path == Path::new("-") {
            return Err(Error::RulesAndPackets);
        }
        answers(&file, &mut io::stdin().lock(), &mut io::stdout().lock());
        return Ok(ExitCode::Done);
    }
    let packet = args.packet.packet(file.family);
    of_one_family(&packet)?;
    show(&file.ruleset, &Host::default(), &packet, args.json);
    Ok(ExitCode::Done)
}

/// Both addresses must be of the packet's family.
fn of_one_family(packet: &Packet) -> Result<(), Error> {
    let mut addresses = [packet.source, packet.destination].into_iter().flatten();
    match addresses.find(|address| !packet.family.is_of(*address)) {
        Some(other) => Err(Error::OtherFamily(other, packet.family.name())),
        None => Ok(()),
    }
}

/// A line for each line. A reader that went away wants no more of them.
fn answers(file: &RulesFile, questions: &mut impl BufRead, answers: &mut impl io::Write) {
    let nowhere = Host::default();
    let tracer = Tracer::new(&file.ruleset, &nowhere);
    let mut number = 0_u64;
    loop {
        number += 1;
        let Ok(Some(line)) = line(questions) else { return };
        let answered = match Question::read(&line, file.family) {
            Ok(asked) => answer(&tracer.trace_on(&asked.host, &asked.packet)),
            Err(fault) => no_answer(&format!("line {number}: {fault}")),
        };
        if writeln!(answers, "{answered}").and_then(|()| answers.flush()).is_err() {
            return;
        }
    }
}

/// The next line; what is too long is cut, and will be no packet.
fn line(questions: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    questions.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        questions.skip_until(b'\n')?;
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

fn show(ruleset: &Ruleset, host: &Host, packet: &Packet, json: bool) {
    let trace = Tracer::new(ruleset, host).trace(packet);
    deploy::print(&shown(packet, &trace, json));
}

fn shown(packet: &Packet, trace: &Trace<'_>, json: bool) -> String {
    if json {
        answer(trace) + "\n"
    } else {
        text(packet, trace, deploy::look())
    }
}

fn of_host(args: args::Trace, invocation: Invocation) -> Result<ExitCode, Error> {
    let world = machine();
    let mut sources = args.sources;
    let name = args.host.clone().or(sources.limit.clone()).unwrap_or_default();
    sources.limit = args.host.or(sources.limit);
    let hosts = args::Hosts {
        sources,
        ..args::Hosts::default()
    };
    let request = Request::audit(hosts, args.login, invocation, &*world)?;
    let run = deploy::planned(&request, &world)?;
    if run.turns.len() != 1 {
        return Err(Error::NotOneHost(name));
    }
    deploy::to_its_end(look_at(request, run, args.packet, args.json))
}

async fn look_at(request: Request, run: Run, asked: args::Packet, json: bool) -> ExitCode {
    let name = run.turns.first().map(|turn| turn.host.name.clone()).unwrap_or_default();
    let (events, received) = unbounded_channel();
    deploy::tell_dialogue(received, request.verbosity);
    ssh::sweep();
    let forks = run.plan.forks();
    let fleet = Fleetwork::new(&request, &journaling::run_id(), run.turns, forks, events);
    let observed = fleet.observe(HostId(0)).await;
    fleet.close().await;
    match observed {
        Ok(observed) => of_observed(&observed, &asked, json),
        Err(status) => untold(&name, &status),
    }
}

fn of_observed(observed: &Observed, asked: &args::Packet, json: bool) -> ExitCode {
    for warning in &observed.warnings {
        error::note(&sanitise(warning));
    }
    let family = observed.here.map_or(Family::V4, family_of);
    let mut packet = asked.packet(family);
    let of_its_family = |address: &IpAddr| packet.family.is_of(*address);
    let (here, there) = (
        observed
            .here
            .map(|address| address.to_canonical())
            .filter(of_its_family),
        observed
            .there
            .map(|address| address.to_canonical())
            .filter(of_its_family),
    );
    packet.source = packet.source.or(here);
    packet.destination = packet.destination.or(there);
    let rules = observed
        .families
        .iter()
        .find(|managed| managed.view.family == packet.family);
    let none = Ruleset::default();
    let rules = rules.map_or(&none, |managed| &managed.view.ruleset);
    show(rules, &observed.host, &packet, json);
    ExitCode::Done
}

fn family_of(address: IpAddr) -> Family {
    if address.to_canonical().is_ipv4() {
        Family::V4
    } else {
        Family::V6
    }
}

fn untold(name: &str, status: &Status) -> ExitCode {
    error::host(name, &status.first_reason(), status.hint.as_deref());
    match status.state {
        State::Unreachable => ExitCode::HostUnreachable,
        _ => ExitCode::HostFailed,
    }
}
