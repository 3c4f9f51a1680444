//! Which hosts come together, and how many at a time: decided before anything starts.

use std::num::NonZeroUsize;

use super::HostId;
use super::policy::{Pause, Policy};
use super::split::{self, BatchSize};

/// The batches of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutPlan {
    pub(super) batches: Vec<Vec<HostId>>,
    /// The batch of each host, from 1.
    of_hosts: Vec<usize>,
    /// The play of each batch.
    pub(super) plays: Vec<usize>,
    pub(super) policies: Vec<Policy>,
    pub(super) forks: NonZeroUsize,
}

impl RolloutPlan {
    /// A run without hosts, to which plays are added.
    #[must_use]
    pub fn new(forks: NonZeroUsize) -> Self {
        Self {
            batches: Vec::new(),
            of_hosts: Vec::new(),
            plays: Vec::new(),
            policies: Vec::new(),
            forks,
        }
    }

    /// The plan with another play behind it: `groups` of so many hosts, one group after the other, each split by
    /// `serial` (one batch a group when it is empty). Its hosts are numbered on.
    #[must_use]
    pub fn then(mut self, groups: &[usize], serial: &[BatchSize], policy: Policy) -> Self {
        let play = self.policies.len();
        self.policies.push(policy);
        let mut next = self.hosts();
        for size in groups.iter().flat_map(|hosts| split::batches(*hosts, serial)) {
            self.batches.push((next..next + size).map(HostId).collect());
            self.plays.push(play);
            self.of_hosts.extend(std::iter::repeat_n(self.batches.len(), size));
            next += size;
        }
        self
    }

    /// The same hosts in other batches: each keeps the play of its first host. `None`: these are not all of its hosts,
    /// each once.
    #[must_use]
    pub fn in_batches(self, batches: Vec<Vec<HostId>>) -> Option<Self> {
        let batches: Vec<_> = batches.into_iter().filter(|batch| !batch.is_empty()).collect();
        let mut plays = vec![None; self.of_hosts.len()];
        for (batch, play) in self.batches.iter().zip(&self.plays) {
            for host in batch {
                *plays.get_mut(host.0)? = Some(*play);
            }
        }
        let mut of_batches = Vec::new();
        let mut of_hosts = self.of_hosts;
        for (index, batch) in batches.iter().enumerate() {
            for host in batch {
                *of_hosts.get_mut(host.0)? = index + 1;
            }
            let taken: Option<Vec<usize>> = batch.iter().map(|host| plays.get_mut(host.0)?.take()).collect();
            of_batches.push(*taken?.first()?);
        }
        plays.iter().all(Option::is_none).then_some(Self {
            batches,
            of_hosts,
            plays: of_batches,
            policies: self.policies,
            forks: self.forks,
        })
    }

    /// How many hosts it has.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.of_hosts.len()
    }

    /// The batches in their order.
    #[must_use]
    pub fn batches(&self) -> &[Vec<HostId>] {
        &self.batches
    }

    /// What the plays say of failures, in their order.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Whether the operator may be asked something: a play that wants consent between its batches has several.
    #[must_use]
    pub fn asks(&self) -> bool {
        let confirms = |play: &usize| {
            self.policies
                .get(*play)
                .is_some_and(|policy| policy.pause == Some(Pause::Confirm))
        };
        let pairs = self.plays.iter().zip(self.plays.iter().skip(1));
        pairs.into_iter().any(|(play, next)| play == next && confirms(play))
    }

    /// The most hosts that run at a time.
    #[must_use]
    pub fn forks(&self) -> usize {
        self.forks.get()
    }

    /// The batch that a host is in, from 1; `None` for a host that is not of the plan.
    #[must_use]
    pub fn batch_of(&self, host: HostId) -> Option<usize> {
        self.of_hosts.get(host.0).copied()
    }
}
