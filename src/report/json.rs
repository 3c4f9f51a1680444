use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{DirectAccess, EndState, HostReport, Mapped, MappingProof, Outcome, RolledBackBy, RunEvent, Step};
use crate::firewall::Family;
use crate::mapping::{PortRange, Protocol};

/// The document of `--output json`: the whole run, indented, without a final newline.
#[must_use]
pub fn document(run_id: &str, outcome: &Outcome) -> String {
    let document = Document {
        end: End::of(run_id, outcome),
        hosts: &outcome.hosts,
    };
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// The line of `--output jsonl` for an event; `None` for [`RunEvent::Finished`], whose line needs the whole run.
#[must_use]
pub fn event_line(event: &RunEvent) -> Option<String> {
    let line = Line::of(event)?;
    serde_json::to_string(&line).ok()
}

/// The last line of `--output jsonl`: exit code and totals.
#[must_use]
pub fn finished_line(run_id: &str, outcome: &Outcome) -> String {
    serde_json::to_string(&Line::Finished {
        end: End::of(run_id, outcome),
    })
    .unwrap_or_default()
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    end: End<'a>,
    #[serde(serialize_with = "hosts_by_name")]
    hosts: &'a [(String, HostReport)],
}

#[derive(Serialize)]
struct End<'a> {
    run_id: &'a str,
    exit_code: u8,
    totals: Totals,
}

impl<'a> End<'a> {
    fn of(run_id: &'a str, outcome: &Outcome) -> Self {
        Self {
            run_id,
            exit_code: outcome.exit_code().number(),
            totals: Totals::of(outcome),
        }
    }
}

/// How many hosts ended in each state, all states named.
struct Totals(Vec<(EndState, usize)>);

impl Totals {
    fn of(outcome: &Outcome) -> Self {
        Self(EndState::ALL.map(|state| (state, outcome.count(state))).to_vec())
    }
}

impl Serialize for Totals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(state, count)| (state, count)))
    }
}

fn hosts_by_name<S: Serializer>(hosts: &[(String, HostReport)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(hosts.iter().map(|(name, report)| (name, Host::of(report))))
}

#[derive(Serialize)]
struct Host<'a> {
    state: EndState,
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u32>,
    batch: usize,
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<&'a str>,
    rolled_back_by: Option<RolledBackBy>,
    connections: u32,
    seconds: f64,
    mappings: Vec<Mapping<'a>>,
}

impl<'a> Host<'a> {
    fn of(report: &'a HostReport) -> Self {
        Self {
            state: report.state,
            generation: report.generation,
            before: report.before,
            batch: report.batch,
            reason: report.reason.as_deref(),
            hint: report.hint.as_deref(),
            warnings: &report.warnings,
            login: report.login.as_deref(),
            rolled_back_by: report.rolled_back_by,
            connections: report.connections,
            seconds: seconds(report.elapsed),
            mappings: report.mappings.iter().map(Mapping::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct Mapping<'a> {
    family: Family,
    protocol: Protocol,
    #[serde(serialize_with = "ports")]
    port: PortRange,
    #[serde(serialize_with = "ports")]
    to_port: PortRange,
    mapped: Mapped,
    direct: DirectAccess,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Mapping<'a> {
    fn of(proof: &'a MappingProof) -> Self {
        let MappingProof {
            family,
            protocol,
            port,
            to_port,
            mapped,
            direct,
            ..
        } = *proof;
        Self {
            family,
            protocol,
            port,
            to_port,
            mapped,
            direct,
            reason: proof.reason.as_deref(),
        }
    }
}

/// One port is a number, a range the text that an inventory would have.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn ports<S: Serializer>(range: &PortRange, serializer: S) -> Result<S::Ok, S::Error> {
    match range.count() {
        1 => serializer.serialize_u16(range.first()),
        _ => serializer.collect_str(&format_args!("{}-{}", range.first(), range.last())),
    }
}

/// Seconds to the millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Started {
        run_id: &'a str,
        batches: &'a [Vec<String>],
    },
    BatchStarted {
        batch: usize,
    },
    BatchFinished {
        batch: usize,
        verdict: &'a str,
    },
    Stopping {
        why: &'a str,
    },
    SoakStarted {
        batch: usize,
        hosts: usize,
        seconds: f64,
    },
    SoakFinished {
        batch: usize,
        unhealthy: &'a [String],
    },
    PauseStarted {
        before: usize,
        hosts: usize,
        seconds: Option<f64>,
    },
    PauseFinished {
        go_on: bool,
    },
    RevertStarted {
        hosts: &'a [String],
        why: &'a str,
    },
    HostUnhealthy {
        host: &'a str,
        #[serde(flatten)]
        report: Host<'a>,
    },
    HostReverting {
        host: &'a str,
    },
    HostReverted {
        host: &'a str,
        #[serde(flatten)]
        report: Host<'a>,
    },
    HostStarted {
        host: &'a str,
    },
    Step {
        host: &'a str,
        step: Step,
        detail: &'a str,
    },
    TimerArmed {
        host: &'a str,
        seconds: f64,
    },
    TimerStopped {
        host: &'a str,
    },
    Warning {
        host: &'a str,
        text: &'a str,
    },
    Dialogue {
        host: &'a str,
        level: u8,
        line: &'a str,
    },
    HostFinished {
        host: &'a str,
        #[serde(flatten)]
        report: Host<'a>,
    },
    Interrupted {
        running: usize,
        again: bool,
    },
    Finished {
        #[serde(flatten)]
        end: End<'a>,
    },
}

impl<'a> Line<'a> {
    fn of(event: &'a RunEvent) -> Option<Self> {
        Some(match event {
            RunEvent::Started { run_id, batches } => Self::Started { run_id, batches },
            RunEvent::BatchStarted(batch) => Self::BatchStarted { batch: *batch },
            RunEvent::BatchFinished { batch, verdict } => Self::BatchFinished { batch: *batch, verdict },
            RunEvent::Stopping { why } => Self::Stopping { why },
            RunEvent::SoakStarted { batch, hosts, time } => Self::SoakStarted {
                batch: *batch,
                hosts: *hosts,
                seconds: seconds(*time),
            },
            RunEvent::SoakFinished { batch, unhealthy } => Self::SoakFinished {
                batch: *batch,
                unhealthy,
            },
            RunEvent::PauseStarted { before, hosts, time } => Self::PauseStarted {
                before: *before,
                hosts: *hosts,
                seconds: time.map(seconds),
            },
            RunEvent::PauseFinished { go_on } => Self::PauseFinished { go_on: *go_on },
            RunEvent::RevertStarted { hosts, why } => Self::RevertStarted { hosts, why },
            RunEvent::HostUnhealthy { host, report } => Self::HostUnhealthy {
                host,
                report: Host::of(report),
            },
            RunEvent::HostReverting { host } => Self::HostReverting { host },
            RunEvent::HostReverted { host, report } => Self::HostReverted {
                host,
                report: Host::of(report),
            },
            RunEvent::HostStarted { host } => Self::HostStarted { host },
            RunEvent::Step { host, step, detail } => Self::Step {
                host,
                step: *step,
                detail,
            },
            RunEvent::TimerArmed { host, window } => Self::TimerArmed {
                host,
                seconds: seconds(*window),
            },
            RunEvent::TimerStopped { host } => Self::TimerStopped { host },
            RunEvent::Warning { host, text } => Self::Warning { host, text },
            RunEvent::Dialogue { host, level, line } => Self::Dialogue {
                host,
                level: *level,
                line,
            },
            RunEvent::HostFinished { host, report } => Self::HostFinished {
                host,
                report: Host::of(report),
            },
            RunEvent::Interrupted { running, again } => Self::Interrupted {
                running: *running,
                again: *again,
            },
            RunEvent::Finished => return None,
        })
    }
}

#[cfg(test)]
mod tests;
