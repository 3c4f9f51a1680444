//! What there is to say of hosts, and what to do about them.

use console::Style;
use indexmap::IndexMap;

use super::proofs::{mappings, remarks};
use super::table::Reasons;
use super::{Look, count, style};
use crate::report::{EndState, HostReport};

/// What is to be said of mappings, warnings, hints, and the reasons that the table has no room for: each once, with the
/// hosts that it is about.
/// `folds`: of what is another for each host only the first are told.
pub(super) fn advice(hosts: &[(String, &HostReport)], reasons: Reasons, folds: bool, look: Look) -> String {
    let mut said: IndexMap<String, Vec<&str>> = IndexMap::new();
    let mut logins = 0;
    for (name, report) in hosts {
        logins += usize::from(report.login.is_some());
        let tells_login = !folds || logins <= MOST_NAMES;
        for text in advice_on(report, reasons, tells_login, look) {
            said.entry(text).or_default().push(name);
        }
    }
    let lines = said
        .into_iter()
        .map(|(advice, names)| format!("{}: {advice}\n", listed(&names)));
    let more = if folds { logins.saturating_sub(MOST_NAMES) } else { 0 };
    let more = (more > 0).then(|| format!("{} more log in by another port from now on\n", count(more)));
    lines.chain(more).collect()
}

fn advice_on(report: &HostReport, reasons: Reasons, tells_login: bool, look: Look) -> Vec<String> {
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
    let hint = report.hint.as_deref().or(remedy(report.state));
    let hint = hint.into_iter().map(|hint| labelled(Style::new().cyan(), "hint", hint));
    let login = report
        .login
        .iter()
        .filter(|_| tells_login)
        .map(|login| labelled(Style::new().cyan(), "log in from now on", login));
    reason
        .chain(mappings)
        .chain(warnings)
        .chain(login)
        .chain(hint)
        .collect()
}

/// What to do about a host of which nobody said more.
fn remedy(state: EndState) -> Option<&'static str> {
    match state {
        EndState::Pending => Some("confirm it before its timer undoes the change: `portmap-deploy confirm`"),
        EndState::Unhealthy => Some(
            "it runs the new rules: look at what its check is about, or give it its old rules back: `portmap-deploy rollback`",
        ),
        EndState::NotRolledBack => {
            Some("it runs the new rules still: `portmap-deploy rollback` gives it its old ones back")
        }
        _ => None,
    }
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
