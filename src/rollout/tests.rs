use std::num::NonZeroUsize;

use super::*;

fn plan(hosts: usize, serial: usize, forks: usize) -> RolloutPlan {
    let serial = BatchSize::Hosts(u32::try_from(serial).expect("few"));
    let forks = NonZeroUsize::new(forks).expect("forks");
    RolloutPlan::new(forks).then(&[hosts], &[serial], Policy::default())
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
    let plan = plan(3, 2, 1)
        .then(&[0], &[], Policy::default())
        .then(&[2], &[], Policy::default());
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
    let last = rollout.handle(ended(0, EndState::Confirmed));
    assert!(
        matches!(last.as_slice(), [Command::EndBatch(_), Command::Finish]),
        "{last:?}"
    );
}
