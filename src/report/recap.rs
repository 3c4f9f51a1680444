mod advice;
mod proofs;
mod table;

use std::time::Duration;

use console::Style;

use super::{EndState, HostReport, Outcome, sanitise};
use table::Reasons;

/// How text for people is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal; `None` where there is none, and lines may be as long as they like.
    pub width: Option<u16>,
    /// Rows of the terminal; `None` where there is none, and every host is told of.
    pub rows: Option<u16>,
    /// Whether colours may be used.
    pub color: bool,
}

impl Look {
    fn paint(self, style: Style, text: &str) -> String {
        if self.color {
            style.force_styling(true).apply_to(text).to_string()
        } else {
            text.to_owned()
        }
    }
}

/// What is printed at the end of a run: a table of the hosts, the mappings that were proven, what to do about hosts that
/// are not well, and the totals. `elapsed` is the wall time of the run. Hosts that do not fit the terminal are folded
/// where they are well, and say the same.
#[must_use]
pub fn recap(outcome: &Outcome, elapsed: Duration, look: Look) -> String {
    let hosts: Vec<(String, &HostReport)> = outcome
        .hosts
        .iter()
        .map(|(name, report)| (sanitise(name), report))
        .collect();
    let reasons = Reasons::of(&hosts, look);
    let folds = look.rows.is_some_and(|rows| hosts.len() > rows.into());
    let parts = [
        table::table(&hosts, reasons, folds, look),
        proofs::proofs(&hosts, folds, look),
        advice::advice(&hosts, reasons, folds, look),
        totals(outcome, elapsed, look),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// The style of an end state.
pub(crate) fn style(state: EndState) -> Style {
    let style = Style::new();
    match state {
        EndState::Unchanged => style.dim(),
        EndState::Confirmed => style.green(),
        EndState::Skipped | EndState::Pending => style.cyan(),
        EndState::RolledBack | EndState::Refused => style.yellow(),
        EndState::Failed
        | EndState::Unreachable
        | EndState::Unknown
        | EndState::Unhealthy
        | EndState::NotRolledBack => style.red(),
    }
}

/// A duration for people: `0.41 s`, `12.3 s`, `2 min 5 s`.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        ..9.995 => format!("{seconds:.2} s"),
        ..99.95 => format!("{seconds:.1} s"),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

/// `2 confirmed, 1 rolled back; 3 hosts in 2.31 s`.
fn totals(outcome: &Outcome, elapsed: Duration, look: Look) -> String {
    let counts: Vec<String> = EndState::ALL
        .into_iter()
        .map(|state| (state, outcome.count(state)))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| look.paint(style(state), &format!("{count} {state}")))
        .collect();
    let interrupted = if outcome.interrupted { "interrupted: " } else { "" };
    match outcome.hosts.len() {
        0 => format!("{interrupted}no hosts, nothing to do\n"),
        hosts => format!(
            "{interrupted}{}; {} in {}\n",
            counts.join(", "),
            count(hosts),
            time(elapsed)
        ),
    }
}

/// `1 host`, `12 hosts`.
fn count(hosts: usize) -> String {
    let noun = if hosts == 1 { "host" } else { "hosts" };
    format!("{hosts} {noun}")
}

#[cfg(test)]
mod tests;
