mod read;

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::{DirectAccess, EndState, HostReport, Mapped, MappingProof, Outcome, RolledBackBy, RunEvent, Step};
pub use read::{Written, read_line};

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

#[derive(Serialize, Deserialize)]
struct End<'a> {
    run_id: Cow<'a, str>,
    exit_code: u8,
    #[serde(skip_deserializing)]
    totals: Totals,
}

impl<'a> End<'a> {
    fn of(run_id: &'a str, outcome: &Outcome) -> Self {
        Self {
            run_id: run_id.into(),
            exit_code: outcome.exit_code().number(),
            totals: Totals::of(outcome),
        }
    }
}

/// How many hosts ended in each state, all states named.
#[derive(Default)]
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

#[derive(Serialize, Deserialize)]
struct Host<'a> {
    state: EndState,
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u32>,
    batch: usize,
    reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    warnings: Cow<'a, [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<Cow<'a, str>>,
    rolled_back_by: Option<RolledBackBy>,
    connections: u32,
    seconds: f64,
    #[serde(default)]
    mappings: Vec<Mapping<'a>>,
}

impl<'a> Host<'a> {
    fn of(report: &'a HostReport) -> Self {
        Self {
            state: report.state,
            generation: report.generation,
            before: report.before,
            batch: report.batch,
            reason: borrowed(report.reason.as_ref()),
            hint: borrowed(report.hint.as_ref()),
            warnings: Cow::Borrowed(&report.warnings),
            login: borrowed(report.login.as_ref()),
            rolled_back_by: report.rolled_back_by,
            connections: report.connections,
            seconds: seconds(report.elapsed),
            mappings: report.mappings.iter().map(Mapping::of).collect(),
        }
    }
}

fn borrowed(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| Cow::Borrowed(text.as_str()))
}

#[derive(Serialize, Deserialize)]
struct Mapping<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    family: Family,
    protocol: Protocol,
    #[serde(serialize_with = "ports", deserialize_with = "read::ports")]
    port: PortRange,
    #[serde(serialize_with = "ports", deserialize_with = "read::ports")]
    to_port: PortRange,
    mapped: Mapped,
    direct: DirectAccess,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
}

impl<'a> Mapping<'a> {
    fn of(proof: &'a MappingProof) -> Self {
        Self {
            name: borrowed(proof.name.as_ref()),
            family: proof.family,
            protocol: proof.protocol,
            port: proof.port,
            to_port: proof.to_port,
            mapped: proof.mapped,
            direct: proof.direct,
            reason: borrowed(proof.reason.as_ref()),
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

#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Started {
        run_id: Cow<'a, str>,
        batches: Cow<'a, [Vec<String>]>,
    },
    BatchStarted {
        batch: usize,
    },
    BatchFinished {
        batch: usize,
        verdict: Cow<'a, str>,
    },
    Stopping {
        why: Cow<'a, str>,
    },
    SoakStarted {
        batch: usize,
        hosts: usize,
        seconds: f64,
    },
    SoakFinished {
        batch: usize,
        unhealthy: Cow<'a, [String]>,
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
        hosts: Cow<'a, [String]>,
        why: Cow<'a, str>,
    },
    HostUnhealthy {
        host: Cow<'a, str>,
        #[serde(flatten)]
        report: Host<'a>,
    },
    HostReverting {
        host: Cow<'a, str>,
    },
    HostReverted {
        host: Cow<'a, str>,
        #[serde(flatten)]
        report: Host<'a>,
    },
    HostStarted {
        host: Cow<'a, str>,
    },
    Step {
        host: Cow<'a, str>,
        step: Step,
        detail: Cow<'a, str>,
    },
    TimerArmed {
        host: Cow<'a, str>,
        seconds: f64,
    },
    TimerStopped {
        host: Cow<'a, str>,
    },
    Warning {
        host: Cow<'a, str>,
        text: Cow<'a, str>,
    },
    Dialogue {
        host: Cow<'a, str>,
        level: u8,
        line: Cow<'a, str>,
    },
    HostFinished {
        host: Cow<'a, str>,
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
            RunEvent::Started { run_id, batches } => Self::Started {
                run_id: run_id.into(),
                batches: batches.into(),
            },
            RunEvent::BatchStarted(batch) => Self::BatchStarted { batch: *batch },
            RunEvent::BatchFinished { batch, verdict } => Self::BatchFinished {
                batch: *batch,
                verdict: verdict.into(),
            },
            RunEvent::Stopping { why } => Self::Stopping { why: why.into() },
            RunEvent::SoakStarted { batch, hosts, time } => Self::SoakStarted {
                batch: *batch,
                hosts: *hosts,
                seconds: seconds(*time),
            },
            RunEvent::SoakFinished { batch, unhealthy } => Self::SoakFinished {
                batch: *batch,
                unhealthy: unhealthy.into(),
            },
            RunEvent::PauseStarted { before, hosts, time } => Self::PauseStarted {
                before: *before,
                hosts: *hosts,
                seconds: time.map(seconds),
            },
            RunEvent::PauseFinished { go_on } => Self::PauseFinished { go_on: *go_on },
            RunEvent::RevertStarted { hosts, why } => Self::RevertStarted {
                hosts: hosts.into(),
                why: why.into(),
            },
            RunEvent::HostUnhealthy { host, report } => Self::HostUnhealthy {
                host: host.into(),
                report: Host::of(report),
            },
            RunEvent::HostReverting { host } => Self::HostReverting { host: host.into() },
            RunEvent::HostReverted { host, report } => Self::HostReverted {
                host: host.into(),
                report: Host::of(report),
            },
            RunEvent::HostStarted { host } => Self::HostStarted { host: host.into() },
            RunEvent::Step { host, step, detail } => Self::Step {
                host: host.into(),
                step: *step,
                detail: detail.into(),
            },
            RunEvent::TimerArmed { host, window } => Self::TimerArmed {
                host: host.into(),
                seconds: seconds(*window),
            },
            RunEvent::TimerStopped { host } => Self::TimerStopped { host: host.into() },
            RunEvent::Warning { host, text } => Self::Warning {
                host: host.into(),
                text: text.into(),
            },
            RunEvent::Dialogue { host, level, line } => Self::Dialogue {
                host: host.into(),
                level: *level,
                line: line.into(),
            },
            RunEvent::HostFinished { host, report } => Self::HostFinished {
                host: host.into(),
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
