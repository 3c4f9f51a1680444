//! Carries out a rollout's commands: a task per running host, the clock, the operator's signals. Decides nothing.

use std::collections::HashMap;
use std::future::Future;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{Id, JoinError, JoinSet};

use crate::inventory::HostSpec;
use crate::report::{EndState, HostReport, Outcome, RunEvent};
use crate::rollout::{Command, Event, HostId, Rollout, RolloutPlan};

/// Runs `job` on each host as `plan` says, and tells `events` of it (all but [`RunEvent::Started`]). SIGINT and SIGTERM
/// end the run: the first starts no more hosts, the second leaves the running ones to their rollback timers. The outcome
/// has every host, in the order given. A job that panics is a host of state `Unknown`, not the end of the run.
pub async fn drive<J, F>(hosts: Vec<HostSpec>, plan: RolloutPlan, job: J, events: UnboundedSender<RunEvent>) -> Outcome
where
    J: Fn(HostSpec) -> F,
    F: Future<Output = HostReport> + Send + 'static,
{
    drive_until(hosts, plan, job, events, interrupts()).await
}

/// [`drive`] with interrupts from a channel in place of signals.
async fn drive_until<J, F>(
    hosts: Vec<HostSpec>,
    plan: RolloutPlan,
    job: J,
    events: UnboundedSender<RunEvent>,
    mut interrupts: UnboundedReceiver<()>,
) -> Outcome
where
    J: Fn(HostSpec) -> F,
    F: Future<Output = HostReport> + Send + 'static,
{
    let mut rollout = Rollout::new(&plan);
    let mut run = Run::new(hosts, plan, job, events);
    let mut commands = rollout.handle(Event::Begin);
    while run.carry_out(commands) {
        commands = tokio::select! {
            Some(ended) = run.tasks.join_next_with_id() => match run.ended(ended) {
                Some((host, state)) => rollout.handle(Event::Ended { host, state }),
                None => vec![],
            },
            Some(()) = interrupts.recv() => {
                run.tell(RunEvent::Interrupted { running: rollout.running(), again: rollout.interrupted() });
                rollout.handle(Event::Interrupted)
            }
            // Neither a task nor a signal can come any more: nothing would ever wake this loop.
            else => break,
        };
    }
    run.tell(RunEvent::Finished);
    run.outcome(rollout.interrupted())
}

/// SIGINT and SIGTERM, one message each. Where handlers cannot be installed the signals keep their default: they end the
/// program, and the hosts' timers do the rest.
fn interrupts() -> UnboundedReceiver<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (sender, receiver) = unbounded_channel();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let sender = sender.clone();
        let Ok(mut signals) = signal(kind) else { continue };
        tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(()).is_ok() {} });
    }
    receiver
}

/// The run's hosts and tasks.
struct Run<J> {
    hosts: Vec<HostSpec>,
    plan: RolloutPlan,
    job: J,
    events: UnboundedSender<RunEvent>,
    tasks: JoinSet<HostReport>,
    started: HashMap<Id, (HostId, Instant)>,
    reports: Vec<Option<HostReport>>,
}

impl<J, F> Run<J>
where
    J: Fn(HostSpec) -> F,
    F: Future<Output = HostReport> + Send + 'static,
{
    fn new(hosts: Vec<HostSpec>, plan: RolloutPlan, job: J, events: UnboundedSender<RunEvent>) -> Self {
        let reports = hosts.iter().map(|_| None).collect();
        Self {
            hosts,
            plan,
            job,
            events,
            tasks: JoinSet::new(),
            started: HashMap::new(),
            reports,
        }
    }

    /// `false` when the run is over.
    fn carry_out(&mut self, commands: Vec<Command>) -> bool {
        for command in commands {
            match command {
                Command::BeginBatch(batch) => self.tell(RunEvent::BatchStarted(batch)),
                Command::Start(host) => self.start(host),
                Command::Skip { host, reason } => {
                    self.finish(host, HostReport::new(EndState::Skipped).because(reason.to_string()));
                }
                Command::Abandon(host) => self.abandon(host),
                Command::Finish => return false,
            }
        }
        true
    }

    fn start(&mut self, host: HostId) {
        let Some(spec) = self.hosts.get(host.0).cloned() else {
            return;
        };
        self.tell(RunEvent::HostStarted {
            host: spec.name.clone(),
        });
        let id = self.tasks.spawn((self.job)(spec)).id();
        self.started.insert(id, (host, Instant::now()));
    }

    /// A task ended: its host and end, unless the host was abandoned before.
    fn ended(&mut self, task: Result<(Id, HostReport), JoinError>) -> Option<(HostId, EndState)> {
        let (id, report) = match task {
            Ok(ended) => ended,
            Err(error) => (error.id(), broken(error)),
        };
        let (host, since) = self.started.remove(&id)?;
        let state = report.state;
        self.finish(
            host,
            HostReport {
                elapsed: since.elapsed(),
                ..report
            },
        );
        Some((host, state))
    }

    fn abandon(&mut self, host: HostId) {
        let task = self
            .started
            .iter()
            .find(|(_, (of, _))| *of == host)
            .map(|(id, (_, since))| (*id, *since));
        let Some((id, since)) = task else { return };
        self.started.remove(&id);
        let report = HostReport::new(EndState::Unknown)
            .because("interrupted before its end: a change that was not confirmed is undone by the host's own timer")
            .advising("run again when the rollback window is over");
        self.finish(
            host,
            HostReport {
                elapsed: since.elapsed(),
                ..report
            },
        );
    }

    fn finish(&mut self, host: HostId, report: HostReport) {
        let batch = self.plan.batch_of(host).unwrap_or_default();
        let report = HostReport { batch, ..report }.sanitised();
        let Some(spec) = self.hosts.get(host.0) else { return };
        self.tell(RunEvent::HostFinished {
            host: spec.name.clone(),
            report: Box::new(report.clone()),
        });
        if let Some(place) = self.reports.get_mut(host.0) {
            *place = Some(report);
        }
    }

    fn tell(&self, event: RunEvent) {
        // Nobody listens any more: the run goes on all the same.
        let _ = self.events.send(event);
    }

    fn outcome(self, interrupted: bool) -> Outcome {
        let lost = || HostReport::new(EndState::Unknown).because("the run ended without this host's report");
        let reports = self.reports.into_iter().map(|report| report.unwrap_or_else(lost));
        let hosts = self.hosts.into_iter().map(|host| host.name).zip(reports).collect();
        Outcome { hosts, interrupted }
    }
}

/// The report of a host whose task panicked.
fn broken(error: JoinError) -> HostReport {
    let words = error
        .try_into_panic()
        .ok()
        .map_or_else(|| "its task was cancelled".to_owned(), panic_words);
    HostReport::new(EndState::Unknown)
        .because(format!("a fault in this program: {words}"))
        .advising("an unconfirmed change is undone by the host's own timer; please report this fault")
}

fn panic_words(payload: Box<dyn std::any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(words) => *words,
        Err(payload) => payload.downcast_ref::<&str>().copied().unwrap_or("panic").to_owned(),
    }
}

#[cfg(test)]
mod tests;
