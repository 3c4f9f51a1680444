use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use super::args::{Output, Shape, Verify};
use super::deploy::{self, Viewer};
use super::error::{self, Error};
use super::invocation::Invocation;
use super::journaling;
use super::machine;
use super::output_file::OutputFile;
use super::request::Request;
use super::work::Fleetwork;
use crate::driver::{self, Earlier, Work};
use crate::playbook::Run;
use crate::remote::ssh;
use crate::report::{self, ExitCode, HostReport, Look, Outcome, RunEvent};
use crate::rollout::{HostId, OnFailure, Policy, RolloutPlan};

/// Proves from outside what the arguments ask for, and changes nothing.
pub(super) fn run(args: Verify, invocation: Invocation) -> Result<ExitCode, Error> {
    let world = machine();
    let shape = args.written.output;
    let file = args.written.output_file.clone().map(OutputFile::at).transpose()?;
    let request = Request::verify(args, invocation, &*world)?;
    let run = deploy::planned(&request, &world)?;
    deploy::say_untouched(&run.untouched);
    deploy::to_its_end(verify(request, run, shape, file))
}

async fn verify(request: Request, run: Run, shape: Shape, file: Option<OutputFile>) -> ExitCode {
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
    let found = Found {
        run_id: &run_id,
        outcome: &outcome,
        elapsed: started.elapsed(),
    };
    match found.write(shape, file) {
        Ok(()) => outcome.exit_code(),
        Err(error) => error::print(&error),
    }
}

/// What a look found.
struct Found<'a> {
    run_id: &'a str,
    outcome: &'a Outcome,
    elapsed: Duration,
}

impl Found<'_> {
    fn write(&self, shape: Shape, file: Option<OutputFile>) -> Result<(), Error> {
        match (shape, file) {
            (Shape::Text, None) => deploy::print_end(Output::Text, self.run_id, self.outcome, self.elapsed),
            // The lines of the hosts are written as they come.
            (Shape::Jsonl, None) => deploy::print_end(Output::Jsonl, self.run_id, self.outcome, self.elapsed),
            (_, None) => deploy::print(&self.text(shape)),
            (_, Some(file)) => return file.replace(&self.text(shape)),
        }
        Ok(())
    }

    /// As it is written to a file.
    fn text(&self, shape: Shape) -> String {
        let (outcome, elapsed) = (self.outcome, self.elapsed);
        match shape {
            Shape::Text => report::recap(outcome, elapsed, PLAIN),
            Shape::Json => report::document(self.run_id, outcome) + "\n",
            Shape::Jsonl => self.lines(),
            Shape::Junit => report::junit("portmap-deploy verify", &report::findings(outcome), elapsed),
            Shape::Prometheus => {
                let now = jiff::Timestamp::now().as_duration().as_secs_f64();
                report::exposition(&report::gauges(outcome, elapsed, now))
            }
        }
    }

    fn lines(&self) -> String {
        let finished = |(host, report): &(String, HostReport)| {
            report::event_line(&RunEvent::HostFinished {
                host: host.clone(),
                report: Box::new(report.clone()),
            })
        };
        let hosts = self.outcome.hosts.iter().filter_map(finished);
        let end = report::finished_line(self.run_id, self.outcome);
        hosts.chain([end]).map(|line| line + "\n").collect()
    }
}

/// Files are read by anything.
const PLAIN: Look = Look {
    width: None,
    rows: None,
    color: false,
};

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
