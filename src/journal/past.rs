//! A run as its journal tells it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufRead, Read as _};
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;

use super::record::{FORMAT, Head, Record, Resumption};
use super::writer;
use crate::report::{self, EndState, ExitCode, HostReport, Outcome, RunEvent, Written, sanitise};

/// No line is longer: it names all hosts.
const LONGEST: u64 = 64 * 1024 * 1024;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All that was asked is done.
    Done,
    /// With this exit code.
    Failed(u8),
    /// The operator interrupted it.
    Interrupted,
    /// Its controller died before its end.
    Killed,
    /// It is under way.
    Running,
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The run's id.
    pub run_id: String,
    /// How it was called; `None`: that is damaged, or of a newer version.
    pub head: Option<Head>,
    /// When it began.
    pub began: Option<Timestamp>,
    /// How long it took, all its parts together.
    pub elapsed: Duration,
    /// The hosts of each batch.
    pub batches: Vec<Vec<String>>,
    /// Fingerprints of what hosts shall have.
    pub desired: BTreeMap<String, String>,
    /// Who went on with it, the last.
    pub resumed: Option<Resumption>,
    /// What happened, other than to single hosts, in words.
    pub notes: Vec<(Timestamp, String)>,
    /// Whether its controller lives.
    pub is_live: bool,
    hosts: IndexMap<String, Host>,
    /// Hosts that were to get their old rules back.
    reverting: Option<Vec<String>>,
    exit_code: Option<u8>,
    /// When the part of the run that was read last began, and its last line.
    part: Option<(Timestamp, Timestamp)>,
}

/// What is known of one host.
#[derive(Debug, Clone, PartialEq, Default)]
struct Host {
    /// From 1.
    batch: usize,
    started: bool,
    /// How its change ended.
    applied: Option<HostReport>,
    /// What came of taking it back.
    reverted: Option<HostReport>,
}

/// What every line begins with.
#[derive(Deserialize)]
struct Stamp<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
}

impl Past {
    /// Reads a journal, and leaves out what is damaged in it.
    pub(super) fn read(run: &str, is_live: bool, mut reader: impl BufRead) -> io::Result<Self> {
        let mut past = Self::new(run, is_live);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            past.take(&line);
        }
        past.end_part();
        Ok(past)
    }

    fn new(run: &str, is_live: bool) -> Self {
        Self {
            run_id: run.to_owned(),
            head: None,
            began: None,
            elapsed: Duration::ZERO,
            batches: Vec::new(),
            desired: BTreeMap::new(),
            resumed: None,
            notes: Vec::new(),
            is_live,
            hosts: IndexMap::new(),
            reverting: None,
            exit_code: None,
            part: None,
        }
    }

    fn take(&mut self, line: &[u8]) {
        let Ok(stamp) = serde_json::from_slice::<Stamp<'_>>(line) else {
            return;
        };
        let Ok(time) = stamp.time.parse::<Timestamp>() else {
            return;
        };
        match &*stamp.event {
            "run" | "resumed" | "desired" => {
                if let Ok(record) = serde_json::from_slice(line) {
                    self.record(record, time);
                }
            }
            // Most lines are of these, and nobody asks for them.
            "step" | "timer_armed" | "timer_stopped" | "warning" => {}
            _ => match report::read_line(line) {
                Some(Written::Event(event)) => self.event(event, time),
                Some(Written::Finished { exit_code }) => self.exit_code = Some(exit_code),
                None => return,
            },
        }
        let since = self.part.map_or(time, |(since, _)| since);
        self.part = Some((since, time));
    }

    fn record(&mut self, record: Record, time: Timestamp) {
        match record {
            Record::Run(head) if head.format <= FORMAT => {
                self.began = Some(time);
                self.head = Some(head.sanitised());
            }
            Record::Run(_) => self.began = Some(time),
            Record::Resumed(by) => {
                let by = by.sanitised();
                self.end_part();
                self.exit_code = None;
                self.notes.push((time, format!("resumed by {}", by.operator)));
                self.resumed = Some(by);
            }
            Record::Desired { hosts } => self.desired = hosts,
        }
    }

    /// Nothing is known of the time between this part of the run and the next.
    fn end_part(&mut self) {
        if let Some((since, until)) = self.part.take() {
            let part = until.duration_since(since);
            self.elapsed += Duration::try_from(part).unwrap_or_default();
        }
    }

    fn event(&mut self, event: RunEvent, time: Timestamp) {
        let note = note(&event);
        match event {
            RunEvent::Started { batches, .. } => {
                for (index, batch) in batches.iter().enumerate() {
                    for name in batch {
                        self.host(name.clone()).batch = index + 1;
                    }
                }
                self.batches = batches;
            }
            RunEvent::HostStarted { host } => {
                let host = self.host(host);
                let batch = host.batch;
                *host = Host {
                    batch,
                    started: true,
                    ..Host::default()
                };
            }
            RunEvent::HostFinished { host, report } | RunEvent::HostUnhealthy { host, report } => {
                self.host(host).applied = Some(*report);
            }
            RunEvent::RevertStarted { hosts, .. } => self.reverting = Some(hosts),
            RunEvent::HostReverted { host, report } => self.host(host).reverted = Some(*report),
            _ => {}
        }
        self.notes.extend(note.map(|note| (time, note)));
    }

    fn host(&mut self, name: String) -> &mut Host {
        self.hosts.entry(name).or_default()
    }

    /// How it ended.
    #[must_use]
    pub fn ending(&self) -> Ending {
        match self.exit_code {
            Some(code) if code == ExitCode::Interrupted.number() => Ending::Interrupted,
            Some(0) => Ending::Done,
            Some(code) => Ending::Failed(code),
            None if self.is_live => Ending::Running,
            None => Ending::Killed,
        }
    }

    /// What the program ended with, if it came to that.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        self.exit_code
    }

    /// Whether somebody may go on with it: it was interrupted or killed.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self.ending(), Ending::Interrupted | Ending::Killed | Ending::Running)
    }

    /// `process 123 on laptop, ann@laptop`: who runs it, or did.
    #[must_use]
    pub fn controller(&self) -> Option<String> {
        let by = self.resumed.as_ref().or(self.head.as_ref().map(|head| &head.by))?;
        Some(format!("process {} on {}, {}", by.pid, by.machine, by.operator))
    }

    /// What became of every host, as far as it is known.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let hosts = self.hosts.iter();
        Outcome {
            hosts: hosts.map(|(name, host)| (sanitise(name), self.report(host))).collect(),
            interrupted: self.ending() == Ending::Interrupted,
            ..Outcome::default()
        }
    }

    fn report(&self, host: &Host) -> HostReport {
        let known = host.reverted.as_ref().or(host.applied.as_ref());
        known.cloned().unwrap_or_else(|| self.unended(host))
    }

    /// The report of a host of which no end is known.
    fn unended(&self, host: &Host) -> HostReport {
        let (state, why) = match (host.started, self.is_live) {
            (true, true) => (EndState::Unknown, "its change is under way"),
            (true, false) => (
                EndState::Unknown,
                "the controller died before this host's end was written down",
            ),
            (false, true) => (EndState::Skipped, "its turn has not come"),
            (false, false) => (EndState::Skipped, "the run ended before its turn came"),
        };
        let batch = host.batch;
        HostReport {
            batch,
            ..HostReport::new(state).because(why)
        }
    }

    /// What became of one host; `None`: it was not in the run.
    #[must_use]
    pub fn host_report(&self, name: &str) -> Option<HostReport> {
        self.hosts.get(name).map(|host| self.report(host))
    }

    /// Hosts that did not reach what was asked of them.
    #[must_use]
    pub fn to_retry(&self) -> Vec<String> {
        writer::to_retry(&self.outcome()).map(str::to_owned).collect()
    }

    /// Hosts that whoever goes on with the run need not start, and how they ended.
    #[must_use]
    pub fn ended(&self) -> Vec<(&str, &HostReport)> {
        let left: Option<HashSet<&str>> = self.reverting().map(|left| left.into_iter().collect());
        let ended = self.hosts.iter().filter_map(|(name, host)| {
            let report = match &left {
                // Who is to come back is judged by what its change came to.
                Some(left) if left.contains(name.as_str()) => host.applied.as_ref()?,
                Some(_) => host.reverted.as_ref().or(host.applied.as_ref())?,
                None => host.applied.as_ref().filter(|report| is_well(report.state))?,
            };
            Some((name.as_str(), report))
        });
        ended.collect()
    }

    /// Hosts that are still to get their old rules back; `None`: the run had not come to that.
    #[must_use]
    pub fn reverting(&self) -> Option<Vec<&str>> {
        let is_back = |name: &str| {
            let reverted = self.hosts.get(name).and_then(|host| host.reverted.as_ref());
            reverted.is_some_and(|report| report.state == EndState::RolledBack)
        };
        let hosts = self.reverting.as_ref()?.iter().map(String::as_str);
        Some(hosts.filter(|name| !is_back(name)).collect())
    }
}

fn is_well(state: EndState) -> bool {
    matches!(state, EndState::Confirmed | EndState::Unchanged)
}

/// What is told of an event among the notes.
fn note(event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::BatchStarted(batch) => format!("batch {batch} starts"),
        RunEvent::BatchFinished { batch, verdict } => format!("batch {batch}: {verdict}"),
        RunEvent::Stopping { why } => format!("no host starts any more: {why}"),
        RunEvent::SoakStarted { batch, hosts, time } => {
            format!("batch {batch}: {} soak for {}", counted(*hosts), report::time(*time))
        }
        RunEvent::HostUnhealthy { host, report } => {
            format!(
                "{}: {}",
                sanitise(host),
                report.reason.as_deref().unwrap_or("unhealthy")
            )
        }
        RunEvent::PauseStarted { before, time: None, .. } => {
            format!("asks whether to go on with batch {before}")
        }
        RunEvent::PauseStarted {
            before,
            time: Some(time),
            ..
        } => {
            format!("pauses for {} before batch {before}", report::time(*time))
        }
        RunEvent::PauseFinished { go_on: false } => "does not go on".to_owned(),
        RunEvent::RevertStarted { hosts, why } => {
            format!("{} taken back: {why}", counted(hosts.len()))
        }
        RunEvent::HostReverted { host, report } => format!("{}: {}", sanitise(host), report.state),
        RunEvent::Interrupted { running, again } => {
            let again = if *again { " again" } else { "" };
            format!("interrupted{again}, {} running", counted(*running))
        }
        _ => return None,
    })
}

fn counted(hosts: usize) -> String {
    if hosts == 1 {
        "1 host".to_owned()
    } else {
        format!("{hosts} hosts")
    }
}

impl Head {
    /// The command.
    #[must_use]
    pub fn command(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }

    /// The parts that are shown; arguments are quoted where they are.
    fn sanitised(self) -> Self {
        Self {
            program: sanitise(&self.program),
            by: self.by.sanitised(),
            ..self
        }
    }
}

impl Resumption {
    fn sanitised(self) -> Self {
        Self {
            operator: sanitise(&self.operator),
            machine: sanitise(&self.machine),
            ..self
        }
    }
}
