//! Tables of runs, for `history`.

use console::{Alignment, measure_text_width, pad_str};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::past::{Ending, Past};
use crate::report::{self, EndState, HostReport};

/// How times are shown, and whether colours may be used.
#[derive(Debug, Clone)]
pub struct Style {
    /// Where the reader is.
    pub zone: TimeZone,
    /// Colours.
    pub color: bool,
}

impl Ending {
    /// In a word.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
            Self::Running => "running",
        }
    }

    fn style(self) -> console::Style {
        let style = console::Style::new();
        match self {
            Self::Done => style.green(),
            Self::Failed(_) | Self::Killed => style.red(),
            Self::Interrupted => style.yellow(),
            Self::Running => style.cyan(),
        }
    }
}

const RUNS: [&str; 7] = ["RUN", "WHEN", "TOOK", "OPERATOR", "COMMAND", "END", "HOSTS"];
const OF_HOST: [&str; 6] = ["RUN", "WHEN", "COMMAND", "STATE", "GENERATION", "REASON"];

/// A line a run: when, by whom, what, how many hosts of each end state, how it ended.
#[must_use]
pub fn runs(pasts: &[Past], style: &Style) -> String {
    let row = |past: &Past| {
        [
            past.run_id.clone(),
            when(past, style),
            report::time(past.elapsed),
            operator(past),
            command(past),
            painted(past.ending().style(), past.ending().words(), style),
            counts(past),
        ]
    };
    lines(RUNS, pasts.iter().map(row))
}

/// A line a run that the host was in: what became of it.
#[must_use]
pub fn runs_of_host(pasts: &[(Past, HostReport)], style: &Style) -> String {
    let row = |(past, host): &(Past, HostReport)| {
        [
            past.run_id.clone(),
            when(past, style),
            command(past),
            painted(report::style(host.state), host.state.words(), style),
            host.generation.map_or_else(String::new, |number| number.to_string()),
            host.reason.clone().unwrap_or_default(),
        ]
    };
    lines(OF_HOST, pasts.iter().map(row))
}

fn painted(with: console::Style, word: &str, style: &Style) -> String {
    with.force_styling(style.color).apply_to(word).to_string()
}

/// Rows with columns as wide as they need to be.
fn lines<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = vec![header.map(str::to_owned)];
    table.extend(rows);
    let mut widths = [0; N];
    for row in &table {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = measure_text_width(cell).max(*width);
        }
    }
    let padded = |(cell, width): (&String, &usize)| pad_str(cell, *width, Alignment::Left, None).into_owned();
    let line = |row: &[String; N]| row.iter().zip(&widths).map(padded).collect::<Vec<_>>().join("  ");
    table.iter().map(|row| line(row).trim_end().to_owned() + "\n").collect()
}

/// To the minute, in the reader's time.
fn when(past: &Past, style: &Style) -> String {
    past.began.map_or_else(
        || "?".to_owned(),
        |time| time.to_zoned(style.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

fn operator(past: &Past) -> String {
    past.head
        .as_ref()
        .map_or_else(|| "?".to_owned(), |head| head.by.operator.clone())
}

fn command(past: &Past) -> String {
    past.head
        .as_ref()
        .map_or_else(|| "?".to_owned(), |head| report::sanitise(head.command()))
}

/// `38 confirmed, 2 failed`.
fn counts(past: &Past) -> String {
    let outcome = past.outcome();
    let counts = EndState::ALL.map(|state| (state, outcome.count(state)));
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    if told.is_empty() {
        "no hosts".to_owned()
    } else {
        told.join(", ")
    }
}

/// A run in `history --output json`.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    run_id: &'a str,
    began: Option<String>,
    seconds: f64,
    operator: Option<&'a str>,
    command: Option<&'a str>,
    arguments: &'a [String],
    end: &'static str,
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<HostSummary<'a>>,
    totals: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct HostSummary<'a> {
    state: EndState,
    generation: Option<u32>,
    reason: Option<&'a str>,
}

impl<'a> Summary<'a> {
    pub(super) fn of(past: &'a Past, host: Option<&'a HostReport>) -> Self {
        let head = past.head.as_ref();
        let outcome = past.outcome();
        let total = |state: EndState| {
            let name = serde_json::to_value(state).ok()?.as_str()?.to_owned();
            Some((name, outcome.count(state).into()))
        };
        Self {
            run_id: &past.run_id,
            began: past.began.map(|time| format!("{time:.3}")),
            seconds: (past.elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            operator: head.map(|head| head.by.operator.as_str()),
            command: head.map(super::Head::command),
            arguments: head.map_or(&[], |head| &head.arguments),
            end: past.ending().words(),
            exit_code: past.exit_code(),
            host: host.map(|report| HostSummary {
                state: report.state,
                generation: report.generation,
                reason: report.reason.as_deref(),
            }),
            totals: EndState::ALL.into_iter().filter_map(total).collect(),
        }
    }
}
