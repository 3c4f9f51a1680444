//! Playbooks and an inventory become a run: every host once, with what its play asks for, in batches.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use super::{Pause, Play, Playbook, Settled};
use crate::inventory::{Fleet, HostSpec, PlayVars};
use crate::problem::{Location, Problem};
use crate::rollout::{BatchSize, OnFailure, RolloutPlan};
use crate::yaml::{Node, Value};

/// What the command line says of a run of playbooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Sizes of batches, in place of those of the plays; empty: theirs.
    pub serial: Vec<BatchSize>,
    /// The most hosts at a time.
    pub forks: NonZeroUsize,
    /// Only plays with one of these tags; empty: all but those with the tag `never`.
    pub tags: Vec<String>,
    /// No plays with one of these.
    pub skip_tags: Vec<String>,
    /// Whether hosts without the variable `portmap` are left out, as by a deploy.
    pub mapped_only: bool,
}

/// A run of playbooks.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The hosts in the order of their turns.
    pub hosts: Vec<HostSpec>,
    /// Their batches.
    pub plan: RolloutPlan,
    /// The names of hosts that are left out, having no variable `portmap`.
    pub untouched: Vec<String>,
}

impl Run {
    fn new(forks: NonZeroUsize) -> Self {
        Self {
            hosts: Vec::new(),
            plan: RolloutPlan::new(0, &[], forks),
            untouched: Vec::new(),
        }
    }

    /// Adds the hosts of a play, in their order.
    fn add(&mut self, hosts: Vec<HostSpec>, serial: &[BatchSize], options: &Options) {
        let serial = if options.serial.is_empty() {
            serial
        } else {
            &options.serial
        };
        let is_meant = |host: &HostSpec| host.has_portmap || !options.mapped_only;
        let (meant, untouched): (Vec<_>, Vec<_>) = hosts.into_iter().partition(is_meant);
        let plan = std::mem::replace(&mut self.plan, RolloutPlan::new(0, &[], options.forks));
        self.plan = plan.then(meant.len(), serial);
        self.hosts.extend(meant);
        self.untouched.extend(untouched.into_iter().map(|host| host.name));
    }
}

/// Plans a run of all hosts that the limit leaves, without a playbook.
///
/// # Errors
/// Everything that is wrong with the variables of the hosts.
pub fn without_plays(fleet: &Fleet, options: &Options, folder: &Path) -> Result<Run, Vec<Problem>> {
    let vars = PlayVars {
        folder: folder.to_owned(),
        ..PlayVars::default()
    };
    let mut run = Run::new(options.forks);
    run.add(fleet.hosts(&["all".to_owned()], &vars)?, &[], options);
    Ok(run)
}

/// Plans a run. `below` draws a number below another one, for plays that shuffle their hosts.
///
/// A host that several plays mean comes with the first of them, if all ask the same of it.
///
/// # Errors
/// Everything that is wrong with plays, or with the variables of their hosts; plays that ask different things of one
/// host; keys that are not obeyed yet and whose neglect would be careless.
pub fn plan(
    playbooks: &[Playbook],
    fleet: &Fleet,
    options: &Options,
    mut below: impl FnMut(usize) -> usize,
) -> Result<Run, Vec<Problem>> {
    let mut run = Run::new(options.forks);
    let mut turns = Turns::default();
    let mut problems = Vec::new();
    for play in playbooks.iter().flat_map(|playbook| &playbook.plays) {
        let vars = vars_of(play);
        let planned = settled(play, fleet, &vars, options).and_then(|settled| match settled {
            Some(settled) => {
                let hosts = fleet.hosts(&settled.hosts, &vars)?;
                let mut hosts = turns.first(hosts, play)?;
                settled.order.arrange(&mut hosts, |host| &host.name, &mut below);
                Ok(Some((hosts, settled.serial)))
            }
            None => Ok(None),
        });
        match planned {
            Ok(Some((hosts, serial))) => run.add(hosts, &serial, options),
            Ok(None) => {}
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(run) } else { Err(problems) }
}

/// The play's rollout; none for one that tags leave out.
fn settled(play: &Play, fleet: &Fleet, vars: &PlayVars, options: &Options) -> Result<Option<Settled>, Vec<Problem>> {
    let settled = play.settle(&mut |node| fleet.render(node, vars))?;
    if !is_meant(&settled.tags, options) {
        return Ok(None);
    }
    let careless = careless(play, &settled);
    if careless.is_empty() {
        Ok(Some(settled))
    } else {
        Err(careless)
    }
}

/// What the play says of its hosts' variables.
fn vars_of(play: &Play) -> PlayVars {
    let keywords = play.keywords().map(|(name, node)| (name.to_owned(), node.clone()));
    let own = [
        ("portmap", &play.portmap),
        ("portmap_rollback_after", &play.rollback_after),
    ];
    let own = own
        .into_iter()
        .filter_map(|(name, node)| Some((name.to_owned(), node.clone()?)));
    PlayVars {
        keywords: keywords.collect(),
        vars: play.vars.clone(),
        vars_files: play.vars_files.clone(),
        own: own.collect(),
        folder: play.folder.clone(),
    }
}

/// As Ansible's `Taggable.evaluate_tags`.
fn is_meant(tags: &[String], options: &Options) -> bool {
    let has = |tag: &str| tags.iter().any(|own| own == tag);
    let any = |wanted: &[String]| {
        wanted.iter().any(|tag| match tag.as_str() {
            "tagged" => !tags.is_empty(),
            "untagged" => tags.is_empty(),
            tag => has(tag),
        })
    };
    let all = |wanted: &[String]| wanted.iter().any(|tag| tag == "all");
    let is_asked_for = if options.tags.is_empty() || all(&options.tags) {
        !has("never") || any(&options.tags)
    } else {
        any(&options.tags) || (has("always") && !has("never"))
    };
    let is_skipped = any(&options.skip_tags) || (all(&options.skip_tags) && !has("always"));
    is_asked_for && !is_skipped
}

/// Keys that this version reads and does not obey, where going on without them would be less careful than was asked
/// for.
fn careless(play: &Play, settled: &Settled) -> Vec<Problem> {
    let refuse = |at: &Location, key: &str| {
        let problem = Problem::at(
            at,
            format!("`{key}` is not obeyed yet, and without it the run would be less careful"),
        );
        problem.hint("take it out; after a batch with a failure no other starts")
    };
    let mut problems = Vec::new();
    if let Some(verify) = play.verify.as_ref().filter(|node| !is_login_alone(node)) {
        problems.push(refuse(&verify.at, "verify"));
    }
    let pauses = !matches!(settled.pause, None | Some(Pause::For(Duration::ZERO)));
    if let Some(at) = play.pause.as_ref().filter(|_| pauses) {
        problems.push(refuse(at.at(), "pause"));
    }
    if let Some(at) = &play.max_failures {
        problems.push(refuse(at.at(), "max_failures"));
    }
    if let Some(at) = play.soak.as_ref().filter(|_| !settled.soak.is_zero()) {
        problems.push(refuse(at.at(), "soak"));
    }
    let rolls_back = matches!(settled.on_failure, OnFailure::RollbackBatch | OnFailure::RollbackAll);
    if let Some(at) = play.on_failure.as_ref().filter(|_| rolls_back) {
        problems.push(refuse(at.at(), "on_failure"));
    }
    problems
}

/// The one check that is always made.
fn is_login_alone(verify: &Node) -> bool {
    let Value::List(checks) = &verify.value else {
        return false;
    };
    checks.iter().all(|check| check.as_str() == Some("ssh"))
}

/// What was asked of hosts by the plays so far.
#[derive(Default)]
struct Turns(HashMap<String, (HostSpec, Location)>);

impl Turns {
    /// The hosts that had no turn yet.
    fn first(&mut self, hosts: Vec<HostSpec>, play: &Play) -> Result<Vec<HostSpec>, Vec<Problem>> {
        let (mut first, mut problems) = (Vec::new(), Vec::new());
        for host in hosts {
            match self.0.get(&host.name) {
                None => {
                    self.0.insert(host.name.clone(), (host.clone(), play.at.clone()));
                    first.push(host);
                }
                Some((earlier, _)) if *earlier == host => {}
                Some((_, at)) => problems.push(contradiction(&host.name, at, play)),
            }
        }
        if problems.is_empty() { Ok(first) } else { Err(problems) }
    }
}

fn contradiction(host: &str, earlier: &Location, play: &Play) -> Problem {
    let message = format!("{host} is in this play and in the one at {earlier}, which ask different things of it");
    Problem::at(&play.at, message).hint("give each host to one play, or ask the same of it in both")
}
