//! Batches, forks and interrupts, with hosts that fail.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::lab::Lab;
use crate::support::run::{
    Run, await_true, deploy, deploy_as, leftovers, rules, run, runs_as_before, runs_the_mapping,
};

const MAPPING: &str = r#"["2222:22"]"#;
const BLOCKED: &str = "iptables -t raw -A PREROUTING -p tcp --dport 2222 -j DROP";

#[test]
fn batches_stop_after_the_first_with_a_failure() {
    let lab = Lab::up(5, "mixed");
    lab.run("host3", BLOCKED);
    let old = rules(&lab, "host3");
    let ended = run(deploy(&lab, MAPPING, &["--serial", "2", "--force"]));
    let states: Vec<_> = lab.hosts().into_iter().map(|host| ended.state(host)).collect();
    assert_eq!(
        states,
        ["confirmed", "confirmed", "rolled_back", "confirmed", "skipped"],
        "{ended:#?}"
    );
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.reason("host5"), "not started: 1 of 2 failed in batch 2, budget 0");
    let batches: Vec<_> = lab
        .hosts()
        .into_iter()
        .map(|host| ended.host(host)["batch"].as_u64().unwrap())
        .collect();
    assert_eq!(batches, [1, 1, 2, 2, 3]);
    for host in ["host1", "host2", "host4"] {
        runs_the_mapping(&lab, host);
    }
    runs_as_before(&lab, "host3", &old);
    assert_eq!(lab.logins("host5"), 0, "a host that was skipped was logged in to");
    // The batch did not begin before the one before it had ended.
    let place = |event: &str, host: &str| {
        ended
            .events
            .iter()
            .position(|e| e["event"] == event && e["host"] == host)
    };
    assert!(
        place("host_started", "host3") > place("host_finished", "host1"),
        "{ended:#?}"
    );
    assert!(
        place("host_started", "host3") > place("host_finished", "host2"),
        "{ended:#?}"
    );
}

#[test]
fn an_unreachable_host_stops_batches_too() {
    let lab = Lab::up(3, "nft");
    lab.cut("host1");
    let ended = run(deploy(&lab, MAPPING, &["--serial", "1", "-T", "2s"]));
    let states: Vec<_> = lab.hosts().into_iter().map(|host| ended.state(host)).collect();
    assert_eq!(states, ["unreachable", "skipped", "skipped"], "{ended:#?}");
    assert_eq!(ended.code, Some(4));
}

#[test]
fn no_more_hosts_at_a_time_than_forks() {
    let lab = Lab::up(5, "mixed");
    for forks in [1, 2] {
        let ended = run(deploy(&lab, MAPPING, &["--forks", &forks.to_string()]));
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let (mut running, mut most) = (0, 0);
        for event in &ended.events {
            match event["event"].as_str().unwrap() {
                "host_started" => running += 1,
                "host_finished" => running -= 1,
                _ => {}
            }
            most = most.max(running);
        }
        assert_eq!(most, forks);
    }
}

#[test]
fn json_is_one_whole_document_when_hosts_fail() {
    let lab = Lab::up(3, "mixed");
    lab.run("host2", BLOCKED);
    lab.cut("host3");
    let output = deploy_as(&lab, "json", MAPPING, &["-T", "2s", "--force"])
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(document["exit_code"], 6);
    let states: Vec<_> = lab
        .hosts()
        .into_iter()
        .map(|host| document["hosts"][host]["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["confirmed", "rolled_back", "unreachable"], "{document:#}");
    for (state, count) in [
        ("confirmed", 1),
        ("rolled_back", 1),
        ("unreachable", 1),
        ("unchanged", 0),
        ("skipped", 0),
    ] {
        assert_eq!(document["totals"][state], count, "{document:#}");
    }
    assert_eq!(document["hosts"]["host2"]["rolled_back_by"], "controller");
    assert_eq!(
        document["hosts"]["host2"]["mappings"][0]["mapped"], "filtered",
        "{document:#}"
    );
    assert!(
        !String::from_utf8(output.stderr).unwrap().is_empty(),
        "progress belongs on standard error"
    );
}

#[test]
fn jsonl_tells_of_a_failing_run_from_its_start_to_its_end() {
    let lab = Lab::up(2, "mixed");
    lab.run("host2", BLOCKED);
    let ended = run(deploy(&lab, MAPPING, &["--force"]));
    let kinds: Vec<_> = ended
        .events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"started"), Some(&"finished")));
    let last = ended.events.last().unwrap();
    assert_eq!(
        (&last["exit_code"], &last["totals"]["rolled_back"]),
        (&Value::from(2), &Value::from(1))
    );
    assert_eq!(last["run_id"], ended.events[0]["run_id"]);
    assert_eq!(kinds.iter().filter(|kind| **kind == "host_finished").count(), 2);
}

/// A terminal sends Ctrl-C to all processes of the run, the ones of ssh as well.
fn interruptible(lab: &Lab, args: &[&str]) -> Run {
    let mut command = deploy(lab, MAPPING, args);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Run::start(command)
}

#[test]
fn interrupted_once_running_hosts_end_safely_and_no_other_starts() {
    let lab = Lab::up(4, "mixed");
    for (step, state) in [("connect", "confirmed"), ("verify", "confirmed")] {
        let before: Vec<_> = lab.hosts().into_iter().map(|host| lab.logins(host)).collect();
        let hosts = if step == "connect" {
            ["host1", "host3"]
        } else {
            ["host2", "host4"]
        };
        let mut run = interruptible(&lab, &["--forks", "1", "-l", &hosts.join(",")]);
        run.step(hosts[0], step);
        run.signal_group(Signal::INT);
        let ended = run.end();
        assert_eq!(ended.code, Some(99), "{ended:#?}");
        assert_eq!(
            (ended.state(hosts[0]), ended.state(hosts[1])),
            (state, "skipped"),
            "{ended:#?}"
        );
        assert_eq!(ended.reason(hosts[1]), "not started: the run was interrupted");
        runs_the_mapping(&lab, hosts[0]);
        assert_eq!(lab.logins(hosts[1]), before[if step == "connect" { 2 } else { 3 }]);
        assert!(
            ended
                .stderr
                .contains("interrupted: no host starts any more, waiting for 1 running host"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn interrupted_twice_hosts_are_left_to_their_timers() {
    let lab = Lab::up(2, "mixed");
    let old: Vec<_> = lab.hosts().into_iter().map(|host| rules(&lab, host)).collect();
    // Nothing is proven before the time is over, so both are running when the interrupts come.
    lab.block("tcp", 2222);
    let mut run_ = interruptible(&lab, &["--rollback-after", "5s"]);
    let mut verifying = BTreeSet::new();
    while verifying.len() < 2 {
        let event = run_.until("verify", |event| event["event"] == "step" && event["step"] == "verify");
        verifying.insert(event["host"].as_str().unwrap().to_owned());
    }
    let interrupted = Instant::now();
    run_.signal_group(Signal::INT);
    run_.until("interrupted", |event| event["event"] == "interrupted");
    run_.signal_group(Signal::INT);
    let ended = run_.end();
    assert_eq!(ended.code, Some(99), "{ended:#?}");
    assert!(
        interrupted.elapsed() < Duration::from_secs(4),
        "{:?}",
        interrupted.elapsed()
    );
    assert!(
        ended.stderr.contains("left to their rollback timers"),
        "{}",
        ended.stderr
    );
    for (host, old) in lab.hosts().into_iter().zip(&old) {
        assert!(["unknown", "rolled_back"].contains(&ended.state(host)), "{ended:#?}");
        await_true("the timer has acted", Duration::from_secs(10), || {
            leftovers(&lab, host).is_empty()
        });
        runs_as_before(&lab, host, old);
    }
    lab.unblock();
    assert_eq!(run(deploy(&lab, MAPPING, &[])).code, Some(0));
}
