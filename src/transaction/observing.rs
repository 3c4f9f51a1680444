//! What a host has and remembers, over the login that is there; what a killed controller of the same run left there is ended.

use super::ended::{Ended, stopped};
use super::{LONG, Rules, Transaction, loading};
use crate::plan::{Held, Kept, Observed};
use crate::remote::{Login, Remote};
use crate::report::{EndState, HostReport, Step};

impl<R: Remote> Transaction<'_, R> {
    /// What the host has, and where the goal looks back, what it remembers.
    pub(super) async fn look(&mut self, login: &mut Login) -> Result<(Observed, Kept), Ended> {
        self.contact.step(Step::Observe, "");
        login.dialogue.ask("observe");
        let looks_back = self.options.goal.looks_back();
        if looks_back {
            login.dialogue.ask("generations");
        }
        let observed = Observed::read(&self.heard(login).await?);
        let observed = if self.options.force {
            observed
        } else {
            observed.and_then(Observed::in_one_backend)
        };
        let observed = observed.map_err(|stop| Box::new(stopped(stop)))?;
        self.warnings.clone_from(&observed.warnings);
        let kept = if looks_back {
            Kept::read(&self.heard(login).await?)
        } else {
            Kept::default()
        };
        Ok((observed, kept))
    }

    /// The sections of the next answer.
    pub(super) async fn heard(&mut self, login: &mut Login) -> Result<Rules, Ended> {
        let answer = self.contact.answer(login, LONG).await;
        let answer = answer.map_err(|why| {
            Box::new(
                HostReport::new(EndState::Failed)
                    .because(why.sentence())
                    .advising_maybe(why.hint()),
            )
        })?;
        Ok(answer.sections)
    }

    /// Whether it is a change of this run, whose controller was killed. Nobody else's is ever touched.
    pub(super) fn is_ours(&self, held: &Held) -> bool {
        held.run == loading::word(&self.options.run_id) && !self.options.machines.is_running(&held.transaction)
    }

    pub(super) async fn end_own(&mut self, login: &mut Login, held: &Held) -> Result<(), Ended> {
        self.contact.step(
            Step::Rollback,
            "a change that this run had not confirmed when it was killed",
        );
        login.dialogue.ask(&format!("rollback {}", held.transaction));
        login.dialogue.ask("settled");
        for _ in 0..2 {
            self.heard(login).await?;
        }
        Ok(())
    }
}
