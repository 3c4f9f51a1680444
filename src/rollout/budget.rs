//! How many failures are too many, with the arithmetic in words.

use std::fmt;

use super::policy::{OnFailure, Percentage, Policy};

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
    /// Hosts that have not started.
    pub left: usize,
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// Which, from 1.
    pub batch: usize,
    /// The failures.
    pub failures: Failures,
    /// The limit that was exceeded, or the first of those that were given.
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
    /// `max_fail_percentage` of Ansible, whatever it says: a batch of which every host failed is the last.
    WholeBatch,
    /// `max_failures`.
    Run(u32),
    /// Nobody: after a batch with a failure no other starts.
    Batch,
}

impl Limit {
    fn is_exceeded(self, failures: &Failures) -> bool {
        match self {
            Self::Fatal | Self::Batch => failures.batch > 0,
            Self::Percentage(percent, _) => exceeds(failures.batch, failures.of, percent),
            Self::WholeBatch => failures.of > 0 && failures.batch >= failures.of,
            Self::Run(most) => failures.run > usize::try_from(most).unwrap_or(usize::MAX),
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
    // The greatest number that does not exceed: ever greater ones exceed all the more.
    let (mut fits, mut exceeding) = (0, of.saturating_add(1));
    while exceeding - fits > 1 {
        let middle = fits.midpoint(exceeding);
        if exceeds(middle, of, percent) {
            exceeding = middle;
        } else {
            fits = middle;
        }
    }
    fits
}

impl Policy {
    /// Whether so many failures are too many already, or, when the batch is over, for another one to begin. While hosts of
    /// the batch are still to come they never are where nobody gave a limit.
    #[must_use]
    pub fn tally(&self, batch: usize, failures: Failures, batch_is_over: bool) -> Tally {
        let given = self.limits(&failures);
        let is_exceeded = |limit: &&Limit| limit.is_exceeded(&failures);
        let early = given.iter().find(is_exceeded).copied();
        let late = self
            .limit_at_the_end()
            .filter(|limit| batch_is_over && limit.is_exceeded(&failures));
        let exceeded = early.or(late);
        Tally {
            batch,
            failures,
            limit: exceeded.or(given.first().copied()).unwrap_or(Limit::Batch),
            exceeded: exceeded.is_some(),
            on_failure: self.on_failure,
        }
    }

    /// What holds at any time.
    fn limits(&self, failures: &Failures) -> Vec<Limit> {
        let percentage = |percent: Percentage| Limit::Percentage(percent.0, budget(failures.of, percent.0));
        let given = [
            self.any_errors_fatal.then_some(Limit::Fatal),
            self.max_fail_percentage.map(percentage),
            self.max_failures.map(Limit::Run),
        ];
        given.into_iter().flatten().collect()
    }

    /// What holds at the end of a batch alone.
    fn limit_at_the_end(&self) -> Option<Limit> {
        match (self.max_fail_percentage, self.max_failures) {
            (Some(_), _) => Some(Limit::WholeBatch),
            (None, None) => Some(Limit::Batch),
            (None, Some(_)) => None,
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
        let Failures {
            batch, of, run, of_run, ..
        } = self.failures;
        let failed = format!("{batch} of {of} failed{place}");
        match self.limit {
            _ if run == 0 => failed,
            Limit::Fatal => format!("{failed}, any_errors_fatal"),
            Limit::Percentage(percent, budget) => format!("{failed}, budget {budget} ({percent}%)"),
            Limit::WholeBatch => format!("{failed}, the whole batch"),
            Limit::Run(most) => format!("{failed}, {run} of {of_run} in the whole run, budget {most}"),
            Limit::Batch => format!("{failed}, budget 0"),
        }
    }

    /// Whether that is worth saying: a run of which every host has started has nothing to stop.
    #[must_use]
    pub fn matters(&self) -> bool {
        let takes_back = matches!(self.on_failure, OnFailure::RollbackBatch | OnFailure::RollbackAll);
        self.failures.left > 0 || (self.exceeded && takes_back)
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
        if self.failures.run > 0 && self.matters() {
            write!(f, ": {}", self.end())?;
        }
        Ok(())
    }
}
