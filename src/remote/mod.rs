//! Getting to hosts: logins over SSH, and the dialogue with the one script that runs there.
//!
//! [`Remote`] is the seam: the transaction talks to it, with [`ssh::Ssh`] behind it, or a fake in tests. This module
//! knows nothing of rules and of what is right; it carries text.

pub mod dialogue;
pub mod route;
pub mod ssh;
pub mod ways;

use std::time::Duration;

use dialogue::Dialogue;
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
}
