use proptest::prelude::*;

use super::*;

fn plan(hosts: usize, serial: usize, forks: usize) -> RolloutPlan {
    let serial = BatchSize::Hosts(u32::try_from(serial).expect("few"));
    RolloutPlan::new(hosts, &[serial], NonZeroUsize::new(forks).expect("forks"))
}

fn ended(host: usize, state: EndState) -> Event {
    Event::Ended {
        host: HostId(host),
        state,
    }
}

fn start(hosts: &[usize]) -> Vec<Command> {
    hosts.iter().map(|&host| Command::Start(HostId(host))).collect()
}

fn skip(host: usize, reason: SkipReason) -> Command {
    Command::Skip {
        host: HostId(host),
        reason,
    }
}

fn batch(number: usize, hosts: &[usize]) -> Vec<Command> {
    [vec![Command::BeginBatch(number)], start(hosts)].concat()
}

#[test]
fn without_serial_all_hosts_are_one_batch() {
    assert_eq!(plan(5, 0, 2).batches().len(), 1);
    assert_eq!(
        plan(5, 2, 2).batches(),
        [vec![HostId(0), HostId(1)], vec![HostId(2), HostId(3)], vec![HostId(4)]]
    );
    assert_eq!(plan(5, 2, 2).batch_of(HostId(4)), Some(3));
    assert_eq!(plan(5, 2, 2).batch_of(HostId(5)), None);
}

#[test]
fn plays_come_one_after_the_other() {
    let plan = plan(3, 2, 1).then(0, &[]).then(2, &[]);
    let batches: Vec<Vec<usize>> = plan
        .batches()
        .iter()
        .map(|batch| batch.iter().map(|host| host.0).collect())
        .collect();
    assert_eq!(batches, [vec![0, 1], vec![2], vec![3, 4]]);
}

#[test]
fn sizes_of_batches_are_numbers_or_shares() {
    assert_eq!("3".parse(), Ok(BatchSize::Hosts(3)));
    assert_eq!(" 25 % ".parse(), Ok(BatchSize::Percent(25)));
    for wrong in ["", "%", "-1", "+3", "2.5", "33.3%", "5%%", "1_0", "many", "99999999999"] {
        assert!(wrong.parse::<BatchSize>().is_err(), "{wrong}");
    }
}

#[test]
fn a_shuffle_loses_nobody_whatever_is_drawn() {
    for drawn in [0, 1, 7, usize::MAX] {
        let mut hosts = ["a", "b", "c", "d"];
        Order::Shuffle.arrange(&mut hosts, |name| name, |below| drawn % below.max(1));
        hosts.sort_unstable();
        assert_eq!(hosts, ["a", "b", "c", "d"]);
    }
}

#[test]
fn forks_bound_the_running_hosts() {
    let mut rollout = Rollout::new(&plan(3, 0, 2));
    assert_eq!(rollout.handle(Event::Begin), batch(1, &[0, 1]));
    assert_eq!(rollout.handle(ended(1, EndState::Confirmed)), start(&[2]));
    assert_eq!(rollout.handle(ended(2, EndState::Unchanged)), []);
    assert_eq!(rollout.handle(ended(0, EndState::Confirmed)), [Command::Finish]);
}

#[test]
fn a_batch_begins_when_the_one_before_is_over() {
    let mut rollout = Rollout::new(&plan(3, 2, 10));
    assert_eq!(rollout.handle(Event::Begin), batch(1, &[0, 1]));
    assert_eq!(rollout.handle(ended(0, EndState::Confirmed)), []);
    assert_eq!(rollout.handle(ended(1, EndState::Confirmed)), batch(2, &[2]));
    assert_eq!(rollout.handle(ended(2, EndState::Confirmed)), [Command::Finish]);
}

#[test]
fn every_kind_of_failure_ends_the_run_with_its_batch() {
    use EndState::{Failed, Refused, RolledBack, Unknown, Unreachable};
    for state in [Failed, Refused, RolledBack, Unknown, Unreachable] {
        let mut rollout = Rollout::new(&plan(4, 2, 1));
        rollout.handle(Event::Begin);
        assert_eq!(
            rollout.handle(ended(0, state)),
            start(&[1]),
            "the batch itself goes on after {state}"
        );
        let reason = SkipReason::Failures {
            batch: 1,
            failed: 1,
            of: 2,
        };
        let expected = [skip(2, reason), skip(3, reason), Command::Finish];
        assert_eq!(rollout.handle(ended(1, EndState::Confirmed)), expected, "{state}");
    }
}

#[test]
fn a_failure_in_the_last_batch_skips_nobody() {
    let mut rollout = Rollout::new(&plan(1, 0, 1));
    rollout.handle(Event::Begin);
    assert_eq!(rollout.handle(ended(0, EndState::Failed)), [Command::Finish]);
}

#[test]
fn the_first_interrupt_lets_running_hosts_finish() {
    let mut rollout = Rollout::new(&plan(4, 3, 2));
    rollout.handle(Event::Begin);
    let reason = SkipReason::Interrupted;
    assert_eq!(rollout.handle(Event::Interrupted), [skip(2, reason), skip(3, reason)]);
    assert_eq!(rollout.handle(ended(0, EndState::Failed)), []);
    assert_eq!(rollout.handle(ended(1, EndState::Confirmed)), [Command::Finish]);
    assert!(rollout.interrupted());
}

#[test]
fn the_second_interrupt_abandons_them() {
    let mut rollout = Rollout::new(&plan(3, 0, 3));
    rollout.handle(Event::Begin);
    rollout.handle(ended(1, EndState::Confirmed));
    assert_eq!(rollout.handle(Event::Interrupted), []);
    let abandoned = [
        Command::Abandon(HostId(0)),
        Command::Abandon(HostId(2)),
        Command::Finish,
    ];
    assert_eq!(rollout.handle(Event::Interrupted), abandoned);
    assert_eq!(
        rollout.handle(ended(0, EndState::Confirmed)),
        [],
        "nothing comes after the end"
    );
}

#[test]
fn a_run_without_hosts_is_over_at_once() {
    assert_eq!(Rollout::new(&plan(0, 0, 1)).handle(Event::Begin), [Command::Finish]);
}

#[test]
fn reasons_are_sentences() {
    let reason = SkipReason::Failures {
        batch: 2,
        failed: 1,
        of: 5,
    };
    assert_eq!(reason.to_string(), "not started: 1 of 5 failed in batch 2");
}

/// A driver that ends a random running host, or interrupts, until the run is over; checks what must always hold.
struct World {
    plan: RolloutPlan,
    running: BTreeSet<HostId>,
    ends: Vec<usize>,
    batch: usize,
    failed_batch: Option<usize>,
    interrupts: usize,
    over: bool,
}

impl World {
    fn new(plan: RolloutPlan, hosts: usize) -> Self {
        let running = BTreeSet::new();
        Self {
            plan,
            running,
            ends: vec![0; hosts],
            batch: 0,
            failed_batch: None,
            interrupts: 0,
            over: false,
        }
    }

    fn obey(&mut self, commands: Vec<Command>) {
        for command in commands {
            assert!(!self.over, "{command:?} after the end");
            match command {
                Command::BeginBatch(batch) => {
                    assert!(self.running.is_empty() && self.failed_batch.is_none());
                    self.batch = batch;
                }
                Command::Start(host) => {
                    assert_eq!(self.interrupts, 0, "{host:?} started after an interrupt");
                    assert_eq!(self.plan.batch_of(host), Some(self.batch));
                    assert!(self.running.insert(host));
                    assert!(self.running.len() <= self.plan.forks());
                }
                Command::Skip { host, reason } => {
                    assert!(!self.running.contains(&host));
                    let failed = matches!(reason, SkipReason::Failures { .. });
                    assert!(if failed {
                        self.failed_batch.is_some()
                    } else {
                        self.interrupts > 0
                    });
                    self.ends[host.0] += 1;
                }
                Command::Abandon(host) => {
                    assert_eq!(self.interrupts, 2);
                    assert!(self.running.remove(&host));
                    self.ends[host.0] += 1;
                }
                Command::Finish => {
                    assert!(self.running.is_empty());
                    self.over = true;
                }
            }
        }
    }
}

const STATES: [EndState; 4] = [
    EndState::Confirmed,
    EndState::Confirmed,
    EndState::RolledBack,
    EndState::Unreachable,
];

proptest! {
    #[test]
    fn every_host_ends_once_within_the_bounds(
        hosts in 0_usize..30,
        serial in 0_usize..8,
        forks in 1_usize..8,
        choices in proptest::collection::vec((0_usize..30, 0_usize..12, 0_usize..40), 200),
    ) {
        let plan = plan(hosts, serial, forks);
        let mut rollout = Rollout::new(&plan);
        let mut world = World::new(plan, hosts);
        world.obey(rollout.handle(Event::Begin));
        for (which, state, interrupt) in choices {
            if interrupt == 0 {
                world.interrupts += usize::from(!world.over);
                world.obey(rollout.handle(Event::Interrupted));
            }
            let Some(&host) = world.running.iter().cycle().nth(which) else { break };
            let state = STATES.get(state).copied().unwrap_or(EndState::Unchanged);
            world.running.remove(&host);
            world.ends[host.0] += 1;
            if state.is_failure() {
                world.failed_batch = Some(world.batch);
            }
            world.obey(rollout.handle(Event::Ended { host, state }));
        }
        prop_assert!(world.over, "the run does not end");
        prop_assert!(world.ends.iter().all(|&ends| ends == 1), "{:?}", world.ends);
        prop_assert_eq!(rollout.interrupted(), world.interrupts > 0);
    }
}
