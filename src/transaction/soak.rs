//! Watching a host for a time: a new login by the way that operators use from now on, and the playbook's checks, again
//! and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep_until, timeout_at};

use super::checking::{of_login, subject};
use super::verify::Arrived;
use super::{Options, Transaction};
use crate::checks::{self, Said, Time};
use crate::inventory::HostSpec;
use crate::playbook::{Check, Probe};
use crate::remote::route::Route;
use crate::remote::ssh::Ssh;
use crate::remote::{Login, Remote};

/// Between the beginnings of two rounds: a sixth of the time, within these.
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(30);

/// Watches a host for so long: in every round a new login, then the checks, must be good. Logins, and what checks start on
/// this machine, have a place of `forks` each while they last, so that a batch of any size has its rounds side by side.
///
/// # Errors
/// What was not good, one sentence.
pub async fn soak(host: &HostSpec, options: &Options, time: Duration, forks: Arc<Semaphore>) -> Result<(), String> {
    let end = Instant::now() + time;
    let place = take(&forks).await;
    let resolved = Ssh::resolve(&host.connection, &options.bastions, Arc::new(|_, _| {})).await;
    drop(place);
    let ssh = resolved.map_err(|error| error.to_string())?;
    // Nobody is shown the steps of each round.
    let (events, _) = unbounded_channel();
    let watch = Watch {
        transaction: Transaction::new(&ssh, host, options, &events),
        forks,
        end,
        way: None,
    };
    watch.go(time).await
}

struct Watch<'a, R> {
    transaction: Transaction<'a, R>,
    forks: Arc<Semaphore>,
    end: Instant,
    /// Where the host is reached, once that is known.
    way: Option<(Route, u16)>,
}

impl<R: Remote> Watch<'_, R> {
    async fn go(mut self, time: Duration) -> Result<(), String> {
        let mut rounds = 0;
        loop {
            let began = Instant::now();
            let Some(place) = self.turn(rounds).await else {
                return Ok(());
            };
            self.round(place).await?;
            rounds += 1;
            let next = began + interval(time);
            sleep_until(next.min(self.end).into()).await;
            if next >= self.end {
                return Ok(());
            }
        }
    }

    /// A place for this round; `None`: the time is over. The first round is not left out.
    async fn turn(&self, rounds: u32) -> Option<Option<OwnedSemaphorePermit>> {
        let waiting = take(&self.forks);
        if rounds == 0 {
            return Some(waiting.await);
        }
        timeout_at(self.end.into(), waiting).await.ok()
    }

    async fn round(&mut self, place: Option<OwnedSemaphorePermit>) -> Result<(), String> {
        let login = self.logged_in(place).await?;
        let checks = self.transaction.options.checks.as_slice();
        let remote = self.transaction.contact.remote;
        let subject = subject(remote, &self.transaction.host.name, &login, Arc::clone(&self.forks));
        let time = Time {
            ends: None,
            tries_until: Some(self.end),
            why: "the time of the soak is over",
        };
        let said: Said = Arc::new(|_| {});
        let held = checks::hold(checks, &subject, time, &said).await;
        login.connection.close().await;
        held
    }

    /// Tried again as the playbook's own `ssh` says; where it does not, once.
    async fn logged_in(&mut self, mut place: Option<OwnedSemaphorePermit>) -> Result<Login, String> {
        let patience = of_login(&self.transaction.options.checks).cloned().unwrap_or(Check {
            probe: Probe::Ssh,
            timeout: self.transaction.options.timeout,
            retries: 1,
            delay: Duration::from_secs(1),
        });
        let mut tries = 0;
        loop {
            tries += 1;
            let login = self.login(patience.timeout).await;
            drop(place.take());
            let why = match login {
                Ok(login) => return Ok(login),
                Err(why) => why,
            };
            if tries > patience.retries || Instant::now() + patience.delay >= self.end {
                return Err(checks::failure(&patience, &why, tries));
            }
            tokio::time::sleep(patience.delay).await;
            place = take(&self.forks).await;
        }
    }

    async fn login(&mut self, limit: Duration) -> Result<Login, String> {
        if let Some((route, port)) = &self.way {
            let login = self.transaction.contact.login_at(route, &[*port], true, limit).await;
            return login.map_err(|error| error.to_string());
        }
        let arrived = self.transaction.arrive(limit).await;
        let Arrived { login, astray, .. } = arrived.map_err(|report| report.reason.unwrap_or_default())?;
        if let Some(why) = astray {
            login.connection.close().await;
            return Err(why);
        }
        let route = self.transaction.contact.remote.route().again(&login.peer);
        self.way = Some((route, login.port));
        Ok(login)
    }
}

async fn take(forks: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // It is never closed.
    Arc::clone(forks).acquire_owned().await.ok()
}

fn interval(time: Duration) -> Duration {
    (time / 6).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_neither_rare_nor_many() {
        let seconds = |time| interval(Duration::from_secs(time)).as_secs();
        assert_eq!([1, 12, 60, 180, 3600].map(seconds), [2, 2, 10, 30, 30]);
    }
}
