//! Hosts that get their old rules back, the newest batch first.

use std::collections::{BTreeSet, VecDeque};

use super::{Phase, Rollout};
use crate::report::EndState;
use crate::rollout::policy::OnFailure;
use crate::rollout::{Command, HostId, StopReason};

impl Rollout {
    /// Goes on with what the run that is resumed had begun to take back.
    pub(super) fn resume_revert(&mut self, hosts: &[HostId]) -> Vec<Command> {
        for host in hosts {
            if self.end_of(*host).is_none() {
                self.note(*host, EndState::Unknown);
            }
        }
        self.reverts = self.groups(hosts.iter().copied());
        self.stop(StopReason::Resumed)
    }

    /// Nobody runs any more: whether hosts get their old rules back.
    pub(super) fn begin_revert(&mut self) -> Vec<Command> {
        let mut commands = self.announce_revert();
        if commands.is_empty() {
            return vec![self.finish()];
        }
        self.phase = Phase::Reverting;
        commands.extend(if self.interrupted {
            self.leave()
        } else {
            self.next_group()
        });
        commands
    }

    /// Says which hosts are to come back; nothing when there are none.
    fn announce_revert(&mut self) -> Vec<Command> {
        let reason = self.stopped.unwrap_or(StopReason::Interrupted);
        if let StopReason::Failures(_) = reason {
            self.reverts = self.to_revert();
        }
        let hosts: Vec<HostId> = self.reverts.iter().flatten().copied().collect();
        if hosts.is_empty() {
            vec![]
        } else {
            vec![Command::BeginRevert { hosts, reason }]
        }
    }

    fn to_revert(&self) -> VecDeque<Vec<HostId>> {
        match self.policy().on_failure {
            OnFailure::Stop | OnFailure::Continue => VecDeque::new(),
            OnFailure::RollbackBatch => self.groups(self.hosts_of_batch().iter().copied()),
            OnFailure::RollbackAll => self.groups((0..self.ends.len()).map(HostId)),
        }
    }

    /// Those of the hosts that may run what the run made, in groups of one batch each, the newest first.
    fn groups(&self, hosts: impl Iterator<Item = HostId>) -> VecDeque<Vec<HostId>> {
        let is_changed = |host: &HostId| self.end_of(*host).is_some_and(EndState::may_run_new_rules);
        let meant: BTreeSet<HostId> = hosts.filter(is_changed).collect();
        let batches = self.plan.batches.iter().rev();
        let groups = batches.map(|batch| batch.iter().copied().filter(|host| meant.contains(host)).collect());
        groups.filter(|group: &Vec<HostId>| !group.is_empty()).collect()
    }

    pub(super) fn next_group(&mut self) -> Vec<Command> {
        match self.reverts.pop_front() {
            Some(group) => {
                self.queued = group.into();
                self.fill()
            }
            None => vec![self.finish()],
        }
    }

    /// What has not begun to come back stays as it is.
    pub(super) fn leave(&mut self) -> Vec<Command> {
        let left: Vec<HostId> = self.queued.drain(..).chain(self.reverts.drain(..).flatten()).collect();
        for host in &left {
            if let Some(end) = self.end_of(*host) {
                self.note(*host, end.not_rolled_back());
            }
        }
        left.into_iter().map(Command::Leave).collect()
    }

    /// Leaves what is to come back, or would have when the running hosts had ended.
    pub(super) fn begin_leaving(&mut self) -> Vec<Command> {
        let mut commands = match self.phase {
            Phase::Stopping => self.announce_revert(),
            _ => vec![],
        };
        commands.extend(self.leave());
        commands
    }
}
