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
