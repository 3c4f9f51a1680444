//! What a play says of failures, and of the time between its batches.

use std::time::Duration;

/// What becomes of a play's other hosts when more of them failed than it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnFailure {
    /// No other host starts.
    #[default]
    Stop,
    /// The others have their turn all the same.
    Continue,
    /// No other host starts, and those of the batch that were changed get their old rules back.
    RollbackBatch,
    /// No other host starts, and all that the run changed get their old rules back.
    RollbackAll,
}

impl OnFailure {
    /// Every policy with its name in playbooks.
    pub const ALL: [(&'static str, Self); 4] = [
        ("stop", Self::Stop),
        ("continue", Self::Continue),
        ("rollback_batch", Self::RollbackBatch),
        ("rollback_all", Self::RollbackAll),
    ];
}

/// How many of a hundred hosts of a batch may fail: more are too many.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percentage(pub f64);

/// What is between a play's batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pause {
    /// So much time.
    For(Duration),
    /// The operator's consent.
    Confirm,
}

/// How careful a play is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Policy {
    /// How many of a hundred hosts of a batch may fail.
    pub max_fail_percentage: Option<Percentage>,
    /// How many hosts of the whole run may fail.
    pub max_failures: Option<u32>,
    /// Whether the first failure is one too many.
    pub any_errors_fatal: bool,
    /// What happens when too many failed.
    pub on_failure: OnFailure,
    /// What is between two batches.
    pub pause: Option<Pause>,
    /// How long the checks of a batch must stay good before it counts; zero: not at all.
    pub soak: Duration,
}

/// What stands in place of a play's own policy, key by key.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Overrides {
    /// In place of [`Policy::max_fail_percentage`].
    pub max_fail_percentage: Option<Percentage>,
    /// In place of [`Policy::max_failures`].
    pub max_failures: Option<u32>,
    /// In place of [`Policy::on_failure`].
    pub on_failure: Option<OnFailure>,
    /// In place of [`Policy::pause`].
    pub pause: Option<Pause>,
    /// In place of [`Policy::soak`].
    pub soak: Option<Duration>,
}

impl Overrides {
    /// The policy that holds.
    #[must_use]
    pub fn over(self, policy: Policy) -> Policy {
        Policy {
            max_fail_percentage: self.max_fail_percentage.or(policy.max_fail_percentage),
            max_failures: self.max_failures.or(policy.max_failures),
            on_failure: self.on_failure.unwrap_or(policy.on_failure),
            pause: self.pause.or(policy.pause),
            soak: self.soak.unwrap_or(policy.soak),
            ..policy
        }
    }
}
