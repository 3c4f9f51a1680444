mod budgets;
mod interrupts;
mod invariants;
mod resumed;
mod reverts;
mod splits;
mod waits;
mod world;

use std::num::NonZeroUsize;

use super::*;

/// One play of so many hosts.
fn plan_of(hosts: usize, serial: &[u32], forks: usize, policy: Policy) -> RolloutPlan {
    no_plan(forks).then(&[hosts], &sizes(serial), policy)
}

fn no_plan(forks: usize) -> RolloutPlan {
    RolloutPlan::new(NonZeroUsize::new(forks).expect("forks"))
}

fn sizes(serial: &[u32]) -> Vec<BatchSize> {
    serial.iter().copied().map(BatchSize::Hosts).collect()
}

fn on_failure(on_failure: OnFailure) -> Policy {
    Policy {
        on_failure,
        ..Policy::default()
    }
}

const STATES: [(&str, EndState); 10] = [
    ("unchanged", EndState::Unchanged),
    ("confirmed", EndState::Confirmed),
    ("pending", EndState::Pending),
    ("rolled_back", EndState::RolledBack),
    ("refused", EndState::Refused),
    ("failed", EndState::Failed),
    ("unreachable", EndState::Unreachable),
    ("unknown", EndState::Unknown),
    ("unhealthy", EndState::Unhealthy),
    ("not_rolled_back", EndState::NotRolledBack),
];

fn state(name: &str) -> EndState {
    let found = STATES.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no state {name}")).1
}

fn hosts(words: &[&str]) -> Vec<HostId> {
    words.iter().map(|word| HostId(word.parse().expect("a host"))).collect()
}

/// `begin`, `3 confirmed`, `soaked 1 2` (these are unhealthy), `go on`, `decline`, `interrupt`.
fn event(text: &str) -> Event {
    match text.split(' ').collect::<Vec<_>>().as_slice() {
        ["begin"] => Event::Begin,
        ["interrupt"] => Event::Interrupted,
        ["go", "on"] => Event::Paused { go_on: true },
        ["decline"] => Event::Paused { go_on: false },
        ["soaked", unhealthy @ ..] => Event::Soaked {
            unhealthy: hosts(unhealthy),
        },
        [host, name] => Event::Ended {
            host: HostId(host.parse().expect("a host")),
            state: state(name),
        },
        other => panic!("no event {other:?}"),
    }
}

/// Commands in words; hosts that have the same done to them in one group.
fn shown(commands: &[Command]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for command in commands {
        let (what, host) = words(command);
        let goes_on = |line: &&mut String| host.is_some() && line.starts_with(&what);
        match (lines.last_mut().filter(goes_on), host) {
            (Some(line), Some(host)) => line.extend([" ".to_owned(), host.0.to_string()]),
            (None, Some(host)) => lines.push(format!("{what} {}", host.0)),
            (_, None) => lines.push(what),
        }
    }
    lines.join("; ")
}

fn words(command: &Command) -> (String, Option<HostId>) {
    let several = |hosts: &[HostId]| {
        hosts
            .iter()
            .map(|host| host.0.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (what, host) = match command {
        Command::BeginBatch(number) => (format!("batch {number}"), None),
        Command::Start(host) => ("start".to_owned(), Some(*host)),
        Command::Soak { batch, hosts, time } => (format!("soak {batch} for {time:?}: {}", several(hosts)), None),
        Command::EndBatch(tally) => (format!("end {}: {tally}", tally.batch), None),
        Command::Pause { before, hosts, pause } => (format!("pause before {before} of {hosts}: {pause:?}"), None),
        Command::StopWaiting => ("stop waiting".to_owned(), None),
        Command::Stop(reason) => (format!("stop: {reason}"), None),
        Command::Skip { host, .. } => ("skip".to_owned(), Some(*host)),
        Command::BeginRevert { hosts, reason } => (format!("take back {} ({reason})", several(hosts)), None),
        Command::Revert(host) => ("revert".to_owned(), Some(*host)),
        Command::Leave(host) => ("leave".to_owned(), Some(*host)),
        Command::Abandon(host) => ("abandon".to_owned(), Some(*host)),
        Command::Finish => ("finish".to_owned(), None),
    };
    (what, host)
}

/// Tells a run one event after the other, and expects these commands.
#[track_caller]
fn expect(mut rollout: Rollout, steps: &[(&str, &str)]) -> Rollout {
    let told: Vec<(String, String)> = steps
        .iter()
        .map(|(text, _)| ((*text).to_owned(), shown(&rollout.handle(event(text)))))
        .collect();
    let expected: Vec<(String, String)> = steps.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    assert_eq!(told, expected);
    rollout
}

/// The same for a run that is not resumed.
#[track_caller]
fn expect_run(plan: &RolloutPlan, steps: &[(&str, &str)]) -> Rollout {
    expect(Rollout::new(plan), steps)
}

#[track_caller]
fn expect_ends(rollout: &Rollout, ends: &[EndState]) {
    let found: Vec<Option<EndState>> = (0..ends.len()).map(|host| rollout.end_of(HostId(host))).collect();
    let expected: Vec<Option<EndState>> = ends.iter().copied().map(Some).collect();
    assert_eq!(found, expected);
}

#[test]
fn hosts_keep_their_plays_in_other_batches() {
    let forks = std::num::NonZeroUsize::MIN;
    let plan = RolloutPlan::new(forks)
        .then(&[2], &[], Policy::default())
        .then(&[1], &[], Policy::default());
    let batches = |numbers: &[&[usize]]| -> Vec<Vec<HostId>> {
        let batch = |hosts: &&[usize]| hosts.iter().map(|&host| HostId(host)).collect();
        numbers.iter().map(batch).collect()
    };
    let other = plan
        .clone()
        .in_batches(batches(&[&[1], &[], &[0], &[2]]))
        .expect("all hosts");
    assert_eq!(other.batches(), batches(&[&[1], &[0], &[2]]));
    assert_eq!(other.plays, [0, 0, 1]);
    for wrong in [&[&[0, 1][..]][..], &[&[0, 1], &[2, 0]], &[&[0, 1, 2, 3]], &[]] {
        assert_eq!(plan.clone().in_batches(batches(wrong)), None, "{wrong:?}");
    }
}
