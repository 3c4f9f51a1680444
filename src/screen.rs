//! A run as people watch it: on a terminal a line per running host over an overall bar, elsewhere plain lines.
//!
//! What is drawn is decided by pure functions over a time that is passed in ([`Screen::lines`], [`plain_lines`]);
//! [`Display`] alone touches the terminal and the clock. Knows run events and nothing of what causes them.

mod display;
mod echo;
mod plain;

use std::time::Duration;

use console::{Alignment, Style, measure_text_width, pad_str, truncate_str};

pub use display::Display;
pub use plain::plain_lines;

use crate::report::{self, EndState, HostReport, RunEvent, Step};

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
}

/// The widest name that gets a column of its own width; longer ones are cut.
const WIDEST_NAME: usize = 24;
/// Columns of the step (`rollback` is the longest).
const STEP_WIDTH: usize = 8;
/// Columns of the countdown: `⏱ 120 s`.
const COUNTDOWN_WIDTH: usize = 8;

/// What a terminal shows of a run. Times are since its start.
#[derive(Debug, Clone)]
pub struct Screen {
    verbosity: u8,
    total: usize,
    batches: usize,
    batch: usize,
    done: usize,
    failed: usize,
    stopping: bool,
    running: Vec<Running>,
}

#[derive(Debug, Clone)]
struct Running {
    host: String,
    at: Option<Step>,
    detail: String,
    deadline: Option<Duration>,
}

impl Screen {
    /// An empty screen that shows the dialogue up to level `verbosity`.
    #[must_use]
    pub fn new(verbosity: u8) -> Self {
        Self {
            verbosity,
            total: 0,
            batches: 0,
            batch: 0,
            done: 0,
            failed: 0,
            stopping: false,
            running: vec![],
        }
    }

    /// Takes in an event that happened at `now`; what it returns is printed for good, above the lines.
    pub fn apply(&mut self, event: &RunEvent, now: Duration, canvas: Canvas) -> Vec<String> {
        match event {
            RunEvent::Started { batches, .. } => {
                self.batches = batches.len();
                self.total = batches.iter().map(Vec::len).sum();
            }
            RunEvent::BatchStarted(batch) => self.batch = *batch,
            RunEvent::HostStarted { host } => {
                self.running.push(Running {
                    host: host.clone(),
                    at: None,
                    detail: String::new(),
                    deadline: None,
                });
            }
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
            RunEvent::HostFinished { host, report } => return self.finished(host, report, canvas),
            RunEvent::Interrupted { .. } => {
                self.stopping = true;
                return plain_lines(event, self.verbosity);
            }
            RunEvent::Dialogue { .. }
            | RunEvent::BatchFinished { .. }
            | RunEvent::Stopping { .. }
            | RunEvent::RevertStarted { .. }
            | RunEvent::HostUnhealthy { .. }
            | RunEvent::HostReverted { .. } => return plain_lines(event, self.verbosity),
            RunEvent::SoakStarted { .. }
            | RunEvent::SoakFinished { .. }
            | RunEvent::PauseStarted { .. }
            | RunEvent::PauseFinished { .. }
            | RunEvent::HostReverting { .. }
            | RunEvent::Finished => {}
        }
        vec![]
    }

    fn change(&mut self, host: &str, with: impl FnOnce(&mut Running)) {
        if let Some(running) = self.running.iter_mut().find(|running| running.host == host) {
            with(running);
        }
    }

    fn finished(&mut self, host: &str, report: &HostReport, canvas: Canvas) -> Vec<String> {
        self.running.retain(|running| running.host != host);
        self.done += 1;
        self.failed += usize::from(report.state.is_failure());
        vec![finished_line(host, report, canvas)]
    }

    /// The lines of the running hosts, the oldest first and folded where they do not fit, and the overall bar below.
    #[must_use]
    pub fn lines(&self, now: Duration, canvas: Canvas) -> Vec<String> {
        let room = canvas.height.saturating_sub(2).max(1);
        let shown = if self.running.len() > room {
            room - 1
        } else {
            self.running.len()
        };
        let names = self.running.iter().map(|running| measure_text_width(&running.host));
        let name_width = names.max().unwrap_or(0).min(WIDEST_NAME);
        let hosts = self
            .running
            .iter()
            .take(shown)
            .map(|running| running.line(name_width, now, canvas));
        let mut lines: Vec<String> = hosts.collect();
        if shown < self.running.len() {
            lines.push(self.folded(shown, now, canvas));
        }
        lines.push(self.overall(now, canvas));
        lines
    }

    fn folded(&self, shown: usize, now: Duration, canvas: Canvas) -> String {
        let more = self.running.len() - shown;
        let timers = self.running.iter().skip(shown).filter_map(|running| running.deadline);
        let text = match timers.clone().min() {
            Some(first) => format!(
                "… {more} more running, {} with a timer, the first in {} s",
                timers.count(),
                seconds_left(first, now)
            ),
            None => format!("… {more} more running"),
        };
        canvas.paint(Style::new().dim(), &truncate_str(&text, canvas.width, "…"))
    }

    /// `━━━━━━━━────────── 3/12  batch 1/2  1 failed  4.2 s`.
    fn overall(&self, now: Duration, canvas: Canvas) -> String {
        let words = [
            Some(format!(" {}/{}", self.done, self.total)),
            (self.batches > 1).then(|| format!("batch {}/{}", self.batch, self.batches)),
            (self.failed > 0).then(|| format!("{} failed", self.failed)),
            self.stopping.then(|| "stopping".to_owned()),
            Some(format!("{}.{} s", now.as_secs(), now.subsec_millis() / 100)),
        ];
        let words = words.into_iter().flatten().collect::<Vec<_>>().join("  ");
        let room = canvas.width.saturating_sub(measure_text_width(&words) + 1).min(40);
        let filled = (room * self.done).checked_div(self.total).unwrap_or(0).min(room);
        let style = if self.failed > 0 {
            Style::new().red()
        } else {
            Style::new().green()
        };
        let rest = canvas.paint(Style::new().dim(), &"─".repeat(room - filled));
        let bar = canvas.paint(style, &"━".repeat(filled)) + &rest + &words;
        truncate_str(&bar, canvas.width, "").into_owned()
    }
}

impl Running {
    /// `web1  verify    ipv4 tcp 2222 → 22             ⏱ 27 s`.
    fn line(&self, name_width: usize, now: Duration, canvas: Canvas) -> String {
        let step = self.at.map_or_else(|| "start".to_owned(), |step| step.to_string());
        let countdown = self
            .deadline
            .map(|deadline| format!("⏱ {} s", seconds_left(deadline, now)));
        let taken = name_width + 2 + STEP_WIDTH + 2 + COUNTDOWN_WIDTH + 1;
        let room = canvas.width.saturating_sub(taken);
        let parts = [
            pad_str(&self.host, name_width, Alignment::Left, Some("…")).into_owned(),
            canvas.paint(Style::new().cyan(), &pad_str(&step, STEP_WIDTH, Alignment::Left, None)),
            pad_str(&self.detail, room, Alignment::Left, Some("…")).into_owned(),
        ];
        let countdown = pad_str(
            countdown.as_deref().unwrap_or(""),
            COUNTDOWN_WIDTH,
            Alignment::Right,
            None,
        );
        let line = format!(
            "{} {}",
            parts.join("  "),
            canvas.paint(Style::new().yellow(), &countdown)
        );
        truncate_str(line.trim_end(), canvas.width, "…").into_owned()
    }
}

/// Whole seconds until `deadline`, rounded up: 0 only when it is over.
fn seconds_left(deadline: Duration, now: Duration) -> u64 {
    let left = deadline.saturating_sub(now);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// `✔ web1  confirmed  generation 17, 2 logins, 0.41 s`.
fn finished_line(host: &str, report: &HostReport, canvas: Canvas) -> String {
    let sign = match report.state {
        EndState::Unchanged | EndState::Confirmed | EndState::Pending => "✔",
        EndState::Skipped => "-",
        _ => "✘",
    };
    let style = report::style(report.state);
    let state = canvas.paint(style, &format!("{sign} {:<11}", report.state));
    format!("{state}  {host}  {}", plain::ending(report))
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests;
