//! Canary, then a quarter, then the rest: the third batch fails, and the run takes back what it changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::lab::Lab;
use crate::support::run::{Ended, FOREIGN, Run, on_all, rules, run, runs_as_before, runs_the_mapping, sshd_answers};

/// What the run wants of every host.
const PLAYBOOK: &str = "
- hosts: all
  serial: [1, 25%, 100%]
  max_fail_percentage: 10
  on_failure: rollback_all
  pause: 5s
  portmap: ['2222:22']
";

/// These hosts had another mapping before.
const EARLIER: &str = "host1,host2,host3,host4,host5,host6";

/// Nobody gets to 2222 here: this host fails.
const BLOCKED: &str = "iptables -t raw -A PREROUTING -p tcp --dport 2222 -j DROP";

fn file(lab: &Lab, name: &str, text: &str) -> PathBuf {
    let path = lab.home().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn command(lab: &Lab, args: &[&str]) -> std::process::Command {
    let mut command = lab.controller(&["--output", "jsonl", "-T", "3s", "-i"]);
    command.arg(lab.inventory()).args(args);
    command
}

/// What the run says last of a host.
fn last<'e>(ended: &'e Ended, host: &str) -> &'e Value {
    let of_host = |event: &&Value| event["host"] == host && event["state"].is_string();
    ended.events.iter().rfind(of_host).unwrap()
}

/// What becomes of the hosts between the second batch and the third: one is lost, another is changed by a second
/// operator, a third by hand.
fn meanwhile(lab: &Lab) {
    lab.cut("host2");
    let other = file(lab, "other.yaml", "- {hosts: host3, portmap: ['2222:22', '8080:80']}");
    let ended = run({
        let mut command = command(lab, &[other.to_str().unwrap()]);
        command.env("USER", "bob");
        command
    });
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    lab.run("host4", "iptables -I PORTMAP-GUARD 1 -s 203.0.113.77 -j DROP");
}

#[test]
fn a_batch_with_too_many_failures_brings_every_host_back() {
    let lab = Lab::up(12, "mixed");
    on_all(&lab, |host, _| drop(lab.run(host, &format!("set -e; {FOREIGN}"))));
    let earlier = file(&lab, "earlier.yaml", "- {hosts: all, portmap: ['2200:22']}");
    let ended = run(command(&lab, &[earlier.to_str().unwrap(), "-f", "12", "-l", EARLIER]));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    lab.run("host12", BLOCKED);
    let old: BTreeMap<String, String> = on_all(&lab, |host, _| (host.to_owned(), rules(&lab, host)))
        .into_iter()
        .collect();

    let playbook = file(&lab, "site.yaml", PLAYBOOK);
    let mut run = Run::start(command(&lab, &[playbook.to_str().unwrap(), "-f", "12", "--force"]));
    run.until("second batch's end", |event| {
        event["event"] == "pause_started" && event["before"] == 3
    });
    for host in ["host1", "host2", "host3", "host4"] {
        runs_the_mapping(&lab, host);
    }
    meanwhile(&lab);
    let changed = on_all(&lab, |host, _| rules(&lab, host));
    let ended = run.end();

    assert_eq!(ended.code, Some(2), "{ended:#?}");
    let batches: Vec<&Value> = events(&ended, "batch_started");
    assert_eq!(batches.len(), 3, "{ended:#?}");
    let stopping = events(&ended, "stopping");
    assert_eq!(
        stopping[0]["why"], "1 of 8 failed in batch 3, budget 0 (10%)",
        "{ended:#?}"
    );
    newest_batch_first(&ended);
    let never_new = last(&ended, "host12");
    assert_eq!(
        (&never_new["event"], &never_new["state"]),
        (&"host_finished".into(), &"rolled_back".into()),
        "{ended:#?}"
    );
    for host in ["host1", "host5", "host6", "host7", "host8", "host9", "host10", "host11"] {
        let end = last(&ended, host);
        assert_eq!(
            (&end["event"], &end["state"]),
            (&"host_reverted".into(), &"rolled_back".into()),
            "{end:#}"
        );
        let reason = end["reason"].as_str().unwrap();
        assert!(reason.starts_with("taken back with its run: "), "{end:#}");
    }
    for (host, words) in [("host2", "no way in"), ("host3", "bob"), ("host4", "changed")] {
        let end = last(&ended, host);
        assert_eq!(end["state"], "not_rolled_back", "{end:#}");
        assert!(end["reason"].as_str().unwrap().contains(words), "{end:#}");
    }

    lab.heal("host2");
    runs_the_mapping(&lab, "host2");
    for (host, index) in [("host3", 2), ("host4", 3)] {
        assert_eq!(rules(&lab, host), changed[index], "{host} was left alone");
    }
    for host in ["host1", "host5", "host6"] {
        runs_the_earlier_mapping(&lab, host, &old[host]);
    }
    for host in ["host7", "host8", "host9", "host10", "host11", "host12"] {
        runs_as_before(&lab, host, &old[host]);
    }
}

fn events<'e>(ended: &'e Ended, name: &str) -> Vec<&'e Value> {
    ended.events.iter().filter(|event| event["event"] == name).collect()
}

/// No host of an older batch began to come back before those of the newer one had.
fn newest_batch_first(ended: &Ended) {
    let place = |event: &str, host: &str| {
        let is_it = |one: &Value| one["event"] == event && one["host"] == host;
        ended
            .events
            .iter()
            .position(is_it)
            .unwrap_or_else(|| panic!("{event} {host}: {ended:#?}"))
    };
    let third = ["host5", "host6", "host7", "host8", "host9", "host10", "host11"];
    let last_of_third = third.map(|host| place("host_reverted", host)).into_iter().max();
    for host in ["host2", "host3", "host4"] {
        assert!(Some(place("host_reverting", host)) > last_of_third, "{ended:#?}");
        assert!(
            place("host_reverting", "host1") > place("host_reverted", host),
            "{ended:#?}"
        );
    }
}

/// The mapping of before, with a number of its own; foreign rules as they were.
fn runs_the_earlier_mapping(lab: &Lab, host: &str, old: &str) {
    let foreign = |text: &str| {
        text.lines()
            .filter(|line| !line.contains("PORTMAP"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let now = rules(lab, host);
    assert_eq!(foreign(&now), foreign(old), "{host}");
    for family in [4, 6] {
        for (port, open) in [(2200, true), (2222, false), (22, false)] {
            assert_eq!(
                sshd_answers(lab, host, family, port),
                open,
                "{host}, IPv{family}, {port}\n{now}"
            );
        }
    }
}
