//! What this controller remembers of hosts: the ports by which the last confirmed rules let one reach sshd, by host key.
//!
//! A mapping that was edited or deleted stands in no inventory any more, yet it is the way in until the next change. A
//! host is found here by the keys that `known_hosts` has for its name, or by the name. What is remembered only adds ports
//! to try: whether a host that answers there is the right one, its key decides, checked by ssh. Nothing here may fail a
//! deploy; what cannot be read or written is a warning.
//!
//! One small file a key (`key-…`: ports) and one a name (`name-…`: the key), each replaced as a whole by rename, so
//! that runs side by side never see half of one. Not synced to disk: after a crash of this machine an empty file is no
//! memory, no error.

mod files;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use files::Folder;

/// The most ports of one host that are remembered.
const MOST_PORTS: usize = 16;

/// A record that says the same is written again after this time, so that the oldest are those of hosts long gone.
const STALE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A folder of records, or nothing where there is no home for one.
#[derive(Debug)]
pub struct Memory(Option<Folder>);

/// By what a host is known before it is logged in to.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The name under which `known_hosts` is asked.
    pub name: &'a str,
    /// Fingerprints (`SHA256:…`) that `known_hosts` has for the name.
    pub keys: &'a [String],
}

/// What is remembered of a host key.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ports {
    name: String,
    ports: Vec<u16>,
}

/// What is remembered of a name.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    key: String,
}

/// Memory that cannot be used: what, and where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} what is remembered of hosts in {}: {source}", folder.display())]
pub struct Error {
    what: &'static str,
    folder: PathBuf,
    source: io::Error,
}

/// Where this program keeps what it is to remember of the user's runs: `$XDG_STATE_HOME/portmap-deploy`.
#[must_use]
pub fn state_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    // XDG Base Directory Specification: a path that is not absolute is to be ignored.
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("portmap-deploy"))
}

impl Memory {
    /// No memory at all.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The user's, in `$XDG_STATE_HOME/portmap-deploy`, which is made when something is to be remembered.
    #[must_use]
    pub fn of_user() -> Self {
        state_folder().map_or_else(Self::none, |state| Self::at(state.join("ways-in")))
    }

    /// In this folder.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self(Some(Folder(folder)))
    }

    /// Whether anything is remembered of any host: looking for keys is worth its while.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|folder| !folder.0.is_dir())
    }

    /// Takes away what was written longest ago beyond 50,000 files.
    pub fn prune(&self) {
        if let Some(folder) = &self.0 {
            folder.prune();
        }
    }

    /// Ports by which a host was reached.
    ///
    /// # Errors
    /// When what is there cannot be read. Something that is no record is none.
    pub fn recall(&self, known: Known<'_>) -> Result<Vec<u16>, Error> {
        let Some(folder) = &self.0 else {
            return Ok(Vec::new());
        };
        let read = || -> io::Result<Vec<u16>> {
            let by_name: Option<Key> = folder.read("name", known.name)?;
            let mut ports = Vec::new();
            for key in by_name.map(|found| found.key).iter().chain(known.keys) {
                let record: Option<Ports> = folder.read("key", key)?;
                ports.extend(record.into_iter().flat_map(|record| record.ports));
            }
            Ok(distinct(ports))
        };
        read().map_err(|source| folder.error("read", source))
    }

    /// Remembers these ports of the host that showed this key, in place of all that was known of it by this name.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn remember(&self, known: Known<'_>, key: &str, ports: &[u16]) -> Result<(), Error> {
        let Some(folder) = &self.0 else {
            return Ok(());
        };
        let write = || -> io::Result<()> {
            let there: Option<Ports> = folder.read("key", key).unwrap_or_default();
            // Hosts made from one image may share a key: neither forgets its ways for the other's.
            let others = there.filter(|record| record.name != known.name);
            let others = others.into_iter().flat_map(|record| record.ports);
            let ports = distinct(ports.iter().copied().chain(others).collect());
            let by_name: Option<Key> = folder.read("name", known.name).unwrap_or_default();
            let earlier = by_name.map(|found| found.key);
            let name = known.name.to_owned();
            folder.write("key", key, &Ports { name, ports })?;
            folder.write("name", known.name, &Key { key: key.to_owned() })?;
            // Another key of the same name is this host's of another type, or the key of one that it replaced.
            for other in earlier.iter().chain(known.keys).filter(|other| *other != key) {
                let record: Option<Ports> = folder.read("key", other).unwrap_or_default();
                if record.is_some_and(|record| record.name == known.name) {
                    folder.remove("key", other)?;
                }
            }
            Ok(())
        };
        write().map_err(|source| folder.error("write", source))
    }
}

impl Folder {
    fn error(&self, what: &'static str, source: io::Error) -> Error {
        Error {
            what,
            folder: self.0.clone(),
            source,
        }
    }
}

fn distinct(ports: Vec<u16>) -> Vec<u16> {
    let mut kept = Vec::new();
    for port in ports {
        if port != 0 && !kept.contains(&port) && kept.len() < MOST_PORTS {
            kept.push(port);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
