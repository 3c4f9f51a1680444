//! Getting in: by whatever port leads to the host's sshd now, however its mappings were edited since; never to another
//! host.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::support::deploy::Run;
use super::support::deploy::Seen::{Open, Refused, Silent};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    an_edited_and_then_deleted_way_in_is_remembered,
    a_controller_without_memory_asks_for_the_port_and_changes_nothing,
    the_port_that_the_mapping_will_open_is_the_port_of_the_inventory,
    the_old_way_in_works_at_every_instant_of_a_change_that_is_taken_back,
    a_changed_way_in_is_removed
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
    assert!(
        run.warnings("host1")
            .contains("port 22, by which this run logged in, is no way in"),
        "{}",
        run.said()
    );
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

    removes(&lab, "portmap: []").expect("host1", "confirmed");
    lab.expect_sshd("host1", 22);
    assert_eq!(lab.our_rules("host1"), "");
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

    forget(&lab);
    removes(&lab, "portmap: []").expect("host1", "confirmed");
    lab.expect_sshd("host1", 22);
    assert_eq!(lab.our_rules("host1"), "");
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

fn all_rules(lab: &Lab) -> String {
    lab.rules("host1", 4) + &lab.rules("host1", 6)
}

/// New connections to a port of `host1`, one after the other over each family while `work` is done, each of which must
/// get sshd's banner; how many there were.
fn while_banners_are_read<T>(lab: &Lab, port: u16, work: impl FnOnce() -> T) -> (T, usize) {
    let over = AtomicBool::new(false);
    let read = |family| {
        let mut banners = 0;
        while !over.load(Ordering::Relaxed) {
            let line = lab.first_line("host1", family, port);
            assert!(line.starts_with("SSH-2.0-"), "IPv{family}, after {banners}: {line:?}");
            banners += 1;
        }
        banners
    };
    std::thread::scope(|scope| {
        let read = &read;
        let readers = [4, 6].map(|family| scope.spawn(move || read(family)));
        let done = work();
        over.store(true, Ordering::Relaxed);
        (done, readers.into_iter().map(|reader| reader.join().unwrap()).sum())
    })
}

fn the_old_way_in_works_at_every_instant_of_a_change_that_is_taken_back(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    let before = all_rules(&lab);
    lab.block("tcp", 2200);
    let change = "portmap: ['2200:22'], portmap_rollback_after: 9";
    let (run, banners) = while_banners_are_read(&lab, 2222, || lab.deploys(change));
    run.expect("host1", "rolled_back");
    assert_eq!(run.host("host1")["rolled_back_by"], "controller");
    assert!(banners > 20, "{banners}");
    assert_eq!(all_rules(&lab), before);
    assert_eq!(remembered(&lab), [[2222, 22]]);
    assert_eq!(run.host("host1")["login"], Value::Null);
    // What was taken back is not remembered; the way in is.
    lab.deploys("portmap: []").expect("host1", "confirmed");
}

/// Runs `remove` on `host1`, which the inventory gives these variables.
fn removes(lab: &Lab, variables: &str) -> Run {
    let folder = lab.inventory_of(&[("host1", variables)]);
    let path = |name: &str| folder.join(name).display().to_string();
    lab.deploy(&[
        "remove",
        "-i",
        &path("login.yaml"),
        "-i",
        &path("hosts.yaml"),
        "-T",
        "2s",
    ])
}

fn a_changed_way_in_is_removed(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    lab.deploys("portmap: ['2200:22']").expect("host1", "confirmed");
    let before = all_rules(&lab);
    // The inventory went back to what it was, the host did not.
    let state = lab.home().join(".local");
    std::fs::rename(&state, lab.home().join("elsewhere")).unwrap();
    let run = removes(&lab, "portmap: ['2222:22']");
    run.expect("host1", "unreachable");
    assert!(
        run.host("host1")["hint"]
            .as_str()
            .unwrap()
            .contains("portmap_previous_ports")
    );
    assert_eq!(all_rules(&lab), before);
    let _ = std::fs::remove_dir_all(&state);
    std::fs::rename(lab.home().join("elsewhere"), &state).unwrap();
    let run = removes(&lab, "portmap: ['2222:22']");
    run.expect("host1", "confirmed");
    logs_in_by(&run, "ssh -p 22 ");
    lab.expect_sshd("host1", 22);
    lab.expect_tcp_ports("host1", &[2222, 2200], Refused);
    assert_eq!(lab.our_rules("host1"), "");
    assert_eq!(remembered(&lab), [[22]]);
}

/// The inventory names a port that its own mappings no longer open.
#[test]
fn a_port_of_the_inventory_that_leads_nowhere_after_the_change() {
    let lab = Lab::up(1, "nft");
    lab.deploys("ansible_port: 2222, portmap: ['2222:22']")
        .expect("host1", "confirmed");
    for (mappings, better) in [("[]", 22), ("['2200:22']", 2200)] {
        let before = all_rules(&lab);
        let variables = format!("ansible_port: 2222, portmap: {mappings}, portmap_rollback_after: 6");
        for (args, state) in [(&[][..], "refused"), (&["--force"], "rolled_back")] {
            let run = lab.deploy_to(&[("host1", &variables)], args);
            run.expect("host1", state);
            let hint = run.host("host1")["hint"].as_str().unwrap_or_default();
            assert!(hint.contains(&format!("make it {better}")), "{}", run.said());
            let warned = run.stderr.contains("warning | ansible_port");
            assert!(warned || state == "refused", "{}", run.said());
        }
        assert_eq!(all_rules(&lab), before);
        lab.expect_sshd("host1", 2222);
        let run = lab.deploys(&format!("ansible_port: {better}, portmap: {mappings}"));
        run.expect("host1", "confirmed");
        lab.expect_sshd("host1", better);
        lab.deploys("ansible_port: 2222, portmap: ['2222:22']")
            .expect("host1", "confirmed");
    }
}

#[test]
fn a_host_that_is_reached_over_ipv6() {
    let lab = Lab::up(1, "legacy");
    let by = format!("ansible_host: '{}'", lab.address("host1", 6));
    for (mappings, port) in [("['2222:22']", 2222), ("['2200:22']", 2200), ("[]", 22)] {
        let run = lab.deploys(&format!("{by}, portmap: {mappings}"));
        run.expect("host1", "confirmed").expect_logins("host1", 2);
        logs_in_by(&run, &format!("ssh -p {port} "));
        lab.expect_sshd("host1", port);
    }
    lab.expect_tcp_ports("host1", &[2222, 2200], Refused);
}

#[test]
fn memory_that_does_not_work_fails_no_deploy() {
    let lab = Lab::up(1, "nft");
    let state = lab.home().join(".local");
    std::fs::write(&state, "no folder").unwrap();
    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "confirmed");
    assert!(
        run.warnings("host1").contains("cannot write what is remembered"),
        "{}",
        run.said()
    );
    std::fs::remove_file(&state).unwrap();
    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "unchanged");
    assert!(!run.warnings("host1").contains("remembered"), "{}", run.said());
    for entry in std::fs::read_dir(memory(&lab)).unwrap() {
        std::fs::write(entry.unwrap().path(), "{\"ports\": [").unwrap();
    }
    let run = lab.deploys("portmap: ['2222:22', '80:8080']");
    run.expect("host1", "confirmed");
    assert!(!run.warnings("host1").contains("remembered"), "{}", run.said());
    assert_eq!(remembered(&lab), [[2222, 22]]);
}

#[test]
fn a_host_behind_a_bastion() {
    let lab = Lab::up(2, "mixed");
    lab.hide_all_but(&["host1"]);
    lab.ssh_config("host1", "");
    for (mappings, port) in [("['2222:22']", 2222), ("['2200:22']", 2200), ("[]", 22)] {
        let variables = format!("portmap: {mappings}, ansible_ssh_common_args: '-J bastion'");
        let run = lab.deploy_to(&[("host2", &variables)], &[]);
        run.expect("host2", "confirmed").expect_logins("host2", 2);
        let login = run.host("host2")["login"].as_str().unwrap();
        assert!(
            login.starts_with(&format!("ssh -p {port} ")) && login.contains("-J bastion"),
            "{login}"
        );
        assert_eq!(lab.connects_between("host1", "host2", 4, port), Open);
    }
}
