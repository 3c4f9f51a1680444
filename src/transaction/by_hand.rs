//! Changes that stay pending after their proof, and what an operator makes of them by hand.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned};

use super::ended::{Ended, stopped, unchanged};
use super::{Armed, LONG, Transaction, Verdict, failed, loading, recovery};
use crate::inventory::MAX_ROLLBACK_AFTER;
use crate::plan::{Held, Kept, Observed, Outcome, Stop};
use crate::remote::{Login, Remote};
use crate::report::{EndState, HostReport, MappingProof, Step};

/// A change that was undone longer ago is not the one that an operator has in mind.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

impl<R: Remote> Transaction<'_, R> {
    /// Leaves a proven change to the operator, and to the host's timer.
    pub(super) async fn leave_pending(
        &mut self,
        first: Login,
        mut second: Login,
        armed: &Armed,
        proofs: Vec<MappingProof>,
    ) -> HostReport {
        second.dialogue.ask("pending");
        let answer = self.contact.answer(&mut second, LONG).await;
        let held = answer.ok().and_then(|answer| Held::of(&answer.sections));
        let Some(held) = held.filter(|held| held.switched && held.transaction == self.id) else {
            first.connection.close().await;
            return self
                .bring_back(Some(second), armed, "it was ended before it was proven".to_owned())
                .await;
        };
        first.connection.close().await;
        second.connection.close().await;
        HostReport {
            generation: (!armed.change.removes).then_some(armed.change.generation.0),
            mappings: proofs,
            ..self.pending(held.left)
        }
    }

    /// The report of a change that waits so many seconds more.
    fn pending(&self, left: u64) -> HostReport {
        let command = format!("{} -l {}", self.options.confirm_command, quoted(&self.host.name));
        HostReport::new(EndState::Pending)
            .because("it waits to be confirmed by hand, else its timer undoes it")
            .advising(format!("until {} ({left} s left): {command}", local_time_in(left)))
    }

    pub(super) async fn by_hand(
        &mut self,
        mut login: Login,
        verdict: Verdict,
        force: bool,
    ) -> Result<HostReport, Ended> {
        let (observed, kept) = self.look(&mut login).await?;
        let report = match &observed.held {
            None => self.nothing_pending(verdict, &kept),
            Some(held) => {
                if let Some(stop) = self.not_to_be_touched(held, verdict, force) {
                    return Err(Box::new(stopped(stop)));
                }
                match verdict {
                    Verdict::Extend(by) => self.extend(&mut login, held, by).await?,
                    Verdict::Confirm => self.end(&mut login, "confirm", held).await?,
                    Verdict::Cancel => self.end(&mut login, "rollback", held).await?,
                }
            }
        };
        login.connection.close().await;
        Ok(HostReport {
            before: observed.current,
            ..report
        })
    }

    /// Who comes too late for his own change must not take it for confirmed.
    fn nothing_pending(&self, verdict: Verdict, kept: &Kept) -> HostReport {
        let none = || unchanged(kept.current).because("no change of this host is pending");
        let Some(last) = kept.changes.last() else { return none() };
        let whose = format!("the change of {} (run {})", last.operator, last.run);
        let is_fresh = |at: Timestamp| Timestamp::now().duration_since(at) <= RECENT;
        let is_ours = last.operator == loading::word(&self.options.operator);
        match last.ended {
            Some((at, Outcome::Undone(by))) if verdict != Verdict::Cancel && is_ours && is_fresh(at) => HostReport {
                generation: kept.current,
                rolled_back_by: Some(by),
                ..HostReport::new(EndState::RolledBack).because(format!("too late: {whose} was undone at {at}"))
            },
            None if is_ours && kept.current != Some(last.generation) => HostReport {
                generation: kept.current,
                ..HostReport::new(EndState::Unknown)
                    .because(format!("the host has lost {whose}, which has no end in its ledger"))
                    .advising("its timer, or a reboot, undoes it: look again by `portmap-deploy status`")
            },
            _ => none(),
        }
    }

    fn not_to_be_touched(&self, held: &Held, verdict: Verdict, force: bool) -> Option<Stop> {
        let refuse = |reason: String, hint: &str| {
            Some(Stop {
                refused: true,
                reason,
                hint: Some(hint.to_owned()),
            })
        };
        if held.operator != loading::word(&self.options.operator) && !force {
            return refuse(
                held.sentence(),
                "it is another's change: --force decides about it all the same",
            );
        }
        if verdict == Verdict::Confirm && !held.switched {
            return refuse(
                format!("{}; it is not in force yet", held.sentence()),
                "wait for its proof",
            );
        }
        if verdict == Verdict::Confirm && held.attended && !force {
            return refuse(
                format!("{}; it is being proven", held.sentence()),
                "wait for its proof; --force confirms without it",
            );
        }
        None
    }

    /// Confirms or rolls back, over this very login.
    async fn end(&mut self, login: &mut Login, verb: &str, held: &Held) -> Result<HostReport, Ended> {
        self.contact.step(
            if verb == "confirm" {
                Step::Confirm
            } else {
                Step::Rollback
            },
            "",
        );
        let said = self.said(login, &format!("{verb} {}", held.transaction)).await?;
        self.said(login, "settled").await?;
        login.dialogue.ask("observe");
        let runs = Observed::read(&self.heard(login).await?).map_err(|stop| Box::new(stopped(stop)))?;
        let report = if said.starts_with("confirmed") {
            self.warnings.extend(recovery::not_for_boot(&said));
            HostReport::new(EndState::Confirmed).because(format!("confirmed by hand: {}", whose(held)))
        } else if let Some(report) = recovery::undone(&said) {
            let why = match report.reason.as_deref() {
                _ if said.starts_with("changed") => "somebody else changed the host's rules meanwhile",
                Some(why) => why,
                None if verb == "confirm" => "the confirmation came too late",
                None => "cancelled by hand, the old rules are back",
            };
            let why = format!("{why}: {}", whose(held));
            report.because(why)
        } else {
            let hint = Some("look again in a few seconds: the host's own timer ends it at the latest");
            return Err(failed(&format!("the host could not end it: {said}"), hint));
        };
        // Who cancels has what was asked for.
        let state = match report.state {
            EndState::RolledBack if verb == "rollback" => EndState::Unchanged,
            state => state,
        };
        Ok(HostReport {
            state,
            generation: runs.current,
            ..report
        })
    }

    async fn extend(&mut self, login: &mut Login, held: &Held, by: Duration) -> Result<HostReport, Ended> {
        let (id, by, most) = (&held.transaction, by.as_secs().max(1), MAX_ROLLBACK_AFTER.as_secs());
        let said = self.said(login, &format!("extend {id} {by} {most}")).await?;
        let left = said.strip_prefix("left ").and_then(|left| left.parse().ok());
        let Some(left) = left else {
            let hint = Some("look again: its timer has undone it, or somebody has ended it");
            return Err(failed(&format!("it cannot be given more time: {said}"), hint));
        };
        Ok(HostReport {
            generation: held.generation,
            ..self.pending(left)
        })
    }

    /// Asks and takes what the host answers, whether that is yes or no.
    async fn said(&mut self, login: &mut Login, request: &str) -> Result<String, Ended> {
        login.dialogue.ask(request);
        let answer = self.contact.answer(login, LONG).await;
        answer.map(|answer| answer.text).map_err(|why| {
            Box::new(
                HostReport::new(EndState::Unknown)
                    .because(format!("no answer to `{request}`: {}", why.sentence()))
                    .advising("look again: the host's own timer ends the change unless it was confirmed"),
            )
        })
    }
}

fn whose(held: &Held) -> String {
    format!(
        "the change of {} since {} (run {})",
        held.operator, held.since, held.run
    )
}

/// The time of day in so many seconds, where the operator is.
fn local_time_in(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let then = Zoned::now().saturating_add(SignedDuration::from_secs(seconds));
    then.strftime("%H:%M:%S").to_string()
}

fn quoted(name: &str) -> String {
    shlex::try_quote(name).map_or_else(|_| name.to_owned(), std::borrow::Cow::into_owned)
}
