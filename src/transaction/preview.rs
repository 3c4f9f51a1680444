//! What a deploy would do to one host: one login, and nothing is changed or written there.

use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::ended::{Ended, stopped};
use super::refusal::Silence;
use super::ways::Arrival;
use super::{LONG, Options, Transaction, goals, ssh_to};
use crate::firewall::Mark;
use crate::inventory::HostSpec;
use crate::plan::{Boot, HostChange, Observed, Plan, Stop};
use crate::preview::{Preview, State};
use crate::remote::{Login, LoginError, Remote};
use crate::report::RunEvent;

/// Looks what a deploy would do to a host. Never fails: where there is no answer, the state says so.
pub async fn preview(host: &HostSpec, options: &Options, events: &UnboundedSender<RunEvent>) -> Preview {
    let began = Instant::now();
    let preview = match ssh_to(host, options, events).await {
        Ok(ssh) => Transaction::new(&ssh, host, options, events).preview().await,
        Err(error) => without_login(&error),
    };
    Preview {
        elapsed: began.elapsed(),
        ..preview.sanitised()
    }
}

impl<R: Remote> Transaction<'_, R> {
    async fn preview(&mut self) -> Preview {
        self.recall().await;
        let ways = self.ways_in();
        let mut login = match self.contact.login(&ways, false, self.options.timeout).await {
            Ok(login) => login,
            Err(error) => return without_login(&error),
        };
        login.dialogue.ask("observe");
        let answer = self.contact.answer(&mut login, LONG).await;
        let preview = match answer.map(|answer| Observed::read(&answer.sections)) {
            Ok(Ok(observed)) => self.foreseen(&login, &observed),
            Ok(Err(stop)) => Preview::stopped(stop),
            Err(silence) => without_answer(&silence),
        };
        login.connection.close().await;
        preview
    }

    fn foreseen(&mut self, login: &Login, observed: &Observed) -> Preview {
        if let Err(other) = self.options.machines.claim(login, &self.host.name) {
            return Preview::stopped(goals::twice(&other));
        }
        self.arrived(login, observed);
        let mut preview = match observed.plan(&self.desired, |_| Mark::default()) {
            Plan::Unchanged(generation) => Preview {
                generation: generation.map(|generation| generation.0),
                warnings: observed.warnings.clone(),
                ..Preview::new(State::Unchanged)
            },
            Plan::Change(change) => self.judged(login, observed, &change),
        };
        if let Some(held) = &observed.held {
            preview
                .warnings
                .push(format!("a deploy would have to wait: {}", held.sentence()));
        }
        if preview.state == State::Unchanged && observed.boot == Boot::Missing {
            let mended = "its rules would not come back at a boot: a deploy mends that, and changes nothing else";
            preview.warnings.push(mended.to_owned());
        }
        preview.basis = Some(observed.basis(login.fingerprint()));
        preview.warnings.append(&mut self.asides);
        preview
    }
}

impl<R: Remote> Transaction<'_, R> {
    /// With what may go wrong.
    fn judged(&self, login: &Login, observed: &Observed, change: &HostChange) -> Preview {
        let after = observed.after(change);
        let prospect = observed.prospect(change, &after);
        let (warnings, refusal) = self.judgement(login, observed, &prospect);
        let mut preview = Preview::of(observed, change, &prospect);
        if let Some(stop) = refusal {
            preview = preview.refused(stop);
        }
        let lost = self.arrival.as_ref().and_then(Arrival::warning);
        preview.warnings.extend(lost.into_iter().chain(warnings));
        preview
    }
}

impl<R: Remote> Transaction<'_, R> {
    /// Shows what changes in a host's rules, where that is asked for.
    pub(super) fn show_diff(&self, observed: &Observed, change: &HostChange) {
        if !self.options.diff {
            return;
        }
        for chain in observed.prospect(change, &observed.after(change)).rule_diff() {
            let place = format!("{} {} {}", chain.family.name(), chain.table, chain.chain);
            for line in &chain.lines {
                self.contact.show(&format!("{place}: {line}"));
            }
        }
    }
}

fn without_login(error: &LoginError) -> Preview {
    let (state, hint) = match error {
        LoginError::Rights { hint, .. } => (State::Failed, hint),
        LoginError::Unreachable { hint, .. } | LoginError::HostKey { hint, .. } => (State::Unreachable, hint),
    };
    Preview {
        reasons: vec![error.to_string()],
        hint: hint.clone(),
        ..Preview::new(state)
    }
}

fn without_answer(silence: &Silence) -> Preview {
    Preview::stopped(Stop {
        refused: false,
        reason: silence.sentence(),
        hint: silence.hint(),
    })
}

impl<R: Remote> Transaction<'_, R> {
    /// Where a plan is carried out, the host must be as it was planned for.
    pub(super) fn expect_basis(&self, login: &Login, observed: &Observed) -> Result<(), Ended> {
        let Some(basis) = &self.options.basis else {
            return Ok(());
        };
        if self.made_by_us(observed).is_some() {
            return Ok(());
        }
        let differences = basis.differences(&observed.basis(login.fingerprint()));
        let Some(first) = differences.first() else {
            return Ok(());
        };
        let more = match differences.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        Err(Box::new(stopped(Stop {
            refused: true,
            reason: format!("the plan is stale: {first}{more}"),
            hint: Some("plan again: portmap-deploy plan --save FILE".to_owned()),
        })))
    }
}
