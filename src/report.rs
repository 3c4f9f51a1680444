//! Run events, end states, the recap, JSON and the exit code.
//!
//! What a host says is untrusted: everything of it passes [`RunEvent::sanitised`] or [`HostReport::sanitised`] before it
//! is shown or written.

mod exit_code;
mod finding;
mod github;
mod json;
mod outside;
mod prometheus;
mod recap;
mod sanitise;

use std::fmt;
use std::time::Duration;

pub use exit_code::ExitCode;
pub use finding::{Fault, Finding, gauge_of, junit};
pub use github::{END_GROUP, annotations, group, no_command, step_summary};
pub use json::{Written, document, event_line, finished_line, read_line};
pub use outside::{findings, gauges};
pub use prometheus::{Gauge, exposition};
pub use recap::{Look, recap};
pub(crate) use recap::{style, time};
pub use sanitise::sanitise;

use crate::firewall::Family;
use crate::mapping::{PortRange, Protocol};

/// A step of one host's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Logging in.
    Connect,
    /// Reading the host's rules.
    Observe,
    /// Taking the host's lock.
    Lock,
    /// Loading the new chains, unreferenced.
    Stage,
    /// Starting the rollback timer.
    Arm,
    /// Switching the hooks.
    Switch,
    /// Proving from outside.
    Verify,
    /// Making it stay.
    Confirm,
    /// Undoing it.
    Rollback,
    /// Contact lost: waiting past the deadline to look again.
    Wait,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connect => "connect",
            Self::Observe => "observe",
            Self::Lock => "lock",
            Self::Stage => "stage",
            Self::Arm => "arm",
            Self::Switch => "switch",
            Self::Verify => "verify",
            Self::Confirm => "confirm",
            Self::Rollback => "rollback",
            Self::Wait => "wait",
        })
    }
}

/// What a host runs at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// The rules were already as desired.
    Unchanged,
    /// The new rules, proven.
    Confirmed,
    /// The old rules, after an attempt.
    RolledBack,
    /// The old rules: a change was refused before it started.
    Refused,
    /// The old rules: something was missing.
    Failed,
    /// Nobody knows: no connection.
    Unreachable,
    /// Contact was lost during the change and not found again.
    Unknown,
    /// Not started.
    Skipped,
    /// The new rules, proven, until the host's timer undoes them: somebody is to confirm them by hand.
    Pending,
    /// The new rules, confirmed; a check of the playbook failed while they soaked.
    Unhealthy,
    /// The new rules, confirmed: they should have been taken back with the run, and were not.
    NotRolledBack,
}

impl EndState {
    /// Every end state, in the order in which totals name them.
    pub const ALL: [Self; 11] = [
        Self::Unchanged,
        Self::Confirmed,
        Self::Pending,
        Self::RolledBack,
        Self::Refused,
        Self::Failed,
        Self::Unreachable,
        Self::Unknown,
        Self::Skipped,
        Self::Unhealthy,
        Self::NotRolledBack,
    ];

    /// Whether the host did not reach what was asked of it; a skipped host is none: the failure is another's.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Unchanged | Self::Confirmed | Self::Pending | Self::Skipped)
    }

    /// Whether the host may run rules that the run made: what a rollback of the run has to look at.
    #[must_use]
    pub fn may_run_new_rules(self) -> bool {
        matches!(
            self,
            Self::Confirmed | Self::Pending | Self::Unhealthy | Self::Unknown | Self::NotRolledBack
        )
    }

    /// What the end becomes when a check fails afterwards. A host that the run did not change has nothing to be taken
    /// back.
    #[must_use]
    pub fn unhealthy(self) -> Self {
        match self {
            Self::Unchanged => Self::Failed,
            Self::Confirmed => Self::Unhealthy,
            other => other,
        }
    }

    /// What the end becomes when the host's change should be taken back, and nobody does. What is not known stays
    /// unknown, and what is pending is for the host's own timer to undo.
    #[must_use]
    pub fn not_rolled_back(self) -> Self {
        match self {
            Self::Confirmed | Self::Unhealthy => Self::NotRolledBack,
            other => other,
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Confirmed => "confirmed",
            Self::RolledBack => "rolled back",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
            Self::Pending => "pending",
            Self::Unhealthy => "unhealthy",
            Self::NotRolledBack => "not rolled back",
        }
    }
}

impl fmt::Display for EndState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// Who undid a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RolledBackBy {
    /// This program, over a connection.
    Controller,
    /// The host's rollback timer.
    Timer,
    /// A reboot within the window.
    Reboot,
}

/// What a probe of a mapped port showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mapped {
    /// A new connection got through.
    Open,
    /// The path is open and nothing listens.
    Refused,
    /// The probe did not get through.
    Filtered,
    /// It cannot be told from here.
    Unverified,
}

/// What a probe of the target port showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectAccess {
    /// The guard took our probe away.
    Closed,
    /// A new connection got through.
    Open,
    /// It cannot be told from here.
    Unverified,
}

/// One mapping in one family, as proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingProof {
    /// The mapping's name, where it has one.
    pub name: Option<String>,
    /// IPv4 or IPv6.
    pub family: Family,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The mapped port(s).
    pub port: PortRange,
    /// The target port(s).
    pub to_port: PortRange,
    /// Through the mapping.
    pub mapped: Mapped,
    /// Past it.
    pub direct: DirectAccess,
    /// Why something is unverified or not as promised, a sentence.
    pub reason: Option<String>,
}

/// How one host ended.
#[derive(Debug, Clone, PartialEq)]
pub struct HostReport {
    /// What it runs now.
    pub state: EndState,
    /// The generation it runs, where known.
    pub generation: Option<u32>,
    /// The generation that it ran before the run changed it; `None`: none, or it was not changed.
    pub before: Option<u32>,
    /// The batch it was in, from 1.
    pub batch: usize,
    /// Why, one sentence, when there is something to say.
    pub reason: Option<String>,
    /// What the operator should do next.
    pub hint: Option<String>,
    /// Who undid the change, if somebody did.
    pub rolled_back_by: Option<RolledBackBy>,
    /// SSH logins that were made.
    pub connections: u32,
    /// Wall time.
    pub elapsed: Duration,
    /// The mappings and what was proven of them.
    pub mappings: Vec<MappingProof>,
    /// Things worth saying that are no failure (no IPv6 on this host, bans that our accept stands above).
    pub warnings: Vec<String>,
    /// What logs in from now on, where that is by another port than before: `ssh -p 2222 root@203.0.113.11`.
    pub login: Option<String>,
}

impl HostReport {
    /// A host that ended so, and nothing more to say.
    #[must_use]
    pub fn new(state: EndState) -> Self {
        Self {
            state,
            generation: None,
            before: None,
            batch: 0,
            reason: None,
            hint: None,
            rolled_back_by: None,
            connections: 0,
            elapsed: Duration::ZERO,
            mappings: vec![],
            warnings: vec![],
            login: None,
        }
    }

    /// The same with its reason, one sentence.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }

    /// The same with what the operator should do next.
    #[must_use]
    pub fn advising(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The same with what the operator should do next, if there is something.
    #[must_use]
    pub fn advising_maybe(self, hint: Option<String>) -> Self {
        Self {
            hint: hint.or(self.hint),
            ..self
        }
    }
}

/// How a run ended: every host in the order of the inventory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The hosts' names and reports.
    pub hosts: Vec<(String, HostReport)>,
    /// Whether the operator interrupted it.
    pub interrupted: bool,
    /// Whether hosts were only looked at.
    pub only_looked: bool,
}

impl Outcome {
    /// What the program exits with. Of a look it is one code for all that is off, hosts that cannot be seen included.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let states = self.hosts.iter().map(|(_, report)| report.state);
        match ExitCode::of(states, self.interrupted) {
            ExitCode::HostUnreachable | ExitCode::HostFailedAndUnreachable if self.only_looked => ExitCode::HostFailed,
            code => code,
        }
    }

    /// How many hosts ended so.
    #[must_use]
    pub fn count(&self, state: EndState) -> usize {
        self.hosts.iter().filter(|(_, report)| report.state == state).count()
    }
}

/// Something that happened in a run. `host` is the inventory's name of it.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// The run starts: its id, and the hosts of each batch in order.
    Started {
        /// Random, printable.
        run_id: String,
        /// Host names by batch.
        batches: Vec<Vec<String>>,
    },
    /// A batch starts (from 1).
    BatchStarted(usize),
    /// All hosts of a batch have ended, and soaked where that was asked for.
    BatchFinished {
        /// Which, from 1.
        batch: usize,
        /// What came of it, with the arithmetic of the budget: `2 of 40 failed, budget 1: stopping`.
        verdict: String,
    },
    /// From now on no host starts any more.
    Stopping {
        /// Why, with the arithmetic of the budget.
        why: String,
    },
    /// The hosts of a batch soak: their checks must stay good for so long.
    SoakStarted {
        /// Which batch, from 1.
        batch: usize,
        /// How many hosts.
        hosts: usize,
        /// For how long.
        time: Duration,
    },
    /// A host's check failed while it soaked. The report takes the place of the host's earlier one.
    HostUnhealthy {
        /// Which.
        host: String,
        /// What it runs now.
        report: Box<HostReport>,
    },
    /// They have soaked.
    SoakFinished {
        /// Which batch, from 1.
        batch: usize,
        /// Those whose checks failed.
        unhealthy: Vec<String>,
    },
    /// The run waits before a batch.
    PauseStarted {
        /// Before which batch, from 1.
        before: usize,
        /// How many hosts it has.
        hosts: usize,
        /// For how long; `None`: until the operator answers.
        time: Option<Duration>,
    },
    /// It goes on, or stops.
    PauseFinished {
        /// Whether it goes on.
        go_on: bool,
    },
    /// Hosts that were changed get their old rules back, the newest batch first.
    RevertStarted {
        /// Which, in the order of their turns.
        hosts: Vec<String>,
        /// Why.
        why: String,
    },
    /// A host gets its old rules back now.
    HostReverting {
        /// Which.
        host: String,
    },
    /// It has them, or could not get them. The report takes the place of the host's earlier one.
    HostReverted {
        /// Which.
        host: String,
        /// What it runs now.
        report: Box<HostReport>,
    },
    /// A host starts.
    HostStarted {
        /// Which.
        host: String,
    },
    /// A host is at a step.
    Step {
        /// Which.
        host: String,
        /// At which step.
        step: Step,
        /// More, for people; already free of control characters.
        detail: String,
    },
    /// The host's rollback timer runs from now for so long.
    TimerArmed {
        /// Which.
        host: String,
        /// Until it undoes the change.
        window: Duration,
    },
    /// Something to know before a host is changed.
    Warning {
        /// Which.
        host: String,
        /// What, for people.
        text: String,
    },
    /// The rollback timer no longer matters (confirmed or undone).
    TimerStopped {
        /// Which.
        host: String,
    },
    /// A line of the dialogue with a host, for `-v` (requests and answers) and `-vv` (everything), or of what changes in its
    /// rules, for `--diff`.
    Dialogue {
        /// Which.
        host: String,
        /// 0: a rule that comes or goes; 1: shown with `-v`, 2: with `-vv`.
        level: u8,
        /// The line, free of control characters.
        line: String,
    },
    /// A host ended.
    HostFinished {
        /// Which.
        host: String,
        /// How.
        report: Box<HostReport>,
    },
    /// The operator interrupted the run.
    Interrupted {
        /// Hosts that were running.
        running: usize,
        /// The first interrupt lets them finish, the second leaves them to their timers.
        again: bool,
    },
    /// The run ended.
    Finished,
}
