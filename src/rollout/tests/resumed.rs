//! Runs of which a part is over.

use super::*;

fn resumed(plan: &RolloutPlan, ended: &str, reverting: Option<&str>) -> Rollout {
    let ended = ended.split(", ").filter(|text| !text.is_empty()).map(|text| {
        let (host, name) = text.split_once(' ').expect("a host and its state");
        let end = if name == "skipped" {
            EndState::Skipped
        } else {
            state(name)
        };
        (HostId(host.parse().expect("a host")), end)
    });
    let reverting = reverting.map(|text| hosts(&text.split_whitespace().collect::<Vec<_>>()));
    Rollout::resumed(
        plan,
        Known {
            ended: ended.collect(),
            reverting,
        },
    )
}

#[test]
fn hosts_that_ended_are_not_started_and_skipped_ones_are() {
    let plan = plan_of(5, &[2], 2, Policy::default());
    expect(
        resumed(
            &plan,
            "0 confirmed, 1 unchanged, 2 confirmed, 4 skipped, 99 failed",
            None,
        ),
        &[
            ("begin", "batch 2; start 3"),
            ("3 confirmed", "end 2: 0 of 2 failed; batch 3; start 4"),
            ("4 confirmed", "end 3: 0 of 1 failed; finish"),
        ],
    );
    // Hosts of an earlier batch that lack an end come first; batches that are whole are not begun again.
    expect(
        resumed(&plan, "1 confirmed, 2 confirmed, 3 confirmed", None),
        &[
            ("begin", "batch 1; start 0"),
            ("0 confirmed", "end 1: 0 of 2 failed; batch 3; start 4"),
            ("4 confirmed", "end 3: 0 of 1 failed; finish"),
        ],
    );
}

/// A run that shuffled its hosts is resumed in the batches that it had.
#[test]
fn batches_may_hold_any_hosts() {
    let batches = [[2, 0], [3, 1]].map(|batch| batch.map(HostId).to_vec()).to_vec();
    let plan = plan_of(4, &[2], 2, Policy::default())
        .in_batches(batches)
        .expect("the same hosts");
    let of_hosts: Vec<Option<usize>> = (0..5).map(|host| plan.batch_of(HostId(host))).collect();
    assert_eq!(of_hosts, [Some(1), Some(2), Some(1), Some(2), None]);
    expect(
        resumed(&plan, "0 confirmed, 2 confirmed, 3 failed", None),
        &[
            ("begin", "batch 2; start 1"),
            (
                "1 confirmed",
                "end 2: 1 of 2 failed, budget 0; stop: 1 of 2 failed in batch 2, budget 0; finish",
            ),
        ],
    );
}

/// Nobody knows whether the last batch had soaked, and whether the operator had agreed.
#[test]
fn the_batch_that_had_begun_last_is_taken_up_again() {
    let policy = Policy {
        soak: Duration::from_secs(5),
        pause: Some(Pause::Confirm),
        ..Policy::default()
    };
    expect(
        resumed(&plan_of(3, &[1], 1, policy), "0 confirmed, 1 confirmed", None),
        &[
            ("begin", "batch 2; soak 2 for 5s: 1"),
            ("soaked", "end 2: 0 of 1 failed; pause before 3 of 1: Confirm"),
            ("go on", "batch 3; start 2"),
            ("2 confirmed", "soak 3 for 5s: 2"),
            ("soaked", "end 3: 0 of 1 failed; finish"),
        ],
    );
    expect(
        resumed(&plan_of(1, &[], 1, Policy::default()), "0 confirmed", None),
        &[("begin", "batch 1; end 1: 0 of 1 failed; finish")],
    );
}

#[test]
fn failures_that_are_known_count() {
    let at_most = |max_failures| Policy {
        max_failures: Some(max_failures),
        ..on_failure(OnFailure::RollbackAll)
    };
    // Of a host that is told of twice the later end counts.
    let ended = "0 failed, 0 confirmed, 1 failed";
    expect(
        resumed(&plan_of(4, &[2], 2, at_most(1)), ended, None),
        &[
            (
                "begin",
                "batch 1; end 1: 1 of 2 failed, 1 of 4 in the whole run, budget 1: going on; batch 2; start 2 3",
            ),
            (
                "2 failed",
                "stop: 1 of 2 failed in batch 2, 2 of 4 in the whole run, budget 1",
            ),
            (
                "3 confirmed",
                "take back 3 0 (1 of 2 failed in batch 2, 2 of 4 in the whole run, budget 1); revert 3",
            ),
            ("3 rolled_back", "revert 0"),
            ("0 rolled_back", "finish"),
        ],
    );
    // A run that should have stopped just when it was killed stops now.
    let sum = "1 of 2 failed in batch 1, 1 of 4 in the whole run, budget 0";
    expect(
        resumed(&plan_of(4, &[2], 2, at_most(0)), ended, None),
        &[(
            "begin",
            &format!("stop: {sum}; skip 2 3; take back 0 ({sum}); revert 0"),
        )],
    );
    let sum = "1 of 2 failed in batch 1, budget 0";
    expect(
        resumed(&plan_of(4, &[2], 2, Policy::default()), "1 failed", None),
        &[
            ("begin", "batch 1; start 0"),
            (
                "0 confirmed",
                &format!("end 1: 1 of 2 failed, budget 0: stopping; stop: {sum}; skip 2 3; finish"),
            ),
        ],
    );
}

#[test]
fn a_run_that_was_taking_its_hosts_back_goes_on_with_that() {
    let plan = plan_of(6, &[2], 1, Policy::default());
    let ended = "0 confirmed, 1 failed, 2 not_rolled_back, 3 rolled_back, 4 skipped";
    let rollout = expect(
        // Twice, of nobody, of one that was not changed; 5 has no end: nobody knows what it runs.
        resumed(&plan, ended, Some("0 0 99 1 2 3 5")),
        &[
            (
                "begin",
                "stop: the run was being taken back; skip 4; take back 5 2 0 (the run was being taken back); revert 5",
            ),
            ("5 failed", "revert 2"),
            ("2 rolled_back", "revert 0"),
            ("interrupt", ""),
            ("0 rolled_back", "finish"),
        ],
    );
    let expected = [
        EndState::RolledBack,
        EndState::Failed,
        EndState::RolledBack,
        EndState::RolledBack,
        EndState::Skipped,
        EndState::Failed,
    ];
    expect_ends(&rollout, &expected);
    expect(
        resumed(&plan, ended, Some("")),
        &[("begin", "stop: the run was being taken back; skip 4 5; finish")],
    );
}
