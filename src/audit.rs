//! What audits found, as people and programs want it: text, JSON, SARIF.
//!
//! The findings themselves are made by [`crate::firewall::audit`]; here they are put together of several hosts or of one
//! file, and written.

mod json;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use crate::firewall::Family;
use crate::firewall::audit::{Level, Report};
use crate::report::{EndState, ExitCode};

pub use json::document;
pub use sarif::sarif;
pub use text::text;

/// Why a host could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// Whether nobody got in; else something is missing there.
    pub unreachable: bool,
    /// One sentence.
    pub reason: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// One host, or the files of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The host's name; of files the first one's.
    pub name: String,
    /// The files by family, where it was files.
    pub files: BTreeMap<Family, String>,
    /// What was found.
    pub found: Result<Report, Unseen>,
    /// What else is worth knowing.
    pub remarks: Vec<String>,
}

/// All that was looked at, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overview {
    /// Hosts, or one set of files.
    pub looked: Vec<Looked>,
    /// Whether an interrupt ended it early.
    pub interrupted: bool,
}

impl Overview {
    /// 2: there are findings; 4: a host was not reached; both together 6.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let state = |looked: &Looked| match &looked.found {
            Ok(report) if report.is_clean() => EndState::Unchanged,
            Err(unseen) if unseen.unreachable => EndState::Unreachable,
            Ok(_) | Err(_) => EndState::Failed,
        };
        ExitCode::of(self.looked.iter().map(state), self.interrupted)
    }

    /// Whether these are files.
    fn is_of_files(&self) -> bool {
        self.looked.iter().any(|looked| !looked.files.is_empty())
    }

    fn reports(&self) -> impl Iterator<Item = (&Looked, &Report)> {
        self.looked
            .iter()
            .filter_map(|looked| Some((looked, looked.found.as_ref().ok()?)))
    }

    fn count(&self, level: Level) -> usize {
        let findings = self.reports().flat_map(|(_, report)| &report.findings);
        findings.filter(|finding| finding.level == level).count()
    }
}
