//! What a playbook wants to hold beside its mappings, tried from here and on the host: all checks at once, each with its
//! own patience, and none beyond the time that there is.
//!
//! A new login (`ssh`) is not made here: whoever calls this has one, and its session is what `remote_command` uses.
//! Nothing of what is tried is shown but the kind and the place: words of commands and the ends of addresses may be secret.

mod command;
mod connect;
mod http;
mod tail;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};

use crate::playbook::{Check, Probe};
use crate::remote::route::{Peer, Route};
use crate::remote::ssh::Sessions;
use crate::report::sanitise;

/// The host that is looked at.
#[derive(Clone)]
pub struct Subject {
    /// Its name in the inventory.
    pub name: String,
    /// The way that logins take, to where the last one led.
    pub route: Route,
    /// Where the last one led.
    pub peer: Peer,
    /// For commands on the host.
    pub sessions: Sessions,
    /// Bounds the programs and requests of this machine.
    pub places: Arc<Semaphore>,
}

/// The time that there is, beside what each check says for itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Time {
    /// No try goes on after this; where nobody says, each has its whole patience, and may wait for its place.
    pub ends: Option<Instant>,
    /// Nothing is tried again after this.
    pub tries_until: Option<Instant>,
    /// Why there is no more: the end of a sentence.
    pub why: &'static str,
}

/// Gets a line for people when something is tried again.
pub type Said = Arc<dyn Fn(String) + Send + Sync>;

/// Tries all of the checks but logins, at once; ends at the first that does not hold.
///
/// # Errors
/// Which does not hold, and why, one sentence.
pub async fn hold(checks: &[Check], subject: &Subject, time: Time, said: &Said) -> Result<(), String> {
    let mut trying = JoinSet::new();
    for check in checks.iter().filter(|check| check.probe != Probe::Ssh) {
        trying.spawn(tried(check.clone(), subject.clone(), time, Arc::clone(said)));
    }
    while let Some(ended) = trying.join_next().await {
        ended.unwrap_or_else(|_| Err("a fault in this program ended a check".to_owned()))?;
    }
    Ok(())
}

/// What checks are called on one line: `tcp 80, http http://192.0.2.1/ and 3 more`.
#[must_use]
pub fn names(checks: &[Check]) -> String {
    const SHOWN: usize = 3;
    let named: Vec<String> = checks.iter().take(SHOWN).map(|check| name(&check.probe)).collect();
    let more = checks.len().saturating_sub(SHOWN);
    let end = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    named.join(", ") + &end
}

/// What a check is called: its kind, and where it looks. No arguments and no credentials.
#[must_use]
pub fn name(probe: &Probe) -> String {
    let program = |words: &[String]| sanitise(words.first().map_or("", String::as_str));
    match probe {
        Probe::Ssh => "ssh".to_owned(),
        Probe::Tcp(port) => format!("tcp {port}"),
        Probe::Closed(port) => format!("closed {port}"),
        Probe::Http { url, .. } => format!("http {}", sanitise(&http::shown(url))),
        Probe::Command(words) => format!("command {}", program(words)),
        Probe::RemoteCommand(words) => format!("remote_command {}", program(words)),
    }
}

/// The sentence for a check that does not hold.
#[must_use]
pub fn failure(check: &Check, why: &str, tries: u32) -> String {
    let tries = match tries {
        ..=1 => String::new(),
        tries => format!(" ({tries} tries)"),
    };
    format!("check `{}` failed: {why}{tries}", name(&check.probe))
}

async fn tried(check: Check, subject: Subject, time: Time, said: Said) -> Result<(), String> {
    let mut tries = 0;
    loop {
        tries += 1;
        let Err(why) = once(&check, &subject, time).await else {
            return Ok(());
        };
        let again = Instant::now() + check.delay;
        if tries > check.retries {
            return Err(failure(&check, &why, tries));
        }
        if time.tries_until.is_some_and(|end| again >= end) {
            let why = format!("{why}, and {}", time.why);
            return Err(failure(&check, &why, tries));
        }
        said(format!("check {} again: {why}", name(&check.probe)));
        sleep_until(again.into()).await;
    }
}

/// One try, for as long as the check has patience and there is time.
async fn once(check: &Check, subject: &Subject, time: Time) -> Result<(), String> {
    let place = place(&check.probe, subject, time).await?;
    let left = time.ends.map(|end| end.saturating_duration_since(Instant::now()));
    let limit = left.map_or(check.timeout, |left| left.min(check.timeout));
    if limit.is_zero() {
        return Err(time.why.to_owned());
    }
    let ended = match &check.probe {
        Probe::Ssh => Ok(()),
        Probe::Tcp(port) => connect::open(subject, *port, limit).await,
        Probe::Closed(port) => connect::closed(subject, *port, limit, check.timeout).await,
        Probe::Http { url, status, contains } => http::asked(url, status, contains.as_deref(), limit).await,
        Probe::Command(words) => command::here(words, subject, limit).await,
        Probe::RemoteCommand(words) => command::there(words, subject, limit).await,
    };
    drop(place);
    match ended {
        // Its own patience would have been longer.
        Err(why) if limit < check.timeout && time.is_over() => Err(format!("{why}: {}", time.why)),
        ended => ended,
    }
}

/// For what uses this machine.
async fn place(probe: &Probe, subject: &Subject, time: Time) -> Result<Option<OwnedSemaphorePermit>, String> {
    if !matches!(probe, Probe::Command(_) | Probe::Http { .. }) {
        return Ok(None);
    }
    let waiting = Arc::clone(&subject.places).acquire_owned();
    let place = match time.ends {
        Some(end) => timeout_at(end.into(), waiting).await,
        None => Ok(waiting.await),
    };
    let place = place.map_err(|_| format!("it never had its turn: {}", time.why))?;
    // They are never closed.
    Ok(place.ok())
}

impl Time {
    fn is_over(self) -> bool {
        self.ends.is_some_and(|end| Instant::now() >= end)
    }
}

/// What did not come within this time, for sentences.
fn within(limit: Duration) -> String {
    format!("within {:.1} s", limit.as_secs_f64())
}

#[cfg(test)]
mod tests;
