//! `portmap-deploy status`: how hosts stand, once or again and again.

mod view;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::error::{self, Error};
use super::invocation::Invocation;
use super::journaling;
use super::looks::interrupted;
use super::output_file::OutputFile;
use super::request::Request;
use super::work::Fleetwork;
use super::{args, deploy, machine};
use crate::driver::signals::{self, Signal};
use crate::playbook::Run;
use crate::remote::ssh;
use crate::report::{ExitCode, sanitise};
use crate::rollout::HostId;
use crate::status::{Overview, State, Status};
use view::View;

/// How often a clock on the screen moves.
const TICK: Duration = Duration::from_secs(1);

/// Looks at what the arguments ask for.
pub(super) fn run(args: args::Status, invocation: Invocation) -> Result<ExitCode, Error> {
    let form = args.written.output;
    let streams = matches!(form, args::Shape::Text | args::Shape::Jsonl);
    if args.watch.is_some() && !streams && args.written.output_file.is_none() {
        return Err(Error::WatchedDocuments);
    }
    let world = machine();
    let request = Request::look(args.hosts, args.login, invocation, &*world)?;
    let file = args.written.output_file.map(OutputFile::at).transpose()?;
    let run = deploy::planned(&request, &world)?;
    deploy::say_untouched(&run.untouched);
    let view = View::new(form, file, args.watch.is_some(), request.verbosity);
    deploy::to_its_end(look_at(request, run, view, args.watch))
}

async fn look_at(request: Request, run: Run, view: View, every: Option<Duration>) -> ExitCode {
    let names = run.turns.iter().map(|turn| sanitise(&turn.host.name)).collect();
    let (events, received) = unbounded_channel();
    view.tell_dialogue(received);
    ssh::sweep();
    let forks = run.plan.forks();
    let fleet = Arc::new(Fleetwork::new(
        &request,
        &journaling::run_id(),
        run.turns,
        forks,
        events,
    ));
    let mut looks = Looks {
        names,
        fleet: Arc::clone(&fleet),
        signals: signals::listen(),
        view,
    };
    let ended = match every {
        None => looks.once().await,
        Some(every) => looks.again_and_again(every).await,
    };
    looks.view.leave();
    fleet.close().await;
    ended.unwrap_or_else(|error| error::print(&error))
}

/// One look after the other at the same hosts.
struct Looks {
    names: Vec<String>,
    fleet: Arc<Fleetwork>,
    signals: UnboundedReceiver<Signal>,
    view: View,
}

impl Looks {
    async fn once(&mut self) -> Result<ExitCode, Error> {
        let overview = self.look().await;
        self.view.ended(&overview)?;
        Ok(overview.exit_code())
    }

    /// Until a signal ends it: then the last whole look counts.
    async fn again_and_again(&mut self, every: Duration) -> Result<ExitCode, Error> {
        let mut last = None;
        loop {
            let (began, began_at) = (Instant::now(), Timestamp::now());
            let overview = self.look().await;
            if overview.interrupted {
                return Ok(last.unwrap_or(overview.exit_code()));
            }
            self.view.ended(&overview)?;
            last = Some(overview.exit_code());
            self.view.next = began_at.checked_add(every).ok();
            if !self.wait(every.saturating_sub(began.elapsed())).await {
                return Ok(overview.exit_code());
            }
            self.view.next = None;
        }
    }

    /// `false`: a signal came.
    async fn wait(&mut self, time: Duration) -> bool {
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        let mut ticks = ticks();
        loop {
            tokio::select! {
                () = &mut over => return true,
                () = interrupted(&mut self.signals) => return false,
                _ = ticks.tick() => self.view.tick(),
            }
        }
    }

    /// One login to each host, so many at a time as there are forks.
    async fn look(&mut self) -> Overview {
        let began = Instant::now();
        self.view.begins(self.names.len());
        let mut found: Vec<Option<Status>> = self.names.iter().map(|_| None).collect();
        let (mut tasks, mut hosts) = (JoinSet::new(), HashMap::new());
        for host in 0..self.names.len() {
            let fleet = Arc::clone(&self.fleet);
            let task = tasks.spawn(async move { fleet.look(HostId(host)).await });
            hosts.insert(task.id(), host);
        }
        let mut ticks = ticks();
        let interrupted = loop {
            tokio::select! {
                ended = tasks.join_next_with_id() => match ended {
                    Some(ended) => self.keep(&hosts, &mut found, ended),
                    None => break false,
                },
                () = interrupted(&mut self.signals) => break true,
                _ = ticks.tick() => self.view.tick(),
            }
        };
        let hosts = self.names.iter().cloned().zip(found);
        Overview {
            hosts: hosts.filter_map(|(name, status)| Some((name, status?))).collect(),
            elapsed: began.elapsed(),
            interrupted,
        }
    }

    fn keep(
        &mut self,
        hosts: &HashMap<Id, usize>,
        found: &mut [Option<Status>],
        ended: Result<(Id, Status), JoinError>,
    ) {
        let (id, status) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), broken()),
        };
        let Some(host) = hosts.get(&id) else { return };
        if let (Some(place), Some(name)) = (found.get_mut(*host), self.names.get(*host)) {
            self.view.host(name, &status);
            *place = Some(status);
        }
    }
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// The state of a host whose task panicked.
fn broken() -> Status {
    Status::new(State::Failed)
        .because("a fault in this program")
        .advising("please report this fault".to_owned())
}
