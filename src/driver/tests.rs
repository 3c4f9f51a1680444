use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;
use crate::inventory;
use crate::rollout::BatchSize;
use crate::world::{InMemory, World};

fn hosts(names: &[&str]) -> Vec<HostSpec> {
    let text = format!("all: {{hosts: {{{}}}}}", names.join(": {}, ") + ": {}");
    let request = inventory::Request {
        inventory: vec!["hosts.yaml".to_owned()],
        ..inventory::Request::default()
    };
    let world: Arc<dyn World> = Arc::new(InMemory::default().file("hosts.yaml", text));
    inventory::load(&request, &world).expect("a sound inventory").hosts
}

fn plan(hosts: usize, serial: usize, forks: usize) -> RolloutPlan {
    let serial = BatchSize::Hosts(u32::try_from(serial).expect("few"));
    RolloutPlan::new(hosts, &[serial], NonZeroUsize::new(forks).expect("forks"))
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
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_panic_is_one_hosts_end_and_later_batches_are_skipped() {
    let (events, received) = unbounded_channel();
    let job = |host: HostSpec| async move {
        assert!(host.name != "b", "b is \x1b[31mbad");
        HostReport::new(EndState::Confirmed)
    };
    let outcome = drive(hosts(&["a", "b", "c"]), plan(3, 2, 1), job, events).await;
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
            "c skipped",
            "Finished"
        ]
    );
}

#[tokio::test]
async fn hosts_run_side_by_side_up_to_the_forks() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let job = |_| {
        let (running, most) = (running.clone(), most.clone());
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            HostReport::new(EndState::Unchanged)
        }
    };
    let names: Vec<String> = (0..10).map(|n| format!("h{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (events, _received) = unbounded_channel();
    let outcome = drive(hosts(&names), plan(10, 0, 3), job, events).await;
    assert_eq!(outcome.count(EndState::Unchanged), 10);
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn one_interrupt_waits_for_running_hosts_and_two_leave_them() {
    for (interrupts, expected) in [(1, EndState::Confirmed), (2, EndState::Unknown)] {
        let (signal, signals) = unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let job = |_| {
            let (gate, signal) = (gate.clone(), signal.clone());
            async move {
                for _ in 0..interrupts {
                    signal.send(()).expect("the driver listens");
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
        let outcome = drive_until(hosts(&["a", "b"]), plan(2, 0, 1), job, events, signals).await;
        assert_eq!(states(&outcome), [("a", expected, 1), ("b", EndState::Skipped, 1)]);
        assert!(outcome.interrupted);
        assert_eq!(outcome.exit_code().number(), 99);
        assert!(told(received).contains(&"Interrupted { running: 1, again: false }".to_owned()));
    }
}
