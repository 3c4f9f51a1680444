//! Playbooks and an inventory become a run: every host once, with what its play asks for, in batches.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;

use super::{Check, Play, Playbook, Settled};
use crate::inventory::{Fleet, HostSpec, PlayVars};
use crate::problem::{Location, Problem};
use crate::rollout::{BatchSize, Policy, RolloutPlan};

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

/// What a run is to do with one host.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The host.
    pub host: HostSpec,
    /// What has to hold before its change is confirmed, beside the proof of its mappings.
    pub checks: Vec<Check>,
}

/// A run of playbooks.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The hosts in the order of their turns.
    pub turns: Vec<Turn>,
    /// Their batches.
    pub plan: RolloutPlan,
    /// The names of hosts that are left out, having no variable `portmap`.
    pub untouched: Vec<String>,
}

impl Run {
    fn new(forks: NonZeroUsize) -> Self {
        Self {
            turns: Vec::new(),
            plan: RolloutPlan::new(forks),
            untouched: Vec::new(),
        }
    }

    /// Adds the hosts of a play, in their order.
    fn add(&mut self, hosts: Vec<HostSpec>, serial: &[BatchSize], policy: Policy, options: &Options) {
        let serial = if options.serial.is_empty() {
            serial
        } else {
            &options.serial
        };
        let is_meant = |host: &HostSpec| host.has_portmap || !options.mapped_only;
        let (meant, untouched): (Vec<_>, Vec<_>) = hosts.into_iter().partition(is_meant);
        let plan = std::mem::replace(&mut self.plan, RolloutPlan::new(options.forks));
        self.plan = plan.then(&[meant.len()], serial, policy);
        self.turns.extend(meant.into_iter().map(|host| Turn {
            host,
            checks: Vec::new(),
        }));
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
    let hosts = fleet.hosts(&["all".to_owned()], &vars)?;
    run.add(hosts, &[], Policy::default(), options);
    Ok(run)
}

/// Plans a run. `below` draws a number below another one, for plays that shuffle their hosts.
///
/// A host that several plays mean comes with the first of them, if all ask the same of it.
///
/// # Errors
/// Everything that is wrong with plays, or with the variables of their hosts; plays that ask different things of one
/// host.
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
                Ok(Some((hosts, settled)))
            }
            None => Ok(None),
        });
        match planned {
            Ok(Some((hosts, settled))) => run.add(hosts, &settled.serial, settled.policy, options),
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
    Ok(Some(settled))
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
