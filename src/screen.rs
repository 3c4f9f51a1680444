//! A run as people watch it: on a terminal a line per running host over an overall bar, elsewhere plain lines.
//!
//! What is drawn is decided by pure values over a time that is passed in ([`Screen`], [`Plain`]), and how it gets onto
//! the terminal by another (`Frame`); [`Display`] alone touches the terminal and the clock. Knows run events and nothing
//! of what causes them.

mod consent;
mod display;
mod echo;
mod estimate;
mod frame;
mod github;
mod lines;
mod plain;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use console::{Style, measure_text_width, truncate_str};

pub use consent::consent;
pub use display::Display;
pub use plain::Plain;

use crate::report::{EndState, HostReport, RunEvent, Step};
use estimate::{Estimate, Left};
use words::Batches;

/// Where to draw: columns, rows, and whether colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Colours.
    pub color: bool,
}

impl Canvas {
    fn paint(self, style: Style, text: &str) -> String {
        let colored = self.color && !text.is_empty();
        style.force_styling(colored).apply_to(text).to_string()
    }

    fn cut(self, text: &str) -> String {
        truncate_str(text, self.width, "…").into_owned()
    }
}

/// The widest name that gets a column of its own width; longer ones are cut.
const WIDEST_NAME: usize = 24;

/// What a terminal shows of a run. Times are since its start.
#[derive(Debug, Clone)]
pub struct Screen {
    verbosity: u8,
    forks: usize,
    batches: Batches,
    /// The batch that has begun last, from 1.
    batch: usize,
    /// Whether good ends are counted in place of being printed one by one.
    folds: bool,
    /// Columns of names.
    names: usize,
    ends: HashMap<String, EndState>,
    /// Ends of the batch.
    batch_done: usize,
    /// Ends that were counted, and are still to be printed.
    folded: BTreeMap<EndState, usize>,
    running: Vec<Running>,
    waiting: Option<Waiting>,
    question: Option<String>,
    back: Option<Back>,
    stopping: bool,
    /// Whether what was said last says why the run stops.
    told_why: bool,
    estimate: Estimate,
}

#[derive(Debug, Clone)]
struct Running {
    host: String,
    at: Option<Step>,
    detail: String,
    since: Duration,
    deadline: Option<Duration>,
}

/// A soak or a pause.
#[derive(Debug, Clone)]
struct Waiting {
    text: String,
    until: Duration,
}

/// Hosts that get their old rules back.
#[derive(Debug, Clone, Copy)]
struct Back {
    done: usize,
    of: usize,
}

impl Screen {
    /// An empty screen of a run of at most `forks` hosts at a time, that shows the dialogue up to level `verbosity`.
    #[must_use]
    pub fn new(forks: usize, verbosity: u8) -> Self {
        Self {
            verbosity,
            forks,
            batches: Batches::default(),
            batch: 0,
            folds: false,
            names: 0,
            ends: HashMap::new(),
            batch_done: 0,
            folded: BTreeMap::new(),
            running: vec![],
            waiting: None,
            question: None,
            back: None,
            stopping: false,
            told_why: false,
            estimate: Estimate::default(),
        }
    }

    /// Takes in an event that happened at `now`; what it returns is printed for good, above the lines.
    pub fn apply(&mut self, event: &RunEvent, now: Duration, canvas: Canvas) -> Vec<String> {
        let ends_a_wait = matches!(event, RunEvent::SoakFinished { .. } | RunEvent::PauseFinished { .. });
        let told_why = self.told_why;
        self.told_why &= ends_a_wait;
        match event {
            RunEvent::Started { batches, .. } => self.started(batches, canvas),
            RunEvent::BatchStarted(batch) => return self.batch_started(*batch, canvas),
            RunEvent::BatchFinished { batch, verdict } => return self.batch_finished(*batch, verdict, canvas),
            RunEvent::Stopping { why } => {
                self.stopping = true;
                self.told_why = true;
                // Said by the verdict of the batch or the interrupt just above, where there was one.
                return if told_why { vec![] } else { vec![words::stopping(why)] };
            }
            RunEvent::SoakStarted { batch, hosts, time } => {
                self.estimate.soaks(*time);
                self.wait(words::soaking(*batch, *hosts), now, *time);
            }
            RunEvent::SoakFinished { batch, unhealthy } => {
                self.waiting = None;
                let whole = !self.stopping;
                return whole.then(|| words::soaked(*batch, unhealthy)).into_iter().collect();
            }
            RunEvent::PauseStarted { before, hosts, time } => match time {
                Some(time) => {
                    self.estimate.pauses(*time);
                    self.wait(words::pausing(*before, *hosts), now, *time);
                }
                None => self.question = Some(words::question(self.batch, *before, *hosts)),
            },
            RunEvent::PauseFinished { .. } => self.pause_finished(),
            RunEvent::RevertStarted { hosts, why } => return self.revert_started(hosts.len(), why, canvas),
            RunEvent::HostStarted { host } | RunEvent::HostReverting { host } => self.begin(host, now),
            RunEvent::Step { host, step, detail } => self.change(host, |running| {
                running.at = Some(*step);
                running.detail.clone_from(detail);
            }),
            // The recap says it once for all hosts that it is true of.
            RunEvent::Warning { host, text } => self.change(host, |running| running.detail.clone_from(text)),
            RunEvent::TimerArmed { host, window } => {
                self.change(host, |running| running.deadline = now.checked_add(*window));
            }
            RunEvent::TimerStopped { host } => self.change(host, |running| running.deadline = None),
            RunEvent::HostFinished { host, report } => return self.finished(host, report, now, canvas),
            RunEvent::HostUnhealthy { host, report } => return self.ended(host, report, canvas),
            RunEvent::HostReverted { host, report } => return self.reverted(host, report, canvas),
            RunEvent::Interrupted { running, again } => {
                self.stopping = true;
                self.told_why = true;
                self.question = None;
                return vec![words::interrupted(*running, *again)];
            }
            RunEvent::Dialogue { host, level, line } if *level <= self.verbosity => {
                return vec![canvas.paint(Style::new().dim(), &words::joined(host, words::dialogue(*level), line))];
            }
            RunEvent::Dialogue { .. } | RunEvent::Finished => {}
        }
        vec![]
    }

    /// What the operator is asked; nothing is drawn until there is an answer, which is typed behind it.
    #[must_use]
    pub fn question(&self) -> Option<&str> {
        self.question.as_deref()
    }

    /// What is still to be printed when the run is over.
    pub fn finish(&mut self, canvas: Canvas) -> Vec<String> {
        // Where nothing came between, the recap says it once more and right below.
        if self.batches.count() > 1 || self.back.is_some() {
            self.unfold(canvas)
        } else {
            vec![]
        }
    }

    fn started(&mut self, batches: &[Vec<String>], canvas: Canvas) {
        self.batches = Batches::of(batches);
        self.folds = self.batches.hosts() > canvas.height.saturating_sub(4);
        let names = batches.iter().flatten().map(|name| measure_text_width(name));
        self.names = names.max().unwrap_or(0).min(WIDEST_NAME);
    }

    fn batch_started(&mut self, batch: usize, canvas: Canvas) -> Vec<String> {
        self.batch = batch;
        self.batch_done = 0;
        match self.batches.heading(batch) {
            Some(heading) => self.section(&heading, canvas),
            None => vec![],
        }
    }

    /// A heading, apart from what is above it.
    fn section(&self, heading: &str, canvas: Canvas) -> Vec<String> {
        let heading = canvas.paint(Style::new().bold(), &canvas.cut(heading));
        let gap = (!self.ends.is_empty()).then(String::new);
        gap.into_iter().chain([heading]).collect()
    }

    fn batch_finished(&mut self, batch: usize, verdict: &str, canvas: Canvas) -> Vec<String> {
        self.told_why = true;
        if self.batches.count() < 2 {
            return vec![];
        }
        let mut lines = self.unfold(canvas);
        lines.push(words::verdict(batch, verdict));
        lines
    }

    fn revert_started(&mut self, hosts: usize, why: &str, canvas: Canvas) -> Vec<String> {
        let mut lines = self.unfold(canvas);
        lines.extend(self.section(&words::taking_back(hosts, why), canvas));
        self.back = Some(Back { done: 0, of: hosts });
        lines
    }

    /// The line of ends that were counted, if there are any.
    fn unfold(&mut self, canvas: Canvas) -> Vec<String> {
        let counts = std::mem::take(&mut self.folded);
        if counts.is_empty() {
            return vec![];
        }
        let sign = lines::sign(
            counts.keys().next().copied().unwrap_or(EndState::Skipped),
            self.back.is_some(),
        );
        vec![canvas.cut(&format!("{sign} {}", lines::counts(&counts, canvas)))]
    }

    fn wait(&mut self, text: String, now: Duration, time: Duration) {
        let until = now.saturating_add(time);
        self.waiting = Some(Waiting { text, until });
    }

    fn pause_finished(&mut self) {
        self.waiting = None;
        self.question = None;
    }

    fn begin(&mut self, host: &str, now: Duration) {
        self.running.push(Running {
            host: host.to_owned(),
            at: None,
            detail: String::new(),
            since: now,
            deadline: None,
        });
    }

    fn change(&mut self, host: &str, with: impl FnOnce(&mut Running)) {
        if let Some(running) = self.running.iter_mut().find(|running| running.host == host) {
            with(running);
        }
    }

    fn finished(&mut self, host: &str, report: &HostReport, now: Duration, canvas: Canvas) -> Vec<String> {
        let at = self.running.iter().position(|running| running.host == host);
        if let Some(running) = at.map(|at| self.running.remove(at)) {
            self.batch_done += 1;
            self.estimate.took(now.saturating_sub(running.since));
            self.estimate.revise(&self.left(), now);
        }
        self.ended(host, report, canvas)
    }

    fn reverted(&mut self, host: &str, report: &HostReport, canvas: Canvas) -> Vec<String> {
        self.running.retain(|running| running.host != host);
        if let Some(back) = &mut self.back {
            back.done += 1;
        }
        self.ended(host, report, canvas)
    }

    /// Its end, which may take the place of an earlier one.
    fn ended(&mut self, host: &str, report: &HostReport, canvas: Canvas) -> Vec<String> {
        let before = self.ends.insert(host.to_owned(), report.state);
        if let Some(count) = before.and_then(|before| self.folded.get_mut(&before)) {
            *count = count.saturating_sub(1);
            self.folded.retain(|_, count| *count > 0);
        }
        if self.is_folded(report.state) {
            *self.folded.entry(report.state).or_default() += 1;
            return vec![];
        }
        vec![lines::ended(host, report, self.names, self.back.is_some(), canvas)]
    }

    fn is_folded(&self, state: EndState) -> bool {
        let good = !state.is_failure() || (self.back.is_some() && state == EndState::RolledBack);
        // Why hosts are skipped was said, and of all of them at once.
        state == EndState::Skipped || (self.folds && good)
    }

    fn left(&self) -> Left {
        let of_batch = self.batches.size(self.batch).saturating_sub(self.batch_done);
        Left {
            forks: self.forks,
            running: self.running.len(),
            batch: of_batch,
            later: self.batches.after(self.batch),
        }
    }
}

#[cfg(test)]
mod tests;
