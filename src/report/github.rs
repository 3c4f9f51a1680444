//! Workflow commands of GitHub Actions, and the table of a step's summary.
//!
//! See "Workflow commands for GitHub Actions" in GitHub's documentation. Whoever can write a line of a step's output gives
//! commands: nothing that comes from a host may begin one.

use std::time::Duration;

use indexmap::IndexMap;

use super::recap::{Look, count, listed, rows, totals};
use super::{EndState, HostReport, Outcome, sanitise};

/// The most hosts of a summary that have a row of their own: GitHub refuses summaries of more than 1 MiB.
const MOST_ROWS: usize = 500;

/// Ends the group of lines that was opened last.
pub const END_GROUP: &str = "::endgroup::";

/// Opens a group of lines, which is shown folded.
#[must_use]
pub fn group(title: &str) -> String {
    format!("::group::{}", data(title))
}

/// A line of text that is no command, whatever is in it.
#[must_use]
pub fn no_command(line: &str) -> String {
    // The older form of commands counts anywhere in a line.
    let line = line.replace("##[", "## [");
    if line.trim_start().starts_with("::") {
        line.replacen("::", ": :", 1)
    } else {
        line
    }
}

/// What is annotated when a run is over: an error for hosts that failed, a warning for what there is to know, each once for
/// all hosts that it is true of, and a notice with the totals.
#[must_use]
pub fn annotations(outcome: &Outcome, elapsed: Duration) -> String {
    let mut said: IndexMap<(&str, &str, String), Vec<String>> = IndexMap::new();
    for (name, report) in &outcome.hosts {
        let severity = severity(report.state);
        let end = severity.map(|severity| (severity, report.state.words(), sentence(report)));
        let warnings = report.warnings.iter().map(|text| ("warning", "warning", text.clone()));
        for what in end.into_iter().chain(warnings) {
            said.entry(what).or_default().push(sanitise(name));
        }
    }
    let lines = said.into_iter().map(|((severity, word, text), names)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        command(severity, &format!("{}: {word}", listed(&names)), &text)
    });
    let notice = command("notice", "portmap-deploy", totals(outcome, elapsed, PLAIN).trim_end());
    lines.chain([notice]).map(|line| line + "\n").collect()
}

const PLAIN: Look = Look {
    width: None,
    rows: None,
    color: false,
};

fn severity(state: EndState) -> Option<&'static str> {
    match state {
        EndState::Pending => Some("warning"),
        state if state.is_failure() => Some("error"),
        _ => None,
    }
}

fn sentence(report: &HostReport) -> String {
    let reason = report.reason.as_deref().unwrap_or(report.state.words());
    match &report.hint {
        Some(hint) => format!("{reason}\nhint: {hint}"),
        None => reason.to_owned(),
    }
}

/// `::error title=web1%3A unreachable::no answer on port 22`.
fn command(name: &str, title: &str, text: &str) -> String {
    let title = data(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{name} title={title}::{}", data(&no_command(text)))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The run as a table in Markdown, for the summary of a step; hosts that are well are one row a state.
#[must_use]
pub fn step_summary(outcome: &Outcome, elapsed: Duration) -> String {
    let hosts: Vec<(String, &HostReport)> = outcome
        .hosts
        .iter()
        .map(|(name, report)| (sanitise(name), report))
        .collect();
    let rows = rows(&hosts, true, usize::MAX);
    let more = rows.len().saturating_sub(MOST_ROWS);
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| markdown(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let head = "| host | state | generation | logins | time | reason |\n| --- | --- | ---: | ---: | ---: | --- |\n";
    let table: String = rows.iter().take(MOST_ROWS).map(|cells| row(cells)).collect();
    let more = match more {
        0 => String::new(),
        more => format!("\n… and {} more\n", count(more)),
    };
    let totals = markdown(totals(outcome, elapsed, PLAIN).trim_end());
    format!("### portmap-deploy\n\n{totals}\n\n{head}{table}{more}\n")
}

/// The text as it stands, whatever Markdown or HTML would make of it.
fn markdown(text: &str) -> String {
    let escaped = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '#' | '@' | ':' => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        let down = || {
            HostReport::new(EndState::Unreachable)
                .because("no answer, 100% loss")
                .advising("look at the cloud's console")
        };
        let odd = HostReport {
            warnings: vec!["no IPv6 nat table".into()],
            ..HostReport::new(EndState::Confirmed)
        };
        let hosts = vec![
            ("web1".to_owned(), down()),
            ("web2".to_owned(), odd),
            ("web3".to_owned(), HostReport::new(EndState::Confirmed)),
            ("web4".to_owned(), down()),
            (
                "web5".to_owned(),
                HostReport::new(EndState::Failed).because("sudo says: ##[error]::x | <b>*no*</b>"),
            ),
        ];
        Outcome {
            hosts,
            ..Outcome::default()
        }
    }

    #[test]
    fn hosts_are_annotated_once() {
        insta::assert_snapshot!(annotations(&outcome(), Duration::from_millis(2_310)));
    }

    #[test]
    fn the_summary_is_a_table() {
        insta::assert_snapshot!(step_summary(&outcome(), Duration::from_millis(2_310)));
    }

    #[test]
    fn no_text_of_a_host_is_a_command() {
        assert_eq!(
            no_command("web1 | ssh | a ##[add-mask]b"),
            "web1 | ssh | a ## [add-mask]b"
        );
        assert_eq!(no_command("  ::error::x ::y"), "  : :error::x ::y");
        assert_eq!(no_command("web1 | confirmed"), "web1 | confirmed");
        assert_eq!(group("50%\nof it"), "::group::50%25%0Aof it");
    }

    #[test]
    fn a_summary_is_bounded() {
        let hosts = (0..2_000).map(|number| (format!("web{number}"), HostReport::new(EndState::Failed)));
        let outcome = Outcome {
            hosts: hosts.collect(),
            ..Outcome::default()
        };
        let summary = step_summary(&outcome, Duration::ZERO);
        assert!(summary.contains("… and 1500 hosts more"), "{summary}");
        assert_eq!(summary.matches("| web").count(), MOST_ROWS);
    }
}
