//! Goes on with a run that was interrupted or killed: plans it anew as it was called, keeps its batches, and starts the
//! hosts that have not come to a good end. Each transaction looks at what its host runs, so nothing is lost where the
//! journal lacks its last lines.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{Args, Command, Resume};
use super::deploy;
use super::error::{self, Error};
use super::invocation::Invocation;
use super::journaling::{self, Begun};
use super::machine;
use super::request::Request;
use crate::driver::Earlier;
use crate::journal::{Head, Journal, Journals, Past};
use crate::playbook::Run;
use crate::problem::Problem;
use crate::report::{ExitCode, sanitise};
use crate::rollout::HostId;
use crate::world::World;

/// Why a run cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("every run has finished: nothing is to be resumed")]
    NothingUnfinished,
    #[error("run {0} has finished")]
    Finished(String),
    #[error("run {run} cannot be resumed: {command} is not gone on with")]
    Passing { run: String, command: String },
    #[error("run {0} cannot be resumed: how it was called is damaged, or of a newer version")]
    Damaged(String),
    #[error("run {run} cannot be resumed: its arguments are not understood: {why}")]
    Arguments { run: String, why: String },
    #[error("cannot go to {}, where the run was called", folder.display())]
    Folder { folder: PathBuf, source: std::io::Error },
    #[error("run {0} was given --extra-vars that seemed secret and are not kept")]
    Withheld(String),
    #[error("the run would not have the hosts that it had: {}", changes(gone, new))]
    OtherHosts {
        run: String,
        gone: Vec<String>,
        new: Vec<String>,
    },
}

impl Refusal {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Finished(run) => Some(format!(
                "to try again what it left: --limit @{}",
                crate::journal::retry_file(run)
            )),
            Self::Passing { .. } => Some("call it again: what it left pending is for the hosts' timers".to_owned()),
            Self::Withheld(run) => Some(format!("give them again: portmap-deploy resume {run} -e …")),
            Self::OtherHosts { run, .. } => Some(format!(
                "start a new run: with --limit @{} it has the hosts that this one left",
                crate::journal::retry_file(run)
            )),
            Self::NothingUnfinished | Self::Damaged(_) | Self::Arguments { .. } | Self::Folder { .. } => None,
        }
    }
}

fn changes(gone: &[String], new: &[String]) -> String {
    let told = [("gone", gone), ("new", new)].map(|(word, names)| match names {
        [] => String::new(),
        names => format!("{word}: {}", sanitise(&names.join(", "))),
    });
    let told: Vec<_> = told.into_iter().filter(|text| !text.is_empty()).collect();
    told.join("; ")
}

/// Goes on with the run that is meant.
pub(super) fn run(args: &Resume) -> Result<ExitCode, Error> {
    let journals = Journals::of_user();
    let asked = asked(&journals, args.run.as_deref())?;
    let mut journal = journals.go_on(&asked)?;
    let past = journal.past()?;
    if !past.is_unfinished() {
        return Err(Refusal::Finished(asked).into());
    }
    let head = past.head.clone().ok_or_else(|| Refusal::Damaged(asked.clone()))?;
    if !is_gone_on_with(&past) {
        let command = sanitise(head.command());
        return Err(Refusal::Passing { run: asked, command }.into());
    }
    let world = machine();
    let request = request(&head, &past, args, &*world)?;
    let run = planned(&request, &past, &world)?;
    say(&request, &run, &past, &head);
    let saved = deploy::saved(&request, &run)?;
    let begun = begun(journal, &past, &run);
    deploy::carry_out(request, run, begun, saved)
}

/// A drill is over with the hosts' timers, and whoever decides about pending changes decides anew.
fn is_gone_on_with(past: &Past) -> bool {
    let command = past.head.as_ref().map(Head::command);
    !matches!(command, Some("drill" | "confirm" | "cancel" | "extend"))
}

/// The run that is asked for, or the last that did not finish.
fn asked(journals: &Journals, asked: Option<&str>) -> Result<String, Error> {
    if let Some(asked) = asked {
        return Ok(journals.find(asked)?);
    }
    let runs = journals.list()?;
    let is_unfinished = |run: &String| {
        let past = journals.read(run);
        past.is_ok_and(|past| past.is_unfinished() && is_gone_on_with(&past))
    };
    let found = runs.into_iter().find(is_unfinished);
    found.ok_or_else(|| Refusal::NothingUnfinished.into())
}

/// What was asked for, where it was asked.
fn request(head: &Head, past: &Past, args: &Resume, world: &dyn World) -> Result<Request, Error> {
    let run = &head.run_id;
    if head.withheld > args.extra_vars.len() {
        return Err(Refusal::Withheld(run.clone()).into());
    }
    go_to(&head.folder)?;
    let again = again(head, past, args);
    let words = std::iter::once("portmap-deploy".to_owned()).chain(again);
    let read = Args::read(words.map(Into::into)).map_err(|error| Refusal::Arguments {
        run: run.clone(),
        why: sanitise(
            error
                .to_string()
                .trim_start_matches("error: ")
                .lines()
                .next()
                .unwrap_or_default(),
        ),
    });
    let (read, invocation) = read?;
    let request = asked_for(read, invocation, world).unwrap_or_else(|| Err(Refusal::Damaged(run.clone()).into()))?;
    Ok(Request {
        output: args.output.unwrap_or(request.output),
        verbosity: request.verbosity.max(args.verbose),
        force: request.force || args.force,
        ..request
    })
}

/// `None`: no command that a run is journaled of.
fn asked_for(args: Args, invocation: Invocation, world: &dyn World) -> Option<Result<Request, Error>> {
    match args.command? {
        Command::Deploy(args) => Some(Request::deploy_now(args, invocation, world)),
        Command::Remove(args) => Some(Request::remove(args, invocation, world)),
        Command::Rollback(args) => Some(Request::rollback(args, invocation, world)),
        _ => None,
    }
}

/// Relative paths, `ansible.cfg` and files beside it are those of that folder.
fn go_to(folder: &Path) -> Result<(), Refusal> {
    std::env::set_current_dir(folder).map_err(|source| Refusal::Folder {
        folder: folder.to_owned(),
        source,
    })
}

/// The arguments, with what was not kept of them. A limit that was read from a file is what it was then.
fn again(head: &Head, past: &Past, args: &Resume) -> Vec<String> {
    let (before, after) = match head.arguments.iter().position(|word| word == "--") {
        Some(at) => head.arguments.split_at(at),
        None => (head.arguments.as_slice(), [].as_slice()),
    };
    let hosts = || {
        let names = past.batches.iter().flatten();
        names.flat_map(|name| [name.as_str(), ","]).collect::<String>()
    };
    let of_file = |word: &str| word.starts_with("--limit=") && word.contains('@');
    let kept = before.iter().map(|word| {
        if of_file(word) {
            format!("--limit={}", hosts())
        } else {
            word.clone()
        }
    });
    let given = args.extra_vars.iter().map(|vars| format!("--extra-vars={vars}"));
    let mut words: Vec<String> = kept.collect();
    // The command is the first; options may stand anywhere behind it.
    let at = words.len().min(1);
    words.splice(at..at, given);
    words.extend(after.iter().cloned());
    words
}

/// The same hosts in the batches that they were in.
fn planned(request: &Request, past: &Past, world: &Arc<dyn World>) -> Result<Run, Error> {
    let run = deploy::rolled_out(request, world)?;
    let ids = ids(&run);
    let known: HashSet<&str> = past.batches.iter().flatten().map(String::as_str).collect();
    let gone = past
        .batches
        .iter()
        .flatten()
        .filter(|name| !ids.contains_key(name.as_str()));
    let gone: Vec<String> = gone.cloned().collect();
    let new = run.turns.iter().map(|turn| turn.host.name.as_str());
    let new: Vec<String> = new.filter(|name| !known.contains(name)).map(str::to_owned).collect();
    let other = |gone, new| Refusal::OtherHosts {
        run: past.run_id.clone(),
        gone,
        new,
    };
    if !gone.is_empty() || !new.is_empty() {
        return Err(other(gone, new).into());
    }
    let of_batch = |batch: &Vec<String>| {
        batch
            .iter()
            .filter_map(|name| ids.get(name.as_str()).copied())
            .collect()
    };
    let batches = past.batches.iter().map(of_batch).collect();
    let plan = run
        .plan
        .clone()
        .in_batches(batches)
        .ok_or_else(|| Refusal::Damaged(past.run_id.clone()))?;
    let mut run = run;
    run.plan = plan;
    Ok(run)
}

fn ids(run: &Run) -> HashMap<&str, HostId> {
    let names = run.turns.iter().map(|turn| turn.host.name.as_str());
    names.enumerate().map(|(index, name)| (name, HostId(index))).collect()
}

fn begun(mut journal: Journal, past: &Past, run: &Run) -> Begun {
    let ids = ids(run);
    let ended = past.ended().into_iter();
    let earlier = Earlier {
        ended: ended
            .filter_map(|(name, report)| Some((*ids.get(name)?, report.clone())))
            .collect(),
        reverting: past
            .reverting()
            .map(|left| left.into_iter().filter_map(|name| ids.get(name).copied()).collect()),
    };
    journal.resumed(journaling::controller());
    Begun {
        run_id: past.run_id.clone(),
        journal: Some(journal),
        earlier,
    }
}

/// What is gone on with, and what is not as it was.
fn say(request: &Request, run: &Run, past: &Past, head: &Head) {
    let hosts = run.turns.len();
    let what = match past.reverting() {
        Some(left) => format!("goes on taking it back, {} of {hosts} hosts are left", left.len()),
        None => format!("{} of {hosts} hosts are done", past.ended().len()),
    };
    let _ = writeln!(anstream::stderr(), "resuming run {}: {what}", past.run_id);
    let warnings = [environment(head), mappings(request, run, past, head)];
    error::warn(&warnings.into_iter().flatten().map(Problem::new).collect::<Vec<_>>());
}

fn environment(head: &Head) -> Option<String> {
    let now = journaling::environment();
    let missing = head.environment.iter().filter(|name| !now.contains(name));
    let names: Vec<&str> = missing.map(String::as_str).collect();
    let told = sanitise(&names.join(", "));
    (!names.is_empty()).then(|| format!("the run was called with {told} set, which is not set now"))
}

/// Hosts whose mappings changed since; versions of the program may tell them differently.
fn mappings(request: &Request, run: &Run, past: &Past, head: &Head) -> Option<String> {
    let now: BTreeMap<String, String> = journaling::fingerprints(request.goal, run);
    let changed = now
        .iter()
        .filter(|(name, now)| past.desired.get(*name).is_some_and(|then| then != *now));
    let names: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
    let told = sanitise(&names.join(", "));
    (!names.is_empty() && head.program == env!("CARGO_PKG_VERSION"))
        .then(|| format!("the mappings of these hosts changed since the run began: {told}"))
}
