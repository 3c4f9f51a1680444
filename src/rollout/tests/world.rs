//! A world that obeys a run, and checks each command against its own books.

use std::collections::BTreeSet;

use super::*;

/// What the world does next; of running hosts one is drawn.
#[derive(Debug, Clone)]
pub(super) enum Step {
    End(usize, EndState),
    Answer(bool, Vec<usize>),
    Interrupt,
    /// Something that nobody waits for.
    Late(Event),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Waits {
    Not,
    Soaks,
    Pauses,
}

/// The world's own books.
pub(super) struct World {
    plan: RolloutPlan,
    pub(super) ends: Vec<Option<EndState>>,
    running: BTreeSet<HostId>,
    /// Hosts that had a start or a skip.
    pub(super) had_turn: BTreeSet<HostId>,
    /// Hosts that are still to be reverted or left, in their order.
    to_revert: Vec<HostId>,
    reverts: bool,
    batch: usize,
    watched: Vec<HostId>,
    waits: Waits,
    stopped: bool,
    pub(super) interrupts: usize,
    pub(super) over: bool,
}

impl World {
    pub(super) fn new(plan: &RolloutPlan, known: &Known) -> Self {
        let mut ends = vec![None; plan.hosts()];
        for (host, state) in &known.ended {
            ends[host.0] = Some(*state).filter(|state| *state != EndState::Skipped);
        }
        // Of what is being taken back it is not known what it runs.
        for host in known.reverting.iter().flatten() {
            ends[host.0] = ends[host.0].or(Some(EndState::Unknown));
        }
        Self {
            plan: plan.clone(),
            ends,
            running: BTreeSet::new(),
            had_turn: BTreeSet::new(),
            to_revert: Vec::new(),
            reverts: false,
            batch: 0,
            watched: Vec::new(),
            waits: Waits::Not,
            stopped: false,
            interrupts: 0,
            over: false,
        }
    }

    fn hosts_of(&self, batch: usize) -> &[HostId] {
        batch.checked_sub(1).map_or(&[], |index| &self.plan.batches()[index])
    }

    fn policy(&self, batch: usize) -> Policy {
        batch
            .checked_sub(1)
            .map_or_else(Policy::default, |index| self.plan.policies()[self.plan.plays[index]])
    }

    fn has_not_started(&self, host: HostId) -> bool {
        self.ends[host.0].is_none() && !self.running.contains(&host)
    }

    fn failures(&self, batch: usize) -> Failures {
        let has_failed = |host: &HostId| self.ends[host.0].is_some_and(EndState::is_failure);
        Failures {
            batch: self.hosts_of(batch).iter().filter(|host| has_failed(host)).count(),
            of: self.hosts_of(batch).len(),
            run: (0..self.ends.len()).filter(|host| has_failed(&HostId(*host))).count(),
            of_run: self.ends.len(),
            left: (0..self.ends.len())
                .map(HostId)
                .filter(|host| self.has_not_started(*host))
                .count(),
        }
    }

    /// The rules of budgets, once more.
    #[expect(clippy::cast_precision_loss, reason = "hosts are few")]
    fn must_stop(&self, batch: usize, is_over: bool) -> bool {
        let Failures {
            batch: failed, of, run, ..
        } = self.failures(batch);
        let policy = self.policy(batch);
        let percent = policy.max_fail_percentage.map(|percent| percent.0);
        let too_many = policy.any_errors_fatal && failed > 0
            || percent.is_some_and(|percent| failed as f64 / of as f64 > percent / 100.0)
            || policy.max_failures.is_some_and(|most| run > most as usize);
        let none_given = percent.is_none() && policy.max_failures.is_none();
        let at_the_end = is_over && (percent.is_some() && failed == of || none_given && failed > 0);
        policy.on_failure != OnFailure::Continue && (too_many || at_the_end)
    }

    pub(super) fn obey(&mut self, commands: Vec<Command>) {
        for command in commands {
            assert!(!self.over, "{command:?} after the end");
            self.obey_one(command);
        }
        let waits = !self.running.is_empty() || self.waits != Waits::Not;
        assert!(
            waits != self.over,
            "the run neither waits for anything nor is over, or both"
        );
        let rolls = !self.over && !self.stopped;
        assert!(!rolls || !self.must_stop(self.batch, false), "it should have stopped");
    }

    fn obey_one(&mut self, command: Command) {
        match command {
            Command::BeginBatch(batch) => self.begin_batch(batch),
            Command::Start(host) => self.start(host),
            Command::Soak { batch, hosts, time } => {
                assert_eq!((batch, time), (self.batch, self.policy(batch).soak));
                let good = |host: &HostId| matches!(self.ends[host.0], Some(EndState::Confirmed | EndState::Unchanged));
                assert!(!hosts.is_empty() && hosts.iter().all(good));
                assert!(hosts.iter().all(|host| self.hosts_of(batch).contains(host)));
                self.watched = hosts;
                self.wait(Waits::Soaks);
            }
            Command::EndBatch(tally) => {
                assert!(self.running.is_empty() && !self.stopped);
                assert_eq!((tally.batch, tally.failures), (self.batch, self.failures(self.batch)));
                assert_eq!(tally.stops(), self.must_stop(self.batch, true));
            }
            Command::Pause { before, hosts, pause } => {
                assert!(before > self.batch && !self.must_stop(self.batch, true));
                assert_eq!(self.plan.plays[before - 1], self.plan.plays[self.batch - 1]);
                assert_eq!(Some(pause), self.policy(self.batch).pause);
                assert_ne!(pause, Pause::For(Duration::ZERO));
                assert_eq!(hosts, self.left_of(before));
                self.wait(Waits::Pauses);
            }
            Command::StopWaiting => {
                assert!(self.waits != Waits::Not && self.interrupts > 0);
                self.waits = Waits::Not;
            }
            Command::Stop(reason) => self.stop(reason),
            Command::Skip { host, .. } => {
                assert!(self.stopped && self.had_turn.insert(host));
                assert_eq!(self.ends[host.0].replace(EndState::Skipped), None);
            }
            Command::BeginRevert { hosts, reason } => self.begin_revert(hosts, reason),
            Command::Revert(host) => self.revert(host),
            Command::Leave(host) => {
                assert!(self.interrupts > 0);
                assert_eq!(self.to_revert.remove(0), host);
                self.ends[host.0] = self.ends[host.0].map(EndState::not_rolled_back);
            }
            Command::Abandon(host) => {
                assert_eq!(self.interrupts, 2);
                assert!(self.running.remove(&host));
                self.ends[host.0] = Some(EndState::Unknown);
            }
            Command::Finish => {
                assert!(self.running.is_empty() && self.to_revert.is_empty() && self.waits == Waits::Not);
                assert!(self.stopped || !self.must_stop(self.batch, true));
                self.over = true;
            }
        }
    }

    fn left_of(&self, batch: usize) -> usize {
        self.hosts_of(batch)
            .iter()
            .filter(|host| self.ends[host.0].is_none())
            .count()
    }

    fn wait(&mut self, waits: Waits) {
        assert!(self.running.is_empty() && !self.stopped && self.waits == Waits::Not);
        self.waits = waits;
    }

    fn begin_batch(&mut self, batch: usize) {
        assert!(self.running.is_empty() && !self.stopped && batch > self.batch);
        assert!(!self.must_stop(self.batch, true), "the batch before should be the last");
        assert_eq!(self.left_of(self.batch), 0);
        self.batch = batch;
    }

    fn start(&mut self, host: HostId) {
        assert!(!self.stopped, "{host:?} started after a stop");
        assert!(self.hosts_of(self.batch).contains(&host) && self.ends[host.0].is_none());
        assert!(self.had_turn.insert(host) && self.running.insert(host));
        assert!(self.running.len() <= self.plan.forks());
    }

    fn stop(&mut self, reason: StopReason) {
        assert!(!self.stopped && self.waits == Waits::Not);
        self.stopped = true;
        match reason {
            StopReason::Failures(tally) => {
                assert_eq!(tally.failures, self.failures(tally.batch));
                let is_over = self.left_of(tally.batch) == 0;
                assert!(self.must_stop(tally.batch, is_over), "too early: {tally}");
            }
            StopReason::Interrupted => assert_eq!(self.interrupts, 1),
            StopReason::Declined | StopReason::Resumed => {}
        }
    }

    fn begin_revert(&mut self, hosts: Vec<HostId>, reason: StopReason) {
        assert!(self.stopped && !self.reverts && !hosts.is_empty());
        self.reverts = true;
        let mut meant: Vec<HostId> = (0..self.ends.len()).map(HostId).collect();
        if let StopReason::Failures(tally) = reason {
            match self.policy(tally.batch).on_failure {
                OnFailure::RollbackAll => {}
                OnFailure::RollbackBatch => meant = self.hosts_of(tally.batch).to_vec(),
                other => panic!("{other:?} takes nothing back"),
            }
            meant.retain(|host| self.ends[host.0].is_some_and(EndState::may_run_new_rules));
            meant.sort_unstable();
            let mut listed = hosts.clone();
            listed.sort_unstable();
            assert_eq!(listed, meant, "not just those that may run new rules");
        } else {
            assert_eq!(reason, StopReason::Resumed);
        }
        let batches: Vec<_> = hosts.iter().map(|host| self.plan.batch_of(*host)).collect();
        assert!(
            batches.is_sorted_by(|a, b| a >= b),
            "the newest batch first: {batches:?}"
        );
        self.to_revert = hosts;
    }

    fn revert(&mut self, host: HostId) {
        assert_eq!(self.interrupts, 0);
        assert!(self.ends[host.0].is_some_and(EndState::may_run_new_rules));
        assert_eq!(self.to_revert.remove(0), host);
        let batch = self.plan.batch_of(host);
        assert!(self.running.iter().all(|other| self.plan.batch_of(*other) == batch));
        assert!(self.running.insert(host));
        assert!(self.running.len() <= self.plan.forks());
    }

    /// What happens in such a step, if it can.
    pub(super) fn event(&mut self, step: Step) -> Option<Event> {
        match step {
            Step::Interrupt => {
                self.interrupts += usize::from(!self.over);
                Some(Event::Interrupted)
            }
            Step::Late(event) => {
                let is_late = match &event {
                    Event::Begin => true,
                    Event::Ended { host, .. } => !self.running.contains(host),
                    Event::Soaked { .. } => self.waits != Waits::Soaks,
                    Event::Paused { .. } => self.waits != Waits::Pauses,
                    Event::Interrupted => false,
                };
                is_late.then_some(event)
            }
            Step::End(which, state) => {
                let running: Vec<HostId> = self.running.iter().copied().collect();
                let host = *running.get(which % running.len().max(1))?;
                self.running.remove(&host);
                self.ends[host.0] = Some(state);
                Some(Event::Ended { host, state })
            }
            Step::Answer(go_on, which) => self.answer(go_on, &which),
        }
    }

    fn answer(&mut self, go_on: bool, which: &[usize]) -> Option<Event> {
        match std::mem::replace(&mut self.waits, Waits::Not) {
            Waits::Not => None,
            Waits::Pauses => Some(Event::Paused { go_on }),
            Waits::Soaks => {
                let unhealthy: BTreeSet<HostId> = which
                    .iter()
                    .map(|which| self.watched[which % self.watched.len()])
                    .collect();
                for host in &unhealthy {
                    self.ends[host.0] = self.ends[host.0].map(EndState::unhealthy);
                }
                Some(Event::Soaked {
                    unhealthy: unhealthy.into_iter().collect(),
                })
            }
        }
    }
}
