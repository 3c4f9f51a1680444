//! When each host of a run starts, and when none does any more: batches, budgets, pauses, soaking, taking back.
//!
//! A pure state machine. The driver tells it what happened and carries out what it answers; it knows hosts by number
//! and ends by [`EndState`], nothing of SSH, clocks or names.

mod budget;
mod machine;
mod plan;
mod policy;
mod split;

use std::fmt;
use std::time::Duration;

pub use budget::{Failures, Tally};
pub use machine::{Known, Rollout};
pub use plan::RolloutPlan;
pub use policy::{OnFailure, Overrides, Pause, Percentage, Policy};
pub use split::{BatchSize, Order};

use crate::report::EndState;

/// A host of the run: its place in the order of the run, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// What the driver saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The run begins.
    Begin,
    /// A host that was started, or that was to get its old rules back, ended.
    Ended {
        /// Which.
        host: HostId,
        /// What it runs now.
        state: EndState,
    },
    /// The hosts of the batch have soaked.
    Soaked {
        /// Those whose checks failed.
        unhealthy: Vec<HostId>,
    },
    /// The pause is over.
    Paused {
        /// Whether the run goes on: the operator's answer.
        go_on: bool,
    },
    /// The operator asked to stop.
    Interrupted,
}

/// What the driver is to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Announce a batch (from 1).
    BeginBatch(usize),
    /// Start a host.
    Start(HostId),
    /// Watch hosts for so long; [`Event::Soaked`] tells of them.
    Soak {
        /// The batch, from 1.
        batch: usize,
        /// Which hosts.
        hosts: Vec<HostId>,
        /// For how long.
        time: Duration,
    },
    /// Announce what came of a batch.
    EndBatch(Tally),
    /// Wait, or ask the operator; [`Event::Paused`] tells the end.
    Pause {
        /// Before which batch, from 1.
        before: usize,
        /// How many hosts it has.
        hosts: usize,
        /// What for.
        pause: Pause,
    },
    /// Neither soak nor wait any longer: no event tells of that.
    StopWaiting,
    /// Announce that no host starts any more.
    Stop(StopReason),
    /// Report a host as not started.
    Skip {
        /// Which.
        host: HostId,
        /// Why.
        reason: StopReason,
    },
    /// Announce that these hosts, in this order, get their old rules back.
    BeginRevert {
        /// Which.
        hosts: Vec<HostId>,
        /// Why.
        reason: StopReason,
    },
    /// Give a host its old rules back; [`Event::Ended`] tells the end.
    Revert(HostId),
    /// Report a host as not rolled back: the operator interrupted that.
    Leave(HostId),
    /// Let go of a running host: its rollback timer ends what is not confirmed.
    Abandon(HostId),
    /// All hosts have their end: the run is over.
    Finish,
}

/// Why no host starts any more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StopReason {
    /// Too many failed.
    Failures(Tally),
    /// The operator interrupted the run.
    Interrupted,
    /// The operator did not want the next batch.
    Declined,
    /// The run that is resumed was taking its hosts back.
    Resumed,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(tally) => f.write_str(&tally.reason()),
            Self::Interrupted => f.write_str("the run was interrupted"),
            Self::Declined => f.write_str("the operator did not go on"),
            Self::Resumed => f.write_str("the run was being taken back"),
        }
    }
}

#[cfg(test)]
mod tests;
