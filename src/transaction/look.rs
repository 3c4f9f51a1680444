//! A look at how a host stands: one login, and nothing is changed or written there.

use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;

use super::refusal::Silence;
use super::{LONG, Options, Transaction, ssh_to};
use crate::inventory::HostSpec;
use crate::plan::{Kept, Observed};
use crate::remote::{Login, LoginError, Remote};
use crate::report::RunEvent;
use crate::status::{State, Status};

/// Looks at how a host stands to its mappings. Never fails: where there is no answer, the state says so.
pub async fn look(host: &HostSpec, options: &Options, events: &UnboundedSender<RunEvent>) -> Status {
    let began = Instant::now();
    let status = match ssh_to(host, options, events).await {
        Ok(ssh) => Transaction::new(&ssh, host, options, events).status().await,
        Err(error) => without_login(&error),
    };
    let mut status = status.sanitised();
    status.elapsed = began.elapsed();
    if let Some(pending) = &mut status.pending {
        let left = i64::try_from(pending.left.as_secs()).unwrap_or(i64::MAX);
        pending.until = Timestamp::from_second(Timestamp::now().as_second().saturating_add(left)).ok();
    }
    status
}

/// Looks at what a host has, and at nothing else.
///
/// # Errors
/// Where there is no answer, or none that can be used: the state, and why.
pub async fn observe(
    host: &HostSpec,
    options: &Options,
    events: &UnboundedSender<RunEvent>,
) -> Result<Observed, Status> {
    let observed = match ssh_to(host, options, events).await {
        Ok(ssh) => Transaction::new(&ssh, host, options, events).observed().await,
        Err(error) => Err(without_login(&error)),
    };
    observed.map_err(Status::sanitised)
}

impl<R: Remote> Transaction<'_, R> {
    async fn observed(&mut self) -> Result<Observed, Status> {
        self.recall().await;
        let ways = self.ways_in();
        let login = self.contact.login(&ways, false, self.options.timeout).await;
        let mut login = login.map_err(|error| without_login(&error))?;
        login.dialogue.ask("observe");
        let answer = self.contact.answer(&mut login, LONG).await;
        login.connection.close().await;
        let answer = answer.map_err(|silence| without_answer(&silence))?;
        Observed::read(&answer.sections).map_err(|stop| Status::stopped(stop, None))
    }

    async fn status(&mut self) -> Status {
        self.recall().await;
        let ways = self.ways_in();
        let mut login = match self.contact.login(&ways, false, self.options.timeout).await {
            Ok(login) => login,
            Err(error) => return without_login(&error),
        };
        let status = self.ask_how_it_stands(&mut login).await;
        login.connection.close().await;
        let mut status = status.unwrap_or_else(|silence| without_answer(&silence));
        status.warnings.append(&mut self.asides);
        status
    }

    /// Both questions in one round trip.
    async fn ask_how_it_stands(&mut self, login: &mut Login) -> Result<Status, Silence> {
        login.dialogue.ask("observe");
        login.dialogue.ask("generations");
        let observed = self.contact.answer(login, LONG).await?;
        let kept = self.contact.answer(login, LONG).await?;
        let kept = Kept::read(&kept.sections);
        Ok(
            match Observed::read(&observed.sections).and_then(Observed::in_one_backend) {
                Ok(observed) => Status::of(&observed, &kept, &self.desired),
                Err(stop) => Status::stopped(stop, kept.current),
            },
        )
    }
}

fn without_login(error: &LoginError) -> Status {
    let (state, hint) = match error {
        LoginError::Rights { hint, .. } => (State::Failed, hint),
        LoginError::Unreachable { hint, .. } | LoginError::HostKey { hint, .. } => (State::Unreachable, hint),
    };
    Status::new(state).because(error.to_string()).advising(hint.clone())
}

fn without_answer(silence: &Silence) -> Status {
    Status::new(State::Failed)
        .because(silence.sentence())
        .advising(silence.hint())
}
