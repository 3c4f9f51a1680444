//! The playbook's checks of one host, while its change can still be undone.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::{Armed, Goal, Transaction};
use crate::checks::{self, Said, Subject, Time};
use crate::playbook::{Check, Probe};
use crate::remote::{Login, Remote};
use crate::report::{RunEvent, Step, sanitise};

/// How many programs and requests of one host's checks run here at once.
const AT_ONCE: usize = 16;

/// Checks under way; they end with this.
pub(super) struct Checking(Option<JoinHandle<Result<(), String>>>);

impl Checking {
    /// How they ended.
    pub async fn end(mut self) -> Result<(), String> {
        let Some(task) = &mut self.0 else { return Ok(()) };
        let ended = task.await;
        ended.unwrap_or_else(|_| Err("a fault in this program ended the checks".to_owned()))
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl<R: Remote> Transaction<'_, R> {
    /// Starts what has to hold before a deploy is confirmed, over the new login; that is what `ssh` asks for. It has a third
    /// of the rollback window, and never the last sixth: that is for confirming.
    pub(super) fn checking(&self, login: &Login, armed: &Armed) -> Checking {
        if self.options.goal != Goal::Deploy {
            return Checking(None);
        }
        let window = self.options.rollback_after;
        let third = Instant::now() + window / 3;
        let end = Some(third.min(armed.since + window * 5 / 6));
        let time = Time {
            ends: end,
            tries_until: end,
            why: "the rollback window leaves no more time (--rollback-after makes it longer)",
        };
        self.start(login, time)
    }

    pub(super) fn start(&self, login: &Login, time: Time) -> Checking {
        let all = self.options.checks.clone();
        if all.is_empty() {
            return Checking(None);
        }
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let subject = subject(self.contact.remote, &self.host.name, login, places);
        let said = said(&self.host.name, self.contact.events());
        said(format!("checks: {}", checks::names(&all)));
        Checking(Some(tokio::spawn(async move {
            checks::hold(&all, &subject, time, &said).await
        })))
    }
}

/// The host behind a login.
pub(super) fn subject<R: Remote>(remote: &R, name: &str, login: &Login, places: Arc<Semaphore>) -> Subject {
    Subject {
        name: name.to_owned(),
        route: remote.route().again(&login.peer),
        peer: login.peer.clone(),
        sessions: login.connection.sessions(),
        places,
    }
}

fn said(host: &str, events: &UnboundedSender<RunEvent>) -> Said {
    let (host, events) = (host.to_owned(), events.clone());
    Arc::new(move |detail: String| {
        let event = RunEvent::Step {
            host: host.clone(),
            step: Step::Verify,
            detail: sanitise(&detail),
        };
        // Nobody listens any more: the checks go on all the same.
        let _ = events.send(event);
    })
}

/// The login's own check among others, and its patience.
pub(super) fn of_login(checks: &[Check]) -> Option<&Check> {
    checks.iter().find(|check| check.probe == Probe::Ssh)
}
