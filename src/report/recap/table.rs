//! The hosts of a run, a row each.

use comfy_table::{CellAlignment, Table, presets};
use console::{measure_text_width, truncate_str};

use super::{Look, count, style, time};
use crate::report::{EndState, HostReport};

const HEADER: [&str; 6] = ["HOST", "STATE", "GENERATION", "LOGINS", "TIME", "REASON"];
/// Columns of all but host, state and reason, with the gaps.
const NUMBERS_WIDTH: usize = 34;
/// The least columns that a name gets.
const SHORTEST_NAME: usize = 12;

/// Where the hosts' reasons are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasons {
    /// In the table.
    Beside,
    /// Below it: beside, they would be broken into a column of single words.
    Below,
}

impl Reasons {
    pub fn of(hosts: &[(String, &HostReport)], look: Look) -> Self {
        let names = widest(hosts.iter().map(|(name, _)| name.as_str()));
        let reasons = widest(hosts.iter().filter_map(|(_, report)| report.reason.as_deref()));
        let fits = look
            .width
            .is_none_or(|columns| names + numbers(hosts) + reasons <= columns.into());
        if fits { Self::Beside } else { Self::Below }
    }
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(measure_text_width).max().unwrap_or(0)
}

/// Columns of all but host and reason.
fn numbers(hosts: &[(String, &HostReport)]) -> usize {
    widest(hosts.iter().map(|(_, report)| report.state.words())) + NUMBERS_WIDTH
}

/// A row for each host; `folds`: one for all those of a state that are well.
pub(super) fn table(hosts: &[(String, &HostReport)], reasons: Reasons, folds: bool, look: Look) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let columns = if reasons == Reasons::Beside {
        HEADER.len()
    } else {
        HEADER.len() - 1
    };
    let longest = look.width.map_or(usize::MAX, |columns| {
        usize::from(columns).saturating_sub(numbers(hosts)).max(SHORTEST_NAME)
    });
    let rows = rows(hosts, folds, longest);
    let offset = widest(rows.iter().map(|[name, ..]| name.as_str())).max(4) + 2;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(HEADER.into_iter().take(columns));
    table.add_rows(rows.into_iter().map(|row| row.into_iter().take(columns)));
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if (2..=4).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
        .lines()
        .map(|line| painted(line.trim_end(), offset, look) + "\n")
        .collect()
}

type Row = [String; 6];

fn rows(hosts: &[(String, &HostReport)], folds: bool, longest: usize) -> Vec<Row> {
    let (folded, single): (Vec<_>, Vec<_>) = hosts.iter().partition(|(_, report)| folds && is_well(report));
    let cut = |name: &str| truncate_str(name, longest, "…").into_owned();
    let single = single.into_iter().map(|(name, report)| cells(cut(name), report));
    let groups = EndState::ALL.into_iter().filter_map(|state| {
        let of_state = folded.iter().map(|(_, report)| *report);
        group(
            state,
            &of_state.filter(|report| report.state == state).collect::<Vec<_>>(),
        )
    });
    single.chain(groups).collect()
}

/// Whether a host need not be named. What is to be said of many is said below, of all of them at once.
fn is_well(report: &HostReport) -> bool {
    match report.state {
        EndState::Unchanged | EndState::Confirmed | EndState::Skipped => true,
        EndState::Pending | EndState::RolledBack => report.reason.is_none(),
        _ => false,
    }
}

fn cells(name: String, report: &HostReport) -> Row {
    let or_blank = |number: Option<u32>| number.map_or_else(String::new, |number| number.to_string());
    let started = report.state != EndState::Skipped;
    [
        name,
        report.state.to_string(),
        or_blank(report.generation),
        or_blank(started.then_some(report.connections)),
        if started { time(report.elapsed) } else { String::new() },
        report.reason.clone().unwrap_or_default(),
    ]
}

/// The row of all hosts of a state: `465 hosts  confirmed  16-17  2  ≤ 4.90 s`.
fn group(state: EndState, reports: &[&HostReport]) -> Option<Row> {
    let slowest = reports.iter().map(|report| report.elapsed).max()?;
    let started = state != EndState::Skipped;
    let numbers = |number: fn(&HostReport) -> Option<u32>| range(reports.iter().filter_map(|report| number(report)));
    let logins = numbers(|report| Some(report.connections));
    Some([
        count(reports.len()),
        state.to_string(),
        numbers(|report| report.generation),
        if started { logins } else { String::new() },
        if started {
            format!("≤ {}", time(slowest))
        } else {
            String::new()
        },
        String::new(),
    ])
}

/// `17`, `16-17`; blank for no numbers.
fn range(numbers: impl Iterator<Item = u32> + Clone) -> String {
    match (numbers.clone().min(), numbers.max()) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least}-{most}"),
        _ => String::new(),
    }
}

/// The line with the end state at column `offset` in its colour. (The table itself knows no colours: its crate brings a
/// terminal library along for them.)
fn painted(line: &str, offset: usize, look: Look) -> String {
    let mut width = 0;
    let at = line.char_indices().find(|(_, c)| {
        let here = width >= offset;
        width += measure_text_width(c.encode_utf8(&mut [0; 4]));
        here
    });
    let Some((head, tail)) = at.and_then(|(index, _)| line.split_at_checked(index)) else {
        return line.to_owned();
    };
    match EndState::ALL.into_iter().find(|state| tail.starts_with(state.words())) {
        Some(state) => {
            let word = look.paint(style(state), state.words());
            format!("{head}{word}{}", tail.get(state.words().len()..).unwrap_or_default())
        }
        None => line.to_owned(),
    }
}
