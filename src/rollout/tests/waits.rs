//! Soaking, and pauses between batches.

use super::*;

fn soaking(on_failure: OnFailure) -> Policy {
    Policy {
        soak: Duration::from_secs(5),
        on_failure,
        ..Policy::default()
    }
}

fn pausing(pause: Pause) -> Policy {
    Policy {
        pause: Some(pause),
        ..Policy::default()
    }
}

#[test]
fn a_batch_soaks_before_it_counts() {
    let rollout = expect_run(
        &plan_of(4, &[3, 1], 3, soaking(OnFailure::Continue)),
        &[
            ("begin", "batch 1; start 0 1 2"),
            ("soaked 0", ""),
            ("0 confirmed", ""),
            ("1 failed", ""),
            ("2 unchanged", "soak 1 for 5s: 0 2"),
            // Hosts that nobody watches are none of a soak's.
            (
                "soaked 2 1 3 99",
                "end 1: 2 of 3 failed, budget 0: going on all the same (on_failure: continue); batch 2; start 3",
            ),
            ("soaked 0", ""),
            ("3 confirmed", "soak 2 for 5s: 3"),
            ("soaked", "end 2: 0 of 1 failed, budget 0; finish"),
        ],
    );
    // What the run did not change has nothing to be taken back.
    let expected = [
        EndState::Confirmed,
        EndState::Failed,
        EndState::Failed,
        EndState::Confirmed,
    ];
    expect_ends(&rollout, &expected);
}

#[test]
fn unhealthy_hosts_count_as_failed() {
    let rollout = expect_run(
        &plan_of(3, &[2], 2, soaking(OnFailure::Stop)),
        &[
            ("begin", "batch 1; start 0 1"),
            ("0 confirmed", ""),
            ("1 confirmed", "soak 1 for 5s: 0 1"),
            (
                "soaked 1",
                "end 1: 1 of 2 failed, budget 0: stopping; stop: 1 of 2 failed in batch 1, budget 0; skip 2; finish",
            ),
        ],
    );
    expect_ends(&rollout, &[EndState::Confirmed, EndState::Unhealthy, EndState::Skipped]);
}

/// Nothing good to watch, or a batch that stops the run all the same, or hosts that somebody else is to confirm.
#[test]
fn what_need_not_soak_does_not() {
    let both_stop =
        "end 1: 1 of 2 failed, budget 0: stopping; stop: 1 of 2 failed in batch 1, budget 0; skip 2; finish";
    let table = [
        (OnFailure::Stop, ["0 confirmed", "1 failed"], both_stop),
        (
            OnFailure::Continue,
            ["0 failed", "1 failed"],
            "end 1: 2 of 2 failed, budget 0: going on all the same (on_failure: continue); batch 2; start 2",
        ),
        (
            OnFailure::Stop,
            ["0 pending", "1 pending"],
            "end 1: 0 of 2 failed; batch 2; start 2",
        ),
    ];
    for (on_failure, [first, second], then) in table {
        expect_run(
            &plan_of(3, &[2], 2, soaking(on_failure)),
            &[("begin", "batch 1; start 0 1"), (first, ""), (second, then)],
        );
    }
}

#[test]
fn a_run_pauses_between_the_batches_of_one_play() {
    let time = Pause::For(Duration::from_secs(60));
    let plan = plan_of(3, &[2], 2, pausing(time))
        .then(&[1, 1], &[], pausing(Pause::Confirm))
        .then(&[2], &sizes(&[1]), pausing(Pause::For(Duration::ZERO)));
    let good = "of 2 failed";
    expect_run(
        &plan,
        &[
            ("begin", "batch 1; start 0 1"),
            ("0 confirmed", ""),
            ("go on", ""),
            (
                "1 confirmed",
                &format!("end 1: 0 {good}; pause before 2 of 1: For(60s)"),
            ),
            ("soaked 0", ""),
            ("go on", "batch 2; start 2"),
            // None between plays, but one between groups of a play.
            ("2 confirmed", "end 2: 0 of 1 failed; batch 3; start 3"),
            ("3 confirmed", "end 3: 0 of 1 failed; pause before 4 of 1: Confirm"),
            ("go on", "batch 4; start 4"),
            ("4 confirmed", "end 4: 0 of 1 failed; batch 5; start 5"),
            ("5 confirmed", "end 5: 0 of 1 failed; batch 6; start 6"),
            ("6 confirmed", "end 6: 0 of 1 failed; finish"),
        ],
    );
}

#[test]
fn an_operator_who_does_not_want_the_next_batch_ends_the_run() {
    let careful = Policy {
        on_failure: OnFailure::RollbackAll,
        soak: Duration::from_secs(5),
        ..pausing(Pause::Confirm)
    };
    let rollout = expect_run(
        &plan_of(3, &[1, 2], 2, careful),
        &[
            ("begin", "batch 1; start 0"),
            ("0 confirmed", "soak 1 for 5s: 0"),
            ("decline", ""),
            ("soaked", "end 1: 0 of 1 failed; pause before 2 of 2: Confirm"),
            ("decline", "stop: the operator did not go on; skip 1 2; finish"),
        ],
    );
    assert!(!rollout.interrupted());
}
