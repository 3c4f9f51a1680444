//! The lines of a screen.

use std::collections::BTreeMap;
use std::time::Duration;

use console::{Alignment, Style, measure_text_width, pad_str};

use super::words::{ending, seconds_left, span};
use super::{Canvas, Running, Screen, Waiting};
use crate::report::{self, EndState, HostReport};

/// Columns of the step (`rollback` is the longest).
const STEP_WIDTH: usize = 8;
/// Columns of the countdown: `⏱ 120 s`.
const COUNTDOWN_WIDTH: usize = 8;
/// A timer that is as near as this is shown more clearly.
const URGENT: u64 = 5;
/// Rows that stay free for what was printed, where there are few.
const HISTORY: usize = 4;
/// Rows of a frame that are worth more than what was printed.
const FRAME: usize = 12;

impl Screen {
    /// What is drawn below all that was printed: the running hosts, the oldest first and folded where they do not fit;
    /// what is waited for; the totals; the overall bar.
    #[must_use]
    pub fn lines(&self, now: Duration, canvas: Canvas) -> Vec<String> {
        let rest = room(canvas.height);
        let bar = vec![self.overall(now, canvas)];
        let totals = self.totals(canvas).filter(|_| rest > 2);
        let waiting = self.waiting.as_ref().map(|waiting| waiting.line(now, canvas));
        let waiting = waiting.filter(|_| rest > 3);
        let taken = bar.len() + usize::from(totals.is_some()) + usize::from(waiting.is_some());
        let mut lines = self.running_lines(rest.saturating_sub(taken), now, canvas);
        lines.extend(waiting);
        lines.extend(totals);
        lines.extend(bar);
        lines
    }

    /// At most `room` lines.
    fn running_lines(&self, room: usize, now: Duration, canvas: Canvas) -> Vec<String> {
        let shown = if self.running.len() > room {
            room.saturating_sub(1)
        } else {
            self.running.len()
        };
        let hosts = self.running.iter().take(shown);
        let mut lines: Vec<String> = hosts.map(|running| running.line(self.names, now, canvas)).collect();
        if shown < self.running.len() && room > 0 {
            lines.push(self.folded(shown, now, canvas));
        }
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
        canvas.paint(Style::new().dim(), &canvas.cut(&text))
    }

    /// `12 confirmed, 1 unchanged, 2 unreachable`; nothing before the first end.
    fn totals(&self, canvas: Canvas) -> Option<String> {
        let mut totals: BTreeMap<EndState, usize> = BTreeMap::new();
        for state in self.ends.values() {
            *totals.entry(*state).or_default() += 1;
        }
        (!totals.is_empty()).then(|| canvas.cut(&counts(&totals, canvas)))
    }

    /// `━━━━━━━━──────── 3/12  batch 1/2  4 s  about 2 min left`.
    fn overall(&self, now: Duration, canvas: Canvas) -> String {
        let (done, of) = self
            .back
            .map_or((self.ends.len(), self.batches.hosts()), |back| (back.done, back.of));
        let batch = (self.batches.count() > 1).then(|| format!("batch {}/{}", self.batch, self.batches.count()));
        let words = match self.back {
            Some(_) => [None, None, None, Some(span(now)), None],
            None => [
                None,
                batch,
                self.stopping.then(|| "stopping".to_owned()),
                Some(span(now)),
                self.left_in_words(now),
            ],
        };
        let what = if self.back.is_some() { " taken back" } else { "" };
        let count = format!("{done}/{of}{what}");
        let words = [count]
            .into_iter()
            .chain(words.into_iter().flatten())
            .collect::<Vec<_>>();
        let room = (canvas.width / 4).clamp(4, 40);
        let filled = (room * done).checked_div(of).unwrap_or(0).min(room);
        let rest = canvas.paint(Style::new().dim(), &"─".repeat(room - filled));
        let bar = canvas.paint(self.mood(), &"━".repeat(filled)) + &rest;
        canvas.cut(&format!("{bar} {}", words.join("  ")))
    }

    /// Nothing is known of what is left of a run that stops or asks.
    fn left_in_words(&self, now: Duration) -> Option<String> {
        let goes_on = !self.stopping && self.waiting.is_none();
        self.estimate.words(now).filter(|_| goes_on)
    }

    fn mood(&self) -> Style {
        let style = Style::new();
        if self.back.is_some() {
            style.yellow()
        } else if self.ends.values().any(|state| state.is_failure()) {
            style.red()
        } else {
            style.green()
        }
    }
}

/// Rows that may be drawn: half of them, so that what was printed is still seen, and a terminal that becomes narrower and
/// breaks lines need not scroll; in small terminals more.
fn room(height: usize) -> usize {
    (height / 2).max(FRAME.min(height.saturating_sub(HISTORY))).max(1)
}

impl Running {
    /// `web1  verify    ⏱  27 s  ipv4 tcp 2222 → 22`.
    fn line(&self, names: usize, now: Duration, canvas: Canvas) -> String {
        let step = self.at.map_or_else(|| "start".to_owned(), |step| step.to_string());
        let padded = |text: &str, width| pad_str(text, width, Alignment::Left, Some("…")).into_owned();
        let head = [
            padded(&self.host, names),
            canvas.paint(Style::new().cyan(), &padded(&step, STEP_WIDTH)),
            countdown(self.deadline, now, canvas),
        ];
        canvas.cut(format!("{}  {}", head.join("  "), self.detail).trim_end())
    }
}

impl Waiting {
    /// `batch 1 soaks: 3 hosts must stay well  ⏱  27 s`.
    fn line(&self, now: Duration, canvas: Canvas) -> String {
        let countdown = countdown(Some(self.until), now, canvas);
        canvas.cut(&format!("{}  {countdown}", self.text))
    }
}

fn countdown(deadline: Option<Duration>, now: Duration, canvas: Canvas) -> String {
    let Some(deadline) = deadline else {
        return " ".repeat(COUNTDOWN_WIDTH);
    };
    let left = seconds_left(deadline, now);
    let text = if left < 1000 {
        format!("⏱ {left:>3} s")
    } else {
        format!("⏱ {} min", left / 60)
    };
    let style = if left <= URGENT {
        Style::new().yellow().bold()
    } else {
        Style::new().yellow()
    };
    let padding = " ".repeat(COUNTDOWN_WIDTH.saturating_sub(measure_text_width(&text)));
    canvas.paint(style, &text) + &padding
}

/// `✔ confirmed    web1  generation 17, 2 logins, 0.41 s`, in one line: the recap has all of it.
pub(super) fn ended(host: &str, report: &HostReport, names: usize, goes_back: bool, canvas: Canvas) -> String {
    let width = if goes_back {
        "not rolled back".len()
    } else {
        "unreachable".len()
    };
    let sign = sign(report.state, goes_back);
    let state = canvas.paint(report::style(report.state), &format!("{sign} {:<width$}", report.state));
    let name = pad_str(host, names, Alignment::Left, None);
    canvas.cut(format!("{state}  {name}  {}", ending(report)).trim_end())
}

/// How good an end is; `goes_back`: of a host that was to get its old rules back.
pub(super) fn sign(state: EndState, goes_back: bool) -> char {
    match state {
        EndState::Unchanged | EndState::Confirmed | EndState::Pending => '✔',
        EndState::RolledBack if goes_back => '✔',
        EndState::Skipped => '-',
        _ => '✘',
    }
}

/// `2 unreachable, 12 confirmed, 1 unchanged`, each in the colour of its state; what is bad first, where lines are cut.
pub(super) fn counts(counts: &BTreeMap<EndState, usize>, canvas: Canvas) -> String {
    let mut known: Vec<_> = EndState::ALL
        .into_iter()
        .filter_map(|state| Some((state, counts.get(&state)?)))
        .collect();
    known.sort_by_key(|(state, _)| !state.is_failure());
    let words: Vec<String> = known
        .into_iter()
        .map(|(state, count)| canvas.paint(report::style(state), &format!("{count} {state}")))
        .collect();
    words.join(", ")
}
