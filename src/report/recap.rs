use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use console::{Alignment, Style, measure_text_width, pad_str};

use super::{DirectAccess, EndState, HostReport, Mapped, MappingProof, Outcome, sanitise};
use crate::firewall::Family;
use crate::mapping::{PortRange, Protocol};

/// How text for people is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal; `None` where there is none, and lines may be as long as they like.
    pub width: Option<u16>,
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
/// are not well, and the totals. `elapsed` is the wall time of the run.
#[must_use]
pub fn recap(outcome: &Outcome, elapsed: Duration, look: Look) -> String {
    let hosts: Vec<(String, &HostReport)> = outcome
        .hosts
        .iter()
        .map(|(name, report)| (sanitise(name), report))
        .collect();
    let reasons = Reasons::of(&hosts, look);
    let parts = [
        table(&hosts, reasons, look),
        proofs(&hosts, look),
        advice(&hosts, reasons, look),
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

const HEADER: [&str; 6] = ["HOST", "STATE", "GENERATION", "LOGINS", "TIME", "REASON"];
/// Columns of all but host and reason, with the gaps.
const NUMBERS_WIDTH: usize = 45;

/// Where the hosts' reasons are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reasons {
    /// In the table.
    Beside,
    /// Below it: beside, they would be broken into a column of single words.
    Below,
}

impl Reasons {
    fn of(hosts: &[(String, &HostReport)], look: Look) -> Self {
        let width = |text: &str| measure_text_width(text);
        let names = hosts.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        let reasons = hosts
            .iter()
            .filter_map(|(_, report)| report.reason.as_deref())
            .map(width)
            .max()
            .unwrap_or(0);
        let fits = look
            .width
            .is_none_or(|columns| names + NUMBERS_WIDTH + reasons <= columns.into());
        if fits { Self::Beside } else { Self::Below }
    }
}

fn table(hosts: &[(String, &HostReport)], reasons: Reasons, look: Look) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let columns = if reasons == Reasons::Beside {
        HEADER.len()
    } else {
        HEADER.len() - 1
    };
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(HEADER.into_iter().take(columns));
    table.add_rows(
        hosts
            .iter()
            .map(|(name, report)| cells(name, report).into_iter().take(columns)),
    );
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if (2..=4).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let offset = hosts
        .iter()
        .map(|(name, _)| measure_text_width(name))
        .max()
        .unwrap_or(0)
        .max(4)
        + 2;
    table
        .lines()
        .map(|line| painted(line.trim_end(), offset, look) + "\n")
        .collect()
}

fn cells(name: &str, report: &HostReport) -> [String; 6] {
    let or_blank = |number: Option<u32>| number.map_or_else(String::new, |number| number.to_string());
    let started = report.state != EndState::Skipped;
    [
        name.to_owned(),
        report.state.to_string(),
        or_blank(report.generation),
        or_blank(started.then_some(report.connections)),
        if started { time(report.elapsed) } else { String::new() },
        report.reason.clone().unwrap_or_default(),
    ]
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

/// A line for each mapping, its families side by side: `web1  tcp 2222 → 22  ipv4 open / direct closed`.
fn proofs(hosts: &[(String, &HostReport)], look: Look) -> String {
    let rows: Vec<Vec<String>> = hosts
        .iter()
        .flat_map(|(name, report)| {
            let mappings = mappings(report).into_iter();
            mappings.map(move |(what, families)| {
                let verdicts = families.into_iter().map(|proof| verdict(proof, look));
                [name.clone(), what].into_iter().chain(verdicts).collect()
            })
        })
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(|column| widest(&rows, column)).collect();
    let padded = |(cell, width): (&String, &usize)| pad_str(cell, *width, Alignment::Left, None).into_owned();
    let lines = rows
        .iter()
        .map(|row| row.iter().zip(&widths).map(padded).collect::<Vec<_>>().join("  "));
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn widest(rows: &[Vec<String>], column: usize) -> usize {
    rows.iter()
        .filter_map(|row| row.get(column))
        .map(|cell| measure_text_width(cell))
        .max()
        .unwrap_or(0)
}

/// The report's mappings, each with what was proven of it in the families.
fn mappings(report: &HostReport) -> Vec<(String, Vec<&MappingProof>)> {
    let mut mappings: Vec<(String, Vec<&MappingProof>)> = vec![];
    for proof in &report.mappings {
        let what = mapping(proof);
        match mappings.iter_mut().find(|(known, _)| *known == what) {
            Some((_, families)) => families.push(proof),
            None => mappings.push((what, vec![proof])),
        }
    }
    mappings
}

fn mapping(proof: &MappingProof) -> String {
    let protocol = match proof.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let name = proof
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    format!("{protocol} {} → {}{name}", ports(proof.port), ports(proof.to_port))
}

fn ports(range: PortRange) -> String {
    if range.count() == 1 {
        range.first().to_string()
    } else {
        format!("{}-{}", range.first(), range.last())
    }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

fn verdict(proof: &MappingProof, look: Look) -> String {
    let (good, bad, unsure) = (Style::new().green(), Style::new().red(), Style::new().yellow());
    let mapped = match proof.mapped {
        Mapped::Open => look.paint(good.clone(), "open"),
        Mapped::Refused => look.paint(unsure.clone(), "refused"),
        Mapped::Filtered => look.paint(bad.clone(), "filtered"),
        Mapped::Unverified => look.paint(unsure.clone(), "unverified"),
    };
    let direct = match proof.direct {
        DirectAccess::Closed => look.paint(good, "closed"),
        // With `direct: allow` this is as promised; whether it is, the host's end state says.
        DirectAccess::Open => look.paint(if proof.reason.is_some() { bad } else { Style::new() }, "open"),
        DirectAccess::Unverified => look.paint(unsure, "unverified"),
    };
    format!("{} {mapped} / direct {direct}", family(proof.family))
}

/// What is to be said of mappings, warnings, hints, and the reasons that the table has no room for: each once, with the
/// hosts that it is about.
fn advice(hosts: &[(String, &HostReport)], reasons: Reasons, look: Look) -> String {
    let mut said: Vec<(String, Vec<&str>)> = vec![];
    for (name, report) in hosts {
        for text in advice_on(report, reasons, look) {
            match said.iter_mut().find(|(known, _)| *known == text) {
                Some((_, names)) => names.push(name),
                None => said.push((text, vec![name])),
            }
        }
    }
    said.into_iter().fold(String::new(), |text, (advice, names)| {
        text + &listed(&names) + ": " + &advice + "\n"
    })
}

fn advice_on(report: &HostReport, reasons: Reasons, look: Look) -> Vec<String> {
    let labelled = |label: Style, word: &str, text: &str| format!("{}: {text}", look.paint(label, word));
    let reason = report.reason.iter().filter(|_| reasons == Reasons::Below);
    let reason = reason.map(|reason| labelled(style(report.state), report.state.words(), reason));
    let mappings = mappings(report)
        .into_iter()
        .flat_map(|(what, families)| remarks(&what, &families));
    let warnings = report
        .warnings
        .iter()
        .map(|warning| labelled(Style::new().yellow(), "warning", warning));
    let hint = report
        .hint
        .iter()
        .map(|hint| labelled(Style::new().cyan(), "hint", hint));
    let login = report
        .login
        .iter()
        .map(|login| labelled(Style::new().cyan(), "log in from now on", login));
    reason
        .chain(mappings)
        .chain(warnings)
        .chain(login)
        .chain(hint)
        .collect()
}

/// Why a mapping is not as promised or not verified; the family is named where it is not true of both.
fn remarks(what: &str, families: &[&MappingProof]) -> Vec<String> {
    let mut reasons = families.iter().map(|proof| proof.reason.as_deref());
    if let Some(Some(first)) = reasons.next()
        && reasons.all(|reason| reason == Some(first))
    {
        return vec![format!("{what}: {first}")];
    }
    let one = |proof: &&MappingProof| Some(format!("{what} {}: {}", family(proof.family), proof.reason.as_ref()?));
    families.iter().filter_map(one).collect()
}

/// The most names of a list that are named.
const MOST_NAMES: usize = 5;

/// `web1, web2`, or `web1, web2, web3, web4, web5 and 32 more`.
fn listed(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().copied().take(MOST_NAMES).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
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
        hosts => {
            let noun = if hosts == 1 { "host" } else { "hosts" };
            format!(
                "{interrupted}{}; {hosts} {noun} in {}\n",
                counts.join(", "),
                time(elapsed)
            )
        }
    }
}

#[cfg(test)]
mod tests;
