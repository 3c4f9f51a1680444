use super::EndState;

/// What the program exits with. Ansible's codes, as flags: 2 and 4 together are 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All that was asked is done.
    Done = 0,
    /// An error before any host was touched.
    Error = 1,
    /// A host failed, was refused or rolled back.
    HostFailed = 2,
    /// A host was unreachable or its state is unknown.
    HostUnreachable = 4,
    /// Both.
    HostFailedAndUnreachable = 6,
    /// The operator interrupted the run.
    Interrupted = 99,
}

impl ExitCode {
    /// The code of a run whose hosts ended in `states`.
    #[must_use]
    pub fn of(states: impl IntoIterator<Item = EndState>, interrupted: bool) -> Self {
        if interrupted {
            return Self::Interrupted;
        }
        states.into_iter().map(Self::of_host).fold(Self::Done, Self::and)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    fn of_host(state: EndState) -> Self {
        match state {
            EndState::Unchanged | EndState::Confirmed | EndState::Pending | EndState::Skipped => Self::Done,
            EndState::RolledBack
            | EndState::Refused
            | EndState::Failed
            | EndState::Unhealthy
            | EndState::NotRolledBack => Self::HostFailed,
            EndState::Unreachable | EndState::Unknown => Self::HostUnreachable,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Done, one) | (one, Self::Done) => one,
            (one, same) if one == same => one,
            _ => Self::HostFailedAndUnreachable,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(states: &[EndState]) -> u8 {
        ExitCode::of(states.iter().copied(), false).number()
    }

    #[test]
    fn hosts_add_their_flags() {
        use EndState::{Confirmed, Failed, Refused, RolledBack, Skipped, Unchanged, Unknown, Unreachable};
        assert_eq!(number(&[]), 0);
        assert_eq!(number(&[Unchanged, Confirmed, Skipped]), 0);
        for state in [RolledBack, Refused, Failed] {
            assert_eq!(number(&[Confirmed, state, state]), 2, "{state}");
        }
        for state in [Unreachable, Unknown] {
            assert_eq!(number(&[state, Unchanged, state]), 4, "{state}");
        }
        assert_eq!(number(&[Failed, Unreachable, Failed]), 6);
        assert_eq!(number(&[Unknown, RolledBack, Confirmed]), 6);
    }

    #[test]
    fn an_interrupt_outweighs_every_host() {
        assert_eq!(ExitCode::of([EndState::Failed, EndState::Unknown], true).number(), 99);
        assert_eq!(ExitCode::of([], true).number(), 99);
    }
}
