//! Brings the new chains to a host and opens both ways in: lock, stage, arm and loosen in one round trip.

use std::time::Instant;

use super::{Armed, Changed, Ended, LONG, Transaction, failed, proving, recovery};
use crate::firewall::Family;
use crate::plan::{Boot, Held, HostChange, Observed};
use crate::remote::dialogue::Status;
use crate::remote::{Login, Remote};
use crate::report::Step;

/// The requests of [`Transaction::load`], with the step that each belongs to.
const LOADING: [(Step, &str); 5] = [
    (Step::Lock, "lock"),
    (Step::Stage, "stage"),
    (Step::Arm, "arm"),
    (Step::Switch, "loosen"),
    (Step::Switch, "rules"),
];

pub(super) enum Loaded {
    /// Look again: this was in the way.
    Again(String),
    /// Further.
    Done(Changed),
}

/// What a host turned out not to have.
#[derive(Default)]
pub(super) struct Lacking {
    pub nat: bool,
    pub tcpmss: bool,
}

impl Lacking {
    /// Whether another round may end otherwise.
    pub fn learn(&mut self, reason: &str) -> bool {
        if reason == "changed" {
            return true;
        }
        // The host looked whether there is a nat table. A missing match is not always named, so all else may be that.
        let lacks = if reason.starts_with("stage 6 nonat") {
            &mut self.nat
        } else {
            &mut self.tcpmss
        };
        !std::mem::replace(lacks, true)
    }
}

/// A lock that somebody held is no lack: without nat the guard would stand alone.
fn may_lack(step: Step, reason: &str) -> bool {
    step == Step::Stage && reason.starts_with("stage ") && !is_locked(reason)
}

/// iptables(8), `-w`: "Another app is currently holding the xtables lock".
fn is_locked(reason: &str) -> bool {
    reason.contains("xtables lock")
}

impl<R: Remote> Transaction<'_, R> {
    /// lock, stage, arm and loosen in one round trip; the host stops at the first that fails.
    pub(super) async fn load(
        &mut self,
        first: &mut Login,
        change: HostChange,
        observed: Observed,
        marks: proving::Marks,
    ) -> Result<Loaded, Ended> {
        self.ask_for_change(first, &change);
        let mut since = Instant::now();
        let armed = |change, observed, since| Armed {
            change,
            observed,
            since,
            latest: Instant::now() + self.options.rollback_after,
            marks,
        };
        let mut failure = None;
        let mut rules = None;
        for (step, verb) in LOADING {
            if failure.is_none() {
                self.contact.step(step, &step_detail(step, &change));
            }
            let answer = match self.contact.answer(first, LONG).await {
                Ok(answer) => answer,
                Err(why) => {
                    return Ok(Loaded::Done(Changed::Lost(
                        Box::new(armed(change, observed, since)),
                        why.sentence(),
                    )));
                }
            };
            match answer.status {
                Status::Ok if verb == "arm" => {
                    since = Instant::now();
                    self.contact.armed(self.options.rollback_after);
                }
                Status::Ok if verb == "stage" => self
                    .warnings
                    .extend(answer.text.strip_prefix("boot ").map(gone_at_boot)),
                Status::Ok if verb == "rules" => rules = Some(answer.sections),
                Status::Failed if failure.is_none() => failure = Some((step, answer.text)),
                _ => {}
            }
        }
        self.warnings.extend(change.warnings());
        match (failure, rules) {
            (None, Some(rules)) => Ok(Loaded::Done(Changed::Loosened(
                Box::new(armed(change, observed, since)),
                rules,
            ))),
            (Some((step, reason)), _) => self.not_loaded(step, &reason, || armed(change, observed, since)),
            (None, None) => Ok(Loaded::Done(Changed::Lost(
                Box::new(armed(change, observed, since)),
                "the host did not show its rules".to_owned(),
            ))),
        }
    }

    /// On a host that has its mappings: whether it has them after a reboot as well.
    pub(super) async fn mend_boot(&mut self, login: &mut Login, boot: Boot) {
        if boot == Boot::Settled {
            return;
        }
        login.dialogue.ask("mend");
        if let Ok(answer) = self.contact.answer(login, LONG).await
            && answer.status != Status::Ok
        {
            self.warnings.push(gone_at_boot(&answer.text));
        }
    }

    fn ask_for_change(&self, login: &mut Login, change: &HostChange) {
        let window = self.options.rollback_after.as_secs().max(1);
        let [v4, v6] = [Family::V4, Family::V6].map(|family| change.tool(family));
        // Longer than the timer may need: nobody takes the lock of a change that is still pending.
        let held = window + 60;
        let (id, generation) = (&self.id, change.generation);
        let (run, operator) = (word(&self.options.run_id), word(&self.options.operator));
        login
            .dialogue
            .ask(&format!("lock {id} {generation} {run} {operator} {held} {v4} {v6}"));
        for (name, text) in change.files() {
            login.dialogue.put(&name, &text);
        }
        login.dialogue.ask("stage");
        login.dialogue.ask(&format!("arm {window}"));
        login.dialogue.ask("loosen");
        login.dialogue.ask("rules");
    }

    fn not_loaded(&mut self, step: Step, reason: &str, armed: impl FnOnce() -> Armed) -> Result<Loaded, Ended> {
        if step == Step::Lock && reason == "changed" {
            return Ok(Loaded::Again(reason.to_owned()));
        }
        if may_lack(step, reason) {
            return Ok(Loaded::Again(reason.to_owned()));
        }
        if step == Step::Switch {
            return match recovery::undone(reason) {
                Some(report) => {
                    self.contact.timer_stopped();
                    Err(Box::new(report))
                }
                None => Ok(Loaded::Done(Changed::Lost(Box::new(armed()), reason.to_owned()))),
            };
        }
        Err(match reason.strip_prefix("locked ") {
            Some(holder) => failed(
                &held_by(holder).map_or_else(
                    || "another change of this host is under way".to_owned(),
                    |held| held.sentence(),
                ),
                Some("wait until that change has ended; its rollback timer ends it at the latest"),
            ),
            None => failed(&plainly(reason), hint_for(reason)),
        })
    }
}

/// The host says why nothing of ours starts at its boot.
fn gone_at_boot(why: &str) -> String {
    format!("a reboot of the host would take its mappings away until the next deploy: {why}")
}

/// The agent's reason, for people.
pub(super) fn plainly(reason: &str) -> String {
    let (step, rest) = reason.split_once(' ').unwrap_or_default();
    let known = [("4 ", "IPv4"), ("6 nonat ", "IPv6"), ("6 ", "IPv6")];
    let mut known = known
        .iter()
        .filter_map(|(prefix, family)| Some((family, rest.strip_prefix(prefix)?)));
    match (step, known.next()) {
        ("stage", Some((family, why))) => format!("the {family} rules do not load: {why}"),
        ("place" | "loosen" | "tighten", Some((family, why))) => {
            format!("the {family} rules could not be switched, as if somebody else had changed them meanwhile: {why}")
        }
        _ => reason.to_owned(),
    }
}

fn step_detail(step: Step, change: &HostChange) -> String {
    match step {
        Step::Lock => change.differences.first().cloned().unwrap_or_default(),
        Step::Stage => format!("generation {}", change.generation.0),
        _ => String::new(),
    }
}

pub(super) fn hint_for(reason: &str) -> Option<&'static str> {
    if is_locked(reason) {
        return Some(
            "another program holds the lock on the host: fuser /run/xtables.lock names it; run again when it has ended",
        );
    }
    if reason.contains("Read-only") || reason.contains("No space") || reason.contains("cannot write") {
        return Some("the host needs room and write access in /run and /var/lib");
    }
    None
}

/// `UPTIME T GEN RUN WHO SINCE UNTIL PID`, as the agent answers.
fn held_by(holder: &str) -> Option<Held> {
    let (now, lock) = holder.split_once(' ')?;
    Held::read(lock, Some(now))
}

/// One word for the agent's request lines.
pub(super) fn word(text: &str) -> String {
    let word: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "@._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    if word.is_empty() {
        "-".to_owned()
    } else {
        word.chars().take(100).collect()
    }
}
