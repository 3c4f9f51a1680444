//! How hosts stand: `(observed, kept, desired) → Status`, and how that is told to people and to machines.
//!
//! Nothing here changes a host or asks it; what hosts say is untrusted, and [`Status::sanitised`] makes it fit to be shown.

mod blame;
mod changes;
mod decide;
mod gauges;
mod json;
mod table;
mod watch;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

pub use changes::changes;
pub use gauges::{findings, gauges};
pub use json::{document, host_line, totals_line};
pub use table::{Showing, table};
pub use watch::{Frame, frame, news, told};

use crate::report::{ExitCode, sanitise};

/// How a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The rules in force are exactly those that the inventory asks for.
    InSync,
    /// The rules in force are the host's own, and the inventory asks for others since.
    Outdated,
    /// A change is under way: the host undoes it unless it is confirmed in time.
    Pending,
    /// Nothing of ours is there, and the inventory asks for something.
    NeverDeployed,
    /// The rules in force are not those of the host's own generation.
    Drifted,
    /// It could not be looked at: something is missing there.
    Failed,
    /// No connection.
    Unreachable,
}

impl State {
    /// Every state, from the best to the worst.
    pub const ALL: [Self; 7] = [
        Self::InSync,
        Self::Outdated,
        Self::Pending,
        Self::NeverDeployed,
        Self::Drifted,
        Self::Failed,
        Self::Unreachable,
    ];

    /// Its name for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::InSync => "in sync",
            Self::Outdated => "outdated",
            Self::Pending => "pending",
            Self::NeverDeployed => "never deployed",
            Self::Drifted => "drifted",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
        }
    }

    /// Its name for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::NeverDeployed => "never_deployed",
            other => other.words(),
        }
    }

    /// Whether somebody should look after the host.
    #[must_use]
    pub fn is_off(self) -> bool {
        self != Self::InSync
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// A host's state, and what there is to say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// The generation that the host keeps as its own; while a change is pending, that change's.
    pub generation: Option<u32>,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// Who, as far as anybody can tell, made a host drift.
    pub blame: Option<String>,
    /// What the inventory asks for and the host does not have, and the other way round: `+ tcp 443 → 8443`.
    pub differences: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// Since when its own generation is in force, and by whom.
    pub made: Made,
    /// The change that is under way.
    pub pending: Option<Pending>,
    /// Things worth saying that are no fault.
    pub warnings: Vec<String>,
    /// How long it took to look.
    pub elapsed: Duration,
}

/// Who made a generation, and when; as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Made {
    /// When, by the host's clock.
    pub since: Option<Timestamp>,
    /// Who ran it: `ann@laptop`.
    pub operator: Option<String>,
    /// The run's id.
    pub run_id: Option<String>,
}

/// A change that is under way on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its transaction.
    pub transaction: String,
    /// Who began it, and when.
    pub made: Made,
    /// How long the host waits for it, from the look on.
    pub left: Duration,
    /// The same by our own clock; filled in by whoever has one.
    pub until: Option<Timestamp>,
}

impl Status {
    /// A host in this state, and nothing more to say.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self {
            state,
            generation: None,
            reasons: vec![],
            blame: None,
            differences: vec![],
            hint: None,
            made: Made::default(),
            pending: None,
            warnings: vec![],
            elapsed: Duration::ZERO,
        }
    }

    /// The same with one more reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reasons.push(reason.into());
        self
    }

    /// The same with what to do next, if there is something.
    #[must_use]
    pub fn advising(self, hint: impl Into<Option<String>>) -> Self {
        Self {
            hint: hint.into(),
            ..self
        }
    }

    /// The same, fit to be shown.
    #[must_use]
    pub fn sanitised(self) -> Self {
        let all = |texts: Vec<String>| texts.iter().map(|text| sanitise(text)).collect();
        let one = |text: Option<String>| text.map(|text| sanitise(&text));
        let made = |made: Made| Made {
            since: made.since,
            operator: one(made.operator),
            run_id: one(made.run_id),
        };
        Self {
            reasons: all(self.reasons),
            blame: one(self.blame),
            differences: all(self.differences),
            hint: one(self.hint),
            made: made(self.made),
            pending: self.pending.map(|pending| Pending {
                transaction: sanitise(&pending.transaction),
                made: made(pending.made),
                ..pending
            }),
            warnings: all(self.warnings),
            ..self
        }
    }
}

/// One look at all hosts, in the order of the inventory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overview {
    /// The hosts' names and states.
    pub hosts: Vec<(String, Status)>,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether the operator ended it before its time.
    pub interrupted: bool,
}

impl Overview {
    /// How many hosts are in a state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.hosts.iter().filter(|(_, status)| status.state == state).count()
    }

    /// What the program exits with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.interrupted {
            ExitCode::Interrupted
        } else if self.hosts.iter().any(|(_, status)| status.state.is_off()) {
            ExitCode::HostFailed
        } else {
            ExitCode::Done
        }
    }
}

#[cfg(test)]
mod tests;
