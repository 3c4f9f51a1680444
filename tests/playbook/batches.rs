//! Batches and orders, next to those of the real Ansible.

use std::num::NonZeroUsize;
use std::path::Path;

use portmap_deploy::playbook::{Playbook, Settled};
use portmap_deploy::problem::Source;
use portmap_deploy::rollout::{Order, Policy, RolloutPlan};

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
    assert!(table.len() >= 100, "{} rows", table.len());
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
