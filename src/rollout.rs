//! When each host of a run starts, and when none does any more: batches, forks, failures, interrupts.
//!
//! A pure state machine. The driver tells it what happened and carries out what it answers; it knows hosts by number
//! and ends by [`EndState`], nothing of SSH, clocks or names.

mod policy;
mod split;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::num::NonZeroUsize;

pub use policy::OnFailure;
pub use split::{BatchSize, Order};

use crate::report::EndState;

/// A host of the run: its place in the order of the run, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// Which hosts come together, and how many at a time: decided before anything starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutPlan {
    batches: Vec<Vec<HostId>>,
    forks: NonZeroUsize,
}

impl RolloutPlan {
    /// Splits `hosts` hosts in their order into the batches of `serial` (all in one when it is empty).
    #[must_use]
    pub fn new(hosts: usize, serial: &[BatchSize], forks: NonZeroUsize) -> Self {
        let plan = Self {
            batches: Vec::new(),
            forks,
        };
        plan.then(hosts, serial)
    }

    /// The plan with another play behind it. Its hosts are numbered on; one that had its turn in an earlier play has
    /// another number here.
    #[must_use]
    pub fn then(mut self, hosts: usize, serial: &[BatchSize]) -> Self {
        let mut next = self.batches.iter().map(Vec::len).sum();
        for size in split::batches(hosts, serial) {
            self.batches.push((next..next + size).map(HostId).collect());
            next += size;
        }
        self
    }

    /// The batches in their order.
    #[must_use]
    pub fn batches(&self) -> &[Vec<HostId>] {
        &self.batches
    }

    /// The most hosts that run at a time.
    #[must_use]
    pub fn forks(&self) -> usize {
        self.forks.get()
    }

    /// The batch that a host is in, from 1; `None` for a host that is not of the plan.
    #[must_use]
    pub fn batch_of(&self, host: HostId) -> Option<usize> {
        self.batches
            .iter()
            .position(|batch| batch.contains(&host))
            .map(|index| index + 1)
    }
}

/// What the driver saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The run begins.
    Begin,
    /// A host that was started ended.
    Ended {
        /// Which.
        host: HostId,
        /// What it runs now.
        state: EndState,
    },
    /// The operator asked to stop.
    Interrupted,
}

/// What the driver is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Announce a batch (from 1).
    BeginBatch(usize),
    /// Start a host.
    Start(HostId),
    /// Report a host as not started.
    Skip {
        /// Which.
        host: HostId,
        /// Why.
        reason: SkipReason,
    },
    /// Let go of a running host: its rollback timer ends what is not confirmed.
    Abandon(HostId),
    /// All hosts have their end: the run is over.
    Finish,
}

/// Why a host was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// An earlier batch had failures.
    Failures {
        /// Which batch, from 1.
        batch: usize,
        /// How many of its hosts failed.
        failed: usize,
        /// How many hosts it had.
        of: usize,
    },
    /// The operator interrupted the run.
    Interrupted,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures { batch, failed, of } => {
                write!(f, "not started: {failed} of {of} failed in batch {batch}")
            }
            Self::Interrupted => f.write_str("not started: the run was interrupted"),
        }
    }
}

/// How eager the run still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// [`Event::Begin`] has not come.
    Waiting,
    /// Hosts start.
    Rolling,
    /// No host starts any more; running ones finish.
    Stopping,
    /// [`Command::Finish`] was given.
    Over,
}

/// A run under way.
#[derive(Debug)]
pub struct Rollout {
    forks: usize,
    /// Batches that have not begun.
    ahead: VecDeque<Vec<HostId>>,
    /// The number and size of the batch that has begun last.
    batch: usize,
    batch_size: usize,
    batch_failed: usize,
    /// Hosts of that batch that have not started.
    queued: VecDeque<HostId>,
    running: BTreeSet<HostId>,
    phase: Phase,
    interrupted: bool,
}

impl Rollout {
    /// A run of `plan` that has not begun.
    #[must_use]
    pub fn new(plan: &RolloutPlan) -> Self {
        Self {
            forks: plan.forks(),
            ahead: plan.batches.iter().cloned().collect(),
            batch: 0,
            batch_size: 0,
            batch_failed: 0,
            queued: VecDeque::new(),
            running: BTreeSet::new(),
            phase: Phase::Waiting,
            interrupted: false,
        }
    }

    /// Whether the operator interrupted the run.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// The hosts that run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Takes in what happened and says what to do. Ends of hosts that do not run (abandoned ones) change nothing.
    pub fn handle(&mut self, event: Event) -> Vec<Command> {
        match (event, self.phase) {
            (Event::Begin, Phase::Waiting) => {
                self.phase = Phase::Rolling;
                self.advance()
            }
            (Event::Begin, _) | (_, Phase::Over) => vec![],
            (Event::Ended { host, state }, _) => self.ended(host, state),
            (Event::Interrupted, _) if self.interrupted => self.abandon(),
            (Event::Interrupted, _) => {
                self.interrupted = true;
                self.stop(SkipReason::Interrupted)
            }
        }
    }

    fn ended(&mut self, host: HostId, state: EndState) -> Vec<Command> {
        if !self.running.remove(&host) {
            return vec![];
        }
        self.batch_failed += usize::from(state.is_failure());
        self.advance()
    }

    /// Starts what may start; ends the batch and the run when nothing is left.
    fn advance(&mut self) -> Vec<Command> {
        let mut commands = self.fill();
        while self.running.is_empty() && self.phase == Phase::Rolling {
            commands.extend(self.next_batch());
        }
        if self.running.is_empty() && self.phase == Phase::Stopping {
            commands.push(self.finish());
        }
        commands
    }

    fn next_batch(&mut self) -> Vec<Command> {
        if self.batch_failed > 0 {
            let (batch, failed, of) = (self.batch, self.batch_failed, self.batch_size);
            return self.stop(SkipReason::Failures { batch, failed, of });
        }
        let Some(hosts) = self.ahead.pop_front() else {
            return vec![self.finish()];
        };
        self.batch += 1;
        self.batch_size = hosts.len();
        self.queued = hosts.into();
        let mut commands = vec![Command::BeginBatch(self.batch)];
        commands.extend(self.fill());
        commands
    }

    /// Starts hosts of this batch up to the forks.
    fn fill(&mut self) -> Vec<Command> {
        let free = self.forks.saturating_sub(self.running.len()).min(self.queued.len());
        let started: Vec<HostId> = self.queued.drain(..free).collect();
        self.running.extend(&started);
        started.into_iter().map(Command::Start).collect()
    }

    /// Starts no host any more: skips all that have not started.
    fn stop(&mut self, reason: SkipReason) -> Vec<Command> {
        self.phase = Phase::Stopping;
        let skipped = self.queued.drain(..).chain(self.ahead.drain(..).flatten());
        let mut commands: Vec<Command> = skipped.map(|host| Command::Skip { host, reason }).collect();
        if self.running.is_empty() {
            commands.push(self.finish());
        }
        commands
    }

    fn abandon(&mut self) -> Vec<Command> {
        let left = std::mem::take(&mut self.running);
        let mut commands: Vec<Command> = left.into_iter().map(Command::Abandon).collect();
        commands.push(self.finish());
        commands
    }

    fn finish(&mut self) -> Command {
        self.phase = Phase::Over;
        Command::Finish
    }
}

#[cfg(test)]
mod tests;
