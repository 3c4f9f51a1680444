//! What a run does when hosts fail.

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
