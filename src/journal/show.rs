//! One run, for `history show`; and lists of runs as JSON.

use jiff::Timestamp;

use super::past::{Ending, Past};
use super::table::{Style, Summary};
use crate::report::{self, HostReport, Look, sanitise};

/// Everything that is known of a run: how it was called, what happened when, what became of its hosts.
#[must_use]
pub fn shown(past: &Past, style: &Style, look: Look) -> String {
    let mut text = head(past, style);
    for (time, note) in &past.notes {
        text += &format!("{}  {note}\n", clock(*time, "%H:%M:%S", style));
    }
    text + "\n" + &report::recap(&past.outcome(), past.elapsed, look)
}

fn head(past: &Past, style: &Style) -> String {
    let began = past
        .began
        .map_or_else(|| "?".to_owned(), |time| clock(time, "%Y-%m-%d %H:%M:%S %Z", style));
    let ending = match past.ending() {
        Ending::Failed(code) => format!("failed, exit code {code}"),
        Ending::Running => past
            .controller()
            .map_or_else(|| "running".to_owned(), |by| format!("running: {by}")),
        other => other.words().to_owned(),
    };
    let mut text = format!(
        "run {}, {began}, {}: {ending}\n",
        past.run_id,
        report::time(past.elapsed)
    );
    match &past.head {
        Some(head) => {
            text += &format!("portmap-deploy {}\n", command_line(&head.arguments));
            text += &format!(
                "by {} in {}, version {}\n",
                head.by.operator,
                sanitise(&head.folder.to_string_lossy()),
                head.program
            );
        }
        None => text += "how it was called is damaged, or of a newer version\n",
    }
    text
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
