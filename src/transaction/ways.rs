//! The ways in of one host before, during and after its change, and what the controller remembers of them.

use std::sync::Arc;

use super::Transaction;
use crate::inventory::HostKeyChecking;
use crate::memory::{Error, Known, Memory};
use crate::plan::{Observed, takes_away, way_after, ways_in, ways_now};
use crate::remote::{Login, Remote};
use crate::report::{EndState, HostReport};

/// How we came in, and what the host said of that.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    port: u16,
    /// The fingerprint of the host's key.
    key: Option<String>,
    /// Where the host's own sshd listens.
    sshd: Option<u16>,
    /// The port by which operators log in after the change.
    after: u16,
    /// Whether the change takes `port` away.
    loses_port: bool,
    /// Where nothing leads to sshd after the change, as far as one can tell before it: what to do about that.
    dead_end: Option<String>,
}

impl Arrival {
    /// `when`: "will be" before the change, "is" after it.
    fn lost(&self, when: &str) -> String {
        format!(
            "port {}, by which this run logged in, {when} no way in any longer: log in by port {}",
            self.port, self.after
        )
    }
}

impl<R: Remote> Transaction<'_, R> {
    /// What to do where nothing leads to sshd after the change, by what the inventory says.
    pub(super) fn remedy(&self) -> Option<String> {
        self.arrival.as_ref()?.dead_end.clone()
    }
}

impl Arrival {
    /// What a change takes away, before it.
    pub fn warning(&self) -> Option<String> {
        let lost = || self.loses_port.then(|| self.lost("will be"));
        self.dead_end.clone().or_else(lost)
    }
}

impl<R: Remote> Transaction<'_, R> {
    /// By any of these the host may be reached, before and after.
    pub(super) fn ways_in(&self) -> Vec<u16> {
        let more = self.remembered.iter().chain(&self.host.previous_ports).copied();
        ways_in(self.contact.remote.management_port(), &self.host.mappings, more)
    }

    /// Looks up by which ports the host was reached, by its known keys or its name.
    pub(super) async fn recall(&mut self) {
        if self.options.memory.is_empty() {
            return;
        }
        let remote = self.contact.remote;
        let keys = remote.known_keys().await.to_vec();
        if keys.is_empty() && self.host.connection.host_key_checking == HostKeyChecking::AcceptNew {
            // Whoever answers would be believed: at a port of old that may be another host by now.
            return;
        }
        let name = remote.name().to_owned();
        let recalled = self
            .remembering(move |memory| {
                memory.recall(Known {
                    name: &name,
                    keys: &keys,
                })
            })
            .await;
        self.remembered = recalled.unwrap_or_default();
    }

    /// Notes how we came in and what becomes of that.
    pub(super) fn arrived(&mut self, login: &Login, observed: &Observed) {
        if let Some(why) = login.connection.unrecorded() {
            self.say_aside(format!(
                "the host's key could not be noted, the next run will not know it: {why}"
            ));
        }
        let (set, here, sshd) = (&self.desired, observed.here, observed.sshd);
        let after = self.way_after(login, observed);
        self.arrival = Some(Arrival {
            port: login.port,
            key: login.fingerprint().map(str::to_owned),
            sshd,
            after,
            loses_port: after != login.port && takes_away(observed.before(login.port), set, here),
            dead_end: self.dead_end(after, observed),
        });
    }

    /// The port that ssh itself would use may be that of a mapping which is edited or deleted.
    fn dead_end(&self, after: u16, observed: &Observed) -> Option<String> {
        let sshd = observed.sshd?;
        let lost = takes_away(observed.before(after), &self.desired, observed.here);
        let better = way_after(sshd, &self.desired, observed.here);
        (lost && better != after).then(|| {
            format!(
                "ansible_port, or your ssh_config, says port {after}, and no mapping leads from there to sshd on port \
                 {sshd} after the change: make it {better}"
            )
        })
    }

    /// Before a change: says what it takes away, and remembers the ways of before and after, for nobody knows yet which of
    /// them a run that is killed will leave.
    pub(super) async fn announce(&mut self) {
        let Some(arrival) = self.arrival.clone() else { return };
        if let Some(warning) = arrival.warning().filter(|_| !self.announced) {
            self.contact.warn(&warning);
        }
        self.announced = true;
        let before = self.ways_before(&arrival);
        self.remember(&arrival, [vec![arrival.after], before].concat()).await;
    }

    /// After the end: remembers what that left, and says how to log in from now on.
    pub(super) async fn conclude(&mut self, report: &mut HostReport) {
        let Some(arrival) = self.arrival.clone() else { return };
        let set = &self.desired;
        match report.state {
            EndState::Confirmed => {
                if arrival.after != arrival.port {
                    report.login = Some(self.contact.remote.command_line(arrival.after).await);
                }
                if arrival.loses_port {
                    self.warnings.push(arrival.lost("is"));
                }
                let ways = ways_now(arrival.after, arrival.sshd, set);
                self.remember(&arrival, ways).await;
            }
            EndState::Unchanged => {
                let ways = ways_now(arrival.port, arrival.sshd, set);
                self.remember(&arrival, ways).await;
            }
            EndState::RolledBack | EndState::Refused | EndState::Failed => {
                if report.state == EndState::RolledBack {
                    report.hint = report.hint.take().or_else(|| arrival.dead_end.clone());
                }
                self.remember(&arrival, self.ways_before(&arrival)).await;
            }
            // Either may be in force: both stay.
            EndState::Pending
            | EndState::Unhealthy
            | EndState::NotRolledBack
            | EndState::Unknown
            | EndState::Unreachable
            | EndState::Skipped => {}
        }
    }

    fn ways_before(&self, arrival: &Arrival) -> Vec<u16> {
        let known = self.remembered.iter().copied();
        [arrival.port].into_iter().chain(known).chain(arrival.sshd).collect()
    }

    async fn remember(&mut self, arrival: &Arrival, ports: Vec<u16>) {
        let Some(key) = arrival.key.clone() else { return };
        let remote = self.contact.remote;
        // What is not there need not be taken away.
        let keys = if self.options.memory.is_empty() {
            Vec::new()
        } else {
            remote.known_keys().await.to_vec()
        };
        let name = remote.name().to_owned();
        self.remembering(move |memory| {
            let known = Known {
                name: &name,
                keys: &keys,
            };
            memory.remember(known, &key, &ports)
        })
        .await;
    }

    fn say_aside(&mut self, warning: String) {
        if !self.asides.contains(&warning) {
            self.asides.push(warning);
        }
    }

    /// Memory is on a disk, which may be slow. That it does not work is worth one warning.
    async fn remembering<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Memory) -> Result<T, Error> + Send + 'static,
    ) -> Option<T> {
        let memory = Arc::clone(&self.options.memory);
        let done = tokio::task::spawn_blocking(move || work(&memory)).await;
        match done {
            Ok(Ok(done)) => Some(done),
            Ok(Err(error)) => {
                self.say_aside(error.to_string());
                None
            }
            Err(_) => None,
        }
    }
}
