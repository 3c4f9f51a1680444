use super::words::{self, Batches, ending, joined};
use crate::report::RunEvent;

/// A run in plain lines, for logs: `host | step | detail`, without control characters.
#[derive(Debug, Clone, Default)]
pub struct Plain {
    verbosity: u8,
    batches: Batches,
    /// The batch that has begun last, from 1.
    batch: usize,
    interrupted: bool,
}

impl Plain {
    /// Shows the dialogue up to level `verbosity`, the number of `-v`.
    #[must_use]
    pub fn new(verbosity: u8) -> Self {
        Self {
            verbosity,
            ..Self::default()
        }
    }

    /// The line of an event; none for those that say nothing to whoever reads on.
    pub fn lines(&mut self, event: &RunEvent) -> Vec<String> {
        self.line(event).into_iter().collect()
    }

    fn line(&mut self, event: &RunEvent) -> Option<String> {
        match event {
            RunEvent::Started { batches, .. } => {
                self.batches = Batches::of(batches);
                None
            }
            RunEvent::BatchStarted(batch) => {
                self.batch = *batch;
                self.batches.heading(*batch)
            }
            RunEvent::Interrupted { running, again } => {
                self.interrupted = true;
                Some(words::interrupted(*running, *again))
            }
            RunEvent::Dialogue { level, .. } if *level > self.verbosity => None,
            RunEvent::SoakFinished { .. } if self.interrupted => None,
            RunEvent::PauseStarted { .. } | RunEvent::SoakStarted { .. } => self.wait(event),
            RunEvent::BatchFinished { batch, verdict } => Some(words::verdict(*batch, verdict)),
            RunEvent::Stopping { why } => Some(words::stopping(why)),
            RunEvent::SoakFinished { batch, unhealthy } => Some(words::soaked(*batch, unhealthy)),
            RunEvent::RevertStarted { hosts, why } => Some(words::taking_back(hosts.len(), why)),
            _ => of_host(event),
        }
    }

    fn wait(&self, event: &RunEvent) -> Option<String> {
        match event {
            RunEvent::SoakStarted { batch, hosts, time } => {
                Some(format!("{} for {}", words::soaking(*batch, *hosts), words::span(*time)))
            }
            RunEvent::PauseStarted { before, hosts, time } => Some(match time {
                Some(time) => format!("{}: {}", words::pausing(*before, *hosts), words::span(*time)),
                None => words::question(self.batch, *before, *hosts),
            }),
            _ => None,
        }
    }
}

fn of_host(event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::Step { host, step, detail } => joined(host, &step.to_string(), detail),
        RunEvent::TimerArmed { host, window } => {
            joined(host, "arm", &format!("rollback timer runs: {}", words::span(*window)))
        }
        RunEvent::Warning { host, text } => joined(host, "warning", text),
        RunEvent::Dialogue { host, level, line } => joined(host, words::dialogue(*level), line),
        RunEvent::HostReverting { host } => joined(host, "taking back", ""),
        RunEvent::HostFinished { host, report }
        | RunEvent::HostUnhealthy { host, report }
        | RunEvent::HostReverted { host, report } => joined(host, report.state.words(), &ending(report)),
        _ => return None,
    })
}
