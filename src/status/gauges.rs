//! A look at hosts for Prometheus, and as findings for JUnit.

use jiff::Timestamp;

use super::json::seconds;
use super::{Overview, State, Status};
use crate::report::{Fault, Finding, Gauge};

/// Each host as a finding.
#[must_use]
pub fn findings(overview: &Overview) -> Vec<Finding> {
    let hosts = overview.hosts.iter();
    hosts.map(|(name, status)| finding(name, status)).collect()
}

fn finding(name: &str, status: &Status) -> Finding {
    let generation = status.generation.map(|number| ("generation", number.to_string()));
    let operator = status.made.operator.clone().map(|operator| ("operator", operator));
    let run = status.made.run_id.clone().map(|run| ("run_id", run));
    Finding {
        name: name.to_owned(),
        group: "status".to_owned(),
        fault: status.state.is_off().then(|| fault(status)),
        elapsed: status.elapsed,
        labels: [generation, operator, run].into_iter().flatten().collect(),
    }
}

fn fault(status: &Status) -> Fault {
    Fault {
        kind: status.state.name().to_owned(),
        unseen: matches!(status.state, State::Unreachable | State::Failed),
        reason: status.first_reason(),
        details: status.details(),
    }
}

impl Status {
    /// Why it is off, one sentence.
    #[must_use]
    pub fn first_reason(&self) -> String {
        let pending = || {
            let pending = self.pending.as_ref()?;
            let operator = pending.made.operator.as_deref().unwrap_or("somebody");
            Some(format!(
                "{operator} is changing it, for {} s more",
                pending.left.as_secs()
            ))
        };
        let asked = || {
            let all = self.differences.join(", ");
            (!all.is_empty()).then(|| format!("the inventory asks for something else since: {all}"))
        };
        let first = self.reasons.first().cloned().or_else(pending).or_else(asked);
        first.unwrap_or_else(|| self.state.words().to_owned())
    }

    /// All that there is to say of it, a line each.
    fn details(&self) -> Vec<String> {
        let labelled = |label: &str, text: &String| format!("{label}: {text}");
        let blame = self.blame.iter().map(|text| labelled("by", text));
        let asked = self.differences.iter().map(|text| labelled("inventory", text));
        let hint = self.hint.iter().map(|text| labelled("hint", text));
        let reasons = self.reasons.iter().cloned();
        reasons.chain(blame).chain(asked).chain(hint).collect()
    }
}

/// The gauges of a look that ended at `now`.
#[must_use]
pub fn gauges(overview: &Overview, now: Timestamp) -> Vec<Gauge> {
    let each = |name, help, value: fn(&Status) -> Option<f64>| {
        let mut gauge = Gauge::new(name, help);
        for (host, status) in &overview.hosts {
            if let Some(value) = value(status) {
                gauge.add(vec![("host", host.clone())], value);
            }
        }
        gauge
    };
    vec![
        states(overview),
        each(
            "portmap_host_generation",
            "The generation that the host has, or that is pending on it.",
            |status| status.generation.map(f64::from),
        ),
        each(
            "portmap_host_generation_timestamp_seconds",
            "When that generation was confirmed.",
            |status| status.made.since.map(unix),
        ),
        each(
            "portmap_host_pending_seconds",
            "How long the host still waits for a change to be confirmed; 0 without one.",
            |status| Some(status.pending.as_ref().map_or(0.0, |pending| seconds(pending.left))),
        ),
        each(
            "portmap_host_status_seconds",
            "How long it took to look at the host.",
            |status| Some(seconds(status.elapsed)),
        ),
        Gauge::new("portmap_status_timestamp_seconds", "When this look ended.").with(unix(now)),
        Gauge::new("portmap_status_duration_seconds", "How long this look took.").with(seconds(overview.elapsed)),
    ]
}

fn states(overview: &Overview) -> Gauge {
    let mut gauge = Gauge::new(
        "portmap_host_state",
        "1 for the state that the host is in, 0 for all others.",
    );
    for (host, status) in &overview.hosts {
        for state in State::ALL {
            let labels = vec![("host", host.clone()), ("state", state.name().to_owned())];
            gauge.add(labels, f64::from(u8::from(status.state == state)));
        }
    }
    gauge
}

fn unix(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}
