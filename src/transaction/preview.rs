//! What a deploy would do to one host: one login, and nothing is changed or written there.

use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::ended::{Ended, stopped};
use super::refusal::Silence;
use super::ways::Arrival;
use super::{LONG, Options, Transaction, ssh_to};
use crate::firewall::Mark;
use crate::inventory::HostSpec;
use crate::plan::{HostChange, Observed, Plan, Stop};
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
        self.arrived(login, observed);
        let mut preview = match observed.plan(&self.desired, |_| Mark::default()) {
            Plan::Unchanged(generation) => Preview {
                generation: generation.map(|generation| generation.0),
                warnings: observed.warnings.clone(),
                ..Preview::new(State::Unchanged)
            },
            Plan::Change(change) => self.judged(Preview::of(observed, &change)),
        };
        if let Some(held) = &observed.held {
            preview
                .warnings
                .push(format!("a deploy would have to wait: {}", held.sentence()));
        }
        preview.basis = Some(observed.basis());
        preview.warnings.append(&mut self.asides);
        preview
    }
}

impl<R: Remote> Transaction<'_, R> {
    /// With what may go wrong.
    fn judged(&self, mut preview: Preview) -> Preview {
        preview
            .warnings
            .extend(self.arrival.as_ref().and_then(Arrival::warning));
        preview
    }
}

impl<R: Remote> Transaction<'_, R> {
    /// Shows what changes in a host's rules, where that is asked for.
    pub(super) fn show_diff(&self, observed: &Observed, change: &HostChange) {
        if !self.options.diff {
            return;
        }
        for chain in observed.rule_diff(change) {
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
    pub(super) fn expect_basis(&self, observed: &Observed) -> Result<(), Ended> {
        let Some(basis) = &self.options.basis else {
            return Ok(());
        };
        let now = observed.basis();
        if now == *basis {
            return Ok(());
        }
        let what = if now.generation == basis.generation {
            "the host's rules were changed since".to_owned()
        } else {
            let name = |number: Option<u32>| number.map_or("none".to_owned(), |number| number.to_string());
            format!(
                "the host had generation {} then, and has {} now",
                name(basis.generation),
                name(now.generation)
            )
        };
        Err(Box::new(stopped(Stop {
            refused: true,
            reason: format!("the plan is stale: {what}"),
            hint: Some("plan again: portmap-deploy plan --save FILE".to_owned()),
        })))
    }
}
