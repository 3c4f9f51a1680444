//! How many failures are too many, with the arithmetic in words.

use std::fmt;

use super::policy::{OnFailure, Policy};

/// The failures so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// Hosts of the batch that failed.
    pub batch: usize,
    /// Hosts that the batch has.
    pub of: usize,
    /// Hosts of the whole run that failed.
    pub run: usize,
    /// Hosts that the run has.
    pub of_run: usize,
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// Which, from 1.
    pub batch: usize,
    /// The failures.
    pub failures: Failures,
    /// The limit that was exceeded, or the nearest of those that were given.
    limit: Limit,
    /// Whether more failed than may.
    pub exceeded: bool,
    /// What happens then.
    on_failure: OnFailure,
}

/// Who says how many hosts may fail.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    /// `any_errors_fatal`.
    Fatal,
    /// `max_fail_percentage`: so many percent, so many hosts of this batch.
    Percentage(f64, usize),
    /// `max_failures`.
    Run(u32),
    /// Nobody: after a batch with a failure no other starts.
    Batch,
}

impl Limit {
    fn is_exceeded(self, failures: &Failures) -> bool {
        match self {
            Self::Fatal => failures.run > 0,
            Self::Percentage(percent, _) => exceeds(failures.batch, failures.of, percent),
            Self::Run(most) => failures.run > usize::try_from(most).unwrap_or(usize::MAX),
            Self::Batch => failures.batch > 0,
        }
    }
}

/// Ansible's comparison, in floating point as there: the share of failed hosts is strictly greater.
#[expect(clippy::cast_precision_loss, reason = "hosts are few")]
fn exceeds(failed: usize, of: usize, percent: f64) -> bool {
    of > 0 && failed as f64 / of as f64 > percent / 100.0
}

/// The most hosts of a batch that may fail.
fn budget(of: usize, percent: f64) -> usize {
    (0..=of)
        .rev()
        .find(|failed| !exceeds(*failed, of, percent))
        .unwrap_or(0)
}

impl Policy {
    /// Whether so many failures are too many already, while hosts of the batch are still to come: never where nobody
    /// gave a limit.
    #[must_use]
    pub fn tally(&self, batch: usize, failures: Failures, batch_is_over: bool) -> Tally {
        let given = [
            self.any_errors_fatal.then_some(Limit::Fatal),
            self.max_fail_percentage
                .map(|percent| Limit::Percentage(percent.0, budget(failures.of, percent.0))),
            self.max_failures.map(Limit::Run),
        ];
        let given: Vec<Limit> = given.into_iter().flatten().collect();
        let exceeded = given.iter().find(|limit| limit.is_exceeded(&failures)).copied();
        let limit = exceeded.or(given.first().copied()).unwrap_or(Limit::Batch);
        let of_batch = given.is_empty() && batch_is_over && Limit::Batch.is_exceeded(&failures);
        Tally {
            batch,
            failures,
            limit,
            exceeded: exceeded.is_some() || of_batch,
            on_failure: self.on_failure,
        }
    }
}

impl Tally {
    /// Whether no other host starts.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.exceeded && self.on_failure != OnFailure::Continue
    }

    /// `2 of 40 failed in batch 3, budget 1`.
    pub(super) fn reason(&self) -> String {
        self.sum(&format!(" in batch {}", self.batch))
    }

    fn sum(&self, place: &str) -> String {
        let Failures { batch, of, run, of_run } = self.failures;
        let failed = format!("{batch} of {of} failed{place}");
        match self.limit {
            _ if run == 0 => failed,
            Limit::Fatal => format!("{failed}, any_errors_fatal"),
            Limit::Percentage(percent, budget) => format!("{failed}, budget {budget} ({percent}%)"),
            Limit::Run(most) => format!("{failed}, {run} of {of_run} in the whole run, budget {most}"),
            Limit::Batch => format!("{failed}, budget 0"),
        }
    }

    fn end(&self) -> &'static str {
        match (self.exceeded, self.on_failure) {
            (false, _) => "going on",
            (true, OnFailure::Continue) => "going on all the same (on_failure: continue)",
            (true, OnFailure::Stop) => "stopping",
            (true, OnFailure::RollbackBatch) => "stopping, and taking the batch back",
            (true, OnFailure::RollbackAll) => "stopping, and taking the whole run back",
        }
    }
}

/// `2 of 40 failed, budget 1: stopping`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sum(""))?;
        if self.failures.run == 0 {
            return Ok(());
        }
        write!(f, ": {}", self.end())
    }
}
