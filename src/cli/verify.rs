use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use super::args::Verify;
use super::deploy::{self, Viewer};
use super::error::Error;
use super::invocation::Invocation;
use super::journaling;
use super::machine;
use super::request::Request;
use super::work::Fleetwork;
use crate::driver::{self, Earlier, Work};
use crate::playbook::Run;
use crate::remote::ssh;
use crate::report::{ExitCode, HostReport, Outcome};
use crate::rollout::{HostId, OnFailure, Policy, RolloutPlan};

/// Proves from outside what the arguments ask for, and changes nothing.
pub(super) fn run(args: Verify, invocation: Invocation) -> Result<ExitCode, Error> {
    let world = machine();
    let request = Request::verify(args, invocation, &*world)?;
    let run = deploy::planned(&request, &world)?;
    deploy::say_untouched(&run.untouched);
    deploy::to_its_end(verify(request, run))
}

async fn verify(request: Request, run: Run) -> ExitCode {
    let started = Instant::now();
    let run_id = journaling::run_id();
    let names: Vec<String> = run.turns.iter().map(|turn| turn.host.name.clone()).collect();
    // Who only looks needs no batches, and no failure ends the look.
    let policy = Policy {
        on_failure: OnFailure::Continue,
        ..Policy::default()
    };
    let plan = RolloutPlan::new(request.options.forks).then(&[names.len()], &[], policy);
    let (events, received) = unbounded_channel();
    let _ = events.send(deploy::started_event(&run_id, &plan, &names));
    let showing = tokio::spawn(deploy::show(received, Viewer::new(&request, plan.forks(), None)));
    ssh::sweep();
    let fleet = Fleetwork::new(&request, &run_id, run.turns, plan.forks(), events.clone());
    let looking = Arc::new(Looking(fleet));
    let outcome = driver::drive(names, plan, Earlier::default(), Arc::clone(&looking), events).await;
    looking.0.close().await;
    // As after a deploy: the result is worth more than the display.
    let _ = showing.await;
    let outcome = Outcome {
        only_looked: true,
        ..outcome
    };
    deploy::print_end(request.output, &run_id, &outcome, started.elapsed());
    outcome.exit_code()
}

/// Hosts that are looked at.
struct Looking(Fleetwork);

impl Work for Looking {
    async fn apply(self: Arc<Self>, host: HostId) -> HostReport {
        self.0.verify(host).await
    }

    /// There is nothing to take back.
    async fn revert(self: Arc<Self>, _host: HostId, applied: HostReport) -> HostReport {
        applied
    }

    fn soak(
        self: Arc<Self>,
        _hosts: Vec<HostId>,
        _time: Duration,
    ) -> impl Future<Output = Vec<(HostId, String)>> + Send {
        std::future::ready(vec![])
    }

    fn ask(self: Arc<Self>, _batch: usize, _hosts: usize) -> impl Future<Output = bool> + Send {
        std::future::ready(true)
    }
}
