//! How connections get to a host: straight to its addresses, or through something that makes them for us.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::ssh::{Bastion, Channel, Piped, ProxyCommand};

/// The way to a host.
#[derive(Debug, Clone)]
pub enum Route {
    /// To any of these addresses.
    Direct(Vec<IpAddr>),
    /// By a name that is resolved over there, never here.
    Through(Tunnel),
}

impl Route {
    /// The same way, to where it has led before: of several addresses that one.
    #[must_use]
    pub fn again(&self, peer: &Peer) -> Self {
        match peer.address() {
            Some(address) => Self::Direct(vec![address]),
            None => self.clone(),
        }
    }

    /// The addresses to connect to; none behind a tunnel.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::Direct(addresses) => addresses,
            Self::Through(_) => &[],
        }
    }

    /// The tunnel, if the way leads through one.
    #[must_use]
    pub fn tunnel(&self) -> Option<&Tunnel> {
        match self {
            Self::Direct(_) => None,
            Self::Through(tunnel) => Some(tunnel),
        }
    }
}

/// Where a connection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// To an address of the host.
    Address(SocketAddr),
    /// To a name behind a tunnel, and a port.
    Behind(Arc<str>, u16),
}

impl Peer {
    /// The host's address, where we connect to it ourselves.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(at) => Some(at.ip()),
            Self::Behind(..) => None,
        }
    }

    /// The host's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Address(at) => at.port(),
            Self::Behind(_, port) => *port,
        }
    }

    /// The host without its port, as `ssh-keyscan` takes it.
    #[must_use]
    pub fn host(&self) -> String {
        match self {
            Self::Address(at) => at.ip().to_string(),
            Self::Behind(name, _) => name.to_string(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(at) => at.fmt(f),
            Self::Behind(name, port) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Behind(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// Something that makes connections to one host for us. Each is a new TCP connection at the host.
#[derive(Debug, Clone)]
pub struct Tunnel {
    /// The host's name or address, for the other end to resolve.
    pub name: Arc<str>,
    /// What makes the connections.
    pub by: By,
}

/// What makes a tunnel's connections.
#[derive(Debug, Clone)]
pub enum By {
    /// The last bastion of a `ProxyJump`, over the one connection to it that all hosts share.
    Bastion(Arc<Bastion>),
    /// The user's `ProxyCommand`, run once for each connection.
    Command(Arc<ProxyCommand>),
}

/// What a tunnel made.
pub enum Opened {
    /// A connection that is there.
    Connected(Channel),
    /// A command that may still be trying: it cannot tell.
    Trying(Piped),
}

/// Why a tunnel made no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The host, or somebody before it, refused.
    Refused,
    /// No answer came to the other end, or an error that a rule which rejects sends as well.
    Silent,
    /// The tunnel itself: what it said.
    Broken(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Silent => f.write_str("no answer"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

impl Tunnel {
    /// A new connection to this port of the host. The deadline is the caller's; `limit` bounds what is shared: the login
    /// at the bastion.
    ///
    /// # Errors
    /// When there is none, as far as the tunnel can tell.
    pub async fn open(&self, port: u16, limit: Duration) -> Result<Opened, Refusal> {
        match &self.by {
            By::Bastion(bastion) => bastion.connect(&self.name, port, limit).await.map(Opened::Connected),
            By::Command(command) => command.connect(port).map(Opened::Trying).map_err(Refusal::Broken),
        }
    }

    /// Whether it tells a connection that is there from one that is not.
    #[must_use]
    pub fn tells(&self) -> bool {
        matches!(self.by, By::Bastion(_))
    }

    /// Where a connection to this port leads.
    #[must_use]
    pub fn peer(&self, port: u16) -> Peer {
        Peer::Behind(Arc::clone(&self.name), port)
    }
}

impl Refusal {
    /// What the reasons mean that connect(2) has at the other end.
    pub(super) fn from_words(words: &str) -> Self {
        let said = |what: &str| words.contains(what);
        if said("Connection refused") {
            Self::Refused
        } else if said("timed out") || said("No route to host") {
            // No route is also what a rule answers that rejects: the host's counters say more.
            Self::Silent
        } else {
            Self::Broken(words.to_owned())
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            By::Bastion(bastion) => write!(f, "the bastion {}", bastion.name()),
            By::Command(_) => f.write_str("the ProxyCommand"),
        }
    }
}
