//! One host, from its old rules to the proven new ones, or back: the table of the design's section 5, top to bottom.
//!
//! The rollback timer runs on the host before anything is switched, so whatever goes wrong here the worst outcome is the
//! old rules. After a loss of contact nothing is assumed: the host is asked, over a new login, what it runs.

mod contact;
mod ended;
mod loading;
mod look;
mod proving;
mod recovery;
mod refusal;
mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::firewall::Family;
use crate::inventory::HostSpec;
use crate::mapping::MappingSet;
use crate::memory::Memory;
use crate::plan::{Counts, HostChange, Made, Observed, Plan, is_mapped, way_after};
use crate::playbook::Check;
use crate::proof::{self, Management, Phase, Vantage};
use crate::remote::dialogue::Status;
use crate::remote::ssh::{Bastions, Ssh};
use crate::remote::{Login, LoginError, Remote};
use crate::report::{EndState, HostReport, MappingProof, RunEvent, Step};

pub use look::look;

use contact::Contact;
use ended::{Ended, Unproven, failed, login_report, stopped, unchanged};
use loading::{Lacking, Loaded};
use proving::Probing;
use recovery::Wish;
use ways::Arrival;

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
    /// Who confirms.
    pub confirm: Confirm,
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
    Remove {
        /// Even where only our own accept lets the operator in, as far as the rules tell.
        force: bool,
    },
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

/// Watches a host for so long: its login and the checks must stay good.
///
/// # Errors
/// What was not good, one sentence.
pub async fn soak(host: &HostSpec, options: &Options, time: Duration) -> Result<(), String> {
    let _ = (host, options);
    tokio::time::sleep(time).await;
    Ok(())
}

/// The same over any [`Remote`].
pub async fn deploy_over<R: Remote>(
    remote: &R,
    host: &HostSpec,
    options: &Options,
    events: &UnboundedSender<RunEvent>,
) -> HostReport {
    let mut transaction = Transaction::new(remote, host, options, events);
    let mut report = transaction.run().await.unwrap_or_else(|report| *report);
    transaction.conclude(&mut report).await;
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
    /// The mappings that it shall have.
    desired: MappingSet,
    options: &'a Options,
    /// Random: names this transaction on the host.
    id: String,
    warnings: Vec<String>,
    /// Ports by which the controller reached this host before.
    remembered: Vec<u16>,
    arrival: Option<Arrival>,
    /// Whether the operator was told what the change takes away.
    announced: bool,
    /// Warnings that are not about the host: keys that were not noted, memory that does not work.
    asides: Vec<String>,
}

impl<'a, R: Remote> Transaction<'a, R> {
    fn new(remote: &'a R, host: &'a HostSpec, options: &'a Options, events: &'a UnboundedSender<RunEvent>) -> Self {
        Self {
            contact: Contact::new(remote, &host.name, options, events),
            host,
            desired: match options.goal {
                Goal::Deploy => host.mappings.clone(),
                Goal::Remove { .. } | Goal::RollBack(_) | Goal::Revert { .. } | Goal::Drill => MappingSet::default(),
            },
            options,
            id: format!("t{:016x}", fastrand::u64(..)),
            warnings: Vec::new(),
            remembered: Vec::new(),
            arrival: None,
            announced: false,
            asides: Vec::new(),
        }
    }
}

/// A change that is armed on the host.
struct Armed {
    change: HostChange,
    observed: Observed,
    /// The rollback timer has fired by then.
    latest: Instant,
    /// What the probes look like.
    marks: proving::Marks,
}

impl<R: Remote> Transaction<'_, R> {
    async fn run(&mut self) -> Result<HostReport, Ended> {
        self.recall().await;
        let mut first = self.connect().await?;
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
            Ok((second, proofs)) => self.confirm(first, second, armed, proofs).await,
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

    /// Whether this run made the generation that the host has: it was killed before it wrote that down, and goes on.
    fn made_by_us<'a>(&self, observed: &'a Observed) -> Option<&'a Made> {
        let run = loading::word(&self.options.run_id);
        observed.made.as_ref().filter(|made| made.run == run)
    }

    /// The generation that was confirmed before this run.
    fn before(&self, observed: &Observed) -> Option<u32> {
        self.made_by_us(observed).map_or(observed.current, |made| made.before)
    }

    /// A host that has what it should.
    fn as_it_is(&self, observed: &Observed, generation: Option<u32>) -> HostReport {
        match self.made_by_us(observed) {
            Some(made) if generation.is_some() => HostReport {
                generation,
                before: made.before,
                ..HostReport::new(EndState::Confirmed)
            },
            _ => unchanged(generation),
        }
    }

    async fn connect(&mut self) -> Result<Login, Ended> {
        let ways = self.ways_in();
        self.contact.step(Step::Connect, "");
        self.contact
            .login(&ways, false, self.options.timeout)
            .await
            .map_err(|error| Box::new(login_report(&error)))
    }

    /// Observes, decides and, where there is something to do, carries the change to where both ways in are open.
    async fn change(&mut self, first: &mut Login) -> Result<Changed, Ended> {
        let mut marks = proving::Marks::random();
        let mut lacking = Lacking::default();
        // Foreign rules may change between looking and locking, and a kernel may lack a match or a table: a few rounds.
        for _ in 0..5 {
            let mut observed = self.observe(first).await?;
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
            self.announce().await;
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

    fn plan(&self, observed: &Observed, marks: proving::Marks) -> Result<Plan, Ended> {
        let mark = |family| marks.of(family);
        match self.options.goal {
            Goal::Deploy => Ok(observed.plan(&self.desired, mark)),
            Goal::Remove { force } => observed.removal(force, mark).map_err(|stop| Box::new(stopped(stop))),
            Goal::RollBack(_) | Goal::Revert { .. } | Goal::Drill => Err(failed("not known how", None)),
        }
    }

    /// The port by which operators reach sshd once the change is made.
    fn way_after(&self, first: &Login, observed: &Observed) -> u16 {
        let management = self.contact.remote.management_port();
        let before = observed.before(first.port);
        match (self.options.goal, before.sshd) {
            // Where no mapping of ours led, sshd itself listens, or somebody before the host goes on sending it there.
            (Goal::Remove { .. }, Some(port)) => {
                if before.mapped {
                    port
                } else {
                    first.port
                }
            }
            _ => way_after(management, &self.desired, observed.here),
        }
    }

    async fn observe(&mut self, login: &mut Login) -> Result<Observed, Ended> {
        self.contact.step(Step::Observe, "");
        login.dialogue.ask("observe");
        let answer = self.contact.answer(login, LONG).await;
        let answer = answer.map_err(|why| {
            Box::new(
                HostReport::new(EndState::Failed)
                    .because(why.sentence())
                    .advising_maybe(why.hint()),
            )
        })?;
        let observed = Observed::read(&answer.sections).map_err(|stop| Box::new(stopped(stop)))?;
        self.warnings.clone_from(&observed.warnings);
        Ok(observed)
    }

    /// Probes what the new rules promise while the old ways in are open, tightens, logs in anew and probes everything.
    async fn prove(
        &mut self,
        first: &mut Login,
        armed: &Armed,
        rules: Rules,
    ) -> Result<(Login, Vec<MappingProof>), Unproven> {
        let way = self.way_after(first, &armed.observed);
        let login = Management {
            family: proving::login_family(&first.peer, &armed.observed).unwrap_or(Family::V4),
            port: way,
        };
        let route = self.contact.remote.route().again(&first.peer);
        let vantages = proving::vantages(self.contact.remote, &first.peer, &armed.observed);
        let limit = self.options.rollback_after / 3;
        self.contact.step(Step::Verify, "new ways in, the old ones still open");
        let read = armed.change.read_back(&rules)?;
        armed.change.check(&read, false)?;
        let checks = proof::checks(&self.desired, &vantages, Some(login), Phase::Loosened);
        let probing = Probing::start(checks, armed.marks, &route, limit / 2);
        let base = armed.change.counted(&read);
        let (_, base) = self.probe(first, armed, probing, &base, &vantages).await?;
        if way != first.port && !is_mapped(way, &self.desired) {
            // Nothing has tried it yet, and the way in that we know is about to close.
            proving::answers(&route, way, limit / 2).await?;
        }
        self.contact.step(Step::Switch, "tighten");
        self.tighten(first, limit).await?;
        self.contact.step(
            Step::Verify,
            &format!("login on port {way}, mapped ports, direct access"),
        );
        let checks = proof::checks(&self.desired, &vantages, Some(login), Phase::Tightened);
        // The probes are under way while we log in.
        let probing = Probing::start(checks, armed.marks, &route, limit);
        let second = self.contact.login_at(&route, &[way], true, limit).await;
        let mut second = second.map_err(|error| format!("no new login by port {way}: {error}"))?;
        if second.peer.host() != first.peer.host() || second.port != way {
            return Err(format!("the new login went to {}, not to {}", second.peer, first.peer.host()).into());
        }
        match self
            .probe_tightened(&mut second, armed, probing, &base, &vantages)
            .await
        {
            Ok(proofs) => Ok((
                second,
                proving::with_unseen(proofs, &self.desired, &armed.change, &vantages),
            )),
            Err(unproven) => Err(Unproven {
                second: Some(second),
                ..unproven
            }),
        }
    }

    /// Reads back and asks over the new login: the first may have come by a mapping that is no more, and a host that
    /// accepts nothing but our mappings does not hear it any longer.
    async fn probe_tightened(
        &mut self,
        second: &mut Login,
        armed: &Armed,
        probing: Probing,
        base: &Counts,
        vantages: &[Vantage],
    ) -> Result<Vec<MappingProof>, Unproven> {
        second.dialogue.ask(&format!("resume {}", self.id));
        second.dialogue.ask("rules");
        let resumed = self.contact.answer(second, LONG).await.map_err(|why| why.sentence())?;
        if resumed.status != Status::Ok {
            return Err("the change was ended before it was proven".to_owned().into());
        }
        let rules = self.contact.answer(second, LONG).await.map_err(|why| why.sentence())?;
        armed.change.check(&armed.change.read_back(&rules.sections)?, true)?;
        Ok(self.probe(second, armed, probing, base, vantages).await?.0)
    }

    /// No answer is no failure yet: see [`Self::probe_tightened`], which reads back what came of it.
    async fn tighten(&mut self, first: &mut Login, limit: Duration) -> Result<(), Unproven> {
        first.dialogue.ask("tighten");
        match self.contact.answer(first, limit / 2).await {
            Ok(answer) if answer.status != Status::Ok => {
                let undone = recovery::undone(&answer.text).and_then(|report| report.reason);
                Err(undone.unwrap_or(answer.text).into())
            }
            _ => Ok(()),
        }
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
