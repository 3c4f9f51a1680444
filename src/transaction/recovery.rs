//! The end of an armed transaction: asks the host what it runs until it says, over whatever login there is.

use std::time::{Duration, Instant};

use super::loading::plainly;
use super::{Armed, LONG, Transaction};
use crate::firewall;
use crate::plan::{Managed, Observed, rolled_back_by};
use crate::remote::dialogue::{Answer, Status};
use crate::remote::{Login, Remote};
use crate::report::{EndState, HostReport, RolledBackBy, Step};

/// What the controller wants; what the host says counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Confirm,
    Rollback,
}

impl Wish {
    fn verb(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Rollback => "rollback",
        }
    }
}

/// Between two looks at a host.
const PAUSE: Duration = Duration::from_secs(1);

/// How much longer than its timer a host is asked before its state is called unknown.
const PATIENCE: Duration = Duration::from_secs(30);

impl<R: Remote> Transaction<'_, R> {
    pub(super) async fn settle(&mut self, wish: Wish, login: Option<Login>, armed: &Armed, why: &str) -> HostReport {
        let mut login = login;
        let give_up = armed.latest + PATIENCE;
        loop {
            if let Some(mut there) = login.take() {
                match self.ask_end(wish, &mut there, armed, why).await {
                    Some(report) => {
                        self.contact.timer_stopped();
                        there.connection.close().await;
                        return report;
                    }
                    None => there.connection.close().await,
                }
            }
            if Instant::now() >= give_up {
                return unknown(why);
            }
            login = self.look_again(armed).await;
        }
    }

    /// One new login by any way in, old or new. Waits a little when there is none.
    async fn look_again(&mut self, armed: &Armed) -> Option<Login> {
        let left = armed.latest.saturating_duration_since(Instant::now()).as_secs();
        self.contact.step(
            Step::Wait,
            &format!("contact lost; the host's own timer acts within {left} s"),
        );
        let ways = self.ways_in();
        let limit = Duration::from_secs(3);
        let began = Instant::now();
        let login = self.contact.login(&ways, true, limit).await.ok();
        tokio::time::sleep(PAUSE.saturating_sub(began.elapsed())).await;
        login
    }

    /// `None`: no answer, or not yet decided.
    async fn ask_end(&mut self, wish: Wish, login: &mut Login, armed: &Armed, why: &str) -> Option<HostReport> {
        login.dialogue.ask(&format!("{} {}", wish.verb(), self.id));
        login.dialogue.ask("settled");
        // The host may not hear this login any longer: then another is tried, while the timer still runs.
        let patience = LONG.min(self.options.rollback_after / 3);
        let answer = self.contact.answer(login, patience).await.ok()?;
        let said = answer.text.as_str();
        let report = if said.starts_with("confirmed") {
            self.confirmed(said, armed)
        } else if let Some(report) = undone(said) {
            self.undone_report(report, wish, said, armed, why)
        } else if said == "unknown" {
            self.contact.answer(login, LONG).await.ok()?;
            return self.never_heard_of(login, armed, why).await;
        } else {
            return None;
        };
        // The host tidies up after its answer; the next run must not find it at that.
        let tidied: Result<Answer, _> = self.contact.answer(login, LONG).await;
        if let Some(left) = tidied
            .ok()
            .and_then(|answer| answer.text.strip_prefix("left ").map(str::to_owned))
        {
            self.warnings.push(format!(
                "not all of portmap-deploy could be taken away ({left}); none of it has an effect, run remove again"
            ));
        }
        Some(report)
    }

    fn confirmed(&mut self, said: &str, armed: &Armed) -> HostReport {
        self.warnings.extend(not_for_boot(said));
        if armed.change.removes {
            return removed();
        }
        HostReport {
            generation: Some(armed.change.generation.0),
            ..HostReport::new(EndState::Confirmed)
        }
    }

    fn undone_report(&mut self, report: HostReport, wish: Wish, said: &str, armed: &Armed, why: &str) -> HostReport {
        if said.contains("emptied") {
            self.warnings.push(
                "the old rules could not be put back: the host is as reachable as without portmap-deploy".to_owned(),
            );
        }
        let reason = match wish {
            _ if report.rolled_back_by == Some(RolledBackBy::Reboot) => booted(why),
            Wish::Rollback => why.to_owned(),
            Wish::Confirm if said.starts_with("changed") => {
                "somebody else changed the host's rules before they were confirmed".to_owned()
            }
            Wish::Confirm => "the confirmation came too late".to_owned(),
        };
        HostReport {
            generation: armed.observed.current,
            ..report.because(reason)
        }
    }

    /// The host knows nothing of this transaction: it was never armed, or the host was booted since.
    async fn never_heard_of(&mut self, login: &mut Login, armed: &Armed, why: &str) -> Option<HostReport> {
        login.dialogue.ask("observe");
        let answer = self
            .contact
            .answer(login, LONG)
            .await
            .ok()
            .filter(|answer| answer.status == Status::Ok)?;
        let observed = Observed::read(&answer.sections).ok()?;
        if armed.change.removes && !observed.has_files && observed.families.iter().all(Managed::is_without_us) {
            // It was confirmed, and has forgotten us since, by a boot or not: only the answer was lost.
            return Some(removed());
        }
        if observed.uptime < armed.observed.uptime {
            let report = HostReport {
                rolled_back_by: Some(RolledBackBy::Reboot),
                ..HostReport::new(EndState::RolledBack)
            };
            return Some(report.because(booted(why)));
        }
        let generation = Some(armed.change.generation);
        let mut families = observed.families.iter();
        if families.any(|managed| firewall::installed(&managed.view.ruleset).highest == generation) {
            // Its chains are there: the host's timer knows more than its /run.
            return None;
        }
        Some(HostReport::new(EndState::Failed).because(format!("contact was lost before the change began: {why}")))
    }
}

/// What the agent's `confirmed …` says of the next boot, when that is bad.
pub(super) fn not_for_boot(said: &str) -> Option<String> {
    said.contains("boot=no").then(|| {
        "the generation could not be written for the next boot: the host's /var/lib is full, slow or read-only"
            .to_owned()
    })
}

/// What the agent's `undone …` stands for; `None` when it says something else.
pub(super) fn undone(said: &str) -> Option<HostReport> {
    let by = said.strip_prefix("changed ").unwrap_or(said).strip_prefix("undone ")?;
    let (by, rest) = by.split_once(' ').unwrap_or((by, ""));
    let rolled_back_by = Some(rolled_back_by(by));
    let report = HostReport {
        rolled_back_by,
        ..HostReport::new(EndState::RolledBack)
    };
    let rest = rest.trim_start_matches("emptied").trim();
    Some(if rest.is_empty() {
        report
    } else {
        report.because(plainly(rest))
    })
}

fn booted(why: &str) -> String {
    format!("the host was booted before the change was confirmed ({why})")
}

fn removed() -> HostReport {
    HostReport::new(EndState::Confirmed).because("portmap-deploy is removed from the host")
}

fn unknown(why: &str) -> HostReport {
    HostReport::new(EndState::Unknown)
        .because(format!(
            "contact was lost and not found again ({why}); the host's timer undid the change unless it was confirmed"
        ))
        .advising("look at the host by its console: iptables-save | grep PORTMAP")
}
