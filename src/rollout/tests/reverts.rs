//! Hosts that get their old rules back.

use super::*;

const FAILED: &str = "1 of 2 failed in batch 2, budget 0";

#[test]
fn the_batch_is_taken_back() {
    let rollout = expect_run(
        &plan_of(4, &[1, 2], 2, on_failure(OnFailure::RollbackBatch)),
        &[
            ("begin", "batch 1; start 0"),
            ("0 confirmed", "end 1: 0 of 1 failed; batch 2; start 1 2"),
            ("1 confirmed", ""),
            (
                "2 failed",
                &format!(
                    "end 2: 1 of 2 failed, budget 0: stopping, and taking the batch back; stop: {FAILED}; skip 3; \
                     take back 1 ({FAILED}); revert 1"
                ),
            ),
            ("1 rolled_back", "finish"),
        ],
    );
    let expected = [
        EndState::Confirmed,
        EndState::RolledBack,
        EndState::Failed,
        EndState::Skipped,
    ];
    expect_ends(&rollout, &expected);
}

#[test]
fn nothing_that_was_changed_is_nothing_to_take_back() {
    let all = Policy {
        any_errors_fatal: true,
        ..on_failure(OnFailure::RollbackAll)
    };
    expect_run(
        &plan_of(3, &[], 3, all),
        &[
            ("begin", "batch 1; start 0 1 2"),
            ("0 rolled_back", "stop: 1 of 3 failed in batch 1, any_errors_fatal"),
            ("1 unchanged", ""),
            ("2 unreachable", "finish"),
        ],
    );
}

/// The newest batch first, one batch after the other, up to the forks; what fails there stops nothing.
#[test]
fn the_whole_run_is_taken_back_batch_by_batch() {
    let plan = plan_of(3, &[], 2, on_failure(OnFailure::Stop)).then(
        &[5],
        &sizes(&[2]),
        Policy {
            max_failures: Some(0),
            ..on_failure(OnFailure::RollbackAll)
        },
    );
    let sum = "1 of 2 failed in batch 3, 1 of 8 in the whole run, budget 0";
    let rollout = expect_run(
        &plan,
        &[
            ("begin", "batch 1; start 0 1"),
            ("0 confirmed", "start 2"),
            ("1 unchanged", ""),
            ("2 pending", "end 1: 0 of 3 failed; batch 2; start 3 4"),
            ("3 confirmed", ""),
            ("4 confirmed", "end 2: 0 of 2 failed; batch 3; start 5 6"),
            ("5 unknown", &format!("stop: {sum}; skip 7")),
            // What still ran has its end first, and comes back as well.
            ("6 confirmed", &format!("take back 5 6 3 4 0 2 ({sum}); revert 5 6")),
            ("5 unreachable", ""),
            ("6 rolled_back", "revert 3 4"),
            ("4 not_rolled_back", ""),
            ("3 rolled_back", "revert 0 2"),
            ("2 failed", ""),
            ("soaked 0", ""),
            ("0 rolled_back", "finish"),
        ],
    );
    let expected = [
        EndState::RolledBack,
        EndState::Unchanged,
        EndState::Failed,
        EndState::RolledBack,
        EndState::NotRolledBack,
        EndState::Unreachable,
        EndState::RolledBack,
        EndState::Skipped,
    ];
    expect_ends(&rollout, &expected);
}

#[test]
fn a_group_is_taken_back_within_the_forks() {
    let all = on_failure(OnFailure::RollbackAll);
    expect_run(
        &plan_of(4, &[3], 1, all),
        &[
            ("begin", "batch 1; start 0"),
            ("0 confirmed", "start 1"),
            ("1 confirmed", "start 2"),
            (
                "2 failed",
                "end 1: 1 of 3 failed, budget 0: stopping, and taking the whole run back; \
                 stop: 1 of 3 failed in batch 1, budget 0; skip 3; take back 0 1 (1 of 3 failed in batch 1, budget 0); \
                 revert 0",
            ),
            ("0 rolled_back", "revert 1"),
            ("1 rolled_back", "finish"),
        ],
    );
}

/// A host that was not well is taken back, but not one that the run had not changed.
#[test]
fn unhealthy_hosts_come_back() {
    let policy = Policy {
        soak: Duration::from_secs(1),
        ..on_failure(OnFailure::RollbackBatch)
    };
    expect_run(
        &plan_of(2, &[], 2, policy),
        &[
            ("begin", "batch 1; start 0 1"),
            ("0 unchanged", ""),
            ("1 confirmed", "soak 1 for 1s: 0 1"),
            (
                "soaked 0 1",
                "end 1: 2 of 2 failed, budget 0: stopping, and taking the batch back; \
                 stop: 2 of 2 failed in batch 1, budget 0; take back 1 (2 of 2 failed in batch 1, budget 0); revert 1",
            ),
            ("1 rolled_back", "finish"),
        ],
    );
}
