//! Batches and orders, next to those of the real Ansible.

use std::num::NonZeroUsize;
use std::path::Path;

use portmap_deploy::playbook::{Playbook, Settled};
use portmap_deploy::problem::Source;
use portmap_deploy::report::EndState;
use portmap_deploy::rollout::{Command, Event, Order, Policy, Rollout, RolloutPlan};

/// The lines of a table that `tests/cases/batches/record.py` has written, in columns.
fn recorded(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect()).collect()
}

/// What a play with one more keyword comes to.
fn settled(keyword: &str) -> Settled {
    let source = Source::new("playbook.yaml", format!("- hosts: all\n  {keyword}\n"));
    let nothing = &mut |_: &Path| Err("there is no file".to_owned());
    let playbook = Playbook::parse(&source, Path::new("playbook.yaml"), nothing).unwrap();
    playbook.plays[0].settle(&mut |node| Ok(node.clone())).unwrap()
}

#[test]
fn hosts_are_split_as_ansible_splits_them() {
    let table = recorded(include_str!("../cases/batches/serial.tsv"));
    assert!(table.len() >= 400, "{} rows", table.len());
    for row in table {
        let [serial, hosts, sizes] = row[..] else {
            panic!("{row:?}")
        };
        let serial_of_play = settled(&format!("serial: {serial}")).serial;
        let hosts_of_play = [hosts.parse().unwrap()];
        let plan = RolloutPlan::new(NonZeroUsize::MIN).then(&hosts_of_play, &serial_of_play, Policy::default());
        let split: Vec<String> = plan.batches().iter().map(|batch| batch.len().to_string()).collect();
        assert_eq!(split.join(" "), sizes, "{hosts} hosts, serial: {serial}");
    }
}

#[test]
fn hosts_are_ordered_as_ansible_orders_them() {
    let table = recorded(include_str!("../cases/batches/order.tsv"));
    let names = |row: &[&str]| -> Vec<String> { serde_json::from_str(row[1]).unwrap() };
    let (inventory, orders) = table.split_first().unwrap();
    assert_eq!(orders.len(), Order::ALL.len() - 1, "all but shuffle");
    for row in orders {
        let mut hosts = names(inventory);
        let order = settled(&format!("order: {}", row[0])).order;
        order.arrange(&mut hosts, |name| name, |_| panic!("nothing to draw"));
        assert_eq!(hosts, names(row), "{}", row[0]);
    }
}

/// How many hosts have had a turn, batch by batch, when the run is over: all hosts run at once, and end in their order.
fn hosts_of_begun_batches(plan: &RolloutPlan, failing: &[usize]) -> usize {
    let mut rollout = Rollout::new(plan);
    let mut commands = rollout.handle(Event::Begin);
    let mut begun = 0;
    while let Some(command) = commands.first().cloned() {
        commands.remove(0);
        match command {
            Command::BeginBatch(batch) => begun += plan.batches()[batch - 1].len(),
            Command::Start(host) => {
                let state = if failing.contains(&host.0) {
                    EndState::Failed
                } else {
                    EndState::Confirmed
                };
                commands.extend(rollout.handle(Event::Ended { host, state }));
            }
            _ => {}
        }
    }
    begun
}

/// Which batches begin when hosts fail and a percentage says how many may. Within a batch we stop as soon as it is
/// exceeded, where Ansible, whose hosts all do one task at a time, has run that task on all of them. Hosts that cannot be
/// reached, which Ansible leaves out of the percentage, count as failed with us; none of these cases has one.
#[test]
fn the_run_stops_after_the_batch_after_which_ansible_stops() {
    let table = recorded(include_str!("../cases/batches/failures.tsv"));
    assert!(table.len() >= 300, "{} rows", table.len());
    let mut stopped = 0;
    for row in table {
        let [serial, percentage, hosts, failing, expected] = row[..] else {
            panic!("{row:?}")
        };
        let settled = settled(&format!("serial: {serial}\n  max_fail_percentage: {percentage}"));
        let failing: Vec<usize> = failing.split_whitespace().map(|host| host.parse().unwrap()).collect();
        let (hosts, expected): (usize, usize) = (hosts.parse().unwrap(), expected.parse().unwrap());
        let plan = RolloutPlan::new(NonZeroUsize::MAX).then(&[hosts], &settled.serial, settled.policy);
        let begun = hosts_of_begun_batches(&plan, &failing);
        stopped += usize::from(begun < hosts);
        assert_eq!(begun, expected, "{row:?}");
    }
    assert!(stopped >= 100, "{stopped} runs stop");
}
