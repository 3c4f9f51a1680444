//! One host, from its old rules to the proven new ones, or back: the table of the design's section 5, top to bottom.
//!
//! The rollback timer runs on the host before anything is switched, so whatever goes wrong here the worst outcome is the
//! old rules. After a loss of contact nothing is assumed: the host is asked, over a new login, what it runs.

mod by_hand;
mod checking;
mod contact;
mod drill;
mod ended;
mod goals;
mod heeding;
mod loading;
mod look;
mod machines;
mod observing;
mod preview;
mod proving;
mod recovery;
mod refusal;
mod soak;
mod switching;
mod verify;
mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::firewall::Family;
use crate::inventory::HostSpec;
use crate::mapping::MappingSet;
use crate::memory::Memory;
use crate::plan::{Basis, HostChange, Observed, Plan};
use crate::playbook::Check;
use crate::remote::ssh::{Bastions, Ssh};
use crate::remote::{Login, LoginError, Remote};
use crate::report::{HostReport, MappingProof, RunEvent, Step};

use contact::Contact;
use ended::{Ended, Unproven, failed, login_report};
use goals::Aim;
use loading::{Lacking, Loaded};
use recovery::Wish;
use ways::Arrival;

pub use look::{look, observe};
pub use machines::Machines;
pub use preview::preview;
pub use soak::soak;
pub use verify::verify;

/// What a run wants of every host.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is to become of the hosts.
    pub goal: Goal,
    /// When a host undoes a change that was not confirmed.
    pub rollback_after: Duration,
    /// How long a login may take.
    pub timeout: Duration,
    /// The run's id.
    pub run_id: String,
    /// Who runs it, for a second operator to read.
    pub operator: String,
    /// The bastions on the ways to its hosts.
    pub bastions: Bastions,
    /// What is remembered of hosts from run to run.
    pub memory: Arc<Memory>,
    /// What has to hold before the change is confirmed, beside the proof of the mappings.
    pub checks: Vec<Check>,
    /// Whether what would be refused is tried all the same, with the host's timer armed.
    pub force: bool,
    /// Whether what changes in the host's rules is shown.
    pub diff: bool,
    /// What must still be so, where a plan is carried out.
    pub basis: Option<Basis>,
    /// Who confirms.
    pub confirm: Confirm,
    /// What an operator types to confirm by hand, without the hosts: `portmap-deploy confirm -i hosts.yaml`.
    pub confirm_command: String,
    /// The machines of the run.
    pub machines: Arc<Machines>,
}

/// Who confirms a change that was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confirm {
    /// This program.
    #[default]
    Proven,
    /// The operator, by hand, before the host's timer undoes it.
    Manual,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Every host has its mappings.
    Deploy,
    /// Nothing of this program is left on any host.
    Remove,
    /// Every host has the mappings of an earlier generation again.
    RollBack(Target),
    /// Every host has the mappings again that it had before this run, unless somebody changed it since.
    Revert {
        /// The generation that this run confirmed; `None`: the run does not know whether, and which.
        confirmed: Option<u32>,
        /// The generation before it; `None`: nothing of this program was on the host.
        before: Option<u32>,
    },
    /// The host's timer is shown to undo a change that changes nothing.
    Drill,
    /// The operator decides about a change that is pending.
    ByHand {
        /// How.
        verdict: Verdict,
        /// Even where it is another operator's.
        force: bool,
    },
}

/// What an operator makes of a pending change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Confirm,
    /// The rules of before come back.
    Cancel,
    /// The host's timer waits so much longer.
    Extend(Duration),
}

/// Which generation a host goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The one that was confirmed before the one it runs.
    Previous,
    /// This one.
    Generation(u32),
}

/// Brings one host to its goal. Never fails: the report says what the host runs.
pub async fn deploy(host: &HostSpec, options: &Options, events: &UnboundedSender<RunEvent>) -> HostReport {
    match ssh_to(host, options, events).await {
        Ok(ssh) => deploy_over(&ssh, host, options, events).await,
        Err(error) => login_report(&error),
    }
}

/// How to get to a host by ssh; `events` hears of the dialogue with it.
async fn ssh_to(host: &HostSpec, options: &Options, events: &UnboundedSender<RunEvent>) -> Result<Ssh, LoginError> {
    let (name, sender) = (host.name.clone(), events.clone());
    let heard = move |level, line| {
        // Nobody listens any more: the transaction goes on all the same.
        let _ = sender.send(RunEvent::Dialogue {
            host: name.clone(),
            level,
            line,
        });
    };
    Ssh::resolve(&host.connection, &options.bastions, Arc::new(heard)).await
}

/// The same over any [`Remote`].
pub async fn deploy_over<R: Remote>(
    remote: &R,
    host: &HostSpec,
    options: &Options,
    events: &UnboundedSender<RunEvent>,
) -> HostReport {
    let mut transaction = Transaction::new(remote, host, options, events);
    options.machines.begin(&transaction.id);
    let mut report = transaction.run().await.unwrap_or_else(|report| *report);
    options.machines.end(&transaction.id);
    transaction.conclude(&mut report).await;
    let report = transaction.in_the_words_of_its_goal(report);
    transaction.warnings.extend(transaction.asides);
    HostReport {
        connections: transaction.contact.logins,
        warnings: transaction.warnings,
        ..report
    }
}

struct Transaction<'a, R> {
    contact: Contact<'a, R>,
    host: &'a HostSpec,
    aim: Aim,
    /// The mappings that it shall have.
    desired: MappingSet,
    options: &'a Options,
    /// Random: names this transaction on the host.
    id: String,
    /// What to say of success.
    note: Option<String>,
    /// Whether the report is in the words of the goal already.
    decided: bool,
    warnings: Vec<String>,
    /// Ports by which the controller reached this host before.
    remembered: Vec<u16>,
    arrival: Option<Arrival>,
    /// Whether the operator was told what the change takes away.
    announced: bool,
    /// Warnings that are not about the host: keys that were not noted, memory that does not work.
    asides: Vec<String>,
}

/// A change that is armed on the host.
struct Armed {
    change: HostChange,
    observed: Observed,
    /// The rollback timer runs since then at the latest.
    since: Instant,
    /// It has fired by then.
    latest: Instant,
    /// What the probes look like.
    marks: proving::Marks,
}

impl<'a, R: Remote> Transaction<'a, R> {
    fn new(remote: &'a R, host: &'a HostSpec, options: &'a Options, events: &'a UnboundedSender<RunEvent>) -> Self {
        Self {
            contact: Contact::new(remote, &host.name, options, events),
            host,
            aim: options.goal.aim(),
            desired: match options.goal {
                Goal::Deploy => host.mappings.clone(),
                _ => MappingSet::default(),
            },
            options,
            id: format!("t{:016x}", fastrand::u64(..)),
            note: None,
            decided: false,
            warnings: Vec::new(),
            remembered: Vec::new(),
            arrival: None,
            announced: false,
            asides: Vec::new(),
        }
    }
}

impl<R: Remote> Transaction<'_, R> {
    async fn run(&mut self) -> Result<HostReport, Ended> {
        self.recall().await;
        let mut first = self.connect().await?;
        if let Goal::ByHand { verdict, force } = self.options.goal {
            return self.by_hand(first, verdict, force).await;
        }
        let (armed, rules) = match self.change(&mut first).await? {
            Changed::Not(report) => {
                first.connection.close().await;
                return Ok(report);
            }
            Changed::Loosened(armed, rules) => (armed, rules),
            Changed::Lost(armed, why) => {
                let before = self.before(&armed.observed);
                let report = self.bring_back(Some(first), &armed, why).await;
                return Ok(HostReport { before, ..report });
            }
        };
        let before = self.before(&armed.observed);
        let report = self.finish(first, &armed, rules).await;
        Ok(HostReport { before, ..report })
    }

    /// Proves and confirms, or takes back.
    async fn finish(&mut self, mut first: Login, armed: &Armed, rules: Rules) -> HostReport {
        match self.prove(&mut first, armed, rules).await {
            Ok((second, proofs)) => self.proven(first, second, armed, proofs).await,
            Err(Unproven { why, proofs, second }) => {
                let login = the_later(first, second).await;
                let why = armed.observed.blame(why);
                let report = self.bring_back(Some(login), armed, why).await;
                HostReport {
                    mappings: proofs,
                    ..report
                }
            }
        }
    }

    async fn proven(&mut self, first: Login, second: Login, armed: &Armed, proofs: Vec<MappingProof>) -> HostReport {
        match (self.aim, self.options.goal, self.options.confirm) {
            (Aim::Drill, ..) => self.await_timer(first, second, armed).await,
            (_, Goal::Revert { .. }, _) | (.., Confirm::Proven) => self.confirm(first, second, armed, proofs).await,
            (.., Confirm::Manual) => self.leave_pending(first, second, armed, proofs).await,
        }
    }

    async fn connect(&mut self) -> Result<Login, Ended> {
        let ways = self.ways_in();
        self.contact.step(Step::Connect, "");
        let login = self.contact.login(&ways, false, self.options.timeout).await;
        let login = login.map_err(|error| Box::new(login_report(&error)))?;
        if let Err(other) = self.options.machines.claim(&login, &self.host.name) {
            login.connection.close().await;
            return Err(Box::new(ended::stopped(goals::twice(&other))));
        }
        if login.peer.address().is_some_and(proving::is_here) {
            self.asides.push(
                "this is the machine that portmap-deploy runs on: a change that cuts it off from the network ends the run; \
                 its timer undoes such a change all the same"
                    .to_owned(),
            );
        }
        Ok(login)
    }

    /// Observes, decides and, where there is something to do, carries the change to where both ways in are open.
    async fn change(&mut self, first: &mut Login) -> Result<Changed, Ended> {
        let mut marks = proving::Marks::random();
        let mut lacking = Lacking::default();
        // Foreign rules may change between looking and locking, and a kernel may lack a match or a table: a few rounds.
        for _ in 0..5 {
            let (mut observed, kept) = self.look(first).await?;
            if let Some(held) = observed.held.as_ref().filter(|held| self.is_ours(held)) {
                self.end_own(first, held).await?;
                continue;
            }
            self.expect_basis(first, &observed)?;
            self.set_out(&observed, &kept)?;
            self.arrived(first, &observed);
            if lacking.nat {
                observed.without_nat(Family::V6);
                self.warnings.clone_from(&observed.warnings);
            }
            // What a proxy sends cannot be marked by us.
            if lacking.tcpmss || first.peer.address().is_none() {
                let vantages = proving::vantages(self.contact.remote, &first.peer, &observed);
                marks = marks.by_source(&vantages);
            }
            let change = match self.plan(&observed, marks)? {
                Plan::Unchanged(generation) => {
                    self.mend_boot(first, observed.boot).await;
                    return Ok(Changed::Not(
                        self.as_it_is(&observed, generation.map(|number| number.0)),
                    ));
                }
                Plan::Change(change) => *change,
            };
            self.heed(first, &observed, &change)?;
            self.announce().await;
            self.show_diff(&observed, &change);
            match self.load(first, change, observed, marks).await? {
                Loaded::Again(reason) if !lacking.learn(&reason) => {
                    return Err(failed(&loading::plainly(&reason), loading::hint_for(&reason)));
                }
                Loaded::Again(_) => {}
                Loaded::Done(changed) => return Ok(changed),
            }
        }
        Err(failed(
            "the host's rules keep changing while we look",
            Some("run again when nobody else changes them"),
        ))
    }

    /// Over the new connection, which is the proof; the host decides who won.
    async fn confirm(&mut self, first: Login, second: Login, armed: &Armed, proofs: Vec<MappingProof>) -> HostReport {
        self.contact.step(Step::Confirm, "");
        let report = self
            .settle(Wish::Confirm, Some(second), armed, "the rules were proven")
            .await;
        first.connection.close().await;
        HostReport {
            mappings: proofs,
            ..report
        }
    }

    /// Undoes over the session that is there, else over a new one, else waits for the timer; then looks.
    async fn bring_back(&mut self, first: Option<Login>, armed: &Armed, why: String) -> HostReport {
        self.contact.step(Step::Rollback, &why);
        self.settle(Wish::Rollback, first, armed, &why).await
    }
}

/// The login that the host surely hears; closes the other.
async fn the_later(first: Login, second: Option<Login>) -> Login {
    match second {
        None => first,
        Some(second) => {
            first.connection.close().await;
            second
        }
    }
}

/// The longest that one answer of the host may take.
const LONG: Duration = Duration::from_secs(20);

/// The sections of a `rules` answer.
type Rules = BTreeMap<String, String>;

enum Changed {
    /// Nothing to do.
    Not(HostReport),
    /// Armed, and both ways in are open.
    Loosened(Box<Armed>, Rules),
    /// Perhaps armed; contact was lost, or the host's undo did not work at once.
    Lost(Box<Armed>, String),
}
