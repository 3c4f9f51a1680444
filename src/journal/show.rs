//! One run, for `history show`; and lists of runs as JSON.

use jiff::Timestamp;

use super::past::{Ending, Past};
use super::table::{Style, Summary};
use crate::report::{self, HostReport, Look, sanitise};

/// Everything that is known of a run: how it was called, what happened when, what became of its hosts.
#[must_use]
pub fn shown(past: &Past, style: &Style, look: Look) -> String {
    let notes = past.notes.iter();
    let notes = notes.map(|(time, note)| format!("{}  {note}", clock(*time, "%H:%M:%S", style)));
    let lines: Vec<String> = called(past, style).into_iter().chain(notes).collect();
    lines.join("\n") + "\n\n" + &report::recap(&past.outcome(), past.elapsed, look)
}

/// Which run it is, and how it was called.
fn called(past: &Past, style: &Style) -> Vec<String> {
    let unknown = || "?".to_owned();
    let began = past
        .began
        .map_or_else(unknown, |time| clock(time, "%Y-%m-%d %H:%M:%S %Z", style));
    let took = report::time(past.elapsed);
    let first = format!("run {}, {began}, {took}: {}", past.run_id, ending(past));
    let Some(head) = &past.head else {
        return vec![first, "how it was called is damaged, or of a newer version".to_owned()];
    };
    let folder = sanitise(&head.folder.to_string_lossy());
    vec![
        first,
        format!("portmap-deploy {}", command_line(&head.arguments)),
        format!("by {} in {folder}, version {}", head.by.operator, head.program),
    ]
}

fn ending(past: &Past) -> String {
    match past.ending() {
        Ending::Failed(code) => format!("failed, exit code {code}"),
        Ending::Running => match past.controller() {
            Some(by) => format!("running: {by}"),
            None => "running".to_owned(),
        },
        other => other.words().to_owned(),
    }
}

/// As a shell takes it.
fn command_line(arguments: &[String]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| quoted(&sanitise(word))).collect();
    words.join(" ")
}

/// In quotes, where a shell would make something of it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=,.:/@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    shlex::try_quote(word).map_or_else(|_| String::new(), Into::into)
}

fn clock(time: Timestamp, format: &str, style: &Style) -> String {
    time.to_zoned(style.zone.clone()).strftime(format).to_string()
}

/// Runs, each with what became of the host that was asked for, as one document.
#[must_use]
pub fn document(pasts: &[(Past, Option<HostReport>)]) -> String {
    let runs: Vec<Summary<'_>> = pasts
        .iter()
        .map(|(past, host)| Summary::of(past, host.as_ref()))
        .collect();
    serde_json::to_string_pretty(&runs).unwrap_or_default()
}
