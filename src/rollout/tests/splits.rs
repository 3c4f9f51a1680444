//! Which hosts come together.

use super::*;

#[test]
fn without_serial_all_hosts_are_one_batch() {
    let plan = |serial: u32| plan_of(5, &[serial], 2, Policy::default());
    assert_eq!(plan(0).batches().len(), 1);
    assert_eq!(
        plan(2).batches(),
        [vec![HostId(0), HostId(1)], vec![HostId(2), HostId(3)], vec![HostId(4)]]
    );
    let batches: Vec<Option<usize>> = (0..6).map(|host| plan(2).batch_of(HostId(host))).collect();
    assert_eq!(batches, [Some(1), Some(1), Some(2), Some(2), Some(3), None]);
    assert_eq!(no_plan(1).batch_of(HostId(0)), None);
}

#[test]
fn plays_and_their_groups_come_one_after_the_other() {
    let plan = plan_of(3, &[2], 1, Policy::default())
        .then(&[0], &[], Policy::default())
        .then(&[3, 0, 1, 1], &sizes(&[1, 5]), Policy::default())
        .then(&[2], &[], Policy::default());
    let batches: Vec<Vec<usize>> = plan
        .batches()
        .iter()
        .map(|batch| batch.iter().map(|host| host.0).collect())
        .collect();
    let expected = [vec![0, 1], vec![2], vec![3], vec![4, 5], vec![6], vec![7], vec![8, 9]];
    assert_eq!(batches, expected);
    assert_eq!((plan.hosts(), plan.policies().len()), (10, 4));
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
    expect_run(
        &plan_of(3, &[], 2, Policy::default()),
        &[
            ("begin", "batch 1; start 0 1"),
            ("begin", ""),
            ("1 confirmed", "start 2"),
            ("1 confirmed", ""),
            ("2 unchanged", ""),
            ("0 confirmed", "end 1: 0 of 3 failed; finish"),
            ("0 failed", ""),
            ("interrupt", ""),
        ],
    );
    expect_run(&no_plan(1), &[("begin", "finish")]);
}
