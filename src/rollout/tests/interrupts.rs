//! The operator interrupts, in every phase, once and twice.

use super::*;

const WHY: &str = "the run was interrupted";

fn careful() -> Policy {
    Policy {
        max_failures: Some(0),
        soak: Duration::from_secs(5),
        pause: Some(Pause::Confirm),
        ..on_failure(OnFailure::RollbackAll)
    }
}

/// Running hosts come to their end; what fails then takes nothing back.
#[test]
fn once_while_hosts_run() {
    let rollout = expect_run(
        &plan_of(5, &[3], 2, careful()),
        &[
            ("interrupt", ""),
            ("begin", "batch 1; start 0 1"),
            ("interrupt", &format!("stop: {WHY}; skip 2 3 4")),
            ("0 confirmed", ""),
            ("1 failed", "finish"),
        ],
    );
    assert!(rollout.interrupted());
}

#[test]
fn twice_while_hosts_run() {
    let rollout = expect_run(
        &plan_of(3, &[], 2, careful()),
        &[
            ("begin", "batch 1; start 0 1"),
            ("0 confirmed", "start 2"),
            ("interrupt", &format!("stop: {WHY}")),
            ("interrupt", "abandon 1 2; finish"),
            ("interrupt", ""),
            ("1 confirmed", ""),
        ],
    );
    expect_ends(&rollout, &[EndState::Confirmed, EndState::Unknown, EndState::Unknown]);
}

#[test]
fn while_a_batch_soaks() {
    expect_run(
        &plan_of(2, &[1], 2, careful()),
        &[
            ("begin", "batch 1; start 0"),
            ("0 confirmed", "soak 1 for 5s: 0"),
            ("interrupt", &format!("stop waiting; stop: {WHY}; skip 1; finish")),
            ("soaked 0", ""),
        ],
    );
}

#[test]
fn while_the_operator_is_asked() {
    expect_run(
        &plan_of(2, &[1], 2, careful()),
        &[
            ("begin", "batch 1; start 0"),
            ("0 confirmed", "soak 1 for 5s: 0"),
            ("soaked", "end 1: 0 of 1 failed; pause before 2 of 1: Confirm"),
            ("interrupt", &format!("stop waiting; stop: {WHY}; skip 1; finish")),
            ("go on", ""),
        ],
    );
}

const SUM: &str = "1 of 3 failed in batch 1, 1 of 3 in the whole run, budget 0";

/// What was to come back once the running hosts have ended is left, and said so.
#[test]
fn while_a_run_stops() {
    let stopping = [
        ("begin", "batch 1; start 0 1 2"),
        ("0 confirmed", ""),
        ("1 failed", &format!("stop: {SUM}") as &str),
        ("interrupt", ""),
    ];
    let plan = plan_of(3, &[], 3, careful());
    let rollout = expect_run(&plan, &stopping);
    let left = format!("take back 0 2 ({SUM}); leave 0 2; finish");
    let rollout = expect(rollout, &[("2 confirmed", &left)]);
    expect_ends(
        &rollout,
        &[EndState::NotRolledBack, EndState::Failed, EndState::NotRolledBack],
    );

    let rollout = expect_run(&plan, &stopping);
    let left = format!("take back 0 ({SUM}); leave 0; abandon 2; finish");
    let rollout = expect(rollout, &[("interrupt", &left)]);
    expect_ends(
        &rollout,
        &[EndState::NotRolledBack, EndState::Failed, EndState::Unknown],
    );
}

/// What is being taken back is finished, the rest is left; twice: that is let go of as well.
#[test]
fn while_hosts_come_back() {
    let plan = plan_of(4, &[1, 3], 2, careful());
    let sum = "1 of 3 failed in batch 2, 1 of 4 in the whole run, budget 0";
    let stop = format!("stop: {sum}; take back 1 2 0 ({sum}); revert 1 2");
    let reverting = [
        ("begin", "batch 1; start 0"),
        ("0 confirmed", "soak 1 for 5s: 0"),
        ("soaked", "end 1: 0 of 1 failed; pause before 2 of 3: Confirm"),
        ("go on", "batch 2; start 1 2"),
        ("1 pending", "start 3"),
        ("2 unknown", &format!("stop: {sum}") as &str),
        ("3 failed", stop.split_once("; ").expect("two").1),
        ("interrupt", "leave 0"),
    ];
    let rollout = expect_run(&plan, &reverting);
    let rollout = expect(rollout, &[("1 rolled_back", ""), ("2 unreachable", "finish")]);
    let expected = [
        EndState::NotRolledBack,
        EndState::RolledBack,
        EndState::Unreachable,
        EndState::Failed,
    ];
    expect_ends(&rollout, &expected);

    let rollout = expect_run(&plan, &reverting);
    let rollout = expect(rollout, &[("2 rolled_back", ""), ("interrupt", "abandon 1; finish")]);
    let expected = [
        EndState::NotRolledBack,
        EndState::Unknown,
        EndState::RolledBack,
        EndState::Failed,
    ];
    expect_ends(&rollout, &expected);
}

/// What is left is what it was, where nobody knows better: unknown, or to be undone by its own timer.
#[test]
fn what_is_left_is_named_by_what_it_runs() {
    let mut rollout = expect_run(
        &plan_of(
            4,
            &[],
            4,
            Policy {
                soak: Duration::ZERO,
                ..careful()
            },
        ),
        &[
            ("begin", "batch 1; start 0 1 2 3"),
            (
                "0 unknown",
                "stop: 1 of 4 failed in batch 1, 1 of 4 in the whole run, budget 0",
            ),
            ("1 pending", ""),
            ("2 unchanged", ""),
            ("interrupt", ""),
        ],
    );
    let told = shown(&rollout.handle(event("3 unhealthy")));
    assert!(told.ends_with("leave 0 1 3; finish"), "{told}");
    let expected = [
        EndState::Unknown,
        EndState::Pending,
        EndState::Unchanged,
        EndState::NotRolledBack,
    ];
    expect_ends(&rollout, &expected);
}
