//! What a deploy would do to hosts, told to people and to programs before anything is touched.

mod groups;
mod json;
mod names;
mod reach;
mod saved;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use crate::plan::{Basis, ChainDiff, HostChange, Observed, Prospect, Reach, Stop};
use crate::report::{EndState, ExitCode, sanitise};

pub use json::{document, host_line, totals_line};
pub use saved::{Asked, SavedHost, SavedPlan};
pub use text::{Shown, text};

/// What a deploy would make of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has what it should.
    Unchanged,
    /// It gets a new generation.
    Changes,
    /// The change would not start.
    Refused,
    /// Something is missing there.
    Failed,
    /// Nobody got in.
    Unreachable,
}

impl State {
    /// Every state, the calmest first.
    pub const ALL: [Self; 5] = [
        Self::Unchanged,
        Self::Changes,
        Self::Refused,
        Self::Failed,
        Self::Unreachable,
    ];

    /// For people: `2 would change`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changes => "would change",
            Self::Refused => "would be refused",
            Self::Failed => "would fail",
            Self::Unreachable => "unreachable",
        }
    }

    fn end(self) -> EndState {
        match self {
            Self::Unchanged | Self::Changes => EndState::Unchanged,
            Self::Refused => EndState::Refused,
            Self::Failed => EndState::Failed,
            Self::Unreachable => EndState::Unreachable,
        }
    }
}

/// One host, as a deploy would find it and leave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What becomes of it.
    pub state: State,
    /// The generation that it would get, or has.
    pub generation: Option<u32>,
    /// Why it changes, a sentence each.
    pub reasons: Vec<String>,
    /// What of our rules comes and goes.
    pub rules: Vec<ChainDiff>,
    /// Who reaches what, before and after.
    pub reach: Vec<Reach>,
    /// What may go wrong, and what else is worth knowing.
    pub warnings: Vec<String>,
    /// What to do next, where it would be left as it is.
    pub hint: Option<String>,
    /// What this rests on.
    pub basis: Option<Basis>,
    /// How long it took to look.
    pub elapsed: Duration,
}

impl Preview {
    /// A host in this state, and nothing more to say.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self {
            state,
            generation: None,
            reasons: vec![],
            rules: vec![],
            reach: vec![],
            warnings: vec![],
            hint: None,
            basis: None,
            elapsed: Duration::ZERO,
        }
    }

    /// A host that would be left as it is.
    #[must_use]
    pub fn stopped(stop: Stop) -> Self {
        let state = if stop.refused { State::Refused } else { State::Failed };
        Self {
            reasons: vec![stop.reason],
            hint: stop.hint,
            ..Self::new(state)
        }
    }

    /// A host that would change.
    #[must_use]
    pub fn of(observed: &Observed, change: &HostChange, prospect: &Prospect<'_>) -> Self {
        Self {
            generation: Some(change.generation.0),
            reasons: change.differences.clone(),
            rules: prospect.rule_diff(),
            reach: prospect.reach(),
            warnings: observed.warnings.iter().cloned().chain(change.warnings()).collect(),
            ..Self::new(State::Changes)
        }
    }

    /// The same, of a change that would not start.
    #[must_use]
    pub fn refused(self, stop: Stop) -> Self {
        Self {
            state: State::Refused,
            reasons: vec![stop.reason],
            hint: stop.hint,
            ..self
        }
    }

    /// The same, fit to be shown: most of it was said by hosts.
    #[must_use]
    pub fn sanitised(mut self) -> Self {
        let all = |texts: &mut Vec<String>| texts.iter_mut().for_each(|text| *text = sanitise(text));
        all(&mut self.reasons);
        all(&mut self.warnings);
        self.hint = self.hint.map(|hint| sanitise(&hint));
        self.rules.iter_mut().for_each(ChainDiff::sanitise);
        self
    }
}

/// All hosts of a run, in the order in which they would come.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Previews {
    /// Their names, and what becomes of them.
    pub hosts: Vec<(String, Preview)>,
    /// How many of them each batch has.
    pub batches: Vec<usize>,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether the operator ended it before its time.
    pub interrupted: bool,
}

impl Previews {
    /// How many hosts are in a state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.hosts.iter().filter(|(_, preview)| preview.state == state).count()
    }

    /// 0: all could be planned, changes or not; else as the deploy itself would exit.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::of(
            self.hosts.iter().map(|(_, preview)| preview.state.end()),
            self.interrupted,
        )
    }
}
