//! A drill: a change that changes nothing is left to the host's timer, and what the timer leaves is compared.

use std::time::{Duration, Instant};

use super::{Armed, LONG, Transaction, failed};
use crate::plan::Observed;
use crate::remote::dialogue::Status;
use crate::remote::{Login, Remote};
use crate::report::{EndState, HostReport, Step};

/// So long before its end the host is looked at, to see when the timer acts.
const EARLY: Duration = Duration::from_millis(800);

/// Between two looks over one login.
const PAUSE: Duration = Duration::from_millis(100);

/// How much longer than its timer a host is asked before its state is called unknown.
const PATIENCE: Duration = Duration::from_secs(30);

impl<R: Remote> Transaction<'_, R> {
    /// Nobody is logged in when the timer comes near its end: it must not need that.
    pub(super) async fn await_timer(&mut self, first: Login, second: Login, armed: &Armed) -> HostReport {
        first.connection.close().await;
        second.connection.close().await;
        let window = self.options.rollback_after;
        self.contact.step(
            Step::Wait,
            &format!("the host's timer undoes the drill within {} s", window.as_secs()),
        );
        tokio::time::sleep((armed.since + window.saturating_sub(EARLY)).saturating_duration_since(Instant::now()))
            .await;
        let Some((said, took)) = self.await_end(armed).await else {
            return HostReport::new(EndState::Unknown)
                .because("the host does not tell how the drill ended")
                .advising("look at the host by its console: iptables-save | grep PORTMAP");
        };
        self.contact.timer_stopped();
        if said != "undone timer" {
            return *failed(
                &format!("the drill was to end by the host's timer, and ended so: {said}"),
                None,
            );
        }
        match self.observed_anew(armed).await {
            Ok(now) => compared(armed, &now, took),
            Err(report) => *report,
        }
    }

    /// How it ended, and how long after the timer was started.
    async fn await_end(&mut self, armed: &Armed) -> Option<(String, Duration)> {
        let give_up = armed.latest + PATIENCE;
        while Instant::now() < give_up {
            if let Some(mut login) = self.any_login().await {
                let ended = self.watch(&mut login, armed, give_up).await;
                login.connection.close().await;
                if ended.is_some() {
                    return ended;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    async fn any_login(&mut self) -> Option<Login> {
        let ways = self.ways_in();
        self.contact.login(&ways, true, Duration::from_secs(3)).await.ok()
    }

    async fn watch(&mut self, login: &mut Login, armed: &Armed, give_up: Instant) -> Option<(String, Duration)> {
        while Instant::now() < give_up {
            login.dialogue.ask(&format!("ended {}", self.id));
            let answer = self.contact.answer(login, LONG).await.ok()?;
            if answer.status == Status::Ok && answer.text != "open" {
                return Some((answer.text, armed.since.elapsed()));
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    /// The host over a login of its own, once nothing is under way there any more.
    async fn observed_anew(&mut self, armed: &Armed) -> Result<Observed, super::Ended> {
        let lost = || {
            Box::new(
                HostReport::new(EndState::Unknown)
                    .because("the host's timer undid the drill, and no new login can tell what it left"),
            )
        };
        let mut login = self.any_login().await.ok_or_else(lost)?;
        loop {
            let (observed, _) = self.look(&mut login).await?;
            if observed.held.is_none() || Instant::now() > armed.latest + PATIENCE {
                login.connection.close().await;
                return Ok(observed);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn compared(armed: &Armed, now: &Observed, took: Duration) -> HostReport {
    let took = took.as_secs_f64();
    let differences = now.differences(&armed.observed);
    let Some(first) = differences.first() else {
        return HostReport {
            generation: now.current,
            ..HostReport::new(EndState::Unchanged).because(format!(
                "its timer undid the drill after {took:.1} s; all rules are as before"
            ))
        };
    };
    *failed(
        &format!(
            "its timer undid the drill after {took:.1} s, and not all rules are as before ({} differences): {first}",
            differences.len()
        ),
        Some("compare with iptables-save on the host; somebody else may have changed rules meanwhile"),
    )
}
