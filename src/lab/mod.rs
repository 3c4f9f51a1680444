//! Rehearsal hosts on this machine, made of namespaces.
//!
//! A *lab* is a router ("upstream") with a bridge, and hosts on that bridge. Each of them has network, mount, PID,
//! UTS, IPC and cgroup namespaces of its own, a file system that is this machine's with every change kept in memory,
//! and its own `/run`, `/tmp`, `/root`, `/home`, SSH keys, sshd and netfilter. The namespace in which `lab up` ran
//! gets one link to the router and routes to nothing but the lab; through it no host may open a connection.
//! No mount and no bridge of a lab shows on the machine, and all of it ends with its processes.
//!
//! A *booted* host is a whole Debian or Ubuntu instead, from a cached tree, with systemd as its PID 1 and a disk that
//! outlives its reboots.
//!
//! It is a rehearsal, no prison: root in a lab host is this machine's root in namespaces. And the machine's files below
//! show through: a package upgraded on the machine while a lab is up is upgraded, or half so, in the lab as well.
//!
//! Everything here is synchronous. It knows host names and accounts, not inventories.

mod booted;
mod error;
mod image;
mod network;
mod process;
mod relay;
mod ssh;
mod start;
mod state;
mod tool;
mod up;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub use booted::reboot;
pub use error::Error;
pub use image::{Image, image};
pub use process::Process;
pub use relay::relay;
pub use state::{down, inventory, load, names};
pub use up::up;

/// Which iptables variant a host's `iptables` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// `iptables-nft`.
    Nft,
    /// `iptables-legacy`.
    Legacy,
}

impl Backend {
    /// As in the name of the variant.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        }
    }
}

/// What iptables the hosts of a lab shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backends {
    /// What this machine has.
    #[default]
    Machine,
    /// The same on all.
    All(Backend),
    /// nft on the first, legacy on the second, and so on.
    Mixed,
}

impl Backends {
    fn of(self, index: usize) -> Option<Backend> {
        match self {
            Self::Machine => None,
            Self::All(backend) => Some(backend),
            Self::Mixed if index.is_multiple_of(2) => Some(Backend::Nft),
            Self::Mixed => Some(Backend::Legacy),
        }
    }
}

/// A host that a lab shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRequest {
    /// Its name in the inventory.
    pub name: String,
    /// The account that the inventory logs in as, where it says so; else root.
    pub user: Option<String>,
}

/// A lab that shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The lab's name.
    pub name: String,
    /// Its hosts; names must differ.
    pub hosts: Vec<HostRequest>,
    /// The inventories that the names came from, for the lab's own to mention.
    pub sources: Vec<PathBuf>,
    /// Their iptables.
    pub backends: Backends,
    /// What the round trip between this machine and a host gains.
    pub latency: Duration,
    /// The system that the hosts boot, see [`image`]; `None`: they are parts of this machine's.
    pub image: Option<PathBuf>,
}

/// A lab host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Host {
    /// Its name in the inventory.
    pub name: String,
    /// The account to log in as.
    pub user: String,
    /// Whether the inventory it came from says that account itself.
    pub user_is_given: bool,
    /// Its iptables; `None`: this machine's.
    pub backend: Option<Backend>,
    /// Its end of the link at the router's bridge.
    pub port: String,
    /// Its address on `eth0`.
    pub ipv4: Ipv4Addr,
    /// Its address on `eth0`, where this machine has IPv6.
    pub ipv6: Option<Ipv6Addr>,
    /// Its processes.
    pub member: Member,
    /// The system that it has booted; `None`: it is a part of this machine's.
    #[serde(default)]
    pub image: Option<PathBuf>,
}

/// What keeps the namespaces of a host or of the router alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Member {
    /// PID 1 in its PID namespace; all its processes end with it.
    pub init: Process,
    /// The `unshare` that started it and waits for it.
    pub guardian: Process,
}

impl Member {
    fn end(self, patience: Duration) -> io::Result<()> {
        self.init.end(patience)?;
        self.guardian.end(patience)
    }
}

/// A lab that is up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lab {
    /// The lab's name.
    pub name: String,
    /// The router.
    pub upstream: Member,
    /// The process that delays packets, where there is latency.
    pub relay: Option<Process>,
    /// What the round trip gains.
    pub latency: Duration,
    /// This machine's end of the link to the router.
    pub uplink: String,
    /// The inventories that the hosts' names came from; none: the names are ours.
    pub sources: Vec<PathBuf>,
    /// The hosts.
    pub hosts: Vec<Host>,
}

impl Lab {
    /// The host of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchHost`].
    pub fn host(&self, name: &str) -> Result<&Host, Error> {
        self.hosts
            .iter()
            .find(|host| host.name == name)
            .ok_or_else(|| Error::NoSuchHost {
                lab: self.name.clone(),
                host: name.to_owned(),
            })
    }

    /// `command` as root inside a host; its streams are the caller's unless set otherwise.
    ///
    /// # Errors
    /// [`Error::NoSuchHost`], [`Error::Dead`].
    pub fn exec(&self, host: &str, command: &[String]) -> Result<Command, Error> {
        let host = self.host(host)?;
        tool::inside(&host.name, host.member.init, command)
    }

    /// `command` as root on the router: nft rules of families ip, ip6 and inet there (hook forward) see all
    /// traffic between this machine and the hosts, those of family bridge what hosts say to each other.
    ///
    /// # Errors
    /// [`Error::Dead`].
    pub fn exec_upstream(&self, command: &[String]) -> Result<Command, Error> {
        tool::inside("upstream", self.upstream.init, command)
    }

    /// Loses every packet from and to a host; its own links stay up, as they do when a cloud's network fails.
    ///
    /// # Errors
    /// [`Error::NoSuchHost`], or the router is gone.
    pub fn cut(&self, host: &str) -> Result<(), Error> {
        self.set_port(host, "disabled")
    }

    /// Undoes [`Lab::cut`].
    ///
    /// # Errors
    /// [`Error::NoSuchHost`], or the router is gone.
    pub fn heal(&self, host: &str) -> Result<(), Error> {
        self.set_port(host, "forwarding")
    }

    fn set_port(&self, host: &str, state: &str) -> Result<(), Error> {
        let host = self.host(host)?;
        let line = ["bridge", "link", "set", "dev", &host.port, "state", state].map(str::to_owned);
        tool::output(&mut self.exec_upstream(&line)?).map(drop)
    }

    /// The hosts whose link is cut.
    ///
    /// # Errors
    /// The router is gone.
    pub fn cut_hosts(&self) -> Result<Vec<&Host>, Error> {
        let line = ["bridge", "link", "show"].map(str::to_owned);
        let links = tool::output(&mut self.exec_upstream(&line)?)?;
        let is_cut = |host: &&Host| {
            let ours = |line: &&str| line.split([' ', '@']).any(|word| word == host.port);
            links
                .lines()
                .find(ours)
                .is_some_and(|line| line.contains("state disabled"))
        };
        Ok(self.hosts.iter().filter(is_cut).collect())
    }
}
