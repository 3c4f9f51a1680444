//! A run and its journal: what it begins with, what is said of it at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::error;
use super::request::Request;
use super::work;
use crate::driver::Earlier;
use crate::inventory::HostSpec;
use crate::journal::{self, Head, Journal, Journals, Resumption};
use crate::playbook::Run;
use crate::problem::Problem;
use crate::report::Outcome;
use crate::transaction::Goal;

/// A run that is about to begin, or to go on.
pub(super) struct Begun {
    /// The run's id.
    pub run_id: String,
    /// Where it is written down; `None`: it cannot be.
    pub journal: Option<Journal>,
    /// What is known of it already.
    pub earlier: Earlier,
}

impl Begun {
    /// A new one. That it cannot be journaled is said, and no reason not to run; one without hosts is not worth it.
    pub fn anew(request: &Request, run: &Run) -> Self {
        let run_id = run_id();
        let journal = (!run.turns.is_empty()).then(|| journal(request, run, &run_id));
        Self {
            journal: journal.and_then(|begun| begun.map_err(|error| warn(&error)).ok()),
            run_id,
            earlier: Earlier::default(),
        }
    }
}

fn journal(request: &Request, run: &Run, run_id: &str) -> Result<Journal, journal::Error> {
    let journals = Journals::of_user();
    journals.prune();
    let mut journal = journals.begin(&head(request, run_id))?;
    journal.desired(fingerprints(request.goal, run));
    Ok(journal)
}

/// Ends the journal. The name of the file with the hosts that are to be tried again, where there are any.
pub(super) fn end(journal: Journal, outcome: &Outcome) -> Option<String> {
    journal.finish(outcome).unwrap_or_else(|error| {
        warn(&error);
        None
    })
}

fn warn(error: &journal::Error) {
    let why = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
    let text = format!("the run is not journaled in full: {error}{why}; neither history nor resume will know it well");
    error::warn(&[Problem::new(text)]);
}

fn head(request: &Request, run_id: &str) -> Head {
    Head {
        format: journal::FORMAT,
        run_id: run_id.to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        by: controller(),
        folder: std::env::current_dir().unwrap_or_default(),
        arguments: request.invocation.arguments.clone(),
        withheld: request.invocation.withheld,
        environment: environment(),
    }
}

/// This process.
pub(super) fn controller() -> Resumption {
    Resumption {
        operator: work::operator(),
        machine: work::host_name(),
        pid: std::process::id(),
    }
}

/// Names of variables of the environment that settings come from. Their values may be secret.
pub(super) fn environment() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("ANSIBLE_")).collect();
    names.sort_unstable();
    names
}

/// What each host of a deploy shall have, as a fingerprint: to tell whether it changed.
pub(super) fn fingerprints(goal: Goal, run: &Run) -> BTreeMap<String, String> {
    if goal != Goal::Deploy {
        return BTreeMap::new();
    }
    let hosts = run.turns.iter().map(|turn| &turn.host);
    hosts.map(|host| (host.name.clone(), fingerprint(host))).collect()
}

fn fingerprint(host: &HostSpec) -> String {
    let hash = Sha256::digest(format!("{:?}", host.mappings));
    hash.iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The run's id: its time, for people, and an end that holds the thousandths of the second, so that ids are in the order
/// of their runs, and chance, for runs of the same moment.
pub(super) fn run_id() -> String {
    let now = jiff::Timestamp::now();
    let thousandths = now.as_millisecond().rem_euclid(1000);
    let chance = fastrand::u32(..) >> 12;
    format!("{}-{thousandths:03x}{chance:05x}", now.strftime("%Y%m%dT%H%M%SZ"))
}
