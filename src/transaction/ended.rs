//! How a transaction ends before its time, as reports.

use crate::plan::Stop;
use crate::remote::{Login, LoginError};
use crate::report::{EndState, HostReport, MappingProof};

/// What ends a transaction early: the report to give.
pub(super) type Ended = Box<HostReport>;

/// Why a change is taken back, and what was found.
pub(super) struct Unproven {
    pub why: String,
    pub proofs: Vec<MappingProof>,
    /// The new login, where there is one.
    pub second: Option<Login>,
}

impl From<String> for Unproven {
    fn from(why: String) -> Self {
        Self {
            why,
            proofs: Vec::new(),
            second: None,
        }
    }
}

pub(super) fn failed(reason: &str, hint: Option<&str>) -> Ended {
    Box::new(
        HostReport::new(EndState::Failed)
            .because(reason)
            .advising_maybe(hint.map(str::to_owned)),
    )
}

pub(super) fn unchanged(generation: Option<u32>) -> HostReport {
    HostReport {
        generation,
        ..HostReport::new(EndState::Unchanged)
    }
}

pub(super) fn stopped(stop: Stop) -> HostReport {
    let state = if stop.refused {
        EndState::Refused
    } else {
        EndState::Failed
    };
    HostReport::new(state).because(stop.reason).advising_maybe(stop.hint)
}

pub(super) fn login_report(error: &LoginError) -> HostReport {
    let (state, hint) = match error {
        LoginError::Rights { hint, .. } => (EndState::Failed, hint),
        LoginError::Unreachable { hint, .. } | LoginError::HostKey { hint, .. } => (EndState::Unreachable, hint),
    };
    HostReport::new(state)
        .because(error.to_string())
        .advising_maybe(hint.clone())
}
