//! Carries out a rollout's commands: a task per running host, the clock, the operator's signals. Decides nothing.

pub(crate) mod signals;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::report::{EndState, HostReport, Outcome, RunEvent};
use crate::rollout::{Command, Event, HostId, Known, Pause, Rollout, RolloutPlan, StopReason};
use signals::Signal;

/// What a run does to its hosts; the driver knows them by number alone.
pub trait Work: Send + Sync + 'static {
    /// Brings a host to its goal. Never fails: the report says what the host runs.
    fn apply(self: Arc<Self>, host: HostId) -> impl Future<Output = HostReport> + Send;

    /// Gives a host the rules back that it had before the run; `applied` is how [`Self::apply`] ended.
    fn revert(self: Arc<Self>, host: HostId, applied: HostReport) -> impl Future<Output = HostReport> + Send;

    /// Watches hosts for so long, and says which of them are not well, and why.
    fn soak(self: Arc<Self>, hosts: Vec<HostId>, time: Duration) -> impl Future<Output = Vec<(HostId, String)>> + Send;

    /// Asks the operator whether the run goes on with a batch (from 1) of so many hosts.
    fn ask(self: Arc<Self>, batch: usize, hosts: usize) -> impl Future<Output = bool> + Send;
}

/// What is known of a run that is resumed.
#[derive(Debug, Default)]
pub struct Earlier {
    /// Hosts that had their end.
    pub ended: Vec<(HostId, HostReport)>,
    /// Hosts that were to get their old rules back, where the run had come to that.
    pub reverting: Option<Vec<HostId>>,
}

/// Carries out `plan` on hosts of these names, and tells `events` of it (all but [`RunEvent::Started`]). SIGINT, SIGTERM
/// and SIGHUP end the run: the first starts no more hosts, the second (unless it is SIGHUP, which comes twice when a
/// terminal is closed) leaves the running ones to their rollback timers. The outcome has every host, in the order given. A
/// task that panics is a host of state `Unknown`, not the end of the run.
pub async fn drive<W: Work>(
    names: Vec<String>,
    plan: RolloutPlan,
    earlier: Earlier,
    work: Arc<W>,
    events: UnboundedSender<RunEvent>,
) -> Outcome {
    drive_until(names, plan, earlier, work, events, signals::listen()).await
}

/// [`drive`] with signals from a channel.
async fn drive_until<W: Work>(
    names: Vec<String>,
    plan: RolloutPlan,
    earlier: Earlier,
    work: Arc<W>,
    events: UnboundedSender<RunEvent>,
    mut signals: UnboundedReceiver<Signal>,
) -> Outcome {
    let known = Known {
        ended: earlier
            .ended
            .iter()
            .map(|(host, report)| (*host, report.state))
            .collect(),
        reverting: earlier.reverting,
    };
    let mut rollout = Rollout::resumed(&plan, known);
    let mut run = Run::new(names, plan, earlier.ended, work, events);
    let mut commands = rollout.handle(Event::Begin);
    while run.carry_out(commands) {
        commands = tokio::select! {
            Some(ended) = run.tasks.join_next_with_id() => match run.ended(ended) {
                Some(event) => rollout.handle(event),
                None => vec![],
            },
            Some(signal) = signals.recv() => {
                // A terminal that is closed may say so twice, and nobody asked twice.
                if signal == Signal::Hangup && rollout.interrupted() {
                    vec![]
                } else {
                    run.tell(RunEvent::Interrupted { running: rollout.running(), again: rollout.interrupted() });
                    rollout.handle(Event::Interrupted)
                }
            }
            // Neither a task nor a signal can come any more: nothing would ever wake this loop.
            else => break,
        };
    }
    run.tell(RunEvent::Finished);
    run.outcome(rollout.interrupted())
}

/// How a task ended.
enum Done {
    Host(HostReport),
    Soaked(Vec<(HostId, String)>),
    Paused(bool),
}

/// A task of a host.
struct Task {
    host: HostId,
    since: Instant,
    reverts: bool,
}

/// A soak or a pause.
struct Wait {
    task: AbortHandle,
    /// The batch and its hosts, for a soak.
    soaks: Option<(usize, Vec<HostId>)>,
}

/// The run's hosts and tasks.
struct Run<W> {
    names: Vec<String>,
    plan: RolloutPlan,
    work: Arc<W>,
    events: UnboundedSender<RunEvent>,
    tasks: JoinSet<Done>,
    started: HashMap<Id, Task>,
    waiting: Option<Wait>,
    reports: Vec<Option<HostReport>>,
}

impl<W: Work> Run<W> {
    fn new(
        names: Vec<String>,
        plan: RolloutPlan,
        ended: Vec<(HostId, HostReport)>,
        work: Arc<W>,
        events: UnboundedSender<RunEvent>,
    ) -> Self {
        let mut reports: Vec<Option<HostReport>> = names.iter().map(|_| None).collect();
        for (host, report) in ended {
            if let Some(place) = reports.get_mut(host.0) {
                *place = Some(report);
            }
        }
        Self {
            names,
            plan,
            work,
            events,
            tasks: JoinSet::new(),
            started: HashMap::new(),
            waiting: None,
            reports,
        }
    }

    /// `false` when the run is over.
    fn carry_out(&mut self, commands: Vec<Command>) -> bool {
        for command in commands {
            match command {
                Command::BeginBatch(batch) => self.tell(RunEvent::BatchStarted(batch)),
                Command::EndBatch(tally) => self.tell(RunEvent::BatchFinished {
                    batch: tally.batch,
                    verdict: tally.to_string(),
                }),
                Command::Stop(StopReason::Failures(tally)) if !tally.matters() => {}
                Command::Stop(reason) => self.tell(RunEvent::Stopping {
                    why: reason.to_string(),
                }),
                Command::Start(host) => self.start(host),
                Command::Revert(host) => self.revert(host),
                Command::Soak { batch, hosts, time } => self.soak(batch, hosts, time),
                Command::Pause { before, hosts, pause } => self.pause(before, hosts, pause),
                Command::StopWaiting => self.stop_waiting(),
                Command::Skip { host, reason } => {
                    let report = HostReport::new(EndState::Skipped).because(format!("not started: {reason}"));
                    self.finish(host, report);
                }
                Command::BeginRevert { hosts, reason } => self.tell(RunEvent::RevertStarted {
                    hosts: hosts.iter().map(|host| self.name(*host)).collect(),
                    why: reason.to_string(),
                }),
                Command::Leave(host) => self.leave(host),
                Command::Abandon(host) => self.abandon(host),
                Command::Finish => return false,
            }
        }
        true
    }

    fn start(&mut self, host: HostId) {
        let name = self.name(host);
        self.tell(RunEvent::HostStarted { host: name });
        let work = Arc::clone(&self.work).apply(host);
        let task = self.tasks.spawn(async move { Done::Host(work.await) });
        self.note(&task, host, false);
    }

    fn revert(&mut self, host: HostId) {
        let name = self.name(host);
        self.tell(RunEvent::HostReverting { host: name });
        let applied = self.report_of(host);
        let work = Arc::clone(&self.work).revert(host, applied);
        let task = self.tasks.spawn(async move { Done::Host(work.await) });
        self.note(&task, host, true);
    }

    fn note(&mut self, task: &AbortHandle, host: HostId, reverts: bool) {
        let since = Instant::now();
        self.started.insert(task.id(), Task { host, since, reverts });
    }

    fn soak(&mut self, batch: usize, hosts: Vec<HostId>, time: Duration) {
        self.tell(RunEvent::SoakStarted {
            batch,
            hosts: hosts.len(),
            time,
        });
        let work = Arc::clone(&self.work).soak(hosts.clone(), time);
        let task = self.tasks.spawn(async move { Done::Soaked(work.await) });
        self.waiting = Some(Wait {
            task,
            soaks: Some((batch, hosts)),
        });
    }

    fn pause(&mut self, before: usize, hosts: usize, pause: Pause) {
        let time = match pause {
            Pause::For(time) => Some(time),
            Pause::Confirm => None,
        };
        self.tell(RunEvent::PauseStarted { before, hosts, time });
        let work = Arc::clone(&self.work);
        let task = self.tasks.spawn(async move {
            Done::Paused(match time {
                Some(time) => {
                    tokio::time::sleep(time).await;
                    true
                }
                None => work.ask(before, hosts).await,
            })
        });
        self.waiting = Some(Wait { task, soaks: None });
    }

    fn stop_waiting(&mut self) {
        let Some(wait) = self.waiting.take() else { return };
        wait.task.abort();
        self.tell(match wait.soaks {
            Some((batch, _)) => RunEvent::SoakFinished {
                batch,
                unhealthy: vec![],
            },
            None => RunEvent::PauseFinished { go_on: false },
        });
    }

    /// A task ended: what that means, unless nobody waits for it any more.
    fn ended(&mut self, task: Result<(Id, Done), JoinError>) -> Option<Event> {
        let (id, done) = match task {
            Ok((id, done)) => (id, Ok(done)),
            Err(error) => (error.id(), Err(error)),
        };
        if let Some(wait) = self.waiting.take_if(|wait| wait.task.id() == id) {
            return Some(self.waited(wait, done));
        }
        let task = self.started.remove(&id)?;
        let report = match done {
            Ok(Done::Host(report)) => report,
            Ok(Done::Soaked(_) | Done::Paused(_)) => return None,
            Err(error) => broken(error),
        };
        let (host, state, elapsed) = (task.host, report.state, task.since.elapsed());
        self.end(&task, HostReport { elapsed, ..report });
        Some(Event::Ended { host, state })
    }

    fn end(&mut self, task: &Task, report: HostReport) {
        if task.reverts {
            self.reverted(task.host, report);
        } else {
            self.finish(task.host, report);
        }
    }

    fn waited(&mut self, wait: Wait, done: Result<Done, JoinError>) -> Event {
        let Some((batch, hosts)) = wait.soaks else {
            let go_on = matches!(done, Ok(Done::Paused(true)));
            self.tell(RunEvent::PauseFinished { go_on });
            return Event::Paused { go_on };
        };
        let unhealthy = match done {
            Ok(Done::Soaked(unhealthy)) => unhealthy,
            Ok(Done::Host(_) | Done::Paused(_)) => vec![],
            Err(error) => {
                let why = format!("a fault in this program: {}", words(error));
                hosts.into_iter().map(|host| (host, why.clone())).collect()
            }
        };
        let names = unhealthy.iter().map(|(host, _)| self.name(*host)).collect();
        let ids = unhealthy.iter().map(|(host, _)| *host).collect();
        for (host, why) in unhealthy {
            self.unhealthy(host, why);
        }
        self.tell(RunEvent::SoakFinished {
            batch,
            unhealthy: names,
        });
        Event::Soaked { unhealthy: ids }
    }

    fn unhealthy(&mut self, host: HostId, why: String) {
        let report = self.report_of(host);
        let state = report.state.unhealthy();
        let report = self.keep(host, HostReport { state, ..report }.because(why));
        let host = self.name(host);
        self.tell(RunEvent::HostUnhealthy { host, report });
    }

    fn abandon(&mut self, host: HostId) {
        let task = self.started.iter().find(|(_, task)| task.host == host);
        let Some(id) = task.map(|(id, _)| *id) else { return };
        let Some(task) = self.started.remove(&id) else { return };
        let report = HostReport::new(EndState::Unknown)
            .because("interrupted before its end: a change that was not confirmed is undone by the host's own timer")
            .advising("run again when the rollback window is over");
        let elapsed = task.since.elapsed();
        self.end(&task, HostReport { elapsed, ..report });
    }

    fn leave(&mut self, host: HostId) {
        let report = self.report_of(host);
        let state = report.state.not_rolled_back();
        self.reverted(
            host,
            HostReport { state, ..report }.because("the run was interrupted before this host's turn came"),
        );
    }

    fn finish(&mut self, host: HostId, report: HostReport) {
        let report = self.keep(host, report);
        let host = self.name(host);
        self.tell(RunEvent::HostFinished { host, report });
    }

    fn reverted(&mut self, host: HostId, report: HostReport) {
        let report = self.keep(host, report);
        let host = self.name(host);
        self.tell(RunEvent::HostReverted { host, report });
    }

    /// Makes it the host's report.
    fn keep(&mut self, host: HostId, report: HostReport) -> Box<HostReport> {
        let batch = self.plan.batch_of(host).unwrap_or_default();
        let report = HostReport { batch, ..report }.sanitised();
        if let Some(place) = self.reports.get_mut(host.0) {
            *place = Some(report.clone());
        }
        Box::new(report)
    }

    fn report_of(&self, host: HostId) -> HostReport {
        let report = self.reports.get(host.0).cloned().flatten();
        report.unwrap_or_else(lost)
    }

    fn name(&self, host: HostId) -> String {
        self.names.get(host.0).cloned().unwrap_or_default()
    }

    fn tell(&self, event: RunEvent) {
        // Nobody listens any more: the run goes on all the same.
        let _ = self.events.send(event);
    }

    fn outcome(self, interrupted: bool) -> Outcome {
        let reports = self.reports.into_iter().map(|report| report.unwrap_or_else(lost));
        let hosts = self.names.into_iter().zip(reports).collect();
        Outcome {
            hosts,
            interrupted,
            only_looked: false,
        }
    }
}

fn lost() -> HostReport {
    HostReport::new(EndState::Unknown).because("the run ended without this host's report")
}

/// The report of a host whose task panicked.
fn broken(error: JoinError) -> HostReport {
    HostReport::new(EndState::Unknown)
        .because(format!("a fault in this program: {}", words(error)))
        .advising("an unconfirmed change is undone by the host's own timer; please report this fault")
}

fn words(error: JoinError) -> String {
    error
        .try_into_panic()
        .ok()
        .map_or_else(|| "its task was cancelled".to_owned(), panic_words)
}

fn panic_words(payload: Box<dyn std::any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(words) => *words,
        Err(payload) => payload.downcast_ref::<&str>().copied().unwrap_or("panic").to_owned(),
    }
}

#[cfg(test)]
mod tests;
