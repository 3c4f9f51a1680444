//! Lines of `--output jsonl`, read again: a journal holds them.

use std::borrow::Cow;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Host, Line, Mapping};
use crate::mapping::PortRange;
use crate::report::{HostReport, MappingProof, RunEvent};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// Something happened; never [`RunEvent::Finished`].
    Event(RunEvent),
    /// The run ended with this exit code.
    Finished {
        /// As the program exits with it.
        exit_code: u8,
    },
}

/// Reads what [`event_line`](super::event_line) or [`finished_line`](super::finished_line) wrote, whatever else the line
/// holds; `None`: it is something else, or damaged. Texts are [sanitised](crate::report::sanitise): a file may have been
/// tampered with.
#[must_use]
pub fn read_line(line: &[u8]) -> Option<Written> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    Some(match line {
        Line::Finished { end } => Written::Finished {
            exit_code: end.exit_code,
        },
        other => Written::Event(event(other)?.sanitised()),
    })
}

fn event(line: Line<'_>) -> Option<RunEvent> {
    let text = |text: Cow<'_, str>| text.into_owned();
    Some(match line {
        Line::Started { run_id, batches } => RunEvent::Started {
            run_id: text(run_id),
            batches: batches.into_owned(),
        },
        Line::BatchStarted { batch } => RunEvent::BatchStarted(batch),
        Line::BatchFinished { batch, verdict } => RunEvent::BatchFinished {
            batch,
            verdict: text(verdict),
        },
        Line::Stopping { why } => RunEvent::Stopping { why: text(why) },
        Line::SoakStarted { batch, hosts, seconds } => RunEvent::SoakStarted {
            batch,
            hosts,
            time: duration(seconds),
        },
        Line::SoakFinished { batch, unhealthy } => RunEvent::SoakFinished {
            batch,
            unhealthy: unhealthy.into_owned(),
        },
        Line::PauseStarted { before, hosts, seconds } => RunEvent::PauseStarted {
            before,
            hosts,
            time: seconds.map(duration),
        },
        Line::PauseFinished { go_on } => RunEvent::PauseFinished { go_on },
        Line::RevertStarted { hosts, why } => RunEvent::RevertStarted {
            hosts: hosts.into_owned(),
            why: text(why),
        },
        Line::Interrupted { running, again } => RunEvent::Interrupted { running, again },
        Line::Finished { .. } => return None,
        other => of_host(other)?,
    })
}

/// Events of one host.
fn of_host(line: Line<'_>) -> Option<RunEvent> {
    let text = |text: Cow<'_, str>| text.into_owned();
    Some(match line {
        Line::HostStarted { host } => RunEvent::HostStarted { host: text(host) },
        Line::Step { host, step, detail } => RunEvent::Step {
            host: text(host),
            step,
            detail: text(detail),
        },
        Line::TimerArmed { host, seconds } => RunEvent::TimerArmed {
            host: text(host),
            window: duration(seconds),
        },
        Line::TimerStopped { host } => RunEvent::TimerStopped { host: text(host) },
        Line::Warning { host, text: said } => RunEvent::Warning {
            host: text(host),
            text: text(said),
        },
        Line::Dialogue { host, level, line } => RunEvent::Dialogue {
            host: text(host),
            level,
            line: text(line),
        },
        Line::HostFinished { host, report } => RunEvent::HostFinished {
            host: text(host),
            report: Box::new(report.report()),
        },
        Line::HostUnhealthy { host, report } => RunEvent::HostUnhealthy {
            host: text(host),
            report: Box::new(report.report()),
        },
        Line::HostReverting { host } => RunEvent::HostReverting { host: text(host) },
        Line::HostReverted { host, report } => RunEvent::HostReverted {
            host: text(host),
            report: Box::new(report.report()),
        },
        _ => return None,
    })
}

impl Host<'_> {
    fn report(self) -> HostReport {
        HostReport {
            state: self.state,
            generation: self.generation,
            before: self.before,
            batch: self.batch,
            reason: self.reason.map(Cow::into_owned),
            hint: self.hint.map(Cow::into_owned),
            rolled_back_by: self.rolled_back_by,
            connections: self.connections,
            elapsed: duration(self.seconds),
            mappings: self.mappings.into_iter().map(Mapping::proof).collect(),
            warnings: self.warnings.into_owned(),
            login: self.login.map(Cow::into_owned),
        }
    }
}

impl Mapping<'_> {
    fn proof(self) -> MappingProof {
        MappingProof {
            name: self.name.map(Cow::into_owned),
            family: self.family,
            protocol: self.protocol,
            port: self.port,
            to_port: self.to_port,
            mapped: self.mapped,
            direct: self.direct,
            reason: self.reason.map(Cow::into_owned),
        }
    }
}

/// What is no time is none.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// A number, or the text of a range.
pub(super) fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PortRange, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ports {
        One(u16),
        Range(String),
    }
    let range = match Ports::deserialize(deserializer)? {
        Ports::One(port) => PortRange::new(port, port),
        Ports::Range(text) => text
            .split_once('-')
            .and_then(|(first, last)| PortRange::new(first.parse().ok()?, last.parse().ok()?)),
    };
    range.ok_or_else(|| D::Error::custom("no ports"))
}
