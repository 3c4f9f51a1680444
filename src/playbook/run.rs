//! Playbooks and an inventory become a run: every host once, with what its play asks for, in batches.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use super::{Check, Play, Playbook, Settled};
use crate::inventory::{self, Fleet, HostSpec, PlayVars, ROLLBACK_AFTER};
use crate::problem::{Location, Problem};
use crate::rollout::{BatchSize, Overrides, Policy, RolloutPlan};
use crate::yaml::Node;

/// What the command line says of a run of playbooks.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Sizes of batches, in place of those of the plays; empty: theirs.
    pub serial: Vec<BatchSize>,
    /// What stands in place of the plays' policies.
    pub policy: Overrides,
    /// The rollback window of all hosts, in place of their own.
    pub rollback_after: Option<Duration>,
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
    pub(super) parts: Vec<Part>,
    pub(super) forks: NonZeroUsize,
}

/// What a play brought into a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// How many hosts.
    pub hosts: usize,
    pub serial: Vec<BatchSize>,
    pub policy: Policy,
    /// Where the play stands; `None`: there is no playbook.
    pub at: Option<Location>,
}

impl Run {
    fn new(forks: NonZeroUsize) -> Self {
        Self {
            turns: Vec::new(),
            plan: RolloutPlan::new(forks),
            untouched: Vec::new(),
            parts: Vec::new(),
            forks,
        }
    }

    /// Adds the hosts of a play, in their order.
    fn add(&mut self, turns: Vec<Turn>, settled: Settled, at: Option<Location>, options: &Options) {
        let (meant, untouched): (Vec<_>, Vec<_>) = turns.into_iter().partition(|turn| options.means(&turn.host));
        let part = Part {
            hosts: meant.len(),
            serial: if options.serial.is_empty() {
                settled.serial
            } else {
                options.serial.clone()
            },
            policy: options.policy.over(settled.policy),
            at,
        };
        let plan = std::mem::replace(&mut self.plan, RolloutPlan::new(options.forks));
        self.plan = plan.then(&[part.hosts], &part.serial, part.policy);
        self.parts.push(part);
        self.turns.extend(meant);
        self.untouched.extend(untouched.into_iter().map(|turn| turn.host.name));
    }
}

impl Options {
    fn means(&self, host: &HostSpec) -> bool {
        host.has_portmap || !self.mapped_only
    }

    /// A host's turn, with the checks of `verify`. They are of a deploy: other runs have none.
    fn turn(
        &self,
        host: HostSpec,
        verify: Option<&Node>,
        render: &inventory::Render<'_>,
    ) -> Result<Turn, Vec<Problem>> {
        let verify = verify.filter(|_| self.mapped_only && self.means(&host));
        let window = self.rollback_after.or(host.rollback_after).unwrap_or(ROLLBACK_AFTER);
        let checks = match verify {
            Some(node) => Check::list_within(&render(node)?, window)?,
            None => Vec::new(),
        };
        Ok(Turn { host, checks })
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
    let turn = |host, render: &inventory::Render<'_>| options.turn(host, None, render);
    let turns = fleet.hosts_as(&["all".to_owned()], &vars, &turn)?;
    run.add(turns, Settled::default(), None, options);
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
                let turn = |host, render: &inventory::Render<'_>| options.turn(host, play.verify.as_ref(), render);
                let of_play = fleet.hosts_as(&settled.hosts, &vars, &turn)?;
                let mut of_play = turns.first(of_play, play)?;
                settled.order.arrange(&mut of_play, |turn| &turn.host.name, &mut below);
                Ok(Some((of_play, settled)))
            }
            None => Ok(None),
        });
        match planned {
            Ok(Some((turns, settled))) => run.add(turns, settled, Some(play.at.clone()), options),
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
struct Turns(HashMap<String, (Turn, Location)>);

impl Turns {
    /// Those of hosts that had none yet.
    fn first(&mut self, turns: Vec<Turn>, play: &Play) -> Result<Vec<Turn>, Vec<Problem>> {
        let (mut first, mut problems) = (Vec::new(), Vec::new());
        for turn in turns {
            match self.0.get(&turn.host.name) {
                None => {
                    self.0.insert(turn.host.name.clone(), (turn.clone(), play.at.clone()));
                    first.push(turn);
                }
                Some((earlier, _)) if *earlier == turn => {}
                Some((_, at)) => problems.push(contradiction(&turn.host.name, at, play)),
            }
        }
        if problems.is_empty() { Ok(first) } else { Err(problems) }
    }
}

fn contradiction(host: &str, earlier: &Location, play: &Play) -> Problem {
    let message = format!("{host} is in this play and in the one at {earlier}, which ask different things of it");
    Problem::at(&play.at, message).hint("give each host to one play, or ask the same of it in both")
}
