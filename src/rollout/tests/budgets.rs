//! How many failures are too many, and when that shows.

use super::*;

fn percent(percent: f64) -> Policy {
    Policy {
        max_fail_percentage: Some(Percentage(percent)),
        ..Policy::default()
    }
}

fn at_most(max_failures: u32) -> Policy {
    Policy {
        max_failures: Some(max_failures),
        ..Policy::default()
    }
}

fn fatal() -> Policy {
    Policy {
        any_errors_fatal: true,
        ..Policy::default()
    }
}

/// Policy; failed of batch, of run (of 10 and 40); whether the batch is over: whether it is too many, and in words.
#[test]
fn arithmetic() {
    let both = Policy {
        max_failures: Some(3),
        ..percent(50.0)
    };
    let table = [
        (Policy::default(), 1, 1, false, "1 of 10 failed, budget 0: going on"),
        (Policy::default(), 1, 1, true, "1 of 10 failed, budget 0: stopping"),
        (Policy::default(), 0, 3, true, "0 of 10 failed, budget 0: going on"),
        (Policy::default(), 0, 0, true, "0 of 10 failed"),
        (percent(10.0), 1, 9, true, "1 of 10 failed, budget 1 (10%): going on"),
        (percent(10.0), 2, 2, false, "2 of 10 failed, budget 1 (10%): stopping"),
        (percent(0.0), 1, 1, false, "1 of 10 failed, budget 0 (0%): stopping"),
        (percent(19.9), 1, 1, false, "1 of 10 failed, budget 1 (19.9%): going on"),
        (percent(19.9), 2, 2, false, "2 of 10 failed, budget 1 (19.9%): stopping"),
        (
            percent(100.0),
            10,
            10,
            false,
            "10 of 10 failed, budget 10 (100%): going on",
        ),
        (
            percent(100.0),
            10,
            10,
            true,
            "10 of 10 failed, the whole batch: stopping",
        ),
        (percent(100.0), 9, 9, true, "9 of 10 failed, budget 10 (100%): going on"),
        (
            at_most(3),
            1,
            3,
            true,
            "1 of 10 failed, 3 of 40 in the whole run, budget 3: going on",
        ),
        (
            at_most(3),
            1,
            4,
            false,
            "1 of 10 failed, 4 of 40 in the whole run, budget 3: stopping",
        ),
        (
            at_most(30),
            10,
            10,
            true,
            "10 of 10 failed, 10 of 40 in the whole run, budget 30: going on",
        ),
        (fatal(), 1, 1, false, "1 of 10 failed, any_errors_fatal: stopping"),
        (fatal(), 0, 2, true, "0 of 10 failed, any_errors_fatal: going on"),
        (both, 5, 3, false, "5 of 10 failed, budget 5 (50%): going on"),
        (both, 6, 6, false, "6 of 10 failed, budget 5 (50%): stopping"),
        (
            both,
            1,
            4,
            false,
            "1 of 10 failed, 4 of 40 in the whole run, budget 3: stopping",
        ),
    ];
    for (policy, batch, run, is_over, words) in table {
        let failures = Failures {
            batch,
            of: 10,
            run,
            of_run: 40,
            left: 30,
        };
        let tally = policy.tally(1, failures, is_over);
        assert_eq!(tally.to_string(), words);
        assert_eq!(tally.stops(), words.contains("stopping"), "{words}");
    }
}

#[test]
fn what_happens_then_is_said() {
    let table = [
        (OnFailure::Stop, "stopping"),
        (OnFailure::Continue, "going on all the same (on_failure: continue)"),
        (OnFailure::RollbackBatch, "stopping, and taking the batch back"),
        (OnFailure::RollbackAll, "stopping, and taking the whole run back"),
    ];
    let failures = Failures {
        batch: 2,
        of: 10,
        run: 2,
        of_run: 40,
        left: 30,
    };
    for (then, words) in table {
        let policy = Policy {
            on_failure: then,
            ..percent(10.0)
        };
        let tally = policy.tally(1, failures, true);
        assert_eq!(tally.to_string(), format!("2 of 10 failed, budget 1 (10%): {words}"));
        let at_the_end = policy.tally(1, Failures { left: 0, ..failures }, true).to_string();
        let takes_back = words.contains("taking");
        assert_eq!(
            at_the_end.contains(words),
            takes_back,
            "nothing is left to stop: {at_the_end}"
        );
        assert_eq!(tally.stops(), then != OnFailure::Continue);
    }
}

/// The share of a batch may be just what is allowed, in Python's floating point.
#[test]
fn the_budget_that_is_named_is_the_budget() {
    for of in 0..=40 {
        for tenths in 0..=1000_u32 {
            let policy = percent(f64::from(tenths) / 10.0);
            let tally = |batch| {
                policy.tally(
                    1,
                    Failures {
                        batch,
                        of,
                        run: batch,
                        of_run: of,
                        left: 0,
                    },
                    false,
                )
            };
            let budget = (0..=of)
                .rev()
                .find(|&failed| !tally(failed).exceeded)
                .expect("none is never too many");
            assert!((0..=budget).all(|failed| !tally(failed).exceeded), "{of} {tenths}");
            if budget > 0 {
                let words = tally(budget).to_string();
                assert!(words.contains(&format!("budget {budget} (")), "{words}");
            }
        }
    }
}

#[test]
fn a_batch_with_a_failure_is_the_last_but_has_its_turn() {
    let rollout = expect_run(
        &plan_of(4, &[2], 1, Policy::default()),
        &[
            ("begin", "batch 1; start 0"),
            ("0 failed", "start 1"),
            (
                "1 confirmed",
                "end 1: 1 of 2 failed, budget 0: stopping; stop: 1 of 2 failed in batch 1, budget 0; skip 2 3; finish",
            ),
        ],
    );
    let expected = [
        EndState::Failed,
        EndState::Confirmed,
        EndState::Skipped,
        EndState::Skipped,
    ];
    expect_ends(&rollout, &expected);
}

#[test]
fn every_end_but_a_good_one_counts() {
    for (name, state) in STATES {
        let is_good = ["unchanged", "confirmed", "pending"].contains(&name);
        let mut rollout = Rollout::new(&plan_of(2, &[1], 1, Policy::default()));
        rollout.handle(Event::Begin);
        let host = HostId(0);
        let told = shown(&rollout.handle(Event::Ended { host, state }));
        assert_eq!(told.contains("batch 2"), is_good, "{name}: {told}");
    }
}

#[test]
fn a_limit_that_somebody_gave_stops_within_the_batch() {
    expect_run(
        &plan_of(6, &[], 2, percent(20.0)),
        &[
            ("begin", "batch 1; start 0 1"),
            ("0 unreachable", "start 2"),
            (
                "1 unknown",
                "stop: 2 of 6 failed in batch 1, budget 1 (20%); skip 3 4 5",
            ),
            ("2 failed", "finish"),
        ],
    );
    expect_run(
        &plan_of(3, &[], 1, fatal()),
        &[
            ("begin", "batch 1; start 0"),
            (
                "0 refused",
                "stop: 1 of 3 failed in batch 1, any_errors_fatal; skip 1 2; finish",
            ),
        ],
    );
}

#[test]
fn failures_of_the_run_are_counted_over_plays() {
    let careless = Policy {
        on_failure: OnFailure::Continue,
        ..at_most(0)
    };
    let one = "1 of 1 failed, 1 of 4 in the whole run, budget 0: going on all the same (on_failure: continue)";
    let plan = plan_of(1, &[], 1, careless).then(&[3], &sizes(&[1]), at_most(1));
    expect_run(
        &plan,
        &[
            ("begin", "batch 1; start 0"),
            ("0 failed", &format!("end 1: {one}; batch 2; start 1")),
            (
                "1 confirmed",
                "end 2: 0 of 1 failed, 1 of 4 in the whole run, budget 1: going on; batch 3; start 2",
            ),
            (
                "2 failed",
                "stop: 1 of 1 failed in batch 3, 2 of 4 in the whole run, budget 1; skip 3; finish",
            ),
        ],
    );
}

/// What a play before it used up is not there for a play.
#[test]
fn a_play_whose_budget_is_exceeded_before_it_does_not_begin() {
    let plan = plan_of(2, &[], 2, on_failure(OnFailure::Continue)).then(&[1], &[], at_most(1));
    expect_run(
        &plan,
        &[
            ("begin", "batch 1; start 0 1"),
            ("0 failed", ""),
            (
                "1 failed",
                "end 1: 2 of 2 failed, budget 0: going on all the same (on_failure: continue); \
                 stop: 0 of 1 failed in batch 2, 2 of 3 in the whole run, budget 1; skip 2; finish",
            ),
        ],
    );
    // A percentage, and `any_errors_fatal`, are of a batch: nothing of the play before counts.
    for policy in [fatal(), percent(0.0)] {
        let plan = plan_of(1, &[], 1, on_failure(OnFailure::Continue)).then(&[1], &[], policy);
        let mut rollout = Rollout::new(&plan);
        rollout.handle(Event::Begin);
        let told = shown(&rollout.handle(event("0 failed")));
        assert!(told.ends_with("batch 2; start 1"), "{told}");
    }
}

#[test]
fn a_play_that_goes_on_runs_all_of_its_batches() {
    let fail = "1 of 1 failed, budget 0: going on all the same (on_failure: continue)";
    expect_run(
        &plan_of(2, &[1], 1, on_failure(OnFailure::Continue)),
        &[
            ("begin", "batch 1; start 0"),
            ("0 failed", &format!("end 1: {fail}; batch 2; start 1")),
            ("1 failed", "end 2: 1 of 1 failed, budget 0; finish"),
        ],
    );
}
