//! Contact with one host: logins counted, answers awaited with a deadline, steps told.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use super::Options;
use super::refusal::Silence;
use crate::remote::dialogue::{Answer, Lost};
use crate::remote::route::Route;
use crate::remote::{Login, LoginError, Remote};
use crate::report::{RunEvent, Step};

pub(super) struct Contact<'a, R> {
    pub remote: &'a R,
    host: &'a str,
    options: &'a Options,
    events: &'a UnboundedSender<RunEvent>,
    /// How many logins were made.
    pub logins: u32,
    /// The key of the first login: who shows another is another host.
    key: Option<String>,
}

impl<'a, R: Remote> Contact<'a, R> {
    pub fn new(remote: &'a R, host: &'a str, options: &'a Options, events: &'a UnboundedSender<RunEvent>) -> Self {
        Self {
            remote,
            host,
            options,
            events,
            logins: 0,
            key: None,
        }
    }

    /// On any of the addresses that the host's name stands for.
    pub async fn login(&mut self, ports: &[u16], quick: bool, limit: Duration) -> Result<Login, LoginError> {
        self.login_at(self.remote.route(), ports, quick, limit).await
    }

    pub async fn login_at(
        &mut self,
        route: &Route,
        ports: &[u16],
        quick: bool,
        limit: Duration,
    ) -> Result<Login, LoginError> {
        let limit = limit.min(self.options.timeout);
        let login = self.remote.login(route, ports, quick, limit).await?;
        self.logins += 1;
        let key = login.host_key.clone();
        if self.key.is_some() && self.key != key {
            let message = format!(
                "another host answers at {}: its key is not that of the first login",
                login.peer
            );
            login.connection.close().await;
            return Err(LoginError::HostKey { message, hint: None });
        }
        self.key = key;
        Ok(login)
    }

    /// The next answer; what was asked is sent with it.
    pub async fn answer(&self, login: &mut Login, limit: Duration) -> Result<Answer, Silence> {
        let answer = timeout(limit, login.answer()).await.unwrap_or(Err(Lost::Silent(limit)));
        match answer {
            Ok(answer) => Ok(answer),
            Err(lost) => Err(silence(login, lost).await),
        }
    }

    pub fn events(&self) -> &UnboundedSender<RunEvent> {
        self.events
    }

    pub fn step(&self, step: Step, detail: &str) {
        self.tell(RunEvent::Step {
            host: self.host.to_owned(),
            step,
            detail: detail.to_owned(),
        });
    }

    pub fn armed(&self, window: Duration) {
        self.tell(RunEvent::TimerArmed {
            host: self.host.to_owned(),
            window,
        });
    }

    pub fn warn(&self, text: &str) {
        self.tell(RunEvent::Warning {
            host: self.host.to_owned(),
            text: text.to_owned(),
        });
    }

    /// A rule that comes or goes.
    pub fn show(&self, line: &str) {
        self.tell(RunEvent::Dialogue {
            host: self.host.to_owned(),
            level: 0,
            line: line.to_owned(),
        });
    }

    pub fn timer_stopped(&self) {
        self.tell(RunEvent::TimerStopped {
            host: self.host.to_owned(),
        });
    }

    fn tell(&self, event: RunEvent) {
        // Nobody listens any more: the transaction goes on all the same.
        let _ = self.events.send(event);
    }
}

async fn silence(login: &mut Login, lost: Lost) -> Silence {
    let silence = Silence {
        lost,
        complaints: login.connection.complaints().await,
        user: login.connection.user().to_owned(),
        sudo: login.connection.uses_sudo(),
        entering: login.dialogue.entering(),
    };
    if silence.is_wrong_password() {
        login.connection.reject_password();
    }
    silence
}
