//! A look at hosts for people.

use console::{Alignment, Style, measure_text_width, pad_str};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Overview, Pending, State, Status};
use crate::report::{Look, sanitise, time};

/// How it is to be shown.
#[derive(Debug, Clone)]
pub struct Showing {
    /// Width, rows and colours. More hosts than rows are shown only where something is off.
    pub look: Look,
    /// All hosts all the same.
    pub all: bool,
    /// What the operator's clock goes by.
    pub zone: TimeZone,
}

impl Showing {
    pub(super) fn paint(&self, style: Style, text: &str) -> String {
        let colored = self.look.color && !text.is_empty();
        style.force_styling(colored).apply_to(text).to_string()
    }

    /// A time of day, with the day where it matters.
    pub(super) fn clock(&self, at: Timestamp, form: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(form).to_string()
    }

    fn folds(&self, hosts: usize) -> bool {
        !self.all && self.look.rows.is_some_and(|rows| hosts + 2 > rows.into())
    }
}

/// A table of the hosts, the totals, and what is off, why, and what to do about it.
#[must_use]
pub fn table(overview: &Overview, showing: &Showing) -> String {
    let folded = showing.folds(overview.hosts.len());
    let shown: Vec<_> = overview
        .hosts
        .iter()
        .filter(|(_, status)| !folded || status.state.is_off())
        .collect();
    let parts = [
        rows(&shown, showing).concat(),
        totals(overview, showing) + "\n",
        explained(overview, showing) + &hints(overview, showing),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

const HEADER: [&str; 6] = ["HOST", "STATE", "GENERATION", "SINCE", "BY", "REASON"];

/// `GENERATION` and what stands before it is always shown.
const FEWEST_COLUMNS: usize = 3;

type Row = [String; HEADER.len()];

/// The lines of a table, its header first.
fn rows(hosts: &[&(String, Status)], showing: &Showing) -> Vec<String> {
    lined_up(
        hosts.iter().map(|(name, status)| row(name, status, showing)),
        usize::MAX,
    )
}

/// The same with why hosts are off. What a reason needs of `width` is taken from the columns before it, the last ones first.
pub(super) fn rows_with_reasons(hosts: &[&(String, Status)], showing: &Showing, width: usize) -> Vec<String> {
    let row = |(name, status): &&(String, Status)| {
        let [host, state, generation, since, by, _] = row(name, status, showing);
        let reason = status.state.is_off().then(|| status.first_reason());
        [host, state, generation, since, by, reason.unwrap_or_default()]
    };
    lined_up(hosts.iter().map(row), width)
}

fn lined_up(rows: impl Iterator<Item = Row>, width: usize) -> Vec<String> {
    let mut cells: Vec<Row> = rows.collect();
    if cells.is_empty() {
        return vec![];
    }
    let last = HEADER.len() - 1;
    let has_reasons = cells
        .iter()
        .any(|row| row.last().is_some_and(|reason| !reason.is_empty()));
    cells.insert(0, HEADER.map(str::to_owned));
    let widths: [usize; HEADER.len()] = std::array::from_fn(|column| {
        let cells = cells.iter().filter_map(|row| row.get(column));
        cells.map(|cell| measure_text_width(cell)).max().unwrap_or_default()
    });
    let mut columns: Vec<usize> = (0..last).collect();
    if has_reasons {
        let needs = |columns: &[usize]| -> usize {
            let shown = columns.iter().chain([&last]).filter_map(|column| widths.get(*column));
            shown.map(|width| width.saturating_add(2)).sum()
        };
        // Nothing stands behind the last one.
        while columns.len() > FEWEST_COLUMNS && needs(&columns) > width.saturating_add(2) {
            columns.pop();
        }
        columns.push(last);
    }
    let line = |row: &Row| {
        let cells = columns.iter().filter_map(|column| {
            let side = if *column == 2 {
                Alignment::Right
            } else {
                Alignment::Left
            };
            Some(pad_str(row.get(*column)?, *widths.get(*column)?, side, None).into_owned())
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    cells.iter().map(line).collect()
}

fn row(name: &str, status: &Status, showing: &Showing) -> Row {
    let made = status.pending.as_ref().map_or(&status.made, |pending| &pending.made);
    let since = made.since.map(|at| showing.clock(at, "%Y-%m-%d %H:%M"));
    [
        sanitise(name),
        showing.paint(style(status.state), status.state.words()),
        status.generation.map(|number| number.to_string()).unwrap_or_default(),
        since.unwrap_or_default(),
        made.operator.clone().unwrap_or_default(),
        String::new(),
    ]
}

fn style(state: State) -> Style {
    let style = Style::new();
    match state {
        State::InSync => style.green(),
        State::Outdated | State::NeverDeployed => style.yellow(),
        State::Pending => style.cyan(),
        State::Drifted | State::Failed | State::Unreachable => style.red(),
    }
}

/// `9 in sync, 2 drifted, 1 unreachable; 12 hosts in 0.80 s`.
pub(super) fn totals(overview: &Overview, showing: &Showing) -> String {
    let interrupted = if overview.interrupted { "interrupted: " } else { "" };
    let counts: Vec<String> = State::ALL
        .into_iter()
        .map(|state| (state, overview.count(state)))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| showing.paint(style(state), &format!("{count} {state}")))
        .collect();
    match overview.hosts.len() {
        0 => format!("{interrupted}no hosts, nothing to look at"),
        hosts => format!(
            "{interrupted}{}; {hosts} {} in {}",
            counts.join(", "),
            if hosts == 1 { "host" } else { "hosts" },
            time(overview.elapsed)
        ),
    }
}

/// What is off: hosts of which the same is to be said, together.
fn explained(overview: &Overview, showing: &Showing) -> String {
    let mut groups: Vec<(State, Vec<String>, Vec<String>)> = vec![];
    for (name, status) in &overview.hosts {
        let lines = lines(status, showing);
        if lines.is_empty() {
            continue;
        }
        match groups
            .iter_mut()
            .find(|(state, known, _)| *state == status.state && *known == lines)
        {
            Some((_, _, names)) => names.push(sanitise(name)),
            None => groups.push((status.state, lines, vec![sanitise(name)])),
        }
    }
    let group = |(state, lines, names): (State, Vec<String>, Vec<String>)| {
        let state = showing.paint(style(state), state.words());
        let lines = lines.into_iter().map(|line| format!("  {line}\n"));
        format!("{}: {state}\n{}", listed(&names), lines.collect::<String>())
    };
    groups.into_iter().map(group).collect()
}

/// What to do next, each once.
fn hints(overview: &Overview, showing: &Showing) -> String {
    let mut said: Vec<(&str, Vec<String>)> = vec![];
    for (name, status) in &overview.hosts {
        let Some(hint) = status.hint.as_deref() else { continue };
        match said.iter_mut().find(|(known, _)| *known == hint) {
            Some((_, names)) => names.push(sanitise(name)),
            None => said.push((hint, vec![sanitise(name)])),
        }
    }
    let label = showing.paint(Style::new().cyan(), "hint");
    let line = |(hint, names): (&str, Vec<String>)| format!("{}: {label}: {hint}\n", listed(&names));
    said.into_iter().map(line).collect()
}

/// What is to be said of a host beside its row.
fn lines(status: &Status, showing: &Showing) -> Vec<String> {
    let labelled = |style: Style, word: &str, text: &str| format!("{}: {text}", showing.paint(style, word));
    let pending = status.pending.iter().map(|pending| deadline(pending, showing));
    let blame = status.blame.iter().map(|text| labelled(Style::new(), "by", text));
    let asked = status.differences.iter();
    let asked = asked.map(|text| labelled(Style::new(), "inventory", text));
    let warnings = status.warnings.iter();
    let warnings = warnings.map(|text| labelled(Style::new().yellow(), "warning", text));
    let reasons = status.reasons.iter().cloned();
    reasons
        .chain(pending)
        .chain(blame)
        .chain(asked)
        .chain(warnings)
        .collect()
}

/// `until 14:03:22 (17 s left): ann@laptop, run 20261123T032030Z-0123abcd`.
fn deadline(pending: &Pending, showing: &Showing) -> String {
    let until = pending.until.map(|until| showing.clock(until, "%H:%M:%S"));
    format!(
        "until {} ({} s left): {}, run {}",
        until.as_deref().unwrap_or("its deadline"),
        pending.left.as_secs(),
        pending.made.operator.as_deref().unwrap_or("somebody"),
        pending.made.run_id.as_deref().unwrap_or("unknown"),
    )
}

/// The most names of a list that are named.
const MOST_NAMES: usize = 5;

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().map(String::as_str).take(MOST_NAMES).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
