//! The state machine: events in, commands out.

mod reverting;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::budget::{Failures, Tally};
use super::plan::RolloutPlan;
use super::policy::{Pause, Policy};
use super::{Command, Event, HostId, StopReason};
use crate::report::EndState;

/// What is known of a run before it begins, where it is one that is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Hosts that have their end: they are not started, and those of them that failed count against the budgets. A host
    /// that was skipped has none: its turn comes.
    pub ended: Vec<(HostId, EndState)>,
    /// Hosts that were to get their old rules back, and for which it is not known that they have them: no other host
    /// is started. Of those that cannot run rules of the run nothing is asked.
    pub reverting: Option<Vec<HostId>>,
}

/// How eager the run still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// [`Event::Begin`] has not come.
    Waiting,
    /// Hosts start.
    Rolling,
    /// The batch's hosts are watched.
    Soaking,
    /// Between two batches.
    Pausing,
    /// No host starts any more; running ones finish.
    Stopping,
    /// Hosts get their old rules back.
    Reverting,
    /// [`Command::Finish`] was given.
    Over,
}

/// A run under way.
#[derive(Debug)]
pub struct Rollout {
    plan: RolloutPlan,
    /// What became of each host.
    ends: Vec<Option<EndState>>,
    /// The batch that has begun last, from 1.
    batch: usize,
    /// Hosts of that batch, or of the group that is taken back, that have not started.
    queued: VecDeque<HostId>,
    running: BTreeSet<HostId>,
    /// Failed hosts of the run.
    failed: BTreeSet<HostId>,
    /// How many of them are of that batch.
    failed_in_batch: usize,
    phase: Phase,
    /// Groups of hosts that are to be taken back, once none runs any more, and why.
    reverts: VecDeque<Vec<HostId>>,
    /// Why the run stopped.
    stopped: Option<StopReason>,
    interrupted: bool,
    resumed_revert: Option<Vec<HostId>>,
}

impl Rollout {
    /// A run of `plan` that has not begun.
    #[must_use]
    pub fn new(plan: &RolloutPlan) -> Self {
        Self::resumed(plan, Known::default())
    }

    /// A run of which a part is over. It takes up the batch that had begun last, or the first that lacks an end: what is
    /// known of that one counts, and it soaks, before the next batch begins.
    #[must_use]
    pub fn resumed(plan: &RolloutPlan, known: Known) -> Self {
        let mut ends = vec![None; plan.hosts()];
        for (host, state) in known.ended {
            if let Some(end) = ends.get_mut(host.0) {
                *end = Some(state).filter(|state| *state != EndState::Skipped);
            }
        }
        let is_failure = |end: &Option<EndState>| end.is_some_and(EndState::is_failure);
        let failed = ends.iter().enumerate().filter(|(_, end)| is_failure(end));
        Self {
            plan: plan.clone(),
            failed: failed.map(|(index, _)| HostId(index)).collect(),
            ends,
            batch: 0,
            queued: VecDeque::new(),
            running: BTreeSet::new(),
            failed_in_batch: 0,
            phase: Phase::Waiting,
            reverts: VecDeque::new(),
            stopped: None,
            interrupted: false,
            resumed_revert: known.reverting,
        }
    }

    /// Whether the operator interrupted the run.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// The hosts that run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// What became of a host, as far as it has ended.
    #[must_use]
    pub fn end_of(&self, host: HostId) -> Option<EndState> {
        self.ends.get(host.0).copied().flatten()
    }

    /// Takes in what happened and says what to do. What comes late (ends of abandoned hosts, of waits that were
    /// stopped) changes nothing.
    pub fn handle(&mut self, event: Event) -> Vec<Command> {
        match (event, self.phase) {
            (Event::Begin, Phase::Waiting) => self.begin(),
            (Event::Begin, _) | (_, Phase::Over | Phase::Waiting) => vec![],
            (Event::Ended { host, state }, _) => self.ended(host, state),
            (Event::Soaked { unhealthy }, Phase::Soaking) => self.soaked(&unhealthy),
            (Event::Paused { go_on }, Phase::Pausing) => self.paused(go_on),
            (Event::Soaked { .. } | Event::Paused { .. }, _) => vec![],
            (Event::Interrupted, _) if self.interrupted => self.abandon(),
            (Event::Interrupted, _) => self.interrupt(),
        }
    }

    fn begin(&mut self) -> Vec<Command> {
        if let Some(hosts) = self.resumed_revert.take() {
            return self.resume_revert(&hosts);
        }
        self.phase = Phase::Rolling;
        let mut commands = match self.first_batch() {
            Some(number) => self.begin_batch(number),
            None => vec![self.finish()],
        };
        commands.extend(self.advance());
        commands
    }

    fn first_batch(&self) -> Option<usize> {
        let known = self.ends.iter().enumerate().filter(|(_, end)| end.is_some());
        let newest = known.filter_map(|(index, _)| self.plan.batch_of(HostId(index))).max();
        let left = self.next_with_hosts();
        newest.into_iter().chain(left).min()
    }

    fn ended(&mut self, host: HostId, state: EndState) -> Vec<Command> {
        if !self.running.remove(&host) {
            return vec![];
        }
        self.note(host, state);
        let mut commands = self.stop_early();
        commands.extend(self.advance());
        commands
    }

    /// Stops as soon as a limit is exceeded that somebody gave.
    fn stop_early(&mut self) -> Vec<Command> {
        if self.phase != Phase::Rolling {
            return vec![];
        }
        let tally = self.tally(false);
        if tally.stops() {
            self.stop(StopReason::Failures(tally))
        } else {
            vec![]
        }
    }

    fn note(&mut self, host: HostId, state: EndState) {
        let Some(end) = self.ends.get_mut(host.0) else { return };
        *end = Some(state);
        if state.is_failure() && self.failed.insert(host) && self.plan.batch_of(host) == Some(self.batch) {
            self.failed_in_batch += 1;
        }
    }

    /// Starts what may start; ends batch, groups and run when nothing is left.
    fn advance(&mut self) -> Vec<Command> {
        let mut commands = self.fill();
        while self.running.is_empty() {
            match self.phase {
                Phase::Rolling => commands.extend(self.batch_over()),
                Phase::Stopping => commands.extend(self.begin_revert()),
                Phase::Reverting => commands.extend(self.next_group()),
                Phase::Waiting | Phase::Soaking | Phase::Pausing | Phase::Over => break,
            }
        }
        commands
    }

    /// Starts hosts up to the forks.
    fn fill(&mut self) -> Vec<Command> {
        let start = match self.phase {
            Phase::Rolling => Command::Start,
            Phase::Reverting => Command::Revert,
            _ => return vec![],
        };
        let free = self.plan.forks().saturating_sub(self.running.len());
        let started: Vec<HostId> = self.queued.drain(..free.min(self.queued.len())).collect();
        self.running.extend(&started);
        started.into_iter().map(start).collect()
    }

    /// All hosts of the batch have ended.
    fn batch_over(&mut self) -> Vec<Command> {
        let soak = self.policy().soak;
        let watched = self.to_watch();
        if !soak.is_zero() && !watched.is_empty() && !self.tally(true).stops() {
            self.phase = Phase::Soaking;
            let batch = self.batch;
            let (hosts, time) = (watched, soak);
            return vec![Command::Soak { batch, hosts, time }];
        }
        self.judge()
    }

    /// Hosts of the batch that have what they should.
    fn to_watch(&self) -> Vec<HostId> {
        let good = |host: &HostId| matches!(self.end_of(*host), Some(EndState::Confirmed | EndState::Unchanged));
        self.hosts_of_batch().iter().copied().filter(good).collect()
    }

    fn soaked(&mut self, unhealthy: &[HostId]) -> Vec<Command> {
        self.phase = Phase::Rolling;
        let unhealthy: BTreeSet<&HostId> = unhealthy.iter().collect();
        for host in self.to_watch() {
            if let Some(end) = self.end_of(host).filter(|_| unhealthy.contains(&host)) {
                self.note(host, end.unhealthy());
            }
        }
        let mut commands = self.judge();
        commands.extend(self.advance());
        commands
    }

    fn paused(&mut self, go_on: bool) -> Vec<Command> {
        self.phase = Phase::Rolling;
        if !go_on {
            return self.stop(StopReason::Declined);
        }
        let mut commands = self.next_batch();
        commands.extend(self.advance());
        commands
    }

    /// The batch counts: whether another begins.
    fn judge(&mut self) -> Vec<Command> {
        let tally = self.tally(true);
        let mut commands = vec![Command::EndBatch(tally)];
        commands.extend(if tally.stops() {
            self.stop(StopReason::Failures(tally))
        } else {
            self.pause()
        });
        commands
    }

    /// Waits where the play wants that between its batches.
    fn pause(&mut self) -> Vec<Command> {
        let next = self.next_with_hosts();
        let same_play = |number: &usize| self.play_of(*number) == self.play_of(self.batch);
        let Some(before) = next.filter(same_play) else {
            return self.next_batch();
        };
        match self.policy().pause {
            None | Some(Pause::For(Duration::ZERO)) => self.next_batch(),
            Some(pause) => {
                self.phase = Phase::Pausing;
                let hosts = self.left_of(before).len();
                vec![Command::Pause { before, hosts, pause }]
            }
        }
    }

    /// The next batch of which a host has not ended.
    fn next_with_hosts(&self) -> Option<usize> {
        (self.batch + 1..=self.plan.batches.len()).find(|number| !self.left_of(*number).is_empty())
    }

    /// The hosts of a batch (from 1) that have no end yet.
    fn left_of(&self, number: usize) -> Vec<HostId> {
        let batch = number.checked_sub(1).and_then(|index| self.plan.batches.get(index));
        let left = batch.into_iter().flatten().copied();
        left.filter(|host| self.end_of(*host).is_none()).collect()
    }

    fn next_batch(&mut self) -> Vec<Command> {
        match self.next_with_hosts() {
            Some(number) => self.begin_batch(number),
            None => vec![self.finish()],
        }
    }

    /// Begins a batch, unless failures before it are too many already for its play.
    fn begin_batch(&mut self, number: usize) -> Vec<Command> {
        self.batch = number;
        let failed = |host: &&HostId| self.failed.contains(host);
        self.failed_in_batch = self.hosts_of_batch().iter().filter(failed).count();
        let stopped = self.stop_early();
        if !stopped.is_empty() {
            return stopped;
        }
        self.queued = self.left_of(number).into();
        let mut commands = vec![Command::BeginBatch(number)];
        commands.extend(self.fill());
        commands
    }

    /// Starts no host any more: skips all that have not started.
    fn stop(&mut self, reason: StopReason) -> Vec<Command> {
        let waiting = matches!(self.phase, Phase::Soaking | Phase::Pausing);
        self.phase = Phase::Stopping;
        self.stopped = Some(reason);
        let mut commands = vec![];
        if waiting {
            commands.push(Command::StopWaiting);
        }
        commands.push(Command::Stop(reason));
        self.queued.clear();
        for host in (0..self.ends.len()).map(HostId) {
            if self.end_of(host).is_none() && !self.running.contains(&host) {
                self.note(host, EndState::Skipped);
                commands.push(Command::Skip { host, reason });
            }
        }
        commands.extend(self.advance());
        commands
    }

    fn interrupt(&mut self) -> Vec<Command> {
        self.interrupted = true;
        match self.phase {
            // What is to come back is not begun any more either.
            Phase::Reverting => {
                let mut commands = self.leave();
                commands.extend(self.advance());
                commands
            }
            Phase::Stopping => vec![],
            _ => self.stop(StopReason::Interrupted),
        }
    }

    /// Neither running hosts nor those that are to come back are waited for.
    fn abandon(&mut self) -> Vec<Command> {
        let mut commands = self.begin_leaving();
        for host in std::mem::take(&mut self.running) {
            self.note(host, EndState::Unknown);
            commands.push(Command::Abandon(host));
        }
        commands.push(self.finish());
        commands
    }

    fn finish(&mut self) -> Command {
        self.phase = Phase::Over;
        Command::Finish
    }

    fn tally(&self, batch_is_over: bool) -> Tally {
        let hosts = self.hosts_of_batch();
        let failures = Failures {
            batch: self.failed_in_batch,
            of: hosts.len(),
            run: self.failed.len(),
            of_run: self.ends.len(),
            left: self.left(),
        };
        self.policy().tally(self.batch, failures, batch_is_over)
    }

    /// Hosts that have not started.
    fn left(&self) -> usize {
        let open = self.ends.iter().filter(|end| end.is_none()).count();
        open.saturating_sub(self.running.len())
    }

    fn hosts_of_batch(&self) -> &[HostId] {
        let index = self.batch.checked_sub(1);
        index
            .and_then(|index| self.plan.batches.get(index))
            .map_or(&[], Vec::as_slice)
    }

    fn play_of(&self, number: usize) -> Option<usize> {
        self.plan.plays.get(number.checked_sub(1)?).copied()
    }

    /// What the play of the batch says.
    fn policy(&self) -> Policy {
        let play = self.play_of(self.batch).and_then(|play| self.plan.policies.get(play));
        play.copied().unwrap_or_default()
    }
}
