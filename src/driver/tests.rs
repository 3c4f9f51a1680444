use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::rollout::{BatchSize, Policy};

/// Work that is a function of the host's number; nothing is ever reverted or watched.
struct Fake<J>(J);

impl<J, F> Work for Fake<J>
where
    J: Fn(usize) -> F + Send + Sync + 'static,
    F: Future<Output = HostReport> + Send,
{
    async fn apply(self: Arc<Self>, host: HostId) -> HostReport {
        self.0(host.0).await
    }

    async fn revert(self: Arc<Self>, _host: HostId, applied: HostReport) -> HostReport {
        applied
    }

    async fn soak(self: Arc<Self>, _hosts: Vec<HostId>, _time: Duration) -> Vec<(HostId, String)> {
        vec![]
    }

    async fn ask(self: Arc<Self>, _batch: usize, _hosts: usize) -> bool {
        true
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn plan(hosts: usize, serial: usize, forks: usize) -> RolloutPlan {
    let serial = BatchSize::Hosts(u32::try_from(serial).expect("few"));
    let forks = NonZeroUsize::new(forks).expect("forks");
    RolloutPlan::new(forks).then(&[hosts], &[serial], Policy::default())
}

fn states(outcome: &Outcome) -> Vec<(&str, EndState, usize)> {
    outcome
        .hosts
        .iter()
        .map(|(name, report)| (name.as_str(), report.state, report.batch))
        .collect()
}

/// Events without what changes from run to run.
fn told(mut events: UnboundedReceiver<RunEvent>) -> Vec<String> {
    std::iter::from_fn(|| events.try_recv().ok())
        .map(|event| match event {
            RunEvent::HostFinished { host, report } => format!("{host} {}", report.state),
            RunEvent::HostStarted { host } => format!("{host} starts"),
            RunEvent::BatchFinished { batch, verdict } => format!("batch {batch}: {verdict}"),
            RunEvent::Stopping { why } => format!("stopping: {why}"),
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_panic_is_one_hosts_end_and_later_batches_are_skipped() {
    let (events, received) = unbounded_channel();
    let job = Fake(|host| async move {
        assert!(host != 1, "b is \x1b[31mbad");
        HostReport::new(EndState::Confirmed)
    });
    let (names, work) = (names(&["a", "b", "c"]), Arc::new(job));
    let outcome = drive(names, plan(3, 2, 1), Earlier::default(), work, events).await;
    let expected = [
        ("a", EndState::Confirmed, 1),
        ("b", EndState::Unknown, 1),
        ("c", EndState::Skipped, 2),
    ];
    assert_eq!(states(&outcome), expected);
    let reason = outcome.hosts[1].1.reason.as_deref();
    assert_eq!(reason, Some(r"a fault in this program: b is \u{1b}[31mbad"));
    assert_eq!(
        told(received),
        [
            "BatchStarted(1)",
            "a starts",
            "a confirmed",
            "b starts",
            "b unknown",
            "batch 1: 1 of 2 failed, budget 0: stopping",
            "stopping: 1 of 2 failed in batch 1, budget 0",
            "c skipped",
            "Finished"
        ]
    );
}

#[tokio::test]
async fn hosts_run_side_by_side_up_to_the_forks() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, peak) = (running.clone(), most.clone());
    let job = move |_| {
        let (running, most) = (inside.clone(), peak.clone());
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            HostReport::new(EndState::Unchanged)
        }
    };
    let names: Vec<String> = (0..10).map(|n| format!("h{n}")).collect();
    let (events, _received) = unbounded_channel();
    let outcome = drive(names, plan(10, 0, 3), Earlier::default(), Arc::new(Fake(job)), events).await;
    assert_eq!(outcome.count(EndState::Unchanged), 10);
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn one_interrupt_waits_for_running_hosts_and_two_leave_them() {
    for (interrupts, expected) in [(1, EndState::Confirmed), (2, EndState::Unknown)] {
        let (signal, signals) = unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let job = move |_| {
            let (gate, signal) = (gate.clone(), signal.clone());
            async move {
                for _ in 0..interrupts {
                    signal.send(Signal::Interrupt).expect("the driver listens");
                }
                if interrupts == 1 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                } else {
                    // Never opened: only letting go of this host can end the run.
                    let _ = gate.acquire().await;
                }
                HostReport::new(EndState::Confirmed)
            }
        };
        let (events, received) = unbounded_channel();
        let outcome = drive_until(
            names(&["a", "b"]),
            plan(2, 0, 1),
            Earlier::default(),
            Arc::new(Fake(job)),
            events,
            signals,
        )
        .await;
        assert_eq!(states(&outcome), [("a", expected, 1), ("b", EndState::Skipped, 1)]);
        assert!(outcome.interrupted);
        assert_eq!(outcome.exit_code().number(), 99);
        assert!(told(received).contains(&"Interrupted { running: 1, again: false }".to_owned()));
    }
}

/// Hosts that all go well at first; what comes later is told by each.
struct Later {
    bad: HostId,
    consent: bool,
}

impl Work for Later {
    async fn apply(self: Arc<Self>, _host: HostId) -> HostReport {
        HostReport {
            generation: Some(2),
            before: Some(1),
            ..HostReport::new(EndState::Confirmed)
        }
    }

    async fn revert(self: Arc<Self>, _host: HostId, applied: HostReport) -> HostReport {
        assert_eq!((applied.generation, applied.before), (Some(2), Some(1)));
        HostReport::new(EndState::RolledBack)
    }

    async fn soak(self: Arc<Self>, hosts: Vec<HostId>, time: Duration) -> Vec<(HostId, String)> {
        assert_eq!(time, Duration::from_secs(60));
        assert!(self.bad.0 < 9, "a soak that breaks");
        let bad = hosts.into_iter().filter(|host| *host == self.bad);
        bad.map(|host| (host, "no answer".to_owned())).collect()
    }

    async fn ask(self: Arc<Self>, batch: usize, hosts: usize) -> bool {
        assert_eq!((batch, hosts), (2, 1));
        self.consent
    }
}

async fn later(bad: usize, consent: bool, policy: Policy) -> Vec<(EndState, Option<String>)> {
    let plan = RolloutPlan::new(NonZeroUsize::MIN).then(&[2], &[BatchSize::Hosts(1)], policy);
    let work = Later {
        bad: HostId(bad),
        consent,
    };
    let (events, _received) = unbounded_channel();
    let outcome = drive(names(&["a", "b"]), plan, Earlier::default(), Arc::new(work), events).await;
    let hosts = outcome.hosts.into_iter();
    hosts.map(|(_, report)| (report.state, report.reason)).collect()
}

#[tokio::test]
async fn a_host_that_does_not_soak_well_takes_the_run_back() {
    let policy = Policy {
        soak: Duration::from_secs(60),
        on_failure: crate::rollout::OnFailure::RollbackAll,
        ..Policy::default()
    };
    assert_eq!(
        later(1, true, policy).await,
        [(EndState::RolledBack, None), (EndState::RolledBack, None)]
    );
    let broken = later(
        9,
        true,
        Policy {
            on_failure: crate::rollout::OnFailure::Stop,
            ..policy
        },
    )
    .await;
    assert_eq!(broken[0].0, EndState::Unhealthy);
    assert_eq!(
        broken[0].1.as_deref(),
        Some("a fault in this program: a soak that breaks")
    );
    assert_eq!(broken[1].0, EndState::Skipped);
}

#[tokio::test]
async fn the_operator_is_asked_between_batches() {
    let policy = Policy {
        pause: Some(Pause::Confirm),
        ..Policy::default()
    };
    let states = |hosts: Vec<(EndState, Option<String>)>| hosts.into_iter().map(|host| host.0).collect::<Vec<_>>();
    assert_eq!(
        states(later(0, true, policy).await),
        [EndState::Confirmed, EndState::Confirmed]
    );
    assert_eq!(
        states(later(0, false, policy).await),
        [EndState::Confirmed, EndState::Skipped]
    );
}

#[tokio::test]
async fn a_resumed_run_starts_what_has_no_end() {
    let work = Later {
        bad: HostId(0),
        consent: true,
    };
    let earlier = Earlier {
        ended: vec![(HostId(0), HostReport::new(EndState::Unchanged))],
        reverting: None,
    };
    let (events, received) = unbounded_channel();
    let outcome = drive(names(&["a", "b"]), plan(2, 0, 2), earlier, Arc::new(work), events).await;
    let ends: Vec<_> = outcome.hosts.iter().map(|(_, report)| report.state).collect();
    assert_eq!(ends, [EndState::Unchanged, EndState::Confirmed]);
    assert!(!told(received).contains(&"a starts".to_owned()));
}
