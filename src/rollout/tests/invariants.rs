//! What holds of any run.

use proptest::prelude::*;
use proptest::sample::select;

use super::world::{Step, World};
use super::*;

/// Runs to the end: first these steps, then whatever brings it on.
fn live(plan: &RolloutPlan, known: Known, steps: Vec<Step>) -> (World, Rollout) {
    let mut world = World::new(plan, &known);
    let mut rollout = Rollout::resumed(plan, known);
    world.obey(rollout.handle(Event::Begin));
    for step in steps {
        let is_late = matches!(step, Step::Late(_));
        let Some(event) = world.event(step) else { continue };
        let commands = rollout.handle(event);
        assert!(!is_late || commands.is_empty(), "{commands:?}");
        world.obey(commands);
    }
    for _ in 0..4 * plan.hosts() + 4 * plan.batches().len() + 4 {
        let end = Step::End(0, EndState::Confirmed);
        for step in [end, Step::Answer(true, Vec::new())] {
            if let Some(event) = world.event(step) {
                world.obey(rollout.handle(event));
            }
        }
    }
    (world, rollout)
}

fn any_state() -> impl Strategy<Value = EndState> {
    let rest = select(STATES.map(|(_, state)| state).to_vec());
    prop_oneof![2 => Just(EndState::Confirmed), 1 => rest]
}

fn any_size() -> impl Strategy<Value = BatchSize> {
    prop_oneof![
        (0..5_u32).prop_map(BatchSize::Hosts),
        (0..120_u32).prop_map(BatchSize::Percent)
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let percent = prop_oneof![
        (0..=12_u32).prop_map(|twelfth| f64::from(twelfth) * 100.0 / 12.0),
        0.0..=100.0
    ];
    let pause = prop_oneof![
        Just(Pause::Confirm),
        Just(Pause::For(Duration::ZERO)),
        Just(Pause::For(Duration::from_secs(9)))
    ];
    (
        proptest::option::weighted(0.4, percent.prop_map(Percentage)),
        proptest::option::weighted(0.3, 0..6_u32),
        proptest::bool::weighted(0.1),
        select(OnFailure::ALL.map(|(_, on_failure)| on_failure).to_vec()),
        proptest::option::weighted(0.3, pause),
        prop_oneof![2 => Just(0), 1 => Just(7)],
    )
        .prop_map(
            |(max_fail_percentage, max_failures, any_errors_fatal, on_failure, pause, soak)| Policy {
                max_fail_percentage,
                max_failures,
                any_errors_fatal,
                on_failure,
                pause,
                soak: Duration::from_secs(soak),
            },
        )
}

prop_compose! {
    fn any_plan()(
        forks in 1..7_usize,
        plays in proptest::collection::vec((
            proptest::collection::vec(0..7_usize, 0..3),
            proptest::collection::vec(any_size(), 0..3),
            any_policy(),
        ), 0..4),
        is_turned in any::<bool>(),
    ) -> RolloutPlan {
        let add = |plan: RolloutPlan, (groups, serial, policy): (Vec<usize>, Vec<BatchSize>, Policy)| {
            plan.then(&groups, &serial, policy)
        };
        let plan = plays.into_iter().fold(no_plan(forks), add);
        if is_turned { turned(plan) } else { plan }
    }
}

/// As a run that is resumed has it: batches of the same sizes, of other hosts.
fn turned(plan: RolloutPlan) -> RolloutPlan {
    let mut hosts = (0..plan.hosts()).rev().map(HostId);
    let sizes: Vec<usize> = plan.batches().iter().map(Vec::len).collect();
    let batches = sizes
        .into_iter()
        .map(|size| hosts.by_ref().take(size).collect())
        .collect();
    plan.in_batches(batches).expect("the same hosts")
}

/// What is known of some of the hosts, and perhaps a list of those that were being taken back.
fn any_known(hosts: usize) -> impl Strategy<Value = Known> {
    let ends = proptest::collection::vec(proptest::option::weighted(0.7, any_state()), 0..=hosts);
    let reverting = proptest::collection::vec(0..hosts.max(1), 0..=hosts);
    (
        ends,
        proptest::option::weighted(0.2, reverting),
        proptest::bool::weighted(0.5),
    )
        .prop_map(|(ends, reverting, is_fresh)| {
            let ends = ends.into_iter().enumerate();
            let known = Known {
                ended: ends.filter_map(|(host, end)| Some((HostId(host), end?))).collect(),
                reverting: reverting.map(|hosts| hosts.into_iter().map(HostId).collect()),
            };
            if is_fresh { Known::default() } else { known }
        })
}

fn any_step() -> impl Strategy<Value = Step> {
    let late = prop_oneof![
        Just(Event::Begin),
        (0..30_usize, any_state()).prop_map(|(host, state)| Event::Ended {
            host: HostId(host),
            state
        }),
        Just(Event::Soaked {
            unhealthy: vec![HostId(0)]
        }),
        Just(Event::Paused { go_on: true }),
    ];
    prop_oneof![
        24 => (any::<usize>(), any_state()).prop_map(|(which, state)| Step::End(which, state)),
        8 => (proptest::bool::weighted(0.9), proptest::collection::vec(any::<usize>(), 0..2))
            .prop_map(|(go_on, which)| Step::Answer(go_on, which)),
        1 => Just(Step::Interrupt),
        2 => late.prop_map(Step::Late),
    ]
}

fn any_run() -> impl Strategy<Value = (RolloutPlan, Known, Vec<Step>)> {
    any_plan().prop_flat_map(|plan| {
        let known = any_known(plan.hosts());
        (Just(plan), known, proptest::collection::vec(any_step(), 0..120))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_run_keeps_within_its_bounds_and_ends((plan, known, steps) in any_run()) {
        let told = known.clone();
        let (world, rollout) = live(&plan, known, steps);
        prop_assert!(world.over, "the run does not end");
        prop_assert_eq!(rollout.interrupted(), world.interrupts > 0);
        prop_assert_eq!(rollout.running(), 0);
        let is_known = |host: HostId| told.ended.iter().any(|(known, _)| *known == host)
            || told.reverting.iter().flatten().any(|known| *known == host);
        for host in (0..plan.hosts()).map(HostId) {
            prop_assert!(world.ends[host.0].is_some());
            prop_assert_eq!(rollout.end_of(host), world.ends[host.0]);
            prop_assert!(world.had_turn.contains(&host) != is_known(host), "{:?}", host);
        }
    }
}

/// Just as many failures as a limit allows, and then one more.
#[test]
fn budgets_are_exact() {
    for of in 1..=12_u32 {
        for percent in 0..100_u32 {
            let percentage = Some(Percentage(f64::from(percent)));
            let policy = Policy {
                max_fail_percentage: percentage,
                ..Policy::default()
            };
            assert_eq!(
                failures_until_the_stop(of, policy),
                percent * of / 100 + 1,
                "{percent}% of {of}"
            );
        }
        for most in 0..of {
            let policy = Policy {
                max_failures: Some(most),
                ..Policy::default()
            };
            assert_eq!(failures_until_the_stop(of, policy), most + 1, "{most} of {of}");
        }
    }
}

fn failures_until_the_stop(of: u32, policy: Policy) -> u32 {
    let of = usize::try_from(of).expect("few");
    let mut rollout = Rollout::new(&plan_of(of, &[], of, policy));
    rollout.handle(Event::Begin);
    let mut failures = 0;
    for host in (0..of).map(HostId) {
        failures += 1;
        let told = rollout.handle(Event::Ended {
            host,
            state: EndState::Failed,
        });
        if told.iter().any(|command| matches!(command, Command::Stop(_))) {
            break;
        }
    }
    failures
}
