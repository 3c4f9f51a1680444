//! Getting in: by whatever port leads to the host's sshd now, however its mappings were edited since; never to another
//! host.

use std::path::PathBuf;

use serde_json::Value;

use super::support::deploy::Run;
use super::support::deploy::Seen::{Refused, Silent};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    an_edited_and_then_deleted_way_in_is_remembered,
    a_controller_without_memory_asks_for_the_port_and_changes_nothing,
    the_port_that_the_mapping_will_open_is_the_port_of_the_inventory
);

fn memory(lab: &Lab) -> PathBuf {
    lab.home().join(".local/state/portmap-deploy/ways-in")
}

/// Ports that are remembered, by host key.
fn remembered(lab: &Lab) -> Vec<Vec<u64>> {
    let records = std::fs::read_dir(memory(lab))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let keys = records.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("key-"));
    keys.map(|path| {
        let record: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        record["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port.as_u64().unwrap())
            .collect()
    })
    .collect()
}

fn forget(lab: &Lab) {
    std::fs::remove_dir_all(lab.home().join(".local")).unwrap();
}

#[track_caller]
fn logs_in_by(run: &Run, command: &str) {
    let login = run.host("host1")["login"].as_str().unwrap_or_default();
    assert!(login.starts_with(command), "{}", run.said());
}

fn an_edited_and_then_deleted_way_in_is_remembered(backend: &str) {
    let lab = Lab::up(1, backend);
    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "confirmed");
    logs_in_by(&run, "ssh -p 2222 ");
    assert!(run.warnings("host1").contains("port 22, by which"), "{}", run.said());
    assert_eq!(remembered(&lab), [[2222, 22]]);

    let run = lab.deploys("portmap: ['2200:22']");
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    logs_in_by(&run, "ssh -p 2200 ");
    assert!(run.warnings("host1").contains("port 2222, by which"), "{}", run.said());
    lab.expect_sshd("host1", 2200);
    lab.expect_tcp("host1", 22, Silent);
    lab.expect_tcp("host1", 2222, Refused);
    assert_eq!(remembered(&lab), [[2200, 22]]);

    let run = lab.deploys("portmap: []");
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    logs_in_by(&run, "ssh -p 22 ");
    lab.expect_sshd("host1", 22);
    lab.expect_tcp_ports("host1", &[2222, 2200], Refused);
    assert_eq!(remembered(&lab), [[22]]);

    let run = lab.deploys("portmap: []");
    run.expect("host1", "unchanged").expect_logins("host1", 1);
    assert_eq!(run.host("host1")["login"], Value::Null);
}

fn a_controller_without_memory_asks_for_the_port_and_changes_nothing(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    for (edited, named) in [("['2200:22']", 2222), ("[]", 2200)] {
        forget(&lab);
        let (before, files) = (lab.rules("host1", 4) + &lab.rules("host1", 6), lab.files("host1"));
        let run = lab.deploy_to(&[("host1", &format!("portmap: {edited}"))], &["-T", "2s"]);
        run.expect("host1", "unreachable");
        assert!(run.reason("host1").contains(":22: no answer"), "{}", run.said());
        let hint = run.host("host1")["hint"].as_str().unwrap();
        assert!(hint.contains("portmap_previous_ports: ["), "{}", run.said());
        assert_eq!(lab.rules("host1", 4) + &lab.rules("host1", 6), before);
        assert_eq!(lab.files("host1"), files);

        let run = lab.deploys(&format!("portmap: {edited}, portmap_previous_ports: [{named}]"));
        run.expect("host1", "confirmed");
    }
    lab.expect_sshd("host1", 22);
    lab.expect_tcp_ports("host1", &[2222, 2200], Refused);
}

/// A host made anew listens on 22 only; the inventory already says what will be true.
fn the_port_that_the_mapping_will_open_is_the_port_of_the_inventory(backend: &str) {
    let lab = Lab::up(1, backend);
    let variables = "ansible_port: 2222, portmap: ['2222:22']";
    let run = lab.deploys(variables);
    run.expect("host1", "confirmed")
        .expect_logins("host1", 2)
        .expect_mappings("host1", "2222", "open", "closed");
    lab.expect_tcp("host1", 22, Silent);
    lab.deploys(variables)
        .expect("host1", "unchanged")
        .expect_logins("host1", 1);
}
