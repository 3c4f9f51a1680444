//! The machines of a run: two names of an inventory may stand for one.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use crate::remote::Login;

/// Who is who in a run, and which changes are its own just now. Shared by all its hosts.
#[derive(Debug, Default)]
pub struct Machines(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The first name of a machine, by its key's fingerprint and where it was reached.
    names: HashMap<(String, String), String>,
    /// Transactions that are under way.
    running: HashSet<String>,
}

impl Machines {
    /// Notes that this login led to the host of that name.
    ///
    /// # Errors
    /// The other name of the same machine.
    pub(super) fn claim(&self, login: &Login, name: &str) -> Result<(), String> {
        let Some(key) = login.fingerprint() else { return Ok(()) };
        let place = (key.to_owned(), login.peer.host());
        match self.known().names.entry(place).or_insert_with(|| name.to_owned()) {
            first if first == name => Ok(()),
            first => Err(first.clone()),
        }
    }

    pub(super) fn begin(&self, transaction: &str) {
        self.known().running.insert(transaction.to_owned());
    }

    pub(super) fn end(&self, transaction: &str) {
        self.known().running.remove(transaction);
    }

    /// Whether a transaction is one of this very process.
    pub(super) fn is_running(&self, transaction: &str) -> bool {
        self.known().running.contains(transaction)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // What a host's task left when it panicked is whole all the same.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
