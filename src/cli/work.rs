//! What a run does to its hosts: transactions, watching, questions to the operator.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::request::Request;
use crate::driver::Work;
use crate::memory::Memory;
use crate::plan::{Basis, Observed};
use crate::playbook::Turn;
use crate::preview::{self, Preview, SavedPlan};
use crate::remote::ssh::Bastions;
use crate::report::{self, EndState, HostReport, RunEvent};
use crate::rollout::HostId;
use crate::screen;
use crate::status::{State, Status};
use crate::transaction::{self, Confirm, Goal, Machines, Options};

/// The hosts of a run, and all that their transactions share.
pub(super) struct Fleetwork {
    turns: Vec<Turn>,
    goal: Goal,
    timeout: Duration,
    run_id: String,
    operator: String,
    memory: Arc<Memory>,
    bastions: Bastions,
    force: bool,
    /// Whether what changes in rules is shown.
    diff: bool,
    /// The plan that is carried out, where there is one.
    plan: Option<SavedPlan>,
    confirm: Confirm,
    confirm_command: String,
    machines: Arc<Machines>,
    events: UnboundedSender<RunEvent>,
    /// Bounds what is not counted by the rollout: the logins of hosts that are watched.
    forks: Arc<Semaphore>,
}

impl Fleetwork {
    pub fn new(
        request: &Request,
        run_id: &str,
        turns: Vec<Turn>,
        forks: usize,
        events: UnboundedSender<RunEvent>,
    ) -> Self {
        let memory = Memory::of_user();
        memory.prune();
        Self {
            turns,
            goal: request.goal,
            timeout: request.timeout,
            run_id: run_id.to_owned(),
            operator: operator(),
            memory: Arc::new(memory),
            bastions: Bastions::default(),
            force: request.force,
            diff: request.diff,
            plan: None,
            confirm: request.confirm,
            confirm_command: request.confirm_command.clone(),
            machines: Arc::default(),
            events,
            forks: Arc::new(Semaphore::new(forks)),
        }
    }

    /// The same, where a plan is carried out.
    pub fn by(self, plan: Option<SavedPlan>) -> Self {
        Self { plan, ..self }
    }

    /// Ends what its hosts shared.
    pub async fn close(&self) {
        self.bastions.close().await;
    }

    fn options(&self, turn: &Turn, goal: Goal) -> Options {
        Options {
            goal,
            rollback_after: turn.host.rollback_after.unwrap_or_default(),
            timeout: self.timeout,
            run_id: self.run_id.clone(),
            operator: self.operator.clone(),
            bastions: self.bastions.clone(),
            memory: Arc::clone(&self.memory),
            checks: turn.checks.clone(),
            force: self.force,
            diff: self.diff,
            basis: self.basis(turn).filter(|_| goal == Goal::Deploy),
            confirm: self.confirm,
            confirm_command: self.confirm_command.clone(),
            machines: Arc::clone(&self.machines),
        }
    }

    /// What a host must still be like.
    fn basis(&self, turn: &Turn) -> Option<Basis> {
        self.plan.as_ref()?.basis(&turn.host.name).cloned()
    }

    async fn transact(&self, host: HostId, goal: Goal) -> HostReport {
        match self.turns.get(host.0) {
            Some(turn) => transaction::deploy(&turn.host, &self.options(turn, goal), &self.events).await,
            None => HostReport::new(EndState::Skipped),
        }
    }

    /// Looks at how a host stands.
    pub async fn look(&self, host: HostId) -> Status {
        let Some(turn) = self.turns.get(host.0) else {
            return Status::new(State::Failed);
        };
        let _place = self.forks.acquire().await;
        transaction::look(&turn.host, &self.options(turn, Goal::Deploy), &self.events).await
    }

    /// What a deploy would do to a host.
    pub async fn preview(&self, host: HostId) -> Preview {
        let Some(turn) = self.turns.get(host.0) else {
            return Preview::new(preview::State::Failed);
        };
        let _place = self.forks.acquire().await;
        transaction::preview(&turn.host, &self.options(turn, Goal::Deploy), &self.events).await
    }

    /// What a host has.
    pub async fn observe(&self, host: HostId) -> Result<Observed, Status> {
        let Some(turn) = self.turns.get(host.0) else {
            return Err(Status::new(State::Failed));
        };
        let _place = self.forks.acquire().await;
        transaction::observe(&turn.host, &self.options(turn, Goal::Deploy), &self.events).await
    }

    /// Looks at a host from outside, and changes nothing.
    pub async fn verify(&self, host: HostId) -> HostReport {
        match self.turns.get(host.0) {
            Some(turn) => transaction::verify(&turn.host, &self.options(turn, Goal::Deploy), &self.events).await,
            None => HostReport::new(EndState::Skipped),
        }
    }

    async fn watch(&self, host: HostId, time: Duration) -> Result<(), String> {
        let Some(turn) = self.turns.get(host.0) else {
            return Ok(());
        };
        let options = self.options(turn, Goal::Deploy);
        transaction::soak(&turn.host, &options, time, Arc::clone(&self.forks)).await
    }
}

impl Work for Fleetwork {
    async fn apply(self: Arc<Self>, host: HostId) -> HostReport {
        self.transact(host, self.goal).await
    }

    async fn revert(self: Arc<Self>, host: HostId, applied: HostReport) -> HostReport {
        let goal = Goal::Revert {
            confirmed: applied.generation,
            before: applied.before,
        };
        self.transact(host, goal).await
    }

    async fn soak(self: Arc<Self>, hosts: Vec<HostId>, time: Duration) -> Vec<(HostId, String)> {
        let mut watches = JoinSet::new();
        for host in hosts {
            let fleet = Arc::clone(&self);
            watches.spawn(async move { (host, fleet.watch(host, time).await) });
        }
        let ended = watches.join_all().await;
        ended
            .into_iter()
            .filter_map(|(host, watched)| Some((host, watched.err()?)))
            .collect()
    }

    async fn ask(self: Arc<Self>, _batch: usize, _hosts: usize) -> bool {
        screen::consent().await
    }
}

/// Who runs this, for the hosts' locks: `ann@laptop`, the person behind sudo where there is one.
pub(super) fn operator() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .or_else(account);
    let operator = format!("{}@{}", user.as_deref().unwrap_or("unknown"), host_name());
    report::sanitise(&operator)
}

/// The account's name by passwd(5), where no variable tells it: in a container, under systemd.
fn account() -> Option<String> {
    let id = rustix::process::getuid().as_raw().to_string();
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let mut accounts = accounts.lines().map(|line| line.split(':'));
    accounts.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

/// What this machine calls itself.
pub(super) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    report::sanitise(name.trim())
}
