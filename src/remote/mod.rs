//! Getting to hosts: logins over SSH, and the dialogue with the one script that runs there.
//!
//! [`Remote`] is the seam: the transaction talks to it, with [`ssh::Ssh`] behind it, or a fake in tests. This module
//! knows nothing of rules and of what is right; it carries text.

pub mod dialogue;
pub mod gate;
pub mod route;
pub mod ssh;
pub mod ways;

use std::time::Duration;

use dialogue::{Answer, Dialogue, Lost};
use route::{Peer, Route};

/// Why there is no login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// No connection, or nobody answers as sshd.
    #[error("{message}")]
    Unreachable {
        /// What was tried and what came of it.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The host key is not the known one: nothing was sent.
    #[error("{message}")]
    HostKey {
        /// What ssh said.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// Logged in, but without the rights that are needed. The host is as it was.
    #[error("{message}")]
    Rights {
        /// What the host said.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
}

/// A login: a connection of its own, shared with nobody, and the dialogue over it.
pub struct Login {
    /// The dialogue; the script has not been sent yet.
    pub dialogue: Dialogue,
    /// Where the connection leads, as the race for ways in found it.
    pub peer: Peer,
    /// The port.
    pub port: u16,
    /// The host's key as `TYPE FINGERPRINT`.
    pub host_key: Option<String>,
    /// What keeps the connection.
    pub connection: ssh::Connection,
}

impl Login {
    /// The fingerprint of the host's key, which does not depend on how its type is called.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        let words = self.host_key.as_deref()?.split(' ');
        words.into_iter().find(|word| word.starts_with("SHA256:"))
    }

    /// The dialogue's next answer. Where sudo insists on a terminal, the session begins anew on one: nothing was done.
    ///
    /// # Errors
    /// As [`Dialogue::answer`].
    pub async fn answer(&mut self) -> Result<Answer, Lost> {
        let answer = self.dialogue.answer().await;
        let ended = matches!(answer, Err(Lost::Ended | Lost::Io(_)));
        if ended && !self.dialogue.greeted() && self.connection.begin_on_terminal(&mut self.dialogue).await {
            return self.dialogue.answer().await;
        }
        answer
    }
}

/// How to get to one host.
#[allow(async_fn_in_trait, reason = "used with one concrete type at a time")]
pub trait Remote {
    /// The port that ssh itself would use for this host.
    fn management_port(&self) -> u16;
    /// Logs in over a new TCP connection to the first of these ports, on any address of the route, that answers as sshd
    /// with the known key.
    ///
    /// # Errors
    /// When none does within `timeout`.
    async fn login(&self, route: &Route, ports: &[u16], quick: bool, timeout: Duration) -> Result<Login, LoginError>;
    /// How connections get to it: logins, and probes all the same.
    fn route(&self) -> &Route;
    /// The one name under which the host's key is known.
    fn name(&self) -> &str;
    /// Fingerprints (`SHA256:…`) of the keys that are known under that name.
    async fn known_keys(&self) -> &[String];
    /// What an operator types to log in by this port.
    async fn command_line(&self, port: u16) -> String;
}
