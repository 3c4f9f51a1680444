//! What can go wrong with a lab, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why something with a lab did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Namespaces need root.
    #[error("a lab needs root: it makes network namespaces and mounts")]
    NotRoot {
        /// What to type instead.
        command: String,
    },
    /// Programs that a lab is made with.
    #[error("programs are missing on this machine: {}", .0.join(", "))]
    MissingTools(Vec<&'static str>),
    /// No state of that name.
    #[error("there is no lab `{name}`")]
    NoSuchLab {
        /// What was asked for.
        name: String,
        /// Those that there are.
        others: Vec<String>,
    },
    /// A directory of that name is there.
    #[error("the lab `{0}` is up already, or was left half made")]
    Exists(String),
    /// A name that cannot be a directory's.
    #[error("`{0}` cannot be a lab's name: 1 to 32 letters, digits and dashes")]
    Name(String),
    /// A name that cannot be an account's.
    #[error("`{0}` cannot be an account's name")]
    Account(String),
    /// No host of that name.
    #[error("the lab `{lab}` has no host `{host}`")]
    NoSuchHost {
        /// The lab.
        lab: String,
        /// What was asked for.
        host: String,
    },
    /// Too few or too many hosts, or one name twice.
    #[error("{0}")]
    Hosts(String),
    /// All networks of the range are taken.
    #[error("no network of 198.18.0.0/16 is free for another lab")]
    NoNetwork,
    /// A member's processes ended.
    #[error("{0} of the lab no longer runs")]
    Dead(String),
    /// A member did not come up.
    #[error("{member} did not start: {reason}")]
    Start {
        /// Which.
        member: String,
        /// What it said.
        reason: String,
    },
    /// Only a booted host has an end and a beginning.
    #[error("the host `{0}` was not booted, so it cannot be booted again")]
    NotBooted(String),
    /// What a package cannot be called.
    #[error("`{0}` cannot be a package's name")]
    Package(String),
    /// The system for booted hosts could not be made.
    #[error("no system for booted hosts could be made: {reason}")]
    Image {
        /// The last that was said of it.
        reason: String,
        /// Where all of it is.
        log: PathBuf,
    },
    /// A tool failed.
    #[error("`{command}` failed: {reason}")]
    Tool {
        /// Its name and arguments.
        command: String,
        /// What it said.
        reason: String,
    },
    /// The kernel or the file system said no.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// What the user should do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRoot { command } => Some(format!("type: {command}")),
            Self::MissingTools(tools) if tools.contains(&"debootstrap") => {
                Some("on Debian and Ubuntu: apt install debootstrap".to_owned())
            }
            Self::NotBooted(_) => Some("make its lab with: lab up --boot".to_owned()),
            Self::Image { log, .. } => Some(format!(
                "it needs the network, or another mirror (--mirror URL); all that was said is in {}",
                log.display()
            )),
            Self::MissingTools(_) => Some(
                "on Debian and Ubuntu: apt install util-linux iproute2 nftables iptables openssh-server openssh-client sudo"
                    .to_owned(),
            ),
            Self::NoSuchLab { others, .. } if !others.is_empty() => Some(format!("there are: {}", others.join(", "))),
            Self::NoSuchLab { name, .. } => Some(format!("start it: sudo portmap-deploy lab --lab {name} up --hosts 3")),
            Self::Exists(name) => Some(format!("take it down first: sudo portmap-deploy lab --lab {name} down")),
            Self::Dead(_) => Some("take the lab down and up again".to_owned()),
            _ => None,
        }
    }

    /// For `map_err`: an I/O error with what was tried, which reads on after "cannot".
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
