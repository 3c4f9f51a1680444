//! The sentences of a run, the same on a terminal and in a log.

use std::time::Duration;

use crate::report::{self, EndState, HostReport};

/// The sizes of a run's batches.
#[derive(Debug, Clone, Default)]
pub(super) struct Batches(Vec<usize>);

impl Batches {
    pub fn of(batches: &[Vec<String>]) -> Self {
        Self(batches.iter().map(Vec::len).collect())
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn hosts(&self) -> usize {
        self.0.iter().sum()
    }

    /// Hosts of a batch, from 1.
    pub fn size(&self, batch: usize) -> usize {
        let index = batch.checked_sub(1);
        index.and_then(|index| self.0.get(index)).copied().unwrap_or(0)
    }

    /// The sizes of the batches behind one.
    pub fn after(&self, batch: usize) -> Vec<usize> {
        self.0.iter().skip(batch).copied().collect()
    }

    /// `batch 2 of 3 · 10 hosts`; nothing where there is only one.
    pub fn heading(&self, batch: usize) -> Option<String> {
        (self.count() > 1).then(|| {
            let size = self.size(batch);
            // The few that go ahead of the many.
            let canary = if batch == 1 && size < self.size(2) {
                " · canary"
            } else {
                ""
            };
            format!("batch {batch} of {} · {}{canary}", self.count(), hosts(size))
        })
    }
}

pub(super) fn hosts(count: usize) -> String {
    let noun = if count == 1 { "host" } else { "hosts" };
    format!("{count} {noun}")
}

pub(super) fn verdict(batch: usize, verdict: &str) -> String {
    format!("batch {batch} is done: {verdict}")
}

pub(super) fn stopping(why: &str) -> String {
    format!("stopping: {why}")
}

pub(super) fn soaking(batch: usize, count: usize) -> String {
    format!("batch {batch} soaks: {} must stay well", hosts(count))
}

pub(super) fn soaked(batch: usize, unhealthy: &[String]) -> String {
    match unhealthy.len() {
        0 => format!("batch {batch} has soaked: all stayed well"),
        count => format!("batch {batch} has soaked: {} did not stay well", hosts(count)),
    }
}

pub(super) fn pausing(before: usize, count: usize) -> String {
    format!("pause before batch {before} ({})", hosts(count))
}

pub(super) fn question(done: usize, before: usize, count: usize) -> String {
    format!(
        "batch {done} is done; go on with batch {before} ({})? [y/N]",
        hosts(count)
    )
}

pub(super) fn taking_back(count: usize, why: &str) -> String {
    format!("taking back {}: {why}", hosts(count))
}

pub(super) fn interrupted(running: usize, again: bool) -> String {
    let hosts = if running == 1 { "host" } else { "hosts" };
    match (running, again) {
        (0, _) => "interrupted".to_owned(),
        (_, false) => format!(
            "interrupted: no host starts any more, waiting for {running} running {hosts}; interrupt again to leave \
             them to their rollback timers"
        ),
        (_, true) => format!("interrupted again: {running} running {hosts} left to their rollback timers"),
    }
}

/// What a line of the dialogue is called.
pub fn dialogue(level: u8) -> &'static str {
    if level == 0 { "rules" } else { "ssh" }
}

/// `host | step | detail`.
pub(super) fn joined(host: &str, step: &str, detail: &str) -> String {
    if detail.is_empty() {
        format!("{host} | {step}")
    } else {
        format!("{host} | {step} | {detail}")
    }
}

/// The reason of a host's end, or what there is to say of a good one: `generation 17, 2 logins, 0.41 s`.
pub(super) fn ending(report: &HostReport) -> String {
    if let Some(reason) = &report.reason {
        return reason.clone();
    }
    if report.state == EndState::Skipped {
        return String::new();
    }
    let generation = report
        .generation
        .map(|generation| format!("generation {generation}, "))
        .unwrap_or_default();
    let logins = if report.connections == 1 { "login" } else { "logins" };
    format!(
        "{generation}{} {logins}, {}",
        report.connections,
        report::time(report.elapsed)
    )
}

/// A time in whole seconds: `45 s`, `2 min`, `2 min 5 s`, `1 h 30 min`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Whole seconds until `deadline`, rounded up: 0 only when it is over.
pub(super) fn seconds_left(deadline: Duration, now: Duration) -> u64 {
    let left = deadline.saturating_sub(now);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}
