//! Looks that follow one another: what has changed, and all of it on one screen.

use console::{Style, truncate_str};
use jiff::Timestamp;

use super::table::{Showing, rows_with_reasons, totals};
use super::{Overview, State, Status};
use crate::report::sanitise;

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The last look.
    pub overview: &'a Overview,
    /// What has changed, the oldest first.
    pub news: &'a [(Timestamp, String)],
    /// What time it is.
    pub now: Timestamp,
    /// When the next look begins; `None`: it is under way.
    pub next: Option<Timestamp>,
}

/// The most changes that a screen has room for.
const MOST_NEWS: usize = 6;

/// The lines of a screen: the totals, the hosts that fit, the worst first, and the last changes. Never more or longer
/// ones than it has room for.
#[must_use]
pub fn frame(frame: Frame<'_>, showing: &Showing) -> Vec<String> {
    let height: usize = showing.look.rows.unwrap_or(u16::MAX).into();
    let news = frame
        .news
        .get(frame.news.len().saturating_sub(MOST_NEWS)..)
        .unwrap_or_default();
    let mut hosts: Vec<_> = frame.overview.hosts.iter().collect();
    hosts.sort_by_key(|(_, status)| std::cmp::Reverse(status.state));
    // Clock, totals and the table's header; changes with a line above them.
    let below = if news.is_empty() { 0 } else { news.len() + 1 };
    let room = height.saturating_sub(4 + below);
    // The line that tells how many are folded needs room itself.
    let fits = if hosts.len() > room {
        room.saturating_sub(1)
    } else {
        hosts.len()
    };
    let (shown, folded) = hosts.split_at_checked(fits).unwrap_or((&hosts, &[]));
    let mut lines = vec![clock(frame, showing), totals(frame.overview, showing)];
    let width: usize = showing.look.width.unwrap_or(u16::MAX).into();
    let table = rows_with_reasons(shown, showing, width);
    lines.extend(table.iter().map(|line| line.trim_end().to_owned()));
    if !folded.is_empty() {
        lines.push(more(folded, showing));
    }
    if !news.is_empty() {
        lines.push(String::new());
        lines.extend(news.iter().map(|(at, what)| told(*at, what, showing)));
    }
    lines.truncate(height);
    lines
        .into_iter()
        .map(|line| truncate_str(&line, width, "…").into_owned())
        .collect()
}

/// A change, with its time: `14:03:17 web2: in sync → drifted: …`.
#[must_use]
pub fn told(at: Timestamp, what: &str, showing: &Showing) -> String {
    let clock = showing.clock(at, "%H:%M:%S");
    format!("{} {what}", showing.paint(Style::new().dim(), &clock))
}

fn clock(frame: Frame<'_>, showing: &Showing) -> String {
    let next = match frame.next {
        None => "looking".to_owned(),
        Some(next) => {
            let left = next.duration_since(frame.now).as_secs().max(0);
            format!("next look in {left} s")
        }
    };
    let now = showing.clock(frame.now, "%H:%M:%S");
    showing.paint(Style::new().dim(), &format!("{now}, {next}, Ctrl-C ends"))
}

/// `… 480 more, 479 in sync`.
fn more(hosts: &[&(String, Status)], showing: &Showing) -> String {
    let well = hosts.iter().filter(|(_, status)| !status.state.is_off()).count();
    let text = format!("… {} more, {well} in sync", hosts.len());
    showing.paint(Style::new().dim(), &text)
}

/// What has changed from one look to the next, a line a host: `web2: in sync → drifted: …`.
#[must_use]
pub fn news(before: &Overview, after: &Overview) -> Vec<String> {
    let hosts = before.hosts.iter().zip(&after.hosts);
    hosts
        .filter_map(|((_, old), (name, new))| Some(format!("{}: {}", sanitise(name), change(old, new)?)))
        .collect()
}

fn change(old: &Status, new: &Status) -> Option<String> {
    let same = |old: &Status, new: &Status| {
        let told = |status: &Status| {
            (
                status.generation,
                status.reasons.clone(),
                status.differences.clone(),
                status.pending.as_ref().map(|pending| pending.transaction.clone()),
            )
        };
        told(old) == told(new)
    };
    let why = || {
        if new.state.is_off() {
            return format!(": {}", new.first_reason());
        }
        let generation = new.generation.map(|number| format!(", generation {number}"));
        generation.unwrap_or_default()
    };
    if old.state != new.state {
        return Some(format!("{} → {}{}", old.state, new.state, why()));
    }
    // Why nobody answers may be told in other words each time.
    let tells_nothing = matches!(new.state, State::Unreachable | State::Failed) || same(old, new);
    (!tells_nothing).then(|| format!("{}{}", new.state, why()))
}
